use orchestrator_operator::observation::Observation;
use orchestrator_operator::plan::plan;

use super::draw::{deed, draw, looked_at_again, wishing};

/// Deed and pods for a picture in which so many pods are wished for.
fn scaled(picture: &str, replicas: i32) -> (String, u32) {
    let seen = wishing(draw(picture), |spec| spec.replicas = replicas);
    let plan = plan(&listed(seen));
    (deed(&plan), plan.replicas)
}

/// The same at the second look.
fn scaled_at_last(picture: &str, replicas: i32) -> (String, u32) {
    let seen = looked_at_again(listed(wishing(draw(picture), |spec| spec.replicas = replicas)));
    let plan = plan(&seen);
    (deed(&plan), plan.replicas)
}

/// With the list of peers written that the plan wants.
fn listed(mut seen: Observation) -> Observation {
    seen.delivery.peers = plan(&seen).peers;
    seen
}

fn is(deed: &str, pods: u32) -> (String, u32) {
    (deed.into(), pods)
}

#[test]
fn new_members_come_one_pod_at_a_time() {
    assert_eq!(scaled("0 leader\n1 voter\n2 voter", 5), is("-", 4));
    assert_eq!(scaled("0 leader\n1 voter\n2 voter\n3 none", 5), is("-", 4), "it starts");
    assert_eq!(scaled("0 leader\n1 voter\n2 voter\n3 empty", 5), is("add main-3", 4));
    assert_eq!(scaled("0 leader\n1 voter\n2 voter\n3 learner lag=900", 5), is("-", 4));
    assert_eq!(scaled("0 leader\n1 voter\n2 voter\n3 learner", 5), is("-", 5), "the next one");
}

#[test]
fn all_new_members_get_their_vote_in_one_change() {
    let picture = "0 leader\n1 voter\n2 voter\n3 learner\n4 learner lag=20";
    assert_eq!(scaled_at_last(picture, 5), is("voters [1, 2, 3, 4, 5]", 5));
}

#[test]
fn who_is_to_vote_is_seen_twice_to_have_caught_up() {
    let picture = "0 leader\n1 learner";
    assert_eq!(scaled(picture, 2), is("-", 2));
    assert_eq!(scaled_at_last(picture, 2), is("voters [1, 2]", 2));
    let mut fell_behind = looked_at_again(listed(wishing(draw(picture), |spec| spec.replicas = 2)));
    fell_behind.seats = draw("0 leader\n1 learner lag=900").seats;
    assert_eq!(deed(&plan(&fell_behind)), "-");
}

#[test]
fn nobody_joins_while_a_member_is_not_well() {
    assert_eq!(scaled("0 leader\n1 voter\n2 silent\n3 empty", 5), is("-", 4));
}

#[test]
fn the_list_of_peers_is_the_larger_one_before_anybody_comes() {
    let seen = wishing(draw("0 leader\n1 voter\n2 voter"), |spec| spec.replicas = 5);
    let plan = plan(&seen);
    assert_eq!((plan.peers.len(), plan.replicas), (5, 4));
    let mut unread = listed(seen);
    unread.delivery.peers_hash = "larger".into();
    assert_eq!(deed(&orchestrator_operator::plan::plan(&unread)), "reload 1");
}

#[test]
fn members_leave_the_group_before_their_pods_go() {
    let five = "0 leader\n1 voter\n2 voter\n3 voter\n4 voter";
    assert_eq!(scaled(five, 3), is("voters [1, 2, 3]", 5));
    assert_eq!(scaled(five, 1), is("voters [1]", 5));
    assert_eq!(scaled("0 leader\n1 voter\n2 voter\n3 stale\n4 stale", 3), is("-", 3));
}

#[test]
fn pods_go_when_another_voter_holds_the_entry_that_let_them_go_also_one_outside() {
    assert_eq!(scaled("0 leader\nx1 voter\nx2 voter\n1 stale", 1), is("-", 1));
    assert_eq!(scaled("0 leader\nx1 voter lag=4990\nx2 voter lag=4980\n1 stale", 1), is("-", 2), "not yet");
}

