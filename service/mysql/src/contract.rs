//! What this crate does for others, as traits over plain values: [`Probe`] reads, [`Execute`] writes.
//!
//! Both are object safe, so that the server can be run against fakes. [`crate::Fleet`] implements both
//! against real servers.

use std::time::Duration;

use futures::future::BoxFuture;
use orchestrator_core::{
    InstanceKey,
    instance::{BinlogCoordinates, Replication},
    observation::{Failure, Observation},
};

use crate::{settings::Secret, watch::Watch};

/// Reads instances. No method fails: what went wrong is part of the answer.
pub trait Probe: Send + Sync {
    /// Reads everything, over the connection that is held for this instance.
    fn probe<'a>(&'a self, key: &'a InstanceKey) -> BoxFuture<'a, Observation>;

    /// Reads everything over a *new* connection, all within `deadline`: the confirmation of a suspicion.
    fn probe_fresh<'a>(&'a self, key: &'a InstanceKey, deadline: Duration) -> BoxFuture<'a, Observation>;

    /// The cheapest proof of life over a *new* connection: connect, log in, one statement.
    fn touch_fresh<'a>(
        &'a self,
        key: &'a InstanceKey,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<Alive, Failure>>;

    /// Starts to watch an instance; it lasts until the [`Watch`] is dropped.
    fn watch(&self, key: &InstanceKey, pace: Pace) -> Watch;

    /// Closes the connections held for an instance and forgets what was learned about it.
    fn forget(&self, key: &InstanceKey);
}

/// An instance that let us in and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alive {
    /// `@@server_id`.
    pub server_id: u32,
    /// `@@server_uuid`; empty where the server has none (MariaDB), or never was probed before.
    pub server_uuid: String,
    /// `@@read_only`.
    pub read_only: bool,
}

/// How a watched instance is asked for signs of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time between two signs of life that we ask for. Should stay below the server's `long_query_time`
    /// (10 s by default), or each pulse goes to its slow log.
    pub pulse: Duration,
    /// Longest time between two signs of life before it is called overdue; at least
    /// `pulse` + [`crate::watch::PULSE_SLACK`], whatever is given.
    pub deadline: Duration,
}

/// Writes to instances. Every call ends by its deadline, and may be repeated: a state that is already
/// there is success.
///
/// Each call uses a connection of its own, so that a statement which the server takes long to finish
/// blocks nothing else. After a [`ExecError::Timeout`] the server may still go on.
pub trait Execute: Send + Sync {
    /// Makes one change.
    fn change<'a>(
        &'a self,
        key: &'a InstanceKey,
        change: Change,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<(), ExecError>>;

    /// What the instance has received and executed by now. Answers also while a thread takes long to stop.
    fn received<'a>(
        &'a self,
        key: &'a InstanceKey,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<Received, ExecError>>;

    /// Waits until the instance has applied everything that it received.
    ///
    /// # Errors
    /// [`ExecError::ApplierStopped`] as soon as the applying thread is seen stopped with something left;
    /// [`ExecError::Timeout`] with the progress made.
    fn wait_applied<'a>(
        &'a self,
        key: &'a InstanceKey,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<Applied, ExecError>>;

    /// Waits until the instance has executed `gtid`, in its own flavour's form. An applier that somebody stopped
    /// may be started again meanwhile, as every change of a source does.
    ///
    /// # Errors
    /// [`ExecError::ApplierStopped`] as soon as the applying thread is seen stopped with an error;
    /// [`ExecError::Timeout`] with what is missing.
    fn wait_for_gtid<'a>(
        &'a self,
        key: &'a InstanceKey,
        gtid: &'a str,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<(), ExecError>>;

    /// Makes the instance read-only over a connection that is held already, even when it cannot answer now:
    /// the statement waits in its socket and is the first thing that it does when it wakes up.
    fn fence<'a>(&'a self, key: &'a InstanceKey, patience: Duration) -> BoxFuture<'a, Fenced>;

    /// Credentials with which the instance replicates, where it tells them. `None`: it does not (MariaDB
    /// keeps them in a file; MySQL tells whom it trusts with `mysql.slave_master_info`).
    fn replication_credentials<'a>(
        &'a self,
        key: &'a InstanceKey,
        deadline: Duration,
    ) -> BoxFuture<'a, Result<Option<Credentials>, ExecError>>;
}

