//! Recoveries and detections from what is stored.

use orchestrator_core::Timestamp;
use orchestrator_wire::{
    Acknowledgement, CaseRecord, ClusterInfo, DetectionRecord, ProcessingNode, RecoveryRecord,
    TopologyRecovery,
};

use crate::fleet::{SEEN, key};

fn case() -> CaseRecord {
    CaseRecord {
        failed: key("db1"),
        analysis: "DeadMaster".into(),
        cluster: "db1.example.com:3306".into(),
        alias: "prod-a".into(),
        count_replicas: 2,
        replicas: vec![key("db2"), key("db3")],
    }
}

fn describe(cluster: &str, alias: &str) -> ClusterInfo {
    ClusterInfo { cluster_name: cluster.into(), cluster_alias: alias.into(), ..ClusterInfo::default() }
}

fn node() -> ProcessingNode {
    ProcessingNode { hostname: "orc-0".into(), token: "cd34".into() }
}

fn recovery() -> RecoveryRecord {
    RecoveryRecord {
        id: 7,
        uid: "1714558272000000000:ab12".into(),
        case: case(),
        successor: Some(key("db2")),
        successor_alias: "db2".into(),
        is_active: true,
        is_successful: true,
        lost_replicas: Vec::new(),
        participants: vec![key("db2")],
        errors: Vec::new(),
        started_at: SEEN,
        ended_at: Some(Timestamp::from_millis(SEEN.as_millis() + 7_000)),
        processing_node: node(),
        acknowledged: None,
        last_detection_id: 9,
    }
}

#[test]
fn the_stored_form_is_that_of_the_sample() {
    let wire = TopologyRecovery::stored(recovery(), describe);
    assert_eq!(wire.successor_key.as_ref().unwrap().hostname, "db2.example.com");
    assert_eq!(wire.successor_binlog_coordinates, None);
    assert_eq!(wire.all_errors, Some(vec![String::new()]));
    assert_eq!(wire.recovery_start_timestamp, "2024-05-01T10:11:12Z");
    assert_eq!(wire.recovery_end_timestamp, "2024-05-01 10:11:19");
    assert_eq!((wire.acknowledged, wire.acknowledged_at.as_str()), (false, ""));
    assert_eq!((wire.kind.as_str(), wire.recovery_type.as_str()), ("", "NotMasterRecovery"));
    assert_eq!(wire.analysis_entry.count_replicas, 2);
    assert_eq!(wire.analysis_entry.structure_analysis, None);
    assert_eq!(wire.analysis_entry.replicas, wire.analysis_entry.replicas_legacy);
}

#[test]
fn a_recovery_that_promoted_nobody_has_an_empty_key_and_its_errors() {
    let mut record = recovery();
    record.successor = None;
    record.ended_at = None;
    record.errors = vec!["one".into(), "two".into()];
    record.acknowledged = Some(Acknowledgement { at: SEEN, by: "ann".into(), comment: "seen".into() });
    let wire = TopologyRecovery::stored(record, describe);
    assert_eq!(wire.successor_key, Some(Default::default()));
    assert_eq!(wire.all_errors, Some(vec!["one".into(), "two".into()]));
    assert_eq!(wire.recovery_end_timestamp, "");
    assert_eq!(wire.acknowledged_at, "2024-05-01T10:11:12Z");
    assert_eq!((wire.acknowledged_by.as_str(), wire.acknowledged_comment.as_str()), ("ann", "seen"));
}

#[test]
fn a_detection_has_no_successor_and_no_errors() {
    let record = DetectionRecord {
        id: 9,
        case: case(),
        is_active: true,
        detected_at: SEEN,
        processing_node: node(),
        related_recovery_id: 7,
    };
    let wire = TopologyRecovery::detected(record, describe);
    assert_eq!((wire.id, wire.uid.as_str(), wire.related_recovery_id), (9, "", 7));
    assert_eq!((wire.successor_key, wire.all_errors), (None, None));
    assert_eq!(wire.analysis_entry.start_active_period, "2024-05-01T10:11:12Z");
    assert_eq!(wire.recovery_start_timestamp, wire.analysis_entry.start_active_period);
    assert_eq!((wire.recovery_end_timestamp.as_str(), wire.recovery_type.as_str()), ("", ""));
}
