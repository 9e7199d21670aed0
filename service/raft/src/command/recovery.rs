//! Commands with more to say: downtime, detection and recovery.

use std::fmt;

use orchestrator_backend as backend;
use orchestrator_core::{InstanceKey, Timestamp};
use serde::{Deserialize, Serialize};

use super::form;

/// A downtime that begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclareDowntime {
    /// Of which instance.
    #[serde(with = "form::key")]
    pub key: InstanceKey,
    /// Who declares it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From when.
    #[serde(with = "form::time")]
    pub begins_at: Timestamp,
    /// Until when.
    #[serde(with = "form::time")]
    pub ends_at: Timestamp,
}

/// A failure that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterDetection {
    /// The smallest number that it may get: one more than the leader's highest.
    pub at_least_id: i64,
    /// The instance that failed.
    #[serde(with = "form::key")]
    pub key: InstanceKey,
    /// The analysis code, as the original spells it.
    pub analysis: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Alias of the cluster.
    pub cluster_alias: String,
    /// How many replicas it has.
    pub replica_count: u32,
    /// Which.
    #[serde(with = "form::keys")]
    pub replicas: Vec<InstanceKey>,
    /// There is a recovery for this code.
    pub actionable: bool,
    /// Host name of the leader's machine.
    pub node_hostname: String,
    /// The leader's process.
    pub node_token: String,
    /// Now.
    #[serde(with = "form::time")]
    pub at: Timestamp,
    /// Detections begun before are active no more: now minus their block period.
    #[serde(with = "form::time")]
    pub active_since: Timestamp,
}

/// A recovery that is to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginRecovery {
    /// Its name: `<unix nanoseconds>:<64 hexadecimal digits>`.
    pub uid: String,
    /// The smallest number that it may get: one more than the leader's highest.
    pub at_least_id: i64,
    /// The instance that failed.
    #[serde(with = "form::key")]
    pub failed: InstanceKey,
    /// The analysis code, as the original spells it.
    pub analysis: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Alias of the cluster.
    pub cluster_alias: String,
    /// How many replicas the failed instance has.
    pub replica_count: u32,
    /// Which.
    #[serde(with = "form::keys")]
    pub replicas: Vec<InstanceKey>,
    /// Host name of the leader's machine.
    pub node_hostname: String,
    /// The leader's process.
    pub node_token: String,
    /// Now.
    #[serde(with = "form::time")]
    pub at: Timestamp,
    /// Finished recoveries begun before block no more: now minus the block period.
    #[serde(with = "form::time")]
    pub active_since: Timestamp,
    /// Somebody insists: block periods, downtime and the global switch do not count. An unfinished recovery does.
    pub forced: bool,
    /// First stage, for people.
    pub stage: String,
    /// First record, for the program: opaque text.
    pub record: String,
}

/// One audited step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When.
    #[serde(with = "form::time")]
    pub at: Timestamp,
    /// What was done.
    pub message: String,
}

/// A recovery that moves on, if nobody else moved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryProgress {
    /// Which.
    pub uid: String,
    /// Its sequence number before; anything else means that somebody else moved it.
    pub expected_seq: i64,
    /// New stage, for people.
    pub stage: String,
    /// New record, for the program: opaque text.
    pub record: String,
    /// Whom it chose; `None` keeps what was chosen.
    #[serde(with = "form::maybe_key")]
    pub successor: Option<InstanceKey>,
    /// Audited steps since the last move.
    pub steps: Vec<Step>,
    /// Now.
    #[serde(with = "form::time")]
    pub at: Timestamp,
}

/// A recovery that ends, if nobody else moved it, with all that is to be declared about what it leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndRecovery {
    /// Which.
    pub uid: String,
    /// Its sequence number before.
    pub expected_seq: i64,
    /// It promoted a successor.
    pub success: bool,
    /// Whom.
    #[serde(with = "form::maybe_key")]
    pub successor: Option<InstanceKey>,
    /// The successor's alias.
    pub successor_alias: String,
    /// Replicas that could not be moved.
    #[serde(with = "form::keys")]
    pub lost_replicas: Vec<InstanceKey>,
    /// Instances that were touched.
    #[serde(with = "form::keys")]
    pub participants: Vec<InstanceKey>,
    /// What went wrong on the way, without line breaks.
    pub errors: Vec<String>,
    /// Last audited steps.
    pub steps: Vec<Step>,
    /// Downtimes to begin.
    pub downtimes: Vec<DeclareDowntime>,
    /// Downtimes to end.
    #[serde(with = "form::keys")]
    pub end_downtimes: Vec<InstanceKey>,
    /// Aliases to declare: cluster name, alias.
    pub aliases: Vec<(String, String)>,
    /// Now.
    #[serde(with = "form::time")]
    pub at: Timestamp,
}

/// Somebody closes recoveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// Which.
    pub selector: Selector,
    /// Who.
    pub by: String,
    /// With what words.
    pub comment: String,
    /// Now.
    #[serde(with = "form::time")]
    pub at: Timestamp,
}

