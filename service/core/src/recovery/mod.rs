//! Replacing a dead primary: what to do next, given how the last steps went.
//!
//! A [`Recovery`] is a value. The shell commits it, executes what [`Recovery::actions`] asks for, hands
//! the results to [`Recovery::advance`], and commits again. Every stage may be repeated from its beginning,
//! so that another node can carry on from what was committed last; nothing is decided from memory that
//! is not in the value.
//!
//! What protects the data:
//! - vetoes are checked on what is known *before* anything is touched ([`plan`]);
//! - candidates are compared by what they received, not only by what they executed, after their receiving
//!   threads stopped, so that the comparison cannot go stale ([`choice`]);
//! - the successor is opened only after it executed all that any reachable replica received;
//! - where that cannot be shown, the replicas are put back as they were and the reason is told.

pub mod choice;
mod moved;
mod plan;
mod stage;
#[cfg(test)]
mod tests;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::{fmt, time::Duration};

pub use choice::Choice;
pub use plan::{Request, plan};
pub use stage::describe;

use crate::{
    analysis::AnalysisCode,
    gtid::Gtids,
    instance::{BinlogFormat, PromotionRule, ReplicationGtid},
    key::InstanceKey,
};

/// Limits and switches of a recovery.
#[derive(Debug, Clone)]
pub struct RecoveryPolicy {
    /// Never promote outside the failed primary's data center.
    pub prevent_cross_data_center: bool,
    /// Never promote outside the failed primary's region.
    pub prevent_cross_region: bool,
    /// Refuse when the successor lags this much or more; `None` = no limit.
    pub refuse_lag: Option<Duration>,
    /// Refuse when the successor has received what it has not executed, instead of waiting for it.
    pub refuse_if_not_applied: bool,
    /// Reset the successor's replication and open it for writes. Off: hooks do that.
    pub open_successor: bool,
    /// Spoil the source of lost replicas, so that they cannot reconnect by accident.
    pub detach_lost_replicas: bool,
    /// How long a declared promotion rule holds.
    pub candidate_expiry: Duration,
    /// How long a receiving thread may take to stop before the replica is dealt with later.
    pub stop_deadline: Duration,
    /// How long one wait for a replica to execute what it received may take; progress renews it.
    pub drain_deadline: Duration,
    /// How long opening the successor may take.
    pub promote_deadline: Duration,
    /// How long moving one replica may take.
    pub repoint_deadline: Duration,
    /// How long moving a replica that was slow to stop may take.
    pub late_repoint_deadline: Duration,
    /// How long fencing the failed primary may take; the successor is not opened before it ended.
    pub fence_deadline: Duration,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self {
            prevent_cross_data_center: false,
            prevent_cross_region: false,
            refuse_lag: None,
            refuse_if_not_applied: false,
            open_successor: true,
            detach_lost_replicas: true,
            candidate_expiry: Duration::from_secs(3600),
            // Stopping takes 0 to 15 ms on a well server; one that takes longer sits in a reconnect attempt.
            stop_deadline: Duration::from_millis(250),
            drain_deadline: Duration::from_secs(10),
            promote_deadline: Duration::from_secs(5),
            repoint_deadline: Duration::from_secs(5),
            // A MariaDB 11 replica stops only when its reconnect attempt ends: one net_timeout, 60 s by default.
            late_repoint_deadline: Duration::from_secs(75),
            // A living server answers within one round trip; for one that hangs, the statement is sent and waits.
            fence_deadline: Duration::from_millis(50),
        }
    }
}

/// One attempt to replace a failed primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What was decided when it began; never changes.
    pub case: Case,
    /// Where it is.
    pub stage: Stage,
    /// What it learned and did so far.
    pub progress: Progress,
}

/// What a recovery is about, as known when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The finding that it answers.
    pub code: AnalysisCode,
    /// The failed primary.
    pub failed: InstanceKey,
    /// Cluster by the name it had.
    pub cluster: String,
    /// Alias of the cluster; the name when it has none.
    pub alias: String,
    /// Data center, region and environment of the failed primary.
    pub place: Locality,
    /// `server_uuid`, empty on MariaDB, and `server_id` of the failed primary: transactions that began on it are
    /// told by them.
    pub origin: (String, u32),
    /// Acknowledgements a commit waited for on the failed primary; 0 = it did not.
    pub acknowledgements: u32,
    /// Successor that a person asked for.
    pub requested: Option<InstanceKey>,
    /// A person asked for it, over what filters and vetoes say.
    pub forced: bool,
    /// Leave hooks out.
    pub skip_hooks: bool,
    /// Direct replicas of the failed primary, in the order of their names, and those that it had and that were
    /// left behind.
    pub replicas: Vec<Replica>,
    /// What the successor may not lack, although perhaps no replica tells of it: transactions that were seen on the
    /// failed primary and are older than its reign, and those of its reign that one left behind had received.
    pub owed: Gtids,
    /// What the failed primary had when it was last looked at. What of it no replica has is lost, and said so.
    pub seen: Gtids,
}

