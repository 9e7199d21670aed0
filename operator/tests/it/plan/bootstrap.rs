use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use orchestrator_crds::{BootstrapStatus, MembershipEntry, Reason};
use orchestrator_operator::observation::{Memory, Observation};
use orchestrator_operator::plan::plan;

use super::draw::{ago, deed, draw, wishing};

/// A group of which nothing was written down yet.
fn unformed(picture: &str) -> Observation {
    let mut seen = draw(picture);
    seen.memory = Memory::default();
    seen
}

/// One that is being formed since so many seconds.
fn forming(picture: &str, seconds: i64) -> Observation {
    let mut seen = unformed(picture);
    let members = (0..3).map(|ordinal: i64| MembershipEntry {
        node_id: ordinal + 1,
        address: format!("main-{ordinal}.main-raft.test.svc:10008"),
    });
    seen.memory.bootstrap = Some(BootstrapStatus {
        token: "c0ffee".into(),
        cluster_id: "c0ffee".into(),
        members: members.collect(),
        started_at: Time(ago(seconds)),
        completed_at: None,
    });
    seen
}

fn reasons(seen: &Observation) -> BTreeSet<Reason> {
    plan(seen).findings.iter().map(|finding| finding.reason).collect()
}

#[test]
fn a_group_is_written_down_when_all_members_answer_that_they_hold_nothing() {
    assert_eq!(deed(&plan(&unformed("0 empty\n1 empty\n2 empty"))), "record fresh of 3");
}

#[test]
fn nothing_is_written_down_while_somebody_is_silent_and_he_is_named() {
    let seen = unformed("0 empty\n1 none dead=Pending\n2 empty");
    let plan = plan(&seen);
    assert_eq!(deed(&plan), "-");
    assert_eq!(plan.findings[0].reason, Reason::WaitingForMembers);
    assert!(
        plan.findings[0].message.contains("main-1 is Pending: 0/3 nodes are available"),
        "{:?}",
        plan.findings
    );
}

#[test]
fn who_has_a_volume_is_asked_before_a_group_of_fewer_is_formed() {
    let seen = wishing(unformed("0 empty\n1 silent nopod\n2 silent nopod"), |spec| spec.replicas = 1);
    let plan = plan(&seen);
    assert_eq!((deed(&plan).as_str(), plan.replicas), ("-", 3));
    assert!(plan.findings[0].message.contains("main-1"), "{:?}", plan.findings);
}

#[test]
fn no_group_is_formed_over_data() {
    let seen = unformed("0 empty\n1 foreign\n2 empty");
    assert_eq!(deed(&plan(&seen)), "-");
    assert_eq!(reasons(&seen), BTreeSet::from([Reason::DataWithoutQuorum]));
    let corrupt = unformed("0 empty\n1 corrupt\n2 empty");
    assert_eq!(deed(&plan(&corrupt)), "-");
}

#[test]
fn no_group_is_formed_beside_that_of_an_external_member() {
    let seen = unformed("0 empty\n1 empty\nx1 foreign");
    assert_eq!(deed(&plan(&seen)), "-");
    assert!(plan(&seen).findings[0].message.contains("x1.example.net:10008 holds data of group another"));
}

#[test]
fn a_group_with_a_leader_is_adopted_whatever_else_is_missing() {
    assert_eq!(deed(&plan(&unformed("0 leader\n1 voter\n2 silent"))), "adopt c0ffee");
}

#[test]
fn a_group_on_which_most_members_agree_is_adopted_without_a_leader() {
    assert_eq!(deed(&plan(&unformed("0 voter\n1 voter\n2 empty"))), "adopt c0ffee");
    assert_eq!(deed(&plan(&unformed("0 voter\n1 empty\n2 empty"))), "-");
}

#[test]
fn a_list_that_was_written_down_is_formed_by_the_first_member() {
    assert_eq!(deed(&plan(&forming("0 empty\n1 empty\n2 empty", 5))), "bootstrap");
}

#[test]
fn the_list_stays_when_the_wish_changes_meanwhile() {
    let seen = wishing(forming("0 empty\n1 empty\n2 empty", 5), |spec| spec.replicas = 5);
    let plan = plan(&seen);
    assert_eq!((deed(&plan).as_str(), plan.replicas), ("bootstrap", 3));
}

#[test]
fn whoever_began_is_not_asked_again() {
    let seen = forming("0 voter\n1 empty\n2 empty", 5);
    assert_eq!(deed(&plan(&seen)), "-");
    assert_eq!(deed(&plan(&forming("0 leader\n1 voter\n2 silent", 5))), "formed c0ffee");
}

#[test]
fn forming_that_takes_too_long_is_said() {
    let seen = forming("0 empty\n1 none\n2 empty", 400);
    assert_eq!(reasons(&seen), BTreeSet::from([Reason::BootstrapStalled]));
}

#[test]
fn a_pod_that_cannot_run_is_made_anew_before_there_is_a_group() {
    let seen = unformed("0 empty\n1 none old dead=ImagePullBackOff\n2 empty");
    assert_eq!(deed(&plan(&seen)), "delete main-1");
}

#[test]
fn data_that_is_found_brings_all_pods_of_its_group() {
    let seen = wishing(unformed("0 voter\n1 voter\n2 voter\n3 silent\n4 silent"), |spec| spec.replicas = 3);
    assert_eq!(plan(&seen).replicas, 5);
}
