use orchestrator_crds::{ConditionType, OperationType, Reason};
use orchestrator_operator::{observation::Observation, plan::plan};

use super::draw::{ago, deed, draw, under_way, wishing};

const WELL: &str = "0 voter\n1 leader\n2 voter";

#[test]
fn a_group_that_is_as_wished_is_left_alone() {
    let plan = plan(&draw(WELL));
    assert_eq!((deed(&plan).as_str(), plan.row, plan.replicas), ("-", "as wished", 3));
    assert!(plan.operation.is_none() && plan.findings.is_empty() && plan.events.is_empty(), "{plan:?}");
}

#[test]
fn nobody_is_disturbed_before_the_leader_led_for_ten_seconds() {
    let mut seen = draw("0 voter old\n1 leader\n2 voter");
    seen.memory.leader = Some((2, 7, ago(4)));
    assert_eq!((deed(&plan(&seen)).as_str(), plan(&seen).row), ("-", "not settled"));
    seen.memory.leader = Some((2, 6, ago(400)));
    assert_eq!(deed(&plan(&seen)), "-", "another term");
    seen.memory.leader = Some((2, 7, ago(40)));
    assert_eq!(deed(&plan(&seen)), "evict main-0");
}

/// Its leader leads for a second, and what was under way still was.
fn just_led(picture: &str, operation: OperationType, target: &str, step: &str) -> Observation {
    let mut seen = draw(picture);
    let (node, term, _) = seen.memory.leader.expect("somebody leads");
    seen.memory.leader = Some((node, term, ago(1)));
    seen.memory.operation = Some(under_way(operation, target, step, 30, 1));
    seen
}

#[test]
fn a_new_leader_does_not_hold_up_a_group_in_which_nothing_is_left_to_do() {
    let formed = just_led(WELL, OperationType::Bootstrap, "main-0", "group c0ffee exists");
    let at_once = plan(&formed);
    assert_eq!((deed(&at_once).as_str(), at_once.row, &at_once.operation), ("-", "as wished", &None));
    let rolled = just_led(WELL, OperationType::RollingUpdate, "main-2", "is restarted");
    let told: Vec<&str> = plan(&rolled).events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(told, ["MemberUpdated", "RollingUpdateCompleted"]);
}

#[test]
fn what_a_new_leader_holds_up_stays_under_way_and_is_told_by_nobody() {
    let picture = "0 leader\n1 voter\n2 voter\n3 learner";
    let step = "gets its vote";
    let wish = |seen| wishing(seen, |spec| spec.replicas = 4);
    let held = plan(&wish(just_led(picture, OperationType::ScaleUp, "main-3", step)));
    assert_eq!((deed(&held).as_str(), held.row, held.events.len()), ("-", "not settled", 0));
    assert_eq!(held.operation.map(|now| now.step).as_deref(), Some(step));
    let no_pod = wishing(just_led(WELL, OperationType::ScaleUp, "main-3", step), |spec| spec.replicas = 5);
    assert_eq!((plan(&no_pod).replicas, plan(&no_pod).row), (3, "not settled"));
}

#[test]
fn a_wish_for_a_leader_is_fulfilled_as_soon_as_it_leads() {
    let mut seen = just_led(WELL, OperationType::LeaderTransfer, "main-1", "is to lead");
    seen.verbs.transfer_leader_to = Some("main-1".into());
    assert_eq!(deed(&plan(&seen)), "clear transfer-leader-to");
}

#[test]
fn a_change_of_members_that_is_under_way_is_waited_for() {
    assert_eq!(plan(&draw("0 voter old\n1 leader joint\n2 voter")).row, "not settled");
    assert_eq!(plan(&draw("0 voter old\n1 leader uncommitted\n2 voter")).row, "not settled");
    let lasting = plan(&draw("0 voter old\n1 leader joint\n2 voter"));
    assert_eq!(lasting.findings[0].reason, Reason::JointMembership, "half done for a minute");
}

#[test]
fn two_leaders_of_one_term_freeze_everything() {
    let plan = plan(&draw("0 leader\n1 leader\n2 voter old"));
    assert_eq!((deed(&plan).as_str(), plan.row), ("-", "two leaders in one term"));
    assert_eq!(plan.events.len(), 1);
}

#[test]
fn a_paused_group_keeps_pods_and_peers_as_they_are() {
    let mut seen = wishing(draw("0 voter old\n1 leader\n2 empty was=3"), |spec| spec.replicas = 5);
    seen.verbs.paused = true;
    let plan = plan(&seen);
    assert_eq!((deed(&plan).as_str(), plan.row, plan.replicas), ("-", "paused", 3));
    assert_eq!(plan.peers, seen.delivery.peers);
}