/// Where an instance stands, in the words of the configuration's detection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Locality {
    /// Data center.
    pub data_center: String,
    /// Region.
    pub region: String,
    /// Physical environment.
    pub environment: String,
}

/// A replica as known when the recovery began: all that the choice of a successor may depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub key: InstanceKey,
    /// The last probe reached it.
    pub valid: bool,
    /// How willing we are to promote it.
    pub rule: PromotionRule,
    /// An earlier recovery could not move it, or its source was spoiled while it replicated from the failed primary:
    /// what is owed is fetched from it where nobody else has that, but it is neither promoted nor moved.
    pub left_behind: bool,
    /// A filter of the configuration forbids promoting it.
    pub banned: bool,
    /// Our account lacks a privilege that its promotion takes.
    pub unopenable: bool,
    /// It is in downtime.
    pub downtimed: bool,
    /// It writes a log that others can replicate from, of what it replicates itself.
    pub logs_updates: bool,
    /// It serves logs without applying them.
    pub binlog_server: bool,
    /// First two numbers of its version.
    pub version: (u32, u32),
    /// Format of its binary log.
    pub binlog_format: Option<BinlogFormat>,
    /// Where it stands.
    pub place: Locality,
    /// How it finds its place in a source's log.
    pub gtid: ReplicationGtid,
    /// It has transactions of its own, which the failed primary never had.
    pub errant: bool,
    /// It applies what it receives so much later, on purpose, seconds.
    pub delay_seconds: u32,
    /// Lag in seconds; `None` = unknown.
    pub lag_seconds: Option<u64>,
    /// Its replica half of semi-sync is switched on.
    pub semi_sync: bool,
    /// Its priority for semi-sync; a successor above 0 gets its source half switched on.
    pub semi_sync_priority: u32,
    /// `server_uuid`, empty on MariaDB, and `server_id`: transactions that began on itself are told by them.
    pub origin: (String, u32),
    /// Received and executed transactions when the recovery began.
    pub position: Gtids,
    /// It had executed all it had received.
    pub applied: bool,
}

/// Where a recovery is. Each stage may be begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Run the hooks that may still veto.
    PreHooks,
    /// Stop what the replicas receive and read how far they are.
    Stop,
    /// Let the chosen one fetch from another replica what it lacks.
    CatchUp,
    /// Let the chosen one execute all that it received; fence the failed primary where it can be reached.
    Drain,
    /// Open the chosen one, move the others below it.
    Promote,
    /// Tell the world: hooks that move names and addresses.
    Announce,
    /// Move or give up the replicas that were slow to stop.
    Late,
    /// Run the hooks that follow any recovery.
    PostHooks,
    /// Nothing was promoted: let the replicas receive again.
    Restore,
    /// Nothing left to do.
    Finished,
}

impl Stage {
    /// All stages in their order.
    pub const ALL: [Self; 10] = [
        Self::PreHooks,
        Self::Stop,
        Self::CatchUp,
        Self::Drain,
        Self::Promote,
        Self::Announce,
        Self::Late,
        Self::PostHooks,
        Self::Restore,
        Self::Finished,
    ];

    /// The word for logs, records and fault points.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreHooks => "pre-hooks",
            Self::Stop => "stop",
            Self::CatchUp => "catch-up",
            Self::Drain => "drain",
            Self::Promote => "promote",
            Self::Announce => "announce",
            Self::Late => "late",
            Self::PostHooks => "post-hooks",
            Self::Restore => "restore",
            Self::Finished => "finished",
        }
    }

    /// Reads the word of [`Stage::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
    }
}

/// What a recovery learned and did so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Received and executed transactions of the replicas that answered, after they stopped receiving.
    pub positions: BTreeMap<InstanceKey, Gtids>,
    /// Replicas that answered and would not stop receiving, with their words.
    pub refused: BTreeMap<InstanceKey, String>,
    /// Replicas whose receiving thread had not stopped in time; it receives nothing, but cannot be moved yet.
    pub slow: BTreeSet<InstanceKey>,
    /// Replicas that cannot be moved below the successor.
    pub lost: BTreeSet<InstanceKey>,
    /// Replicas that follow the successor.
    pub moved: BTreeSet<InstanceKey>,
    /// Whom to promote, once chosen.
    pub successor: Option<InstanceKey>,
    /// The replica that the chosen one fetches from what it lacks.
    pub donor: Option<InstanceKey>,
    /// Candidates that failed on the way.
    pub rejected: BTreeSet<InstanceKey>,
    /// Replicas that may follow another source than the failed primary, since they were sent to a donor or nobody has
    /// seen them after an earlier recovery: if nobody is promoted, they are told to follow it.
    pub strayed: BTreeSet<InstanceKey>,
    /// The failed primary was told to be read-only: it may be, or the statement waits for it.
    pub fenced: bool,
    /// The successor is open for writes.
    pub promoted: bool,
    /// Attempts at the present stage.
    pub attempts: u32,
    /// Why it did not end well, and what went wrong on the way.
    pub errors: Vec<String>,
}

