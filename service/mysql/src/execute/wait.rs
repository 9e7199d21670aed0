//! Waiting for the applier, and proving that nothing received would be lost.

use std::time::Duration;

use orchestrator_core::{
    gtid::Gtids,
    instance::{Replication, ReplicationGtid, ThreadState},
};
use tokio::time::Instant;

use super::Operation;
use crate::contract::{Applied, ExecError};

/// Longest wait inside the server before its applier is looked at again: a stopped one is noticed so soon.
const SLICE: Duration = Duration::from_millis(250);
/// Time between two looks at a position by file, which servers can be made to wait for only with words that
/// differ by version.
const LOOK: Duration = Duration::from_millis(20);

/// What there is to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    Gtid(String),
    /// Position in the source's log.
    Place(orchestrator_core::instance::BinlogCoordinates),
}

/// What an applier that somebody stopped means. One that failed never goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// Nobody starts it: what was received stays where it is.
    IsTheEnd,
    /// A change of its source stops it and starts it again, on MariaDB always.
    MayStart,
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gtid(gtid) => f.write_str(gtid),
            Self::Place(place) => place.fmt(f),
        }
    }
}

impl Operation {
    pub(super) async fn wait_applied(&mut self) -> Result<Applied, ExecError> {
        if let Some(replication) = self.status().await? {
            // Fixed now: a receiver that still runs would move it for ever.
            let goal = match replication.gtid {
                ReplicationGtid::None => Goal::Place(replication.read.clone()),
                _ => Goal::Gtid(replication.received_gtid.clone()),
            };
            self.wait_for(&goal, Stopped::IsTheEnd).await?;
        }
        let executed_gtid = self.executed().await?;
        Ok(Applied { executed_gtid, waited: self.began.elapsed() })
    }

    pub(super) async fn wait_executed(&mut self, gtid: &str) -> Result<(), ExecError> {
        self.wait_for(&Goal::Gtid(gtid.to_owned()), Stopped::MayStart).await
    }

    async fn wait_for(&mut self, goal: &Goal, stopped: Stopped) -> Result<(), ExecError> {
        match self.wait_in_slices(goal, stopped).await {
            // However the deadline is met, the error says what was still missing.
            Err(ExecError::Timeout { .. }) => Err(self.timeout(format!("; still waiting for {goal}"))),
            result => result,
        }
    }

    async fn wait_in_slices(&mut self, goal: &Goal, stopped: Stopped) -> Result<(), ExecError> {
        while !self.is_reached(goal).await? {
            if let Some(replication) = self.status().await?
                && replication.sql_thread == ThreadState::Stopped
                && (stopped == Stopped::IsTheEnd || replication.sql_errno != 0)
                // It may have stopped just after it came there.
                && !self.is_reached(goal).await?
            {
                let (errno, error) = (replication.sql_errno, replication.sql_error);
                return Err(ExecError::ApplierStopped { purpose: self.purpose, errno, error });
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.timeout(String::new()));
            }
            self.wait_a_slice(goal, left.min(SLICE)).await?;
        }
        Ok(())
    }

    async fn wait_a_slice(&mut self, goal: &Goal, slice: Duration) -> Result<(), ExecError> {
        let Goal::Gtid(gtid) = goal else {
            tokio::time::sleep(slice.min(LOOK)).await;
            return Ok(());
        };
        let began = Instant::now();
        let done = self.text(&self.dialect().wait_for_gtid(gtid, slice.as_secs_f64())).await? == "0";
        if !done && began.elapsed() < slice / 2 {
            // It would not wait: look again, but not without a break.
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn is_reached(&mut self, goal: &Goal) -> Result<bool, ExecError> {
        match goal {
            Goal::Gtid(wanted) => {
                let executed = self.executed().await?;
                self.contains(&executed, wanted)
            }
            Goal::Place(place) => {
                Ok(self.status().await?.is_none_or(|replication| replication.executed >= *place))
            }
        }
    }

    fn contains(&self, executed: &str, wanted: &str) -> Result<bool, ExecError> {
        let parse = |text: &str| {
            let parsed =
                if self.dialect().mariadb { Gtids::parse_mariadb(text) } else { Gtids::parse_oracle(text) };
            parsed.map_err(|error| self.refused(error.to_string()))
        };
        Ok(parse(executed)?.contains(&parse(wanted)?))
    }

    /// Refuses when what was received is not applied. Exact only while the applier is stopped.
    pub(super) async fn refuse_to_lose(&mut self) -> Result<(), ExecError> {
        let Some(replication) = self.status().await? else { return Ok(()) };
        let executed = self.executed().await?;
        if self.loses_nothing(&replication, &executed)? {
            return Ok(());
        }
        let (received, executed) = match replication.gtid {
            ReplicationGtid::None => (replication.read.to_string(), replication.executed.to_string()),
            _ => (replication.received_gtid, executed),
        };
        Err(ExecError::WouldLose { purpose: self.purpose, received, executed })
    }

    fn loses_nothing(&self, replication: &Replication, executed: &str) -> Result<bool, ExecError> {
        match replication.gtid {
            ReplicationGtid::None => Ok(replication.executed >= replication.read),
            _ => self.contains(executed, &replication.received_gtid),
        }
    }
}
