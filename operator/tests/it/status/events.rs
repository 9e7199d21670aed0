//! What is reported of the way from one status to the next.

use expect_test::{Expect, expect};
use jiff::SignedDuration;
use orchestrator_crds::{OrchestratorClusterStatus, Reason};
use orchestrator_operator::{
    observation::{Invalid, Observation},
    status::events,
};

use super::drawn::{after, formed, group, now};

const WELL: &str = "main-0 follower\nmain-1 leader\nmain-2 follower";

fn reported(previous: &OrchestratorClusterStatus, next: &OrchestratorClusterStatus) -> String {
    let line = |event: orchestrator_operator::plan::Event| {
        let pod = event.pod.map_or_else(String::new, |pod| format!(" {pod}"));
        format!("{}{pod}: {}\n", event.reason, event.note)
    };
    events(previous, next).into_iter().map(line).collect()
}

/// What is reported when a healthy group comes to look like this, five seconds on.
fn check(picture: &str, wanted: Expect) {
    let before = after(&formed(), &group(WELL));
    let later = Observation { now: now() + SignedDuration::from_secs(5), ..group(picture) };
    wanted.assert_eq(&reported(&before, &after(&before, &later)));
}

#[test]
fn nothing_is_reported_of_what_stays_as_it_is_however_bad() {
    for picture in
        [WELL, "main-0 follower\nmain-1 leader\nmain-2 down", "main-0 candidate\nmain-1 lost\nmain-2 lost"]
    {
        let mut before = after(&formed(), &group(picture));
        // The loss of a quorum takes two seconds to be one.
        let at = |seconds| Observation { now: now() + SignedDuration::from_secs(seconds), ..group(picture) };
        before = after(&before, &at(3));
        for seconds in [10, 100, 1000] {
            let next = after(&before, &at(seconds));
            assert_eq!(reported(&before, &next), "", "{picture}");
            before = next;
        }
    }
}

#[test]
fn a_first_look_at_a_healthy_group_reports_nothing() {
    assert_eq!(reported(&formed(), &after(&formed(), &group(WELL))), "");
}

#[test]
fn another_leader_is_reported_and_another_term_of_the_same_is_not() {
    check(
        "main-0 leader\nmain-1 follower\nmain-2 follower",
        expect![[r#"
        LeaderChanged main-0: main-0 leads in term 4, before it was main-1.
    "#]],
    );
    let before = after(&formed(), &group(WELL));
    let mut next = before.clone();
    next.leader.as_mut().expect("somebody leads").term += 1;
    assert_eq!(reported(&before, &next), "");
}

#[test]
fn members_that_fail_are_reported_with_why() {
    check(
        "main-0 follower\nmain-1 leader\nmain-2 down",
        expect![[r#"
            MemberDown main-2: 2 of 3 voters are healthy: main-2 does not start: CrashLoopBackOff: back-off 40s restarting. See kubectl -n db logs main-2 --previous for why it ended.
        "#]],
    );
    check(
        "main-0 follower\nmain-1 leader\nmain-2 lost",
        expect![[r#"
            StorageLost main-2: main-2: its volume data-main-2 is lost for 10m.
        "#]],
    );
    check(
        "main-0 follower\nmain-1 leader\nmain-2 corrupt",
        expect![[r#"
            MemberCorrupt main-2: main-2 cannot read its data: raft.db: database disk image is malformed. To give it a new volume: kubectl annotate pod main-2 orchestrator.rs/replace=true.
        "#]],
    );
    check(
        "main-0 follower\nmain-1 leader\nmain-2 silent",
        expect![[r#"
        MemberUnreachable main-2: main-2 is ready and does not answer the operator.
    "#]],
    );
    check(
        "main-0 follower\nmain-1 leader\nmain-2 stale",
        expect![[r#"
        StaleIdentity main-2: main-2 came back with data of a member that the group let go; it never votes.
    "#]],
    );
}

#[test]
fn a_lost_quorum_and_its_return_are_reported_once_each() {
    let well = after(&formed(), &group(WELL));
    let lost = |seconds| Observation {
        now: now() + SignedDuration::from_secs(seconds),
        ..group("main-0 candidate\nmain-1 down\nmain-2 down")
    };
    let election = after(&well, &lost(1));
    let loss = after(&election, &lost(4));
    expect![[r#"
        QuorumLost: 1 of 3 voters answers. main-0 is not healthy: no leader is known. main-1 does not start: CrashLoopBackOff: back-off 40s restarting. main-2 does not start: CrashLoopBackOff: back-off 40s restarting. Nothing is changed meanwhile; the group goes on by itself as soon as a majority is back.
    "#]].assert_eq(&reported(&election, &loss));
    let back = Observation { now: now() + SignedDuration::from_secs(9), ..group(WELL) };
    let back = after(&loss, &back);
    expect![[r#"
        QuorumRestored: A majority of the voters hears a leader.
    "#]]
    .assert_eq(&reported(&loss, &back));
}

#[test]
fn a_pause_and_its_end_are_reported() {
    let well = after(&formed(), &group(WELL));
    let mut paused = group(WELL);
    paused.verbs.paused = true;
    let paused = after(&well, &paused);
    expect![[r#"
        Paused: Nothing is changed. To go on: kubectl annotate orc main orchestrator.rs/reconcile-.
    "#]]
    .assert_eq(&reported(&well, &paused));
    expect![[r#"
        Resumed: The operator acts on what it sees.
    "#]]
    .assert_eq(&reported(&paused, &after(&paused, &group(WELL))));
}

#[test]
fn a_spec_that_makes_no_sense_is_reported_at_first_sight() {
    let invalid =
        vec![Invalid { reason: Reason::KeyNotFound, message: "Secret fleet has no key username.".into() }];
    let next = after(&formed(), &Observation { invalid, ..group(WELL) });
    expect![[r#"
        SecretNotFound: Secret fleet has no key username. Members keep the configuration that they have.
    "#]]
    .assert_eq(&reported(&formed(), &next));
}