/// Lists of hooks, by when they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookStage {
    /// `PreFailoverProcesses`.
    PreFailover,
    /// `PostMasterFailoverProcesses`.
    PostPrimaryFailover,
    /// `PostFailoverProcesses`.
    PostFailover,
    /// `PostUnsuccessfulFailoverProcesses`.
    PostUnsuccessfulFailover,
}

/// One thing to do outside. Repeating one that was done changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Run a list of hooks.
    RunHooks(HookStage),
    /// Make the failed primary read-only if it can be reached, and leave the statement waiting for it if it hangs.
    Fence(InstanceKey),
    /// Take that back, since nobody took its place.
    Unfence(InstanceKey),
    /// Stop the receiving thread and tell the position.
    StopReceiving(InstanceKey),
    /// The same for one that was stopped before: it may have been restarted since.
    KeepStopped(InstanceKey),
    /// Start the receiving thread again.
    ResumeReceiving(InstanceKey),
    /// Follow another source.
    Follow {
        /// The replica to move.
        replica: InstanceKey,
        /// Its new source.
        source: InstanceKey,
    },
    /// Wait until this has executed what the donor has, then stop receiving.
    CatchUp {
        /// The replica that waits.
        replica: InstanceKey,
        /// What it must have.
        until: Gtids,
    },
    /// Wait until everything received is executed.
    Drain(InstanceKey),
    /// Forget the source, open for writes.
    Promote {
        /// The successor.
        replica: InstanceKey,
        /// Switch the source half of semi-sync on first.
        semi_sync: bool,
    },
    /// Spoil the source's name.
    Detach(InstanceKey),
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done, nothing to tell.
    Done,
    /// The receiving thread is stopped, or is not receiving and will stop.
    Position {
        /// Received and executed transactions.
        gtids: Gtids,
        /// The thread did not stop within the deadline.
        slow: bool,
    },
    /// Still waiting, and it moves.
    Progressing,
    /// It answered, and would not: a privilege is missing, or the like. It is alive, and trying again may not help.
    Refused {
        /// Its words.
        why: String,
    },
}

/// An action with what came of it; the error is for people.
pub type ActionResult = (Action, Result<Reply, String>);

/// How a recovery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whom it promoted.
    pub successor: Option<InstanceKey>,
    /// Replicas left behind.
    pub lost: BTreeSet<InstanceKey>,
    /// Replicas that answered when they were told to stop, the successor among them: the others follow it now, the
    /// lost ones perhaps; where nobody was promoted they follow the failed primary again. Empty where a successor
    /// did not open, since then nobody knows.
    pub touched: BTreeSet<InstanceKey>,
    /// What went wrong.
    pub errors: Vec<String>,
}

/// Why a recovery does not begin. Nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A word for machines.
    pub reason: RefusalReason,
    /// A sentence for people.
    pub message: String,
}

/// Why a recovery does not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// There is no replica to promote.
    NoReplicas,
    /// No replica may be promoted under the rules.
    NoCandidate,
    /// Replicas follow by file and position, which this version cannot move safely.
    NotGtid,
    /// Transactions could be lost.
    DataLoss,
    /// The candidate lags too much.
    Lag,
    /// The candidate has not executed what it received.
    NotApplied,
    /// The wanted successor is not a replica of the failed primary.
    UnknownCandidate,
}

impl RefusalReason {
    /// The word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoReplicas => "no-replicas",
            Self::NoCandidate => "no-candidate",
            Self::NotGtid => "not-gtid",
            Self::DataLoss => "data-loss",
            Self::Lag => "lag",
            Self::NotApplied => "not-applied",
            Self::UnknownCandidate => "unknown-candidate",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason.as_str())
    }
}

impl Refusal {
    pub(crate) fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl Case {
    /// Those that replicate from the failed primary.
    pub fn followers(&self) -> impl Iterator<Item = &InstanceKey> {
        self.replicas.iter().filter(|replica| !replica.left_behind).map(|replica| &replica.key)
    }
}

impl Recovery {
    /// How it ended; `None` while it runs.
    pub fn report(&self) -> Option<Report> {
        let Progress { successor, promoted, lost, positions, errors, .. } = &self.progress;
        let is_clear = *promoted || successor.is_none();
        let touched = self.case.followers().filter(|key| is_clear && positions.contains_key(*key));
        (self.stage == Stage::Finished).then(|| Report {
            successor: successor.clone().filter(|_| *promoted),
            lost: lost.clone(),
            touched: touched.cloned().collect(),
            errors: errors.clone(),
        })
    }

    /// Whom it promoted, as soon as it did.
    pub fn promoted(&self) -> Option<&InstanceKey> {
        self.progress.successor.as_ref().filter(|_| self.progress.promoted)
    }
}