#[test]
fn a_group_that_is_deleted_or_stopped_changes_no_member() {
    let mut seen = draw("0 voter old\n1 leader\n2 empty was=3");
    seen.deleting = true;
    assert_eq!((deed(&plan(&seen)).as_str(), plan(&seen).replicas), ("-", 3));
    let seen = wishing(draw(WELL), |spec| spec.stopped = true);
    assert_eq!((deed(&plan(&seen)).as_str(), plan(&seen).replicas), ("-", 0));
}

#[test]
fn a_stop_waits_for_a_change_that_is_half_done() {
    let seen = wishing(draw("0 voter\n1 leader joint\n2 voter"), |spec| spec.stopped = true);
    assert_eq!(plan(&seen).replicas, 3);
}

#[test]
fn a_start_brings_all_pods_at_once() {
    let mut seen = draw("0 silent nopod\n1 silent nopod\n2 silent nopod");
    seen.set.as_mut().expect("drawn").replicas = 0;
    assert_eq!(plan(&seen).replicas, 3);
}

#[test]
fn pods_that_somebody_scaled_away_come_back() {
    let mut seen = draw(WELL);
    seen.set.as_mut().expect("drawn").replicas = 1;
    assert_eq!(plan(&seen).replicas, 3, "kubectl scale");
    seen.set = None;
    assert_eq!(plan(&seen).replicas, 3, "kubectl delete");
}

#[test]
fn whose_files_differ_reads_them_again_one_by_one_the_leader_last() {
    let reads = |picture: &str| deed(&plan(&draw(picture)));
    assert_eq!(reads("0 leader unread\n1 voter unread\n2 voter"), "reload 1");
    assert_eq!(reads("0 leader unlisted\n1 voter\n2 voter"), "reload 0");
    assert_eq!(reads("0 leader\n1 voter\n2 silent unread"), "-", "who is silent reads them at its start");
    let mut unwritten = draw("0 leader unlisted\n1 voter\n2 voter");
    unwritten.delivery.peers.pop();
    assert_eq!(deed(&plan(&unwritten)), "-", "the file is written first");
}

#[test]
fn somebody_who_asks_for_a_leader_gets_it() {
    let asking = |picture: &str, pod: &str| {
        let mut seen = draw(picture);
        seen.verbs.transfer_leader_to = Some(pod.into());
        deed(&plan(&seen))
    };
    assert_eq!(asking(WELL, "main-2"), "transfer main-2");
    assert_eq!(asking(WELL, "main-1"), "clear transfer-leader-to", "it leads");
    assert_eq!(asking(WELL, "main-7"), "clear transfer-leader-to", "nobody");
    assert_eq!(asking("0 voter\n1 leader recoveries=1\n2 voter", "main-2"), "-", "the leader repairs");
    assert_eq!(asking("0 voter\n1 leader\n2 voter lag=900", "main-2"), "-", "it lags");
}

#[test]
fn volumes_grow_one_by_one_the_leaders_last_then_their_template() {
    let growing = |picture: &str, template: u64| {
        let mut seen = wishing(draw(picture), |spec| spec.storage.size.0 = "1Gi".into());
        seen.set.as_mut().expect("drawn").storage = template;
        deed(&plan(&seen))
    };
    assert_eq!(growing("0 leader small\n1 voter small\n2 voter", 1 << 29), "grow data-main-1 1073741824");
    assert_eq!(growing("0 leader small\n1 voter\n2 voter", 1 << 29), "grow data-main-0 1073741824");
    assert_eq!(growing(WELL, 1 << 29), "recreate set");
    assert_eq!(growing(WELL, 1 << 30), "-");
}

#[test]
fn volumes_whose_class_lets_none_grow_are_left_alone_and_a_person_is_told() {
    let mut seen = draw("0 leader small fixed\n1 voter small fixed\n2 voter");
    seen.verbs.transfer_leader_to = Some("main-2".into());
    let told = plan(&seen);
    assert_eq!(deed(&told), "transfer main-2", "it holds up nothing else");
    let [finding] = &told.findings[..] else { panic!("{:?}", told.findings) };
    assert_eq!((finding.condition, finding.reason), (ConditionType::Progressing, Reason::Stalled));
    let begins = "data-main-1, data-main-0 cannot grow to 1Gi: the storage class standard does not allow it.";
    assert!(finding.message.starts_with(begins), "{}", finding.message);
    let way = r#"kubectl patch storageclass standard -p '{"allowVolumeExpansion":true}'"#;
    assert!(finding.message.contains(way), "{}", finding.message);
}
