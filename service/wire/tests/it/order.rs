//! The order of keys, which clients that compare text depend on.

use orchestrator_wire::{
    Audit, BlockedRecovery, Candidate, ClusterInfo, RecoveryStep, ReplicationAnalysis, TopologyRecovery,
    audit::{AuditRecord, BlockedRecord, StepRecord},
    json,
};
use serde::Serialize;

use crate::fleet::{SEEN, key};

/// Names of the outermost object's keys, in their order.
fn keys(value: &impl Serialize) -> Vec<String> {
    let text = String::from_utf8(json::to_vec(value).unwrap()).unwrap();
    let mut keys = Vec::new();
    let mut depth = 0;
    let mut rest = text.as_str();
    while let Some(at) = rest.find(['{', '[', '}', ']', '"']) {
        match rest.as_bytes()[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {
                let string = &rest[at + 1..];
                let end = string.find('"').unwrap();
                if depth == 1 && string[end + 1..].starts_with(':') {
                    keys.push(string[..end].to_owned());
                }
                rest = &string[end + 1..];
                continue;
            }
        }
        rest = &rest[at + 1..];
    }
    keys
}

fn names(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn keys_of_an_analysis_are_in_their_order() {
    let expected = names(
        "AnalyzedInstanceKey AnalyzedInstanceMasterKey ClusterDetails AnalyzedInstanceDataCenter
        AnalyzedInstanceRegion AnalyzedInstancePhysicalEnvironment AnalyzedInstanceBinlogCoordinates IsMaster
        IsReplicationGroupMember IsCoMaster LastCheckValid LastCheckPartialSuccess CountReplicas
        CountValidReplicas CountValidReplicatingReplicas CountReplicasFailingToConnectToMaster
        CountDowntimedReplicas ReplicationDepth Replicas SlaveHosts IsFailingToConnectToMaster Analysis
        Description StructureAnalysis IsDowntimed IsReplicasDowntimed DowntimeEndTimestamp
        DowntimeRemainingSeconds IsBinlogServer PseudoGTIDImmediateTopology OracleGTIDImmediateTopology
        MariaDBGTIDImmediateTopology BinlogServerImmediateTopology SemiSyncMasterEnabled SemiSyncMasterStatus
        SemiSyncMasterWaitForReplicaCount SemiSyncMasterClients CountSemiSyncReplicasEnabled
        CountLoggingReplicas CountStatementBasedLoggingReplicas CountMixedBasedLoggingReplicas
        CountRowBasedLoggingReplicas CountDistinctMajorVersionsLoggingReplicas CountDelayedReplicas
        CountLaggingReplicas IsActionableRecovery ProcessingNodeHostname ProcessingNodeToken
        CountAdditionalAgreeingNodes StartActivePeriod SkippableDueToDowntime GTIDMode MinReplicaGTIDMode
        MaxReplicaGTIDMode MaxReplicaGTIDErrant CommandHint IsReadOnly",
    );
    assert_eq!(keys(&ReplicationAnalysis::default()), expected);
}

#[test]
fn keys_of_a_recovery_are_in_their_order() {
    let expected = names(
        "Id UID AnalysisEntry SuccessorKey SuccessorAlias SuccessorBinlogCoordinates IsActive IsSuccessful
        LostReplicas ParticipatingInstanceKeys AllErrors RecoveryStartTimestamp RecoveryEndTimestamp
        ProcessingNodeHostname ProcessingNodeToken Acknowledged AcknowledgedAt AcknowledgedBy
        AcknowledgedComment LastDetectionId RelatedRecoveryId Type RecoveryType",
    );
    assert_eq!(keys(&TopologyRecovery::default()), expected);
}

#[test]
fn keys_of_small_records_are_in_their_order() {
    let cluster =
        "ClusterName ClusterAlias ClusterDomain CountInstances HeuristicLag HasAutomatedMasterRecovery
        HasAutomatedIntermediateMasterRecovery";
    assert_eq!(keys(&ClusterInfo::default()), names(cluster));
    let candidate = "Hostname Port PromotionRule LastSuggestedString PromotionRuleExpiry";
    assert_eq!(keys(&Candidate::default()), names(candidate));
    let audit = AuditRecord { id: 1, at: SEEN, kind: "k".into(), instance: None, message: "m".into() };
    let expected = "AuditId AuditTimestamp AuditType AuditInstanceKey Message";
    assert_eq!(keys(&Audit::from(audit)), names(expected));
    let step = StepRecord { id: 1, recovery_uid: "u".into(), at: SEEN, message: "m".into() };
    assert_eq!(keys(&RecoveryStep::from(step)), names("Id RecoveryUID AuditAt Message"));
    let blocked = BlockedRecord {
        failed: key("db1"),
        cluster: "c".into(),
        analysis: "DeadMaster".into(),
        last_blocked_at: SEEN,
        blocking_recovery_id: 7,
    };
    let expected = "FailedInstanceKey ClusterName Analysis LastBlockedTimestamp BlockingRecoveryId";
    assert_eq!(keys(&BlockedRecovery::from(blocked)), names(expected));
}