#[test]
fn a_leader_that_leaves_hands_over_to_one_that_stays() {
    assert_eq!(scaled("0 voter lag=10\n1 voter\n2 voter\n3 voter\n4 leader", 3), is("transfer main-1", 5));
}

#[test]
fn nobody_leaves_while_one_that_stays_is_not_well() {
    assert_eq!(scaled("0 leader\n1 silent\n2 voter\n3 voter\n4 voter", 3), is("-", 5));
}

#[test]
fn volumes_go_after_the_pods_unless_they_are_to_be_kept() {
    let mut seen = wishing(draw("0 leader\n1 voter\n2 voter\n3 none nopod"), |spec| spec.replicas = 3);
    seen.set.as_mut().expect("drawn").replicas = 3;
    assert_eq!(deed(&plan(&listed(seen.clone()))), "delete data-main-3");
    let kept = wishing(seen.clone(), |spec| {
        spec.storage.retention.when_scaled = orchestrator_crds::ScaleRetention::Retain;
    });
    assert_eq!(deed(&plan(&listed(kept))), "-");
    seen.seats.get_mut(&3).and_then(|seat| seat.volume.as_mut()).expect("drawn").group =
        Some("another".into());
    assert_eq!(deed(&plan(&listed(seen))), "-", "labelled with another group");
}

#[test]
fn a_scale_up_that_is_taken_back_drops_its_learners() {
    assert_eq!(scaled("0 leader\n1 voter\n2 voter\n3 learner", 3), is("drop 4", 4));
}

#[test]
fn external_members_are_taken_in_and_let_go_like_others() {
    let join = wishing(draw("0 leader\n1 voter"), |spec| {
        spec.raft.external_members = vec!["x1.example.net:10008".into()]
    });
    assert_eq!(deed(&plan(&listed(join))), "add x1");
    let promote = "0 leader\n1 voter\nx1 learner";
    assert_eq!(scaled_at_last(promote, 2), is("voters [1, 2, 101]", 2));
    let let_go = wishing(draw("0 leader\n1 voter\nx1 voter"), |spec| spec.raft.external_members.clear());
    assert_eq!(deed(&plan(&listed(let_go))), "voters [1, 2]");
}

#[test]
fn a_member_outside_that_is_exchanged_for_a_pod_leaves_in_the_change_that_takes_the_pod_in() {
    let seen =
        wishing(draw("0 leader\n1 voter\n2 learner\nx1 voter"), |spec| spec.raft.external_members.clear());
    assert_eq!(deed(&plan(&looked_at_again(listed(seen)))), "voters [1, 2, 3]");
}

/// Deed for a picture whose external members nobody wishes any more.
fn unwished_outside(picture: &str) -> String {
    deed(&plan(&listed(wishing(draw(picture), |spec| spec.raft.external_members.clear()))))
}

#[test]
fn a_member_outside_that_nobody_wishes_any_more_is_let_go_whatever_it_is() {
    assert_eq!(unwished_outside("0 leader\n1 voter\nx1 silent"), "voters [1, 2]");
    assert_eq!(unwished_outside("0 leader\nx1 learner lag=900"), "drop 101");
    // A leader outside takes no orders; it hands over when the change let it go.
    assert_eq!(unwished_outside("0 voter\n1 voter\nx1 leader"), "voters [1, 2]");
    assert_eq!(unwished_outside("0 voter\n1 silent\n2 voter\nx1 leader"), "-", "who stays is not well");
}

#[test]
fn a_member_outside_that_is_away_holds_up_what_needs_all_and_is_named() {
    let grow =
        plan(&listed(wishing(draw("0 leader\n1 voter\n2 empty\nx1 silent"), |spec| spec.replicas = 3)));
    assert_eq!(deed(&grow), "-");
    let step = grow.operation.expect("it waits").step;
    assert!(
        step.starts_with("waits until all members are well: x1.example.net:10008 does not answer"),
        "{step}"
    );
    let roll = plan(&draw("0 leader\n1 voter old\nx1 silent"));
    assert_eq!(deed(&roll), "-");
    assert!(roll.findings[0].message.contains("x1.example.net:10008 does not answer"), "{:?}", roll.findings);
    assert_eq!(deed(&plan(&draw("0 leader\n1 empty was=2\nx1 voter"))), "add main-1", "what heals goes on");
}
