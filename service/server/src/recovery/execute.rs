//! Carrying out the actions of a recovery's stage: the only code that changes servers in a recovery.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use orchestrator_core::{
    InstanceKey,
    gtid::Gtids,
    instance::{Flavor, Replication, ThreadState},
    recovery::{Action, ActionResult, RecoveryPolicy, Reply, describe},
};
use orchestrator_mysql::{Change, ExecError, Fenced, Received, SourceChange, SourcePosition};
use tokio::time::Instant;

use crate::{fleet::SharedFleet, picture::Pictures};

/// How long reading a position may take: it never waits for a thread, only for a busy server.
const READ_DEADLINE: Duration = Duration::from_secs(1);

/// Says whether the term in which the stage was committed is still ours. Asked directly before each statement.
pub(crate) trait Mandate: Send + Sync {
    /// True while it is.
    fn holds(&self) -> bool;
}

/// Carries out actions on the fleet.
pub(crate) struct Executor {
    pub(crate) fleet: SharedFleet,
    pub(crate) pictures: Arc<Pictures>,
    pub(crate) policy: RecoveryPolicy,
}

impl Executor {
    /// Carries out all of them at once, but hooks: those are the caller's. Tells of each as it ends; ends when
    /// the last one ended.
    pub(crate) async fn run(
        &self,
        actions: Vec<Action>,
        mandate: &dyn Mandate,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Vec<ActionResult> {
        let mut running: FuturesUnordered<_> = actions
            .into_iter()
            .map(|action| async move {
                let result = if mandate.holds() {
                    self.execute(&action, mandate).await
                } else {
                    Err("this node does not lead any more".into())
                };
                (action, result)
            })
            .collect();
        let mut results = Vec::with_capacity(running.len());
        while let Some((action, result)) = running.next().await {
            describe(&action, &result).into_iter().for_each(&mut *tell);
            results.push((action, result));
        }
        results.sort_by(|(a, _), (b, _)| a.cmp(b));
        results
    }

    async fn execute(&self, action: &Action, mandate: &dyn Mandate) -> Result<Reply, String> {
        match action {
            Action::RunHooks(_) => Err("hooks are not run here".into()),
            Action::Fence(key) => self.fence(key).await,
            Action::Unfence(key) => {
                self.change(key, Change::SetReadOnly(false), self.policy.fence_deadline).await
            }
            Action::StopReceiving(key) | Action::KeepStopped(key) => self.stop_receiving(key).await,
            Action::ResumeReceiving(key) => {
                self.change(key, Change::StartReceiver, self.policy.stop_deadline).await
            }
            Action::Follow { replica, source } => self.follow(replica, source, mandate).await,
            Action::CatchUp { replica, until } => self.catch_up(replica, until).await,
            Action::Drain(key) => self.drain(key).await,
            Action::Promote { replica, semi_sync } => self.promote(replica, *semi_sync, mandate).await,
            Action::Detach(key) => self.change(key, Change::Detach, self.policy.repoint_deadline).await,
        }
    }

    async fn change(&self, key: &InstanceKey, change: Change, deadline: Duration) -> Result<Reply, String> {
        self.fleet
            .change(key, change, deadline)
            .await
            .map(|()| Reply::Done)
            .map_err(|error| error.to_string())
    }

    async fn fence(&self, key: &InstanceKey) -> Result<Reply, String> {
        match self.fleet.fence(key, self.policy.fence_deadline).await {
            Fenced::Done | Fenced::Queued => Ok(Reply::Done),
            Fenced::NotReached(failure) => Err(failure.to_string()),
            Fenced::Refused(code, message) => Err(format!("error {code}: {message}")),
        }
    }

    /// Stops the receiving thread, then reads what it received. A thread that does not stop in time sits in a
    /// reconnect attempt and receives nothing; the position counts, moving it has to wait.
    async fn stop_receiving(&self, key: &InstanceKey) -> Result<Reply, String> {
        let late = match self.fleet.change(key, Change::StopReceiver, self.policy.stop_deadline).await {
            Ok(()) => false,
            Err(ExecError::Timeout { .. }) => true,
            Err(error) => return refusal(error),
        };
        let received = match self.fleet.received(key, READ_DEADLINE).await {
            Ok(received) => received,
            Err(error) => return refusal(error),
        };
        // On a busy machine the answer may be late and the thread stopped all the same.
        let stands = |replication: &Replication| replication.io_thread == ThreadState::Stopped;
        let slow = late && !received.replication.as_ref().is_none_or(stands);
        Ok(Reply::Position { gtids: self.position(key, received)?, slow })
    }

    /// What an instance received or executed.
    fn position(&self, key: &InstanceKey, received: Received) -> Result<Gtids, String> {
        let flavor =
            self.pictures.record(key).map_or(Flavor::Unknown, |record| record.instance.identity.flavor());
        let parse = |text: &str| Gtids::parse(text, flavor).map_err(|error| error.to_string());
        let executed = parse(&received.executed_gtid)?;
        match received.replication {
            None => Ok(executed),
            Some(replication) => Ok(executed.union(&parse(&replication.received_gtid)?)),
        }
    }

    /// Changes the source and starts replication. What was received and not executed is executed before.
    async fn follow(
        &self,
        replica: &InstanceKey,
        source: &InstanceKey,
        mandate: &dyn Mandate,
    ) -> Result<Reply, String> {
        let deadline = Instant::now() + self.policy.repoint_deadline;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.fleet.wait_applied(replica, left()).await.map_err(|error| error.to_string())?;
        if !mandate.holds() {
            return Err("this node does not lead any more".into());
        }
        let change = SourceChange {
            to: source.clone(),
            position: SourcePosition::Keep,
            credentials: None,
            may_drop_received: false,
        };
        self.change(replica, Change::ChangeSource(change), left()).await?;
        self.change(replica, Change::StartReplication, left()).await?;
        self.look(replica).await;
        Ok(Reply::Done)
    }

    /// Looks at an instance that was just moved, so that the next failure is judged by where it stands now. What
    /// is not seen is asked for again when the recovery ends.
    async fn look(&self, key: &InstanceKey) {
        let observation = self.fleet.probe_fresh(key, READ_DEADLINE).await;
        self.pictures.observe(&observation);
    }

    /// Waits until a replica has what its donor has.
    async fn catch_up(&self, replica: &InstanceKey, until: &Gtids) -> Result<Reply, String> {
        let until = until.to_string();
        let wait = self.fleet.wait_for_gtid(replica, &until, self.policy.drain_deadline);
        self.while_it_moves(replica, wait).await
    }

    /// Waits for what was received to be executed.
    async fn drain(&self, key: &InstanceKey) -> Result<Reply, String> {
        let wait = self.fleet.wait_applied(key, self.policy.drain_deadline);
        self.while_it_moves(key, async { wait.await.map(drop) }).await
    }

    /// A deadline that passed with progress is renewed.
    async fn while_it_moves(
        &self,
        key: &InstanceKey,
        wait: impl Future<Output = Result<(), ExecError>>,
    ) -> Result<Reply, String> {
        let before = self.executed(key).await;
        match wait.await {
            Ok(()) => Ok(Reply::Done),
            Err(ExecError::Timeout { .. }) if before.is_some() && self.executed(key).await != before => {
                Ok(Reply::Progressing)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn executed(&self, key: &InstanceKey) -> Option<String> {
        self.fleet.received(key, READ_DEADLINE).await.ok().map(|received| received.executed_gtid)
    }

    /// Forgets the source, then opens. In this order: a writable server that still replicates could be
    /// written to from two sides.
    async fn promote(
        &self,
        key: &InstanceKey,
        semi_sync: bool,
        mandate: &dyn Mandate,
    ) -> Result<Reply, String> {
        let deadline = Instant::now() + self.policy.promote_deadline;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.change(key, Change::ResetReplication, left()).await?;
        if semi_sync {
            self.change(key, Change::SemiSyncSource(true), left()).await?;
        }
        if !mandate.holds() {
            return Err("this node does not lead any more".into());
        }
        self.change(key, Change::SetReadOnly(false), left()).await?;
        self.look(key).await;
        Ok(Reply::Done)
    }
}

/// A server that answers with an error lives, whatever it refuses: nobody may take it for one out of reach.
fn refusal(error: ExecError) -> Result<Reply, String> {
    let why = error.to_string();
    if error.proves_alive() { Ok(Reply::Refused { why }) } else { Err(why) }
}