/// Which recoveries are closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// All.
    All {},
    /// The one with this number.
    Id(i64),
    /// The one with this name.
    Uid(String),
    /// Those of the cluster with this name or alias.
    Cluster(String),
    /// Those of this failed instance.
    Instance(#[serde(with = "form::key")] InstanceKey),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All {} => f.write_str("all recoveries"),
            Self::Id(id) => write!(f, "recovery {id}"),
            Self::Uid(uid) => write!(f, "recovery {uid}"),
            Self::Cluster(cluster) => write!(f, "recoveries of {cluster}"),
            Self::Instance(key) => write!(f, "recoveries of {key}"),
        }
    }
}

/// Ends what is due. The leader proposes it when [`orchestrator_backend`]'s `is_expiry_due` says so, at most
/// once a second; times are in the command, so that every node ends the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expire {
    /// Now: downtimes that end by then are cleared, except those of lost instances.
    #[serde(with = "form::time")]
    pub at: Timestamp,
    /// Downtimes of lost instances that end by now are renewed until then.
    #[serde(with = "form::time")]
    pub lost_until: Timestamp,
    /// Promotion rules declared before are cleared.
    #[serde(with = "form::time")]
    pub candidates_before: Timestamp,
    /// Finished recoveries begun before block no more.
    #[serde(with = "form::time")]
    pub recoveries_before: Timestamp,
    /// Detections begun before are active no more.
    #[serde(with = "form::time")]
    pub detections_before: Timestamp,
}

impl From<&DeclareDowntime> for backend::DowntimeRow {
    fn from(downtime: &DeclareDowntime) -> Self {
        let DeclareDowntime { key, owner, reason, begins_at, ends_at } = downtime.clone();
        Self { key, owner, reason, begins_at, ends_at }
    }
}

impl From<&RegisterDetection> for backend::DetectionRow {
    fn from(found: &RegisterDetection) -> Self {
        let found = found.clone();
        Self {
            id: found.at_least_id,
            key: found.key,
            analysis: found.analysis,
            cluster: found.cluster,
            cluster_alias: found.cluster_alias,
            replica_count: found.replica_count,
            replicas: found.replicas,
            is_actionable: found.actionable,
            is_active: true,
            started_at: found.at,
            node: backend::NodeIdentity { hostname: found.node_hostname, token: found.node_token },
            recovery_id: 0,
        }
    }
}

impl From<&BeginRecovery> for backend::BeginRecovery {
    fn from(begin: &BeginRecovery) -> Self {
        let begin = begin.clone();
        Self {
            uid: begin.uid,
            at_least_id: begin.at_least_id,
            failed: begin.failed,
            analysis: begin.analysis,
            cluster: begin.cluster,
            cluster_alias: begin.cluster_alias,
            replica_count: begin.replica_count,
            replicas: begin.replicas,
            node: backend::NodeIdentity { hostname: begin.node_hostname, token: begin.node_token },
            at: begin.at,
            active_since: begin.active_since,
            forced: begin.forced,
            stage: begin.stage,
            record: begin.record,
        }
    }
}

impl From<&RecoveryProgress> for backend::Progress {
    fn from(progress: &RecoveryProgress) -> Self {
        let RecoveryProgress { uid, expected_seq, stage, record, successor, steps, at } = progress.clone();
        Self { uid, expected_seq, stage, record, successor, steps: audited(steps), at }
    }
}

impl From<&EndRecovery> for backend::EndRecovery {
    fn from(end: &EndRecovery) -> Self {
        let end = end.clone();
        Self {
            uid: end.uid,
            expected_seq: end.expected_seq,
            is_successful: end.success,
            successor: end.successor,
            successor_alias: end.successor_alias,
            lost_replicas: end.lost_replicas,
            participants: end.participants,
            errors: end.errors,
            steps: audited(end.steps),
            downtimes: end.downtimes.iter().map(Into::into).collect(),
            end_downtimes: end.end_downtimes,
            aliases: end.aliases,
            at: end.at,
        }
    }
}

impl From<&Acknowledge> for backend::Acknowledgement {
    fn from(ack: &Acknowledge) -> Self {
        let Acknowledge { selector, by, comment, at } = ack.clone();
        let selector = match selector {
            Selector::All {} => backend::AckSelector::All,
            Selector::Id(id) => backend::AckSelector::Id(id),
            Selector::Uid(uid) => backend::AckSelector::Uid(uid),
            Selector::Cluster(cluster) => backend::AckSelector::Cluster(cluster),
            Selector::Instance(key) => backend::AckSelector::Instance(key),
        };
        Self { selector, by, comment, at }
    }
}

impl From<&Expire> for backend::Expiry {
    fn from(expire: &Expire) -> Self {
        let Expire { at, lost_until, candidates_before, recoveries_before, detections_before } =
            expire.clone();
        Self { at, lost_until, candidates_before, recoveries_before, detections_before }
    }
}

fn audited(steps: Vec<Step>) -> Vec<(Timestamp, String)> {
    steps.into_iter().map(|step| (step.at, step.message)).collect()
}
