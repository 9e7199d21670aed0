//! Small records of what was done.

use orchestrator_core::{InstanceKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{key::Key, time};

/// One audited operation, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Number, rising.
    pub id: i64,
    /// When it was done.
    pub at: Timestamp,
    /// The word for the operation.
    pub kind: String,
    /// The instance it was done to, when it was one.
    pub instance: Option<InstanceKey>,
    /// What was done.
    pub message: String,
}

/// One audited operation, as served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Number, rising.
    #[serde(rename = "AuditId")]
    pub id: i64,
    /// RFC 3339.
    #[serde(rename = "AuditTimestamp")]
    pub at: String,
    /// The word for the operation.
    #[serde(rename = "AuditType")]
    pub kind: String,
    /// The instance, or an empty key.
    #[serde(rename = "AuditInstanceKey")]
    pub instance: Key,
    /// What was done.
    #[serde(rename = "Message")]
    pub message: String,
}

impl From<AuditRecord> for Audit {
    fn from(record: AuditRecord) -> Self {
        let AuditRecord { id, at, kind, instance, message } = record;
        Self { id, at: time::rfc3339(at), kind, instance: Key::or_none(instance.as_ref()), message }
    }
}

/// One step of a recovery, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Number, rising.
    pub id: i64,
    /// The recovery it belongs to.
    pub recovery_uid: String,
    /// When it was written.
    pub at: Timestamp,
    /// What was done.
    pub message: String,
}

/// One step of a recovery, as served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryStep {
    /// Number, rising.
    #[serde(rename = "Id")]
    pub id: i64,
    /// The recovery it belongs to.
    #[serde(rename = "RecoveryUID")]
    pub recovery_uid: String,
    /// RFC 3339.
    #[serde(rename = "AuditAt")]
    pub at: String,
    /// What was done.
    #[serde(rename = "Message")]
    pub message: String,
}

impl From<StepRecord> for RecoveryStep {
    fn from(record: StepRecord) -> Self {
        let StepRecord { id, recovery_uid, at, message } = record;
        Self { id, recovery_uid, at: time::rfc3339(at), message }
    }
}

/// A recovery that was not begun because another one blocks it, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedRecord {
    /// The instance that failed.
    pub failed: InstanceKey,
    /// Its cluster.
    pub cluster: String,
    /// The analysis code on the wire.
    pub analysis: String,
    /// When it was last held back.
    pub last_blocked_at: Timestamp,
    /// The recovery that blocks it.
    pub blocking_recovery_id: i64,
}

/// A recovery that was not begun because another one blocks it, as served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedRecovery {
    /// The instance that failed.
    #[serde(rename = "FailedInstanceKey")]
    pub failed: Key,
    /// Its cluster.
    #[serde(rename = "ClusterName")]
    pub cluster: String,
    /// The analysis code.
    #[serde(rename = "Analysis")]
    pub analysis: String,
    /// RFC 3339.
    #[serde(rename = "LastBlockedTimestamp")]
    pub last_blocked_at: String,
    /// The recovery that blocks it.
    #[serde(rename = "BlockingRecoveryId")]
    pub blocking_recovery_id: i64,
}

impl From<BlockedRecord> for BlockedRecovery {
    fn from(record: BlockedRecord) -> Self {
        let BlockedRecord { failed, cluster, analysis, last_blocked_at, blocking_recovery_id } = record;
        Self {
            failed: Key::from(&failed),
            cluster,
            analysis,
            last_blocked_at: time::rfc3339(last_blocked_at),
            blocking_recovery_id,
        }
    }
}

/// How the code of one instance changed over time, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogRecord {
    /// The instance.
    pub instance: InstanceKey,
    /// When which analysis code began, oldest first.
    pub changes: Vec<(Timestamp, String)>,
}

/// How the code of one instance changed over time, as served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisChangelog {
    /// The instance.
    #[serde(rename = "AnalyzedInstanceKey")]
    pub instance: Key,
    /// *Shape*: `2024-05-01T10:11:12Z;DeadMaster,` with the comma.
    #[serde(rename = "Changelog")]
    pub changes: Vec<String>,
}

impl From<ChangelogRecord> for AnalysisChangelog {
    fn from(record: ChangelogRecord) -> Self {
        let ChangelogRecord { instance, changes } = record;
        let changes = changes.iter().map(|(at, code)| format!("{};{code},", time::rfc3339(*at))).collect();
        Self { instance: Key::from(&instance), changes }
    }
}
