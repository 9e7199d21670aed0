//! What findings call for, what silences them, what they tell.

use expect_test::expect;
use orchestrator_core::{
    analysis::{AnalysisCode, Emergency, Response, explain},
    picture::draw,
    policy::AnalysisPolicy,
};

use crate::support::{check, check_with, finding, findings};

#[test]
fn a_downtimed_primary_is_reported_but_not_actionable() {
    check(
        "a unreachable downtimed\n  b io=connecting",
        expect![[r#"
        a:3306 DeadPrimary: 1 replicas, 1 valid, 0 replicating, 1 failing; skippable
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
    let finding = finding("a unreachable downtimed\n  b io=connecting", "a");
    assert_eq!(finding.code.response(), Response::RecoverPrimary);
    assert!(!finding.is_actionable());
    assert_eq!(finding.downtime_remaining_seconds(), 600);
}

#[test]
fn downtimed_replicas_do_not_silence_a_dead_primary() {
    check(
        "a unreachable\n  b io=connecting downtimed\n  c io=connecting downtimed",
        expect![[r#"
        a:3306 DeadPrimary: 2 replicas, 2 valid, 0 replicating, 2 failing
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating; skippable
        c:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating; skippable"#]],
    );
    check(
        "a\n  m unreachable\n    r io=connecting downtimed\n    s io=connecting downtimed",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 DeadIntermediate: 2 replicas, 2 valid, 0 replicating, 2 failing"#]],
    );
}

#[test]
fn downtimed_replicas_silence_what_is_about_replicas() {
    check(
        "a\n  b io=no downtimed\n  c io=no downtimed",
        expect!["a:3306 AllPrimaryReplicasNotReplicating: 2 replicas, 2 valid, 0 replicating; skippable"],
    );
    check(
        "a\n  b io=no downtimed\n  c io=no",
        expect!["a:3306 AllPrimaryReplicasNotReplicating: 2 replicas, 2 valid, 0 replicating"],
    );
}

#[test]
fn maintenance_hides_an_instance() {
    check(
        "a unreachable maintenance\n  b io=connecting",
        expect!["b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"],
    );
}

#[test]
fn well_instances_without_replicas_are_left_out_only_where_counts_are_reduced() {
    let all = AnalysisPolicy { reduce_analysis_count: false, ..AnalysisPolicy::default() };
    check("a ro", expect![""]);
    check_with(
        &all,
        "a ro",
        expect!["a:3306 NoProblem: 0 replicas, 0 valid, 0 replicating; [NoWriteablePrimary]"],
    );
}

#[test]
fn weightier_findings_come_first() {
    check(
        "
        x unreachable
        a
          m unreachable
            r io=connecting
            s io=connecting
          b unreachable
        c unreachable
          d io=connecting
        ",
        expect![[r#"
            a:3306 NoProblem: 2 replicas, 0 valid, 0 replicating; [NoFailoverSupport]
            c:3306 DeadPrimary: 1 replicas, 1 valid, 0 replicating, 1 failing
            x:3306 DeadPrimaryWithoutReplicas: 0 replicas, 0 valid, 0 replicating
            m:3306 DeadIntermediate: 2 replicas, 2 valid, 0 replicating, 2 failing
            d:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn every_code_calls_for_what_the_table_says() {
    let mut table = String::new();
    for code in AnalysisCode::all() {
        let emergency = code.emergency().map(|emergency| format!(" + {emergency:?}")).unwrap_or_default();
        table += &format!("{} {:?}{emergency}\n", code.as_str(), code.response());
    }
    expect![[r#"
        NoProblem Ignore
        DeadMasterWithoutReplicas Ignore
        DeadMaster RecoverPrimary
        DeadMasterAndReplicas DetectOnly + ReprobePrimaryAndReplicas
        DeadMasterAndSomeReplicas RecoverPrimary
        UnreachableMasterWithLaggingReplicas DetectOnly + RestartReplicaIo
        UnreachableMaster DetectOnly + ReprobePrimaryAndReplicas
        LockedSemiSyncMaster RecoverSemiSync
        LockedSemiSyncMasterHypothesis Ignore + ReprobePrimary
        MasterWithTooManySemiSyncReplicas RecoverSemiSync
        NoWriteableMasterStructureWarning MakeWriteable
        MasterSingleReplicaNotReplicating Ignore
        MasterSingleReplicaDead Ignore
        AllMasterReplicasNotReplicating DetectOnly + ReprobePrimary
        AllMasterReplicasNotReplicatingOrDead DetectOnly + ReprobePrimary
        MasterWithoutReplicas Ignore
        DeadCoMaster RecoverCoPrimary
        DeadCoMasterAndSomeReplicas RecoverCoPrimary
        UnreachableCoMaster Ignore
        AllCoMasterReplicasNotReplicating Ignore
        DeadIntermediateMasterWithSingleReplicaFailingToConnect RecoverIntermediate
        DeadIntermediateMasterWithSingleReplica Ignore
        DeadIntermediateMaster RecoverIntermediate
        DeadIntermediateMasterAndSomeReplicas RecoverIntermediate
        DeadIntermediateMasterAndReplicas DetectOnly
        UnreachableIntermediateMasterWithLaggingReplicas DetectOnly + RestartReplicaIo
        UnreachableIntermediateMaster Ignore
        AllIntermediateMasterReplicasFailingToConnectOrDead RecoverIntermediate
        AllIntermediateMasterReplicasNotReplicating Ignore
        BinlogServerFailingToConnectToMaster Ignore
        FirstTierReplicaFailingToConnectToMaster Ignore + ReprobeSource
        DeadReplicationGroupMemberWithReplicas RecoverGroupMember
    "#]]
    .assert_eq(&table);
}

#[test]
fn an_unreachable_primary_is_probed_again_at_once() {
    let finding = finding("a unreachable\n  b", "a");
    assert_eq!(finding.code.emergency(), Some(Emergency::ReprobePrimaryAndReplicas));
    assert!(!finding.is_actionable());
}

#[test]
fn a_finding_can_be_explained() {
    let finding = finding("a unreachable\n  b io=connecting\n  c", "a");
    let mut told = String::new();
    for explanation in
        explain(&finding.facts).iter().filter(|explanation| explanation.code != AnalysisCode::NoProblem)
    {
        let failed: Vec<_> =
            explanation.conjuncts.iter().filter(|(_, holds)| !holds).map(|(name, _)| *name).collect();
        told += &format!("{:?}: not because {failed:?}\n", explanation.code);
    }
    expect![[r#"
        DeadPrimaryWithoutReplicas: not because ["it has no replicas"]
        DeadPrimary: not because ["no replica replicates from it"]
        DeadPrimaryAndReplicas: not because ["no replica can be reached", "no replica replicates from it"]
        DeadPrimaryAndSomeReplicas: not because ["some of its replicas can be reached, and some cannot", "no replica replicates from it"]
        UnreachablePrimaryWithLaggingReplicas: not because ["all its replicas lag"]
        UnreachablePrimary: not because []
    "#]].assert_eq(&told);
}

#[test]
fn kinds_of_instances_have_their_names() {
    let kind = |picture: &str, key: &str| finding(picture, key).instance_type().as_str();
    assert_eq!(kind("a\n  b\n    c", "a"), "master");
    assert_eq!(kind("a\n  b\n    c", "b"), "intermediate-master");
    assert_eq!(kind("a source=b\n  b", "b"), "co-master");
    assert_eq!(kind("a group=g/PRIMARY/ONLINE", "a"), "group-member");
}

#[test]
fn a_finding_tells_where_the_instance_is() {
    let drawn =
        draw("a unreachable alias=shop domain=shop.example dc=east region=north env=prod\n  b io=connecting");
    let finding = &findings(&AnalysisPolicy::default(), &drawn)[0];
    assert_eq!((&*finding.cluster, &*finding.alias, &*finding.domain), ("a:3306", "shop", "shop.example"));
    assert_eq!((&*finding.data_center, &*finding.region, &*finding.environment), ("east", "north", "prod"));
    assert_eq!(finding.replicas, ["b:3306".parse_key()]);
}

trait ParseKey {
    fn parse_key(&self) -> orchestrator_core::InstanceKey;
}

impl ParseKey for str {
    fn parse_key(&self) -> orchestrator_core::InstanceKey {
        orchestrator_core::InstanceKey::parse(self, 3306).unwrap()
    }
}