/// One change of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Stops both replication threads.
    StopReplication,
    /// Starts both replication threads.
    StartReplication,
    /// Stops and starts both replication threads.
    RestartReplication,
    /// Stops the thread that receives. Inside a reconnect attempt to a silent source this takes 2 s on
    /// MySQL and up to `slave_net_timeout` on MariaDB 11: give it a deadline, it goes on alone.
    StopReceiver,
    /// Starts the thread that receives.
    StartReceiver,
    /// Stops the thread that applies.
    StopApplier,
    /// Starts the thread that applies.
    StartApplier,
    /// Stops replication and forgets its source for good. Refused while received transactions are not applied.
    ResetReplication,
    /// Sets `read_only`; where it exists and the settings want it, `super_read_only` too.
    SetReadOnly(bool),
    /// Makes it replicate from another source; replication is left stopped (on MySQL the applier goes on).
    ChangeSource(SourceChange),
    /// Spoils the name of its source with `//`, reversibly, so that it cannot replicate by accident. What was
    /// received is applied first, or kept; the receiver is left stopped.
    Detach,
    /// Takes that back and starts replication.
    Reattach,
    /// Switches the source half of semi-synchronous replication.
    SemiSyncSource(bool),
    /// Switches the replica half of semi-synchronous replication; a running receiver is restarted, since it
    /// decides only when it connects.
    SemiSyncReplica(bool),
    /// Ends the statement of one connection.
    KillQuery(u64),
}

/// Where to replicate from, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceChange {
    /// The new source.
    pub to: InstanceKey,
    /// How to find the place in its log.
    pub position: SourcePosition,
    /// Replication user; `None` keeps the present one.
    pub credentials: Option<Credentials>,
    /// Allows to throw away received transactions that were not applied. Say `false`.
    pub may_drop_received: bool,
}

/// How a replica finds its place in the log of its new source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcePosition {
    /// By GTID if it does so now; refused for a replica that goes by file and position.
    Keep,
    /// By GTID from now on (`auto_position=1`; MariaDB `slave_pos`).
    Gtid,
    /// By GTID from now on, for a MariaDB server that wrote itself: an old primary (`current_pos`). On
    /// MySQL the same as [`SourcePosition::Gtid`].
    GtidAsFormerPrimary,
    /// By file and position, GTID off.
    At(BinlogCoordinates),
}

/// A replication account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// What an instance has, applied or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// GTIDs executed: MySQL `gtid_executed`, MariaDB `gtid_current_pos`. Without white space.
    pub executed_gtid: String,
    /// Replication as its status says, received GTIDs among it; `None` when it has none.
    pub replication: Option<Replication>,
}

/// Everything that was received is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// GTIDs executed at that moment, in the server's text without white space; empty without GTID.
    pub executed_gtid: String,
    /// How long it took.
    pub waited: Duration,
}

/// What became of an attempt to fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fenced {
    /// It is read-only now.
    Done,
    /// It did not answer; the statement lies in its socket, to be done first when it wakes up or the network
    /// heals.
    Queued,
    /// Nothing could be sent: the connection is gone, so there is nobody to fence, or no held one existed
    /// and a new one failed.
    NotReached(Failure),
    /// It answered with an error: its code and words.
    Refused(u16, String),
}

/// Why an instance could not be changed. Display never holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The server refused the statement.
    #[error("{purpose}: server error {code} ({state}): {message}")]
    Server {
        /// What the statement was for.
        purpose: &'static str,
        /// The server's error number.
        code: u16,
        /// SQLSTATE.
        state: String,
        /// The server's words.
        message: String,
    },
    /// The server could not be reached, or the connection broke: whether the change was made is unknown
    /// unless the failure happened while connecting.
    #[error("{purpose}: {failure}")]
    Failure {
        /// What the statement was for.
        purpose: &'static str,
        /// What happened.
        failure: Failure,
    },
    /// The deadline passed. The server may still be at it.
    #[error("{purpose}: not done after {} ms{progress}", waited.as_millis())]
    Timeout {
        /// What was waited for.
        purpose: &'static str,
        /// How long.
        waited: Duration,
        /// How far it came: empty, or `; …`.
        progress: String,
    },
    /// The applying thread stopped before everything was applied.
    #[error("{purpose}: the applier stopped with error {errno}: {error}")]
    ApplierStopped {
        /// What was waited for.
        purpose: &'static str,
        /// Its error number; 0 = somebody stopped it.
        errno: u32,
        /// Its words.
        error: String,
    },
    /// It would throw away received transactions that are not applied; nothing was changed.
    #[error("{purpose}: would drop received transactions: received {received}, executed {executed}")]
    WouldLose {
        /// What was asked.
        purpose: &'static str,
        /// Received GTIDs, or source log position.
        received: String,
        /// Executed GTIDs, or source log position.
        executed: String,
    },
    /// It makes no sense on this instance; nothing was changed.
    #[error("{purpose}: {reason}")]
    Refused {
        /// What was asked.
        purpose: &'static str,
        /// Why not.
        reason: String,
    },
}

impl ExecError {
    /// The server answered, although with a refusal.
    pub fn proves_alive(&self) -> bool {
        match self {
            Self::Server { .. }
            | Self::ApplierStopped { .. }
            | Self::WouldLose { .. }
            | Self::Refused { .. } => true,
            Self::Failure { failure, .. } => failure.kind.proves_alive(),
            Self::Timeout { .. } => false,
        }
    }

    /// What was attempted.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::Server { purpose, .. }
            | Self::Failure { purpose, .. }
            | Self::Timeout { purpose, .. }
            | Self::ApplierStopped { purpose, .. }
            | Self::WouldLose { purpose, .. }
            | Self::Refused { purpose, .. } => purpose,
        }
    }
}
