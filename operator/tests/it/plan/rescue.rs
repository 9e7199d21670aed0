use orchestrator_crds::{OperationType, Reason};
use orchestrator_operator::observation::Observation;
use orchestrator_operator::plan::plan;

use super::draw::{GROUP, ago, deed, draw, under_way, wishing};

fn reasons(seen: &Observation) -> Vec<Reason> {
    plan(seen).findings.iter().map(|finding| finding.reason).collect()
}

/// A group in which somebody asks for `pod` to go on alone.
fn forced(picture: &str, pod: &str) -> Observation {
    let mut seen = draw(picture);
    seen.verbs.force_new_cluster = Some(format!("{GROUP}/{pod}"));
    seen
}

const ALONE: &str =
    "0 voter unready last=9\n1 silent lost=4000 dead=Pending\n2 silent lost=4000 dead=Pending";

#[test]
fn a_lost_quorum_changes_nothing_and_names_who_is_missing() {
    let picture = "0 voter old unready\n1 silent nodedown\n2 silent lost=4000 dead=Pending replace";
    let seen = wishing(draw(picture), |spec| spec.replicas = 5);
    let plan = plan(&seen);
    assert_eq!((deed(&plan).as_str(), plan.replicas), ("-", 3));
    assert_eq!(plan.findings[0].reason, Reason::MajorityUnreachable);
    let message = &plan.findings[0].message;
    assert!(message.starts_with("1 of 3 voters answer and none of them leads."), "{message}");
    assert!(message.contains("main-1: node node-a is NotReady for 12m"), "{message}");
    assert!(message.contains("main-2: its volume data-main-2 is lost for 66m"), "{message}");
}

#[test]
fn lost_disks_of_a_majority_are_told_apart_with_the_way_out() {
    let plan = plan(&draw(ALONE));
    assert_eq!(plan.findings[0].reason, Reason::MajorityStorageLost);
    let way = "kubectl annotate orc main orchestrator.rs/force-new-cluster=c0ffee/POD";
    assert!(plan.findings[0].message.contains(way), "{:?}", plan.findings);
}

#[test]
fn an_election_is_no_lost_quorum() {
    let mut seen = draw("0 voter\n1 voter\n2 silent");
    seen.memory.quorum_lost_since = None;
    assert_eq!(reasons(&seen), []);
    seen.memory.quorum_lost_since = Some(ago(1));
    assert_eq!(reasons(&seen), []);
}

#[test]
fn all_data_lost_is_said_and_never_bootstrapped_over() {
    let seen = draw("0 empty\n1 empty\n2 empty");
    assert_eq!(deed(&plan(&seen)), "-");
    assert_eq!(reasons(&seen)[0], Reason::AllDataLost);
}

#[test]
fn a_survivor_goes_on_alone_after_the_others_are_fenced() {
    assert_eq!(deed(&plan(&forced(ALONE, "main-0"))), "delete data-main-1");
    let wiping = "0 voter unready\n1 silent lost=4000 dead=Pending wiping\n2 silent nopod novolume";
    assert_eq!(deed(&plan(&forced(wiping, "main-0"))), "delete main-1");
    assert_eq!(
        deed(&plan(&forced("0 voter unready\n1 empty was=2\n2 silent nopod novolume", "main-0"))),
        "alone 0 epoch 1"
    );
}

#[test]
fn storage_that_came_after_the_fence_is_not_fenced_again() {
    let mut seen = forced("0 voter unready\n1 silent\n2 silent nopod novolume", "main-0");
    seen.memory.operation = Some(under_way(OperationType::ForceNewCluster, "main-0", "keeps others", 60, 1));
    let volume = seen.seats.get_mut(&1).and_then(|seat| seat.volume.as_mut()).expect("drawn");
    volume.created = ago(30);
    assert_eq!(deed(&plan(&seen)), "alone 0 epoch 1");
}

#[test]
fn whom_the_group_let_go_does_not_keep_a_survivor_from_going_on() {
    let others =
        "1 voter unready removed\n2 voter unready removed\n3 voter unready removed\n4 silent nopod novolume";
    assert_eq!(deed(&plan(&forced(&format!("0 voter unready\n{others}"), "main-0"))), "alone 0 epoch 1");
    let refused = "clear force-new-cluster";
    assert_eq!(
        deed(&plan(&forced(&format!("0 voter unready\n{others}"), "main-1"))),
        refused,
        "it was let go"
    );
}

#[test]
fn a_pod_that_is_made_anew_on_the_way_does_not_begin_the_rescue_again() {
    let mut seen = forced("0 voter unready\n1 silent dead=Pending novolume\n2 silent", "main-0");
    seen.memory.operation = Some(under_way(OperationType::ForceNewCluster, "main-0", "keeps others", 60, 1));
    let plan = plan(&seen);
    assert_eq!(deed(&plan), "delete main-1");
    let now = plan.operation.expect("the rescue goes on");
    assert_eq!((now.operation, now.targets), (OperationType::ForceNewCluster, vec!["main-0".to_owned()]));
    assert!(plan.events.is_empty(), "{:?}", plan.events);
}

