//! Recoveries and detections in JSON.

use orchestrator_core::{InstanceKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{analysis::ReplicationAnalysis, cluster::ClusterInfo, key::Key, scalar::LogPosition, time};

/// A recovery as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryRecord {
    /// Number, given by the leader.
    pub id: i64,
    /// The stable name across nodes.
    pub uid: String,
    /// What failed, as then known.
    pub case: CaseRecord,
    /// Whom it promoted.
    pub successor: Option<InstanceKey>,
    /// Alias of the successor.
    pub successor_alias: String,
    /// It still blocks others.
    pub is_active: bool,
    /// It ended well.
    pub is_successful: bool,
    /// Replicas left behind.
    pub lost_replicas: Vec<InstanceKey>,
    /// Instances that it touched.
    pub participants: Vec<InstanceKey>,
    /// What went wrong, one entry each.
    pub errors: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` = it runs.
    pub ended_at: Option<Timestamp>,
    /// The node that ran it.
    pub processing_node: ProcessingNode,
    /// Who closed it, when somebody did.
    pub acknowledged: Option<Acknowledgement>,
    /// The detection it answers; 0 = none.
    pub last_detection_id: i64,
}

/// A detection as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectionRecord {
    /// Number, given by the leader.
    pub id: i64,
    /// What failed.
    pub case: CaseRecord,
    /// It is still young.
    pub is_active: bool,
    /// When it was detected.
    pub detected_at: Timestamp,
    /// The node that detected it.
    pub processing_node: ProcessingNode,
    /// The recovery that answered it; 0 = none.
    pub related_recovery_id: i64,
}

/// What failed, as it was known then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRecord {
    /// The instance that failed.
    pub failed: InstanceKey,
    /// The analysis code on the wire.
    pub analysis: String,
    /// Cluster by the name it had.
    pub cluster: String,
    /// Its alias; empty = none.
    pub alias: String,
    /// How many replicas the instance had.
    pub count_replicas: u64,
    /// The replicas it had.
    pub replicas: Vec<InstanceKey>,
}

/// A node as it signs its work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessingNode {
    /// Host name.
    pub hostname: String,
    /// Token of the process.
    pub token: String,
}

/// Somebody closed a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub comment: String,
}

/// A recovery or detection as served. The order of the fields is that of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TopologyRecovery {
    /// Number.
    pub id: i64,
    /// The stable name across nodes; empty for a detection.
    #[serde(rename = "UID")]
    pub uid: String,
    /// What failed; mostly zero values.
    pub analysis_entry: ReplicationAnalysis,
    /// Whom it promoted; an empty key = nobody, `null` in a detection.
    pub successor_key: Option<Key>,
    /// Alias of the successor.
    pub successor_alias: String,
    /// Where the successor's log stood; `null` when stored.
    pub successor_binlog_coordinates: Option<LogPosition>,
    /// It still blocks others.
    pub is_active: bool,
    /// It ended well.
    pub is_successful: bool,
    /// Replicas left behind.
    pub lost_replicas: Vec<Key>,
    /// Instances that it touched.
    pub participating_instance_keys: Vec<Key>,
    /// What went wrong; `[""]` = nothing, `null` in a detection.
    pub all_errors: Option<Vec<String>>,
    /// RFC 3339.
    pub recovery_start_timestamp: String,
    /// `YYYY-MM-DD HH:MM:SS`; empty = it runs.
    pub recovery_end_timestamp: String,
    /// Host name of the node that ran it.
    pub processing_node_hostname: String,
    /// Token of the process that ran it.
    pub processing_node_token: String,
    /// Somebody closed it.
    pub acknowledged: bool,
    /// RFC 3339; empty = nobody did.
    pub acknowledged_at: String,
    /// Who.
    pub acknowledged_by: String,
    /// Why.
    pub acknowledged_comment: String,
    /// The detection it answers; 0 = none.
    pub last_detection_id: i64,
    /// The recovery that answered a detection; 0 = none.
    pub related_recovery_id: i64,
    /// Blank in what is stored.
    #[serde(rename = "Type")]
    pub kind: String,
    /// `NotMasterRecovery` in what is stored, blank in a detection.
    pub recovery_type: String,
}

/// What the original says of every stored recovery, whatever it was.
const STORED_RECOVERY_TYPE: &str = "NotMasterRecovery";

impl TopologyRecovery {
    /// The stored form. `cluster` tells what the configuration says of a cluster by name and alias.
    pub fn stored(record: RecoveryRecord, cluster: impl Fn(&str, &str) -> ClusterInfo) -> Self {
        let RecoveryRecord {
            id,
            uid,
            case,
            successor,
            successor_alias,
            is_active,
            is_successful,
            lost_replicas,
            participants,
            errors,
            started_at,
            ended_at,
            processing_node: ProcessingNode { hostname, token },
            acknowledged,
            last_detection_id,
        } = record;
        let mut recovery = Self {
            id,
            uid,
            analysis_entry: entry(case, cluster),
            successor_key: Some(Key::or_none(successor.as_ref())),
            successor_alias,
            is_active,
            is_successful,
            lost_replicas: lost_replicas.iter().map(Key::from).collect(),
            participating_instance_keys: participants.iter().map(Key::from).collect(),
            all_errors: Some(if errors.is_empty() { vec![String::new()] } else { errors }),
            recovery_start_timestamp: time::rfc3339(started_at),
            recovery_end_timestamp: time::sql_or_empty(ended_at),
            processing_node_hostname: hostname,
            processing_node_token: token,
            last_detection_id,
            recovery_type: STORED_RECOVERY_TYPE.into(),
            ..Self::default()
        };
        if let Some(acknowledgement) = acknowledged {
            recovery.put_acknowledgement(acknowledgement);
        }
        recovery
    }

    /// The detection form. `cluster` tells what the configuration says of a cluster by name and alias.
    pub fn detected(record: DetectionRecord, cluster: impl Fn(&str, &str) -> ClusterInfo) -> Self {
        let DetectionRecord {
            id,
            case,
            is_active,
            detected_at,
            processing_node: ProcessingNode { hostname, token },
            related_recovery_id,
        } = record;
        let start = time::rfc3339(detected_at);
        Self {
            id,
            analysis_entry: ReplicationAnalysis {
                start_active_period: start.clone(),
                ..entry(case, cluster)
            },
            is_active,
            recovery_start_timestamp: start,
            processing_node_hostname: hostname,
            processing_node_token: token,
            related_recovery_id,
            ..Self::default()
        }
    }

    fn put_acknowledgement(&mut self, acknowledgement: Acknowledgement) {
        let Acknowledgement { at, by, comment } = acknowledgement;
        self.acknowledged = true;
        self.acknowledged_at = time::rfc3339(at);
        self.acknowledged_by = by;
        self.acknowledged_comment = comment;
    }
}

/// The little of an analysis that is stored with a case.
fn entry(case: CaseRecord, cluster: impl Fn(&str, &str) -> ClusterInfo) -> ReplicationAnalysis {
    let CaseRecord { failed, analysis, cluster: name, alias, count_replicas, replicas } = case;
    let replicas: Vec<_> = replicas.iter().map(Key::from).collect();
    ReplicationAnalysis {
        instance: Key::from(&failed),
        cluster_details: cluster(&name, &alias),
        analysis,
        count_replicas,
        replicas_legacy: replicas.clone(),
        replicas,
        ..ReplicationAnalysis::default()
    }
}
