use orchestrator_crds::{OperationType, Reason, UpdateStrategy};
use orchestrator_operator::observation::{Invalid, Observation};
use orchestrator_operator::plan::plan;

use super::draw::{decide, deed, draw, under_way, wishing};

fn reason(seen: &Observation) -> Option<Reason> {
    plan(seen).findings.first().map(|finding| finding.reason)
}

#[test]
fn followers_are_restarted_highest_first_and_the_leader_last() {
    assert_eq!(decide("0 voter old\n1 leader old\n2 voter old"), "evict main-2");
    assert_eq!(decide("0 voter old\n1 leader old\n2 voter"), "evict main-0");
    assert_eq!(decide("0 voter\n1 leader old\n2 voter"), "transfer main-0");
    assert_eq!(decide("0 leader\n1 voter old\n2 voter"), "evict main-1");
}

#[test]
fn the_next_one_waits_until_the_last_one_is_well_for_long_enough() {
    assert_eq!(decide("0 voter old\n1 leader old\n2 voter fresh"), "-");
    assert_eq!(decide("0 voter old\n1 leader old\n2 silent going"), "-");
    assert_eq!(decide("0 voter old\n1 leader old\n2 voter lag=500"), "-");
    let waiting = draw("0 voter old\n1 leader old\n2 silent dead=ImagePullBackOff");
    assert_eq!(
        (deed(&plan(&waiting)).as_str(), reason(&waiting)),
        ("-", Some(Reason::WaitingForHealthyMembers))
    );
    assert!(plan(&waiting).findings[0].message.contains("main-2 does not start: ImagePullBackOff"));
}

#[test]
fn an_update_is_complete_when_the_last_member_works_again() {
    let after = |picture: &str| {
        let mut seen = draw(picture);
        let step = "is restarted: 2 of 3 members done";
        seen.memory.operation = Some(under_way(OperationType::RollingUpdate, "main-1", step, 60, 1));
        plan(&seen)
    };
    let hangs = after("0 leader\n1 silent dead=ImagePullBackOff\n2 voter");
    let now = hangs.operation.expect("it is awaited");
    assert_eq!((deed(&after("0 leader\n1 silent going\n2 voter")).as_str(), hangs.events.len()), ("-", 0));
    assert_eq!(now.step, "starts anew: main-1 does not start: ImagePullBackOff");
    let works = after("0 leader\n1 voter fresh\n2 voter");
    let told: Vec<&str> = works.events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!((told, works.operation), (vec!["MemberUpdated", "RollingUpdateCompleted"], None));
}

#[test]
fn whoever_does_not_work_is_restarted_first() {
    assert_eq!(decide("0 silent old\n1 leader old\n2 voter old"), "delete main-0");
    assert_eq!(decide("0 silent old dead=CrashLoopBackOff\n1 leader old\n2 voter old"), "delete main-0");
}

#[test]
fn a_broken_pod_of_an_old_template_is_made_anew_without_a_quorum() {
    assert_eq!(
        decide("0 silent old dead=ImagePullBackOff\n1 silent old dead=ImagePullBackOff\n2 voter old"),
        "delete main-0"
    );
    assert_eq!(decide("0 silent dead=ImagePullBackOff\n1 silent dead=ImagePullBackOff\n2 voter old"), "-");
}

#[test]
fn a_pod_whose_claim_is_gone_is_made_anew() {
    assert_eq!(decide("0 leader\n1 voter\n2 silent dead=Pending novolume"), "delete main-2");
}

#[test]
fn nothing_is_ended_while_the_operator_sees_nobody() {
    let seen = draw("0 silent ready\n1 silent ready\n2 silent old dead=CrashLoopBackOff");
    assert_eq!((deed(&plan(&seen)).as_str(), reason(&seen)), ("-", Some(Reason::OperatorCannotReachMembers)));
}

#[test]
fn a_leader_that_repairs_is_spared_for_a_while() {
    let repairing = "0 voter\n1 leader old recoveries=1\n2 voter";
    assert_eq!(decide(repairing), "-");
    assert_eq!(reason(&draw(repairing)), Some(Reason::WaitingForRecovery));
    let mut seen = draw(repairing);
    let step = "waits for the leader to finish its recoveries: 2 of them";
    seen.memory.operation = Some(under_way(OperationType::RollingUpdate, "main-1", step, 700, 0));
    assert_eq!(deed(&plan(&seen)), "transfer main-0");
    assert_eq!(decide("0 leader old recoveries=1"), "-", "also when nobody else can lead");
}

#[test]
fn a_leader_that_does_not_hand_over_is_restarted_after_three_tries() {
    let mut seen = draw("0 voter\n1 leader old\n2 voter");
    let step = "hands leadership over: main-0";
    seen.memory.operation = Some(under_way(OperationType::RollingUpdate, "main-1", step, 10, 2));
    assert_eq!(deed(&plan(&seen)), "transfer main-0");
    seen.memory.operation = Some(under_way(OperationType::RollingUpdate, "main-1", step, 10, 3));
    assert_eq!(deed(&plan(&seen)), "evict main-1");
    seen.memory.operation = Some(under_way(OperationType::RollingUpdate, "main-1", step, 50, 0));
    assert_eq!(deed(&plan(&seen)), "evict main-1", "after 45 seconds");
}

#[test]
fn the_only_member_is_restarted_unless_its_storage_ends_with_its_pod() {
    assert_eq!(decide("0 leader old"), "evict main-0");
    let seen = wishing(draw("0 leader old novolume"), |spec| spec.storage.ephemeral = true);
    assert_eq!(deed(&plan(&seen)), "-");
}

#[test]
fn people_restart_members_when_they_wish_to() {
    let seen =
        wishing(draw("0 voter old\n1 leader\n2 voter"), |spec| spec.update.strategy = UpdateStrategy::Manual);
    assert_eq!((deed(&plan(&seen)).as_str(), reason(&seen)), ("-", Some(Reason::ManualUpdateRequired)));
}

#[test]
fn nobody_is_restarted_with_a_configuration_that_is_not_valid() {
    let mut seen = draw("0 voter old\n1 leader\n2 voter");
    seen.invalid = vec![Invalid { reason: Reason::SecretNotFound, message: "no Secret".into() }];
    assert_eq!(deed(&plan(&seen)), "-");
}

#[test]
fn only_so_many_groups_are_rolled_at_once_and_one_that_began_goes_on() {
    let mut seen = draw("0 voter old\n1 leader old\n2 voter");
    seen.may_roll = false;
    assert_eq!((deed(&plan(&seen)).as_str(), reason(&seen)), ("-", Some(Reason::RateLimited)));
    seen.memory.operation = Some(under_way(OperationType::RollingUpdate, "main-2", "is restarted", 60, 1));
    assert_eq!(deed(&plan(&seen)), "evict main-0");
}

#[test]
fn an_image_that_cannot_read_what_is_on_disk_is_refused_unless_allowed() {
    let mut seen = draw("0 voter old\n1 leader\n2 voter");
    seen.set.as_mut().expect("drawn").image = "orchestrator:0.0.9".into();
    assert_eq!((deed(&plan(&seen)).as_str(), reason(&seen)), ("-", Some(Reason::DowngradeRefused)));
    seen.verbs.allow_downgrade = Some("0.0.9".into());
    assert_eq!(deed(&plan(&seen)), "evict main-0");
}