#[test]
fn a_rescue_is_reported_once_when_it_begins() {
    let told = plan(&forced(ALONE, "main-0")).events;
    let told: Vec<&str> = told.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(told, ["ForceNewClusterRequested"]);
}

#[test]
fn nobody_goes_on_alone_too_early() {
    let mut seen = forced(ALONE, "main-0");
    seen.memory.quorum_lost_since = Some(ago(300));
    assert_eq!(deed(&plan(&seen)), "-");
    assert_eq!(deed(&plan(&forced("0 silent\n1 silent\n2 silent", "main-0"))), "-", "it is silent");
    let alive = forced("0 voter unready\n1 silent ready\n2 silent lost=900", "main-0");
    assert_ne!(deed(&plan(&alive)), "alone 0 epoch 1", "main-1 is ready, so it lives");
}

#[test]
fn what_cannot_be_meant_is_refused_and_taken_away() {
    let refused = "clear force-new-cluster";
    assert_eq!(deed(&plan(&forced("0 leader\n1 voter\n2 silent", "main-0"))), refused, "there is a leader");
    assert_eq!(deed(&plan(&forced(ALONE, "main-9"))), refused, "no such pod");
    let newer = "0 voter unready last=9\n1 voter unready last=10\n2 silent\n3 silent\n4 silent";
    assert_eq!(deed(&plan(&forced(newer, "main-0"))), refused, "main-1 has more");
    assert_eq!(
        deed(&plan(&forced("0 voter unready\n1 voter unready\n2 voter unready", "main-0"))),
        refused,
        "all answer"
    );
    assert_eq!(
        deed(&plan(&forced("0 voter unready\nx1 silent\nx2 silent", "main-0"))),
        refused,
        "a majority is outside"
    );
    let mut other = forced(ALONE, "main-0");
    other.verbs.force_new_cluster = Some("another/main-0".into());
    assert_eq!(deed(&plan(&other)), refused, "another group");
}

#[test]
fn who_went_on_alone_is_reported_once_it_leads() {
    let mut seen = forced("0 leader\n1 empty\n2 empty", "main-0");
    seen.memory.operation = Some(under_way(OperationType::ForceNewCluster, "main-0", "goes on alone", 60, 1));
    let plan = plan(&seen);
    assert_eq!(deed(&plan), "clear force-new-cluster");
    assert_eq!(plan.events[0].reason.as_str(), "ForceNewClusterCompleted");
}

#[test]
fn a_new_group_begins_only_when_somebody_asks_and_nothing_is_left() {
    let asked = |picture: &str, group: &str| {
        let mut seen = draw(picture);
        seen.verbs.allow_rebootstrap = Some(group.into());
        deed(&plan(&seen))
    };
    assert_eq!(asked("0 empty\n1 empty\n2 empty", GROUP), "forget");
    assert_eq!(asked("0 empty\n1 silent\n2 empty", GROUP), "-", "main-1 may hold data");
    assert_eq!(asked("0 empty\n1 silent lost=10 dead=Pending\n2 empty", GROUP), "delete data-main-1");
    assert_eq!(asked("0 empty\n1 voter\n2 empty", GROUP), "clear allow-rebootstrap", "main-1 holds data");
    assert_eq!(asked("0 empty\n1 empty\n2 empty", "another"), "clear allow-rebootstrap");
}

#[test]
fn a_member_outside_may_hold_data_until_somebody_takes_it_out_of_the_spec() {
    let mut seen = draw("0 empty\n1 empty\nx1 silent");
    assert_eq!(reasons(&seen), [Reason::MajorityUnreachable], "not all data is known to be lost");
    seen.verbs.allow_rebootstrap = Some(GROUP.into());
    let waits = plan(&seen);
    let step = waits.operation.as_ref().map(|now| now.step.as_str()).unwrap_or_default();
    let begins = "waits to know that all data is lost: x1.example.net:10008 runs outside of Kubernetes";
    assert!(deed(&waits) == "-" && step.starts_with(begins), "{step}");
    // The group had it as a member, and nobody asks it.
    assert_eq!(deed(&plan(&wishing(seen, |spec| spec.raft.external_members.clear()))), "forget");
}

#[test]
fn a_leader_that_only_members_see_is_not_taken_for_a_lost_quorum() {
    let mut seen = draw("0 voter\n1 voter\nx1 leader");
    seen.external[0].1 = orchestrator_operator::observation::Answer::Silent("no route".into());
    assert_eq!(reasons(&seen), [Reason::SomeUnreachable]);
}
