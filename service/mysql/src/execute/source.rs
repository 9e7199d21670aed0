//! Changing a replica's source without losing what it received.
//!
//! A server that changes its source with both threads stopped throws its relay log away. MySQL keeps it while
//! the applier runs, so there only the receiver is stopped; where both must stop, what was received is applied
//! first, or the change is refused.

use orchestrator_core::{
    InstanceKey,
    instance::{Replication, ReplicationGtid, ThreadState},
};

use super::Operation;
use crate::{
    contract::{ExecError, SourceChange, SourcePosition},
    dialect::{Place, Threads, Wording},
};

/// Prefix that spoils the name of a source.
const DETACHED: &str = "//";

impl Operation {
    pub(super) async fn change_source(&mut self, wish: &SourceChange) -> Result<(), ExecError> {
        let now = self.status().await?;
        let place = self.place(now.as_ref(), &wish.position)?;
        if let Some(now) = &now
            && is_there_already(now, wish, &place)
        {
            return Ok(());
        }
        if let Some(now) = &now {
            self.stop_for_change(now, &place, wish.may_drop_received).await?;
        }
        self.read_literals_as_written().await?;
        let result = self
            .run_in_words(Wording::Source, |dialect| {
                dialect.change_source(&wish.to, &place, wish.credentials.as_ref())
            })
            .await;
        result.map_err(|error| without_secret(error, wish))
    }

    fn place(&self, now: Option<&Replication>, position: &SourcePosition) -> Result<Place, ExecError> {
        match position {
            SourcePosition::Gtid => Ok(Place::Gtid),
            SourcePosition::GtidAsFormerPrimary => Ok(Place::GtidAfterOwnWrites),
            SourcePosition::At(place) => Ok(Place::At(place.clone())),
            SourcePosition::Keep => match now.map(|now| now.gtid) {
                Some(ReplicationGtid::Oracle | ReplicationGtid::MariaDb) => Ok(Place::Unnamed),
                Some(ReplicationGtid::None) => {
                    Err(self.refused("it goes by file and position, which mean nothing in another log"))
                }
                None => Err(self.refused("it does not replicate: say how to find its place")),
            },
        }
    }

    /// Stops what must be stopped, without losing what was received.
    async fn stop_for_change(
        &mut self,
        now: &Replication,
        place: &Place,
        may_drop_received: bool,
    ) -> Result<(), ExecError> {
        self.stop(Threads::Receiver).await?;
        let changes_mode = match place {
            Place::Unnamed => false,
            Place::Gtid | Place::GtidAfterOwnWrites => now.gtid != ReplicationGtid::Oracle,
            Place::At(_) => true,
        };
        let applies = now.sql_thread == ThreadState::Running;
        if applies && !changes_mode && !self.dialect().mariadb {
            return Ok(());
        }
        if applies && !may_drop_received {
            self.wait_applied().await?;
        }
        self.stop(Threads::Applier).await?;
        if may_drop_received { Ok(()) } else { self.refuse_to_lose().await }
    }

    pub(super) async fn detach(&mut self) -> Result<(), ExecError> {
        let Some(now) = self.status().await? else { return Err(self.refused("it does not replicate")) };
        if now.source.is_detached() {
            return Ok(());
        }
        let spoiled = InstanceKey::new(format!("{DETACHED}{}", now.source.hostname), now.source.port);
        self.rename_source(&now, spoiled).await
    }

    pub(super) async fn reattach(&mut self) -> Result<(), ExecError> {
        let Some(now) = self.status().await? else { return Err(self.refused("it does not replicate")) };
        if let Some(hostname) = now.source.hostname.strip_prefix(DETACHED) {
            self.rename_source(&now, InstanceKey::new(hostname, now.source.port)).await?;
        }
        self.start(Threads::Both).await
    }

    /// The same server under another name: a position by file stays true, counted from what was executed.
    async fn rename_source(&mut self, now: &Replication, to: InstanceKey) -> Result<(), ExecError> {
        let place = match now.gtid {
            ReplicationGtid::None => Place::At(now.executed.clone()),
            _ => Place::Unnamed,
        };
        self.stop_for_change(now, &place, false).await?;
        let place = match place {
            // Exact only now that the applier stands.
            Place::At(before) => Place::At(self.status().await?.map_or(before, |now| now.executed)),
            place => place,
        };
        self.read_literals_as_written().await?;
        self.run_in_words(Wording::Source, |dialect| dialect.change_source(&to, &place, None)).await
    }
}

fn is_there_already(now: &Replication, wish: &SourceChange, place: &Place) -> bool {
    let same_mode = match place {
        Place::Unnamed => true,
        Place::Gtid | Place::GtidAfterOwnWrites => now.gtid != ReplicationGtid::None,
        Place::At(_) => false,
    };
    now.source == wish.to && same_mode && wish.credentials.is_none()
}

/// A server may quote the statement in its error.
fn without_secret(error: ExecError, wish: &SourceChange) -> ExecError {
    let secret = wish.credentials.as_ref().map_or("", |account| account.password.expose());
    match error {
        ExecError::Server { purpose, code, state, message } if !secret.is_empty() => {
            let message = message.replace(secret, "***");
            ExecError::Server { purpose, code, state, message }
        }
        other => other,
    }
}
