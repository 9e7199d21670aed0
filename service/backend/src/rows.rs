//! What the tables hold, as plain values.
//!
//! Times have whole seconds in the tables of the original: what is written with milliseconds is read back
//! rounded down.

use std::sync::Arc;

use orchestrator_core::instance::PromotionRule;
use orchestrator_core::view::InstanceRecord;
use orchestrator_core::{InstanceKey, Timestamp};

/// Rows of one page of a list.
pub const PAGE_ROWS: u32 = 20;

/// The process that wrote a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Host name of its machine.
    pub hostname: String,
    /// 64 hexadecimal digits, new at each start of a process.
    pub token: String,
}

/// One instance with its place in the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// What is known of it.
    pub record: Arc<InstanceRecord>,
    /// Name of its cluster.
    pub cluster: String,
    /// Number of sources above it.
    pub depth: u32,
    /// It and its source replicate from one another.
    pub is_co_primary: bool,
    /// Server UUIDs from the top down to itself, comma separated.
    pub ancestry_uuid: String,
    /// GTIDs that its source does not have, as the server says; empty = none.
    pub errant_gtid: String,
}

/// What is known of one cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRow {
    /// Its name.
    pub cluster: String,
    /// Its alias, else its name again. One alias belongs to one cluster: the last one written wins.
    pub alias: String,
    /// Its domain name; empty = none, what is stored stays.
    pub domain: String,
}

/// One downtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DowntimeRow {
    /// Of which instance.
    pub key: InstanceKey,
    /// Who declared it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From when.
    pub begins_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
}

/// One instance in one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolMemberRow {
    /// Name of the pool.
    pub pool: String,
    /// The instance, also one that is not known.
    pub key: InstanceKey,
}

/// One declared promotion rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRow {
    /// Of which instance.
    pub key: InstanceKey,
    /// The rule.
    pub rule: PromotionRule,
    /// When it was last declared.
    pub declared_at: Timestamp,
}

/// One pair of the replicated key-value table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueRow {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// One detection of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectionRow {
    /// Its number.
    pub id: i64,
    /// The instance that failed.
    pub key: InstanceKey,
    /// The analysis code, as the original spells it.
    pub analysis: String,
    /// Name of the cluster then.
    pub cluster: String,
    /// Alias of the cluster then.
    pub cluster_alias: String,
    /// How many replicas it had.
    pub replica_count: u32,
    /// Which.
    pub replicas: Vec<InstanceKey>,
    /// There is a recovery for this code.
    pub is_actionable: bool,
    /// It still keeps repeats from being announced.
    pub is_active: bool,
    /// When.
    pub started_at: Timestamp,
    /// Who noted it.
    pub node: NodeIdentity,
    /// The recovery that answered it; 0 = none.
    pub recovery_id: i64,
}

/// Which detections are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetectionFilter {
    /// All.
    All,
    /// The one with this number.
    Id(i64),
    /// Those of clusters with this alias.
    Alias(String),
    /// Those of this instance.
    Instance(InstanceKey),
}

/// One recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryRow {
    /// Its number, the same on all nodes.
    pub id: i64,
    /// Its name: `<unix nanoseconds>:<64 hexadecimal digits>`.
    pub uid: String,
    /// The instance that failed.
    pub failed: InstanceKey,
    /// The analysis code, as the original spells it.
    pub analysis: String,
    /// Name of the cluster when it began.
    pub cluster: String,
    /// Alias of the cluster when it began.
    pub cluster_alias: String,
    /// How many replicas the failed instance had.
    pub replica_count: u32,
    /// Which.
    pub replicas: Vec<InstanceKey>,
    /// It blocks others.
    pub is_active: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` = it runs, or waits to be resumed.
    pub ended_at: Option<Timestamp>,
    /// It promoted a successor.
    pub is_successful: bool,
    /// Whom.
    pub successor: Option<InstanceKey>,
    /// The successor's alias.
    pub successor_alias: String,
    /// Instances that were touched.
    pub participants: Vec<InstanceKey>,
    /// Replicas that could not be moved.
    pub lost_replicas: Vec<InstanceKey>,
    /// What went wrong on the way.
    pub errors: Vec<String>,
    /// The process that began it.
    pub node: NodeIdentity,
    /// Somebody closed it.
    pub is_acknowledged: bool,
    /// When.
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    pub acknowledged_by: String,
    /// With what words.
    pub acknowledge_comment: String,
    /// The detection that it answers; 0 = none.
    pub last_detection_id: i64,
}

/// Which recoveries are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryFilter {
    /// All.
    All,
    /// The one with this number.
    Id(i64),
    /// The one with this name.
    Uid(String),
    /// Those of the cluster of this name.
    Cluster(String),
    /// Those of clusters with this alias.
    Alias(String),
}

/// How far an unfinished recovery is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressRow {
    /// Name of the recovery.
    pub uid: String,
    /// Its number.
    pub id: i64,
    /// How often it was moved on; 0 = it only began.
    pub seq: i64,
    /// Where it is, for people.
    pub stage: String,
    /// Where it is, for the program: opaque here.
    pub record: String,
    /// Whom it chose, once it did.
    pub successor: Option<InstanceKey>,
    /// When it was last moved on; milliseconds are kept.
    pub updated_at: Timestamp,
}

/// One step of a recovery, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryStepRow {
    /// Its number; each node counts for itself.
    pub id: i64,
    /// Name of the recovery.
    pub uid: String,
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub message: String,
}

/// A recovery that was refused because of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedRecoveryRow {
    /// The instance that was not recovered.
    pub key: InstanceKey,
    /// Its cluster.
    pub cluster: String,
    /// The analysis code.
    pub analysis: String,
    /// When it was last refused.
    pub blocked_at: Timestamp,
    /// The recovery in the way; 0 = none.
    pub blocking_id: i64,
}

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number; ignored when written.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The word for what was done.
    pub kind: String,
    /// To which instance; `None` = to none.
    pub key: Option<InstanceKey>,
    /// In which cluster; empty = unknown.
    pub cluster: String,
    /// What there is to say.
    pub message: String,
}

/// A process that uses this database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHealthRow {
    /// Which.
    pub node: NodeIdentity,
    /// Its version.
    pub version: String,
    /// `HttpMode` or `CLIMode`.
    pub mode: String,
    /// Command of a `CLIMode` process.
    pub command: String,
    /// Path or address of its database.
    pub database: String,
    /// When it started.
    pub first_seen: Timestamp,
    /// When it last wrote here.
    pub last_seen: Timestamp,
}
