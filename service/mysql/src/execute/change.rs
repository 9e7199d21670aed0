//! The changes that are one statement, or nearly.

use std::time::Duration;

use orchestrator_core::instance::ThreadState;
use tokio::time::{Instant, sleep};

use super::{Operation, first_truth};
use crate::{
    contract::{Change, ExecError},
    dialect::{Threads, Wording, set_global},
    session::QueryError,
};

/// `ER_NO_SUCH_THREAD`: the connection whose statement is to end is gone.
const NO_SUCH_THREAD: u16 = 1094;

/// A killed receiving thread is given this long to end by itself; on MariaDB 11 it does not.
const KILLED_ENDS_WITHIN: Duration = Duration::from_millis(60);

/// Time between two looks whether it has.
const KILLED_LOOK: Duration = Duration::from_millis(5);

impl Change {
    /// What it is for, in errors.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::StopReplication => "stop replication",
            Self::StartReplication => "start replication",
            Self::RestartReplication => "restart replication",
            Self::StopReceiver => "stop the receiver",
            Self::StartReceiver => "start the receiver",
            Self::StopApplier => "stop the applier",
            Self::StartApplier => "start the applier",
            Self::ResetReplication => "reset replication",
            Self::SetReadOnly(true) => "set read-only",
            Self::SetReadOnly(false) => "set writable",
            Self::ChangeSource(_) => "change the source",
            Self::Detach => "detach from the source",
            Self::Reattach => "reattach to the source",
            Self::SemiSyncSource(_) => "switch semi-sync of the source",
            Self::SemiSyncReplica(_) => "switch semi-sync of the replica",
            Self::KillQuery(_) => "kill a query",
        }
    }
}

impl Operation {
    pub(super) async fn make(&mut self, change: Change) -> Result<(), ExecError> {
        match change {
            Change::StopReplication => self.stop(Threads::Both).await,
            Change::StartReplication => self.start(Threads::Both).await,
            Change::RestartReplication => {
                self.stop(Threads::Both).await?;
                self.start(Threads::Both).await
            }
            Change::StopReceiver => self.stop_receiver().await,
            Change::StartReceiver => self.start(Threads::Receiver).await,
            Change::StopApplier => self.stop(Threads::Applier).await,
            Change::StartApplier => self.start(Threads::Applier).await,
            Change::ResetReplication => self.reset_replication().await,
            Change::SetReadOnly(on) => self.set_read_only(on).await,
            Change::ChangeSource(wish) => self.change_source(&wish).await,
            Change::Detach => self.detach().await,
            Change::Reattach => self.reattach().await,
            Change::SemiSyncSource(on) => self.semi_sync_source(on).await,
            Change::SemiSyncReplica(on) => self.semi_sync_replica(on).await,
            Change::KillQuery(id) => self.kill_query(id).await,
        }
    }

    pub(super) async fn stop(&mut self, threads: Threads) -> Result<(), ExecError> {
        self.run_in_words(Wording::Replica, |dialect| dialect.stop(threads)).await
    }

    /// On MariaDB, a semi-synchronous receiver that stops connects to its source once more, to end its dump thread
    /// there, and waits `rpl_semi_sync_slave_kill_conn_timeout` (5 s) for one that is silent. A failover cannot:
    /// the wait is cut to its shortest, and the thread is killed first, which ends the wait at once on 10.11 and
    /// not on 11.8. (Measured with a frozen source: 10.11 2.2 s → 0.0 s; 11.8 5.2 s → 1.2 s.)
    async fn stop_receiver(&mut self) -> Result<(), ExecError> {
        const PATIENCE: &str = "SELECT IF(@@global.rpl_semi_sync_slave_enabled, \
             @@global.rpl_semi_sync_slave_kill_conn_timeout, 0) AS patience";
        const RECEIVERS: &str = "SELECT id FROM information_schema.processlist WHERE command = 'Slave_IO'";
        let patience = if self.dialect().mariadb {
            self.text(PATIENCE).await.unwrap_or_default()
        } else {
            String::new()
        };
        let patience: u32 = patience.parse().unwrap_or(0);
        if patience == 0 {
            return self.stop(Threads::Receiver).await;
        }
        // Without the right to hurry it, it is stopped all the same, only later.
        let _ = self.run(&set_patience(1)).await;
        self.kill_all(RECEIVERS).await;
        self.let_receiver_end().await;
        let stopped = self.stop(Threads::Receiver).await;
        // After a deadline this connection is gone, and the shorter patience stays: it only ever matters here.
        let _ = self.run(&set_patience(patience)).await;
        stopped
    }

