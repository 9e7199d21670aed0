use orchestrator_crds::{Reason, ReplacementPolicy};
use orchestrator_operator::plan::plan;

use super::draw::{decide, deed, draw, looked_at_again, wishing};

/// What is done at the second look.
fn decide_at_last(picture: &str) -> String {
    deed(&plan(&looked_at_again(draw(picture))))
}

#[test]
fn an_empty_disk_under_the_name_of_a_voter_joins_as_a_new_member() {
    assert_eq!(decide("0 leader\n1 voter\n2 empty was=3"), "add main-2");
    assert_eq!(decide("0 leader\n1 voter\n2 learner was=3 id=70000 lag=900"), "-");
    let caught_up = "0 leader\n1 voter\n2 learner was=3 id=70000 lag=9";
    assert_eq!(decide(caught_up), "-", "seen once");
    assert_eq!(decide_at_last(caught_up), "voters [1, 2, 70000]");
}

#[test]
fn it_is_said_how_far_a_new_member_is() {
    let plan = plan(&draw("0 leader\n1 voter\n2 learner was=3 id=70000 lag=1240"));
    let step = plan.operation.expect("something is under way").step;
    assert_eq!(
        step,
        "catches up: main-2 joined as learner (node id 70000), 1240 entries behind; will replace node id 3"
    );
}

#[test]
fn a_pod_that_is_gone_with_its_volume_there_needs_nothing() {
    assert_eq!(decide("0 leader\n1 voter\n2 silent nopod"), "-");
    assert_eq!(
        decide("0 leader\n1 voter\n2 silent going nodedown"),
        "-",
        "a node that is down is not a lost disk"
    );
}

#[test]
fn a_volume_that_is_lost_for_long_enough_goes_then_its_pod() {
    assert_eq!(decide("0 leader\n1 voter\n2 silent dead=Pending lost=200"), "-");
    assert_eq!(decide("0 leader\n1 voter\n2 silent dead=Pending lost=400"), "delete data-main-2");
    assert_eq!(decide("0 leader\n1 voter\n2 silent dead=Pending lost=400 wiping"), "delete main-2");
}

#[test]
fn a_lost_volume_waits_for_a_person_who_wants_that() {
    let manual = |picture: &str| {
        plan(&wishing(draw(picture), |spec| spec.replacement.policy = ReplacementPolicy::Manual))
    };
    let waiting = manual("0 leader\n1 voter\n2 silent dead=Pending lost=400");
    assert_eq!(deed(&waiting), "-");
    assert!(waiting.findings[0].message.contains("kubectl annotate pod main-2 orchestrator.rs/replace=true"));
    assert_eq!(
        deed(&manual("0 leader\n1 voter\n2 silent dead=Pending lost=400 replace")),
        "delete data-main-2"
    );
}

#[test]
fn who_asks_for_a_replacement_gets_it_while_all_others_are_well() {
    assert_eq!(decide("0 leader\n1 voter replace\n2 voter"), "delete data-main-1");
    assert_eq!(decide("0 leader\n1 voter replace wiping\n2 voter"), "evict main-1");
    assert_eq!(decide("0 leader\n1 voter replace\n2 silent"), "-");
    assert_eq!(decide("0 leader\n1 voter replace\n2 voter fresh"), "-", "well for 3 seconds only");
    assert_eq!(decide("0 leader replace\n1 voter lag=4\n2 voter"), "transfer main-2");
    assert_eq!(decide("0 leader replace"), "clear replace of main-0");
    assert_eq!(decide("0 leader\n1 corrupt replace unready member\n2 voter"), "delete data-main-1");
}

#[test]
fn two_of_five_are_replaced_one_after_the_other() {
    let both = "0 leader\n1 voter\n2 voter\n3 empty was=4\n4 empty was=5";
    assert_eq!(decide(both), "add main-3");
    assert_eq!(
        decide_at_last("0 leader\n1 voter\n2 voter\n3 learner was=4 id=70000\n4 empty was=5"),
        "voters [1, 2, 3, 5, 70000]"
    );
}

#[test]
fn an_identity_that_the_group_let_go_gets_new_storage() {
    assert_eq!(decide("0 leader\n1 voter\n2 stale"), "delete data-main-2");
    assert_eq!(decide("0 leader\n1 voter\n2 stale wiping"), "delete main-2");
}

#[test]
fn a_disk_that_comes_back_or_is_lost_again_drops_the_new_identity() {
    assert_eq!(decide("0 leader\n1 voter\n2 empty was=3\nx9 voter"), "add main-2");
    let mut seen = draw("0 leader\n1 voter\n2 learner was=3 id=70000");
    let answer = draw("0 leader\n1 voter\n2 voter").seats[&2].answer.clone();
    seen.seats.get_mut(&2).expect("drawn").answer = answer;
    assert_eq!(deed(&plan(&seen)), "drop 70000", "the old disk is back");
    let empty = draw("0 leader\n1 voter\n2 empty").seats[&2].answer.clone();
    seen.seats.get_mut(&2).expect("drawn").answer = empty;
    assert_eq!(deed(&plan(&seen)), "drop 70000", "the new one is empty");
}

#[test]
fn a_claim_deleted_under_the_only_voter_keeps_nobody_from_coming() {
    assert_eq!(decide("0 leader wiping\n1 empty"), "add main-1");
}

#[test]
fn foreign_data_is_never_wiped_and_stops_everything_else() {
    let plan = plan(&draw("0 leader\n1 voter old\n2 foreign replace"));
    assert_eq!(deed(&plan), "-");
    assert_eq!(plan.findings[0].reason, Reason::ForeignData);
}

#[test]
fn a_volume_that_is_labelled_with_another_group_is_not_deleted() {
    assert_eq!(decide("0 leader\n1 voter\n2 stale label=another"), "-");
}

#[test]
fn a_corrupt_member_is_reported_and_waits_for_a_person() {
    let plan = plan(&draw("0 leader\n1 voter\n2 corrupt member"));
    assert_eq!((deed(&plan).as_str(), plan.findings[0].reason), ("-", Reason::MemberCorrupt));
}

#[test]
fn an_external_member_with_an_empty_disk_joins_again() {
    assert_eq!(decide("0 leader\n1 voter\nx1 empty was=101"), "add x1");
}