    /// Kills the connections that a query names; one that may not be seen or killed stays.
    async fn kill_all(&mut self, ids: &str) {
        for row in self.query(ids).await.unwrap_or_default() {
            let id = row.as_ref(0).map(|value| crate::cells::text_of(value).into_owned()).unwrap_or_default();
            if let Ok(id) = id.parse::<u64>() {
                let _ = self.run(&format!("KILL {id}")).await;
            }
        }
    }

    /// A killed thread ends within milliseconds, where it does. STOP beside one that is still ending would make
    /// the connection to the source itself, and wait for it.
    async fn let_receiver_end(&mut self) {
        let until = (Instant::now() + KILLED_ENDS_WITHIN).min(self.deadline);
        while Instant::now() < until {
            match self.status().await {
                Ok(Some(status)) if status.io_thread != ThreadState::Stopped => sleep(KILLED_LOOK).await,
                _ => return,
            }
        }
    }

    pub(super) async fn start(&mut self, threads: Threads) -> Result<(), ExecError> {
        self.run_in_words(Wording::Replica, |dialect| dialect.start(threads)).await
    }

    async fn reset_replication(&mut self) -> Result<(), ExecError> {
        if self.status().await?.is_none() {
            return Ok(());
        }
        self.stop(Threads::Both).await?;
        self.refuse_to_lose().await?;
        self.run_in_words(Wording::Replica, crate::dialect::Dialect::reset_all).await
    }

    /// On MySQL the one variable carries the other along: `super_read_only=1` sets `read_only`, and
    /// `read_only=0` clears both.
    ///
    /// A fence that waits for a lock, behind commits that wait for their acknowledgements, would shut the server
    /// again as soon as it gets it: whoever opens ends those first, whichever node sent them, dead ones too.
    async fn set_read_only(&mut self, on: bool) -> Result<(), ExecError> {
        const FENCES: &str = "SELECT id FROM information_schema.processlist \
             WHERE user = SUBSTRING_INDEX(USER(), '@', 1) AND id <> CONNECTION_ID() \
             AND info LIKE 'SET GLOBAL %read_only = 1'";
        if !on {
            self.kill_all(FENCES).await;
        }
        let with_super = on && self.use_super_read_only && self.server.known.super_read_only;
        self.run(&set_global(if with_super { "super_read_only" } else { "read_only" }, on)).await
    }

    async fn semi_sync_source(&mut self, on: bool) -> Result<(), ExecError> {
        let Some(variable) = self.server.known.semi_sync_source else {
            return if on { Err(self.refused("no semi-sync on this server")) } else { Ok(()) };
        };
        self.run(&set_global(variable, on)).await
    }

    async fn semi_sync_replica(&mut self, on: bool) -> Result<(), ExecError> {
        let Some(variable) = self.server.known.semi_sync_replica else {
            return if on { Err(self.refused("no semi-sync on this server")) } else { Ok(()) };
        };
        let before = self.query(&format!("SELECT @@global.{variable} AS value")).await?;
        if first_truth(&before) != Some(on) {
            self.run(&set_global(variable, on)).await?;
        }
        let receives = self.status().await?.is_some_and(|status| status.io_thread != ThreadState::Stopped);
        if receives && self.semi_sync_in_force().await? != Some(on) {
            self.stop(Threads::Receiver).await?;
            self.start(Threads::Receiver).await?;
        }
        Ok(())
    }

    /// Whether the receiver that runs now acknowledges.
    async fn semi_sync_in_force(&mut self) -> Result<Option<bool>, ExecError> {
        let rows = self.query("SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync\\_%\\_status'").await?;
        Ok(rows.iter().find_map(|row| {
            let name = crate::cells::text_of(row.as_ref(0)?).to_ascii_lowercase();
            let is_ours = name.ends_with("replica_status") || name.ends_with("slave_status");
            is_ours
                .then(|| row.as_ref(1).map(|value| crate::cells::is_true(&crate::cells::text_of(value))))?
        }))
    }

    async fn kill_query(&mut self, id: u64) -> Result<(), ExecError> {
        match self.session.run(&format!("KILL QUERY {id}"), self.deadline).await {
            Err(QueryError::Server(error)) if error.code == NO_SUCH_THREAD => Ok(()),
            result => result.map_err(|error| self.error(error)),
        }
    }
}

fn set_patience(seconds: u32) -> String {
    format!("SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout = {seconds}")
}
