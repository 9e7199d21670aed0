//! Whether a group works, what is missing and what is at risk: each reason from a picture.

use expect_test::expect;
use jiff::SignedDuration;
use orchestrator_crds::{ConditionType, OperationType, OrchestratorClusterStatus, Reason};
use orchestrator_operator::{
    observation::Observation,
    plan::{Finding, Plan},
    status::status,
};

use super::drawn::{THREE, after, applied, check, formed, group, idle, now, planned, told, underway, with};

#[test]
fn a_group_in_which_all_is_well_says_so_and_says_the_same_again() {
    let seen = group(THREE);
    let once = after(&formed(), &seen);
    expect![[r#"
        Running
    "#]]
    .assert_eq(&told(&once));
    assert_eq!(once.conditions.len(), ConditionType::ALL.len());
    let later = Observation { now: now() + SignedDuration::from_secs(30), ..seen };
    assert_eq!(after(&once, &later), once);
}

#[test]
fn the_planner_finds_nothing_to_do_or_say_in_such_a_group() {
    let once = after(&formed(), &group(THREE));
    let later = Observation {
        now: now() + SignedDuration::from_secs(30),
        memory: orchestrator_operator::status::memory(&once),
        ..group(THREE)
    };
    let plan = orchestrator_operator::plan::plan(&later);
    assert_eq!((&plan.action, &plan.operation), (&None, &None), "{}", plan.row);
    assert_eq!(status(&later, &plan, &applied(), &once), once);
}

#[test]
fn entries_on_their_way_are_no_reason_to_write() {
    let once = after(&formed(), &group(THREE));
    let busy = group("main-0 follower lag=7\nmain-1 leader\nmain-2 follower lag=90");
    assert_eq!(after(&once, &busy), once);
}

#[test]
fn a_time_moves_with_the_status_alone() {
    let well = group(THREE);
    let once = after(&formed(), &well);
    let ill = Observation {
        now: now() + SignedDuration::from_mins(1),
        ..group("main-0 follower\nmain-1 leader\nmain-2 down")
    };
    let ill = after(&once, &ill);
    let since = |status: &OrchestratorClusterStatus, condition: ConditionType| {
        let found = status.conditions.iter().find(|one| one.type_ == condition.as_str());
        found.expect("all conditions are there").last_transition_time.0
    };
    assert_eq!(since(&ill, ConditionType::Available), now());
    assert_eq!(since(&ill, ConditionType::Ready), now() + SignedDuration::from_mins(1));
}

#[test]
fn a_member_that_does_not_start_is_named_with_why() {
    check(
        &group("main-0 follower\nmain-1 leader\nmain-2 down"),
        expect![[r#"
            Degraded
            Ready=False MembersNotReady: 2 of 3 voters are healthy: main-2 does not start: CrashLoopBackOff: back-off 40s restarting. See kubectl -n db logs main-2 --previous for why it ended.
            Degraded=True MemberDown: 2 of 3 voters are healthy: main-2 does not start: CrashLoopBackOff: back-off 40s restarting. See kubectl -n db logs main-2 --previous for why it ended.
        "#]],
    );
    check(
        &group("main-0 follower\nmain-1 leader\nmain-2 pending"),
        expect![[r#"
            Degraded
            Ready=False MembersNotReady: 2 of 3 voters are healthy: main-2 is Pending: 0/3 nodes are available. Add a node that fits, or change what spec.pod asks for.
            Degraded=True MemberDown: 2 of 3 voters are healthy: main-2 is Pending: 0/3 nodes are available. Add a node that fits, or change what spec.pod asks for.
        "#]],
    );
}

#[test]
fn a_volume_that_is_lost_and_one_that_came_back_empty_are_told_apart() {
    check(
        &group("main-0 follower\nmain-1 leader\nmain-2 lost"),
        expect![[r#"
        Degraded
        Ready=False MembersNotReady: main-2: its volume data-main-2 is lost for 10m.
        Degraded=True StorageLost: main-2: its volume data-main-2 is lost for 10m.
    "#]],
    );
    check(
        &group("main-0 follower\nmain-1 leader\nmain-2 empty"),
        expect![[r#"
        Degraded
        Ready=False MembersNotReady: main-2 has lost its data and waits to join as a new member.
        Degraded=True StorageLost: main-2 has lost its data and waits to join as a new member.
    "#]],
    );
}

#[test]
fn a_member_that_cannot_read_its_data_can_be_replaced_by_a_person() {
    check(
        &group("main-0 follower\nmain-1 leader\nmain-2 corrupt"),
        expect![[r#"
        Degraded
        Ready=False MembersNotReady: main-2 cannot read its data: raft.db: database disk image is malformed. To give it a new volume: kubectl annotate pod main-2 orchestrator.rs/replace=true.
        Degraded=True MemberCorrupt: main-2 cannot read its data: raft.db: database disk image is malformed. To give it a new volume: kubectl annotate pod main-2 orchestrator.rs/replace=true.
    "#]],
    );
}

#[test]
fn data_of_another_group_is_left_alone_and_told() {
    check(
        &group("main-0 leader\nmain-1 foreign"),
        expect![[r#"
            Scaling
            Ready=False ScalingUp: 1 members vote, 2 shall; the next step follows.
            Degraded=True ForeignData: main-1 holds data of group another, node 2, which is not its own. The operator never deletes such a volume: find out whose it is, then delete it or bring back the right one.
        "#]],
    );
}

#[test]
fn a_learner_that_lags_is_told_unless_it_is_expected_to() {
    let seen = group("main-0 follower\nmain-1 leader\nmain-2 follower\nmain-3 learner lag=5000");
    check(
        &with(&seen, |spec| spec.replicas = 3),
        expect![[r#"
        Running
        Degraded=True LearnerLagging: Members that shall vote do not catch up: main-3 (5000 entries behind).
    "#]],
    );
    let plan =
        underway(OperationType::ScaleUp, &["main-3"], "catches up: main-3, 5000 entries behind", false);
    expect![[r#"
        Scaling
        Ready=False ScalingUp: main-3: catches up: main-3, 5000 entries behind.
        Progressing=True ScaleUp: main-3: catches up: main-3, 5000 entries behind.
    "#]]
    .assert_eq(&told(&planned(&seen, &plan, &applied())));
}

#[test]
fn voters_on_one_node_are_a_risk_that_is_told_and_no_reason_not_to_be_ready() {
    check(
        &group("main-0 follower node=a\nmain-1 leader node=a\nmain-2 follower node=b"),
        expect![[r#"
        Running
        Degraded=True VotersColocated: main-0 and main-1 run on node a: when it fails, the group fails. Add nodes, or set spec.pod.antiAffinity to Required.
    "#]],
    );
}

#[test]
fn versions_that_differ_are_told_unless_members_are_updated() {
    let seen =
        group("main-0 follower version=1.2.0\nmain-1 leader version=1.10.0\nmain-2 follower version=1.10.0");
    check(
        &seen,
        expect![[r#"
        Running
        Degraded=True MixedVersions: Members run different versions: 1.10.0 on main-1 and main-2; 1.2.0 on main-0.
    "#]],
    );
    assert_eq!(after(&formed(), &seen).version.as_deref(), Some("1.2.0"));
}

#[test]
fn a_change_of_members_that_nobody_works_on_is_told() {
    let mut seen = group(THREE);
    for seat in seen.seats.values_mut() {
        let orchestrator_operator::observation::Answer::Status(status) = &mut seat.answer else { continue };
        status.membership.joint = true;
    }
    check(
        &seen,
        expect![[r#"
            Degraded
            Ready=False MembersNotReady: A change of the members is half done.
            Degraded=True JointMembership: A change of the members is half done; the leader finishes it as soon as a majority of the old and of the new members answers.
        "#]],
    );
}

#[test]
fn an_election_is_no_loss_and_a_loss_is_one_after_two_seconds() {
    let seen = group("main-0 candidate\nmain-1 down\nmain-2 down");
    let first = after(&formed(), &seen);
    expect![[r#"
        Degraded
        Available=False NoLeader: No member leads: 1 of 3 voters answers. main-0 is not healthy: no leader is known. main-1 does not start: CrashLoopBackOff: back-off 40s restarting. main-2 does not start: CrashLoopBackOff: back-off 40s restarting.
        Ready=False MembersNotReady: No member leads: 1 of 3 voters answers. main-0 is not healthy: no leader is known. main-1 does not start: CrashLoopBackOff: back-off 40s restarting. main-2 does not start: CrashLoopBackOff: back-off 40s restarting. See kubectl -n db logs main-1 --previous for why it ended.
        Degraded=True MemberDown: 1 of 3 voters answers: main-0 is not healthy: no leader is known. main-1 does not start: CrashLoopBackOff: back-off 40s restarting. main-2 does not start: CrashLoopBackOff: back-off 40s restarting. See kubectl -n db logs main-1 --previous for why it ended.
    "#]].assert_eq(&told(&first));
    let later = Observation { now: now() + SignedDuration::from_secs(2), ..seen };
    let second = after(&first, &later);
    expect![[r#"
        QuorumLost
        Available=False NoLeader: No member leads: 1 of 3 voters answers. main-0 is not healthy: no leader is known. main-1 does not start: CrashLoopBackOff: back-off 40s restarting. main-2 does not start: CrashLoopBackOff: back-off 40s restarting.
        Ready=False QuorumLost: 1 of 3 voters answers. main-0 is not healthy: no leader is known. main-1 does not start: CrashLoopBackOff: back-off 40s restarting. main-2 does not start: CrashLoopBackOff: back-off 40s restarting. Nothing is changed meanwhile; the group goes on by itself as soon as a majority is back. See kubectl -n db logs main-1 --previous for why it ended.
        Degraded=True MemberDown: 1 of 3 voters answers: main-0 is not healthy: no leader is known. main-1 does not start: CrashLoopBackOff: back-off 40s restarting. main-2 does not start: CrashLoopBackOff: back-off 40s restarting. See kubectl -n db logs main-1 --previous for why it ended.
        QuorumLost=True MajorityUnreachable: 1 of 3 voters answers. main-0 is not healthy: no leader is known. main-1 does not start: CrashLoopBackOff: back-off 40s restarting. main-2 does not start: CrashLoopBackOff: back-off 40s restarting. Nothing is changed meanwhile; the group goes on by itself as soon as a majority is back.
    "#]].assert_eq(&told(&second));
    let loss = second.last_quorum_loss.clone().expect("it is lost");
    assert_eq!((loss.since.0, loss.until), (now(), None));
    let back = Observation { now: now() + SignedDuration::from_secs(9), ..group(THREE) };
    let third = after(&second, &back);
    let until = third.last_quorum_loss.and_then(|loss| loss.until).map(|until| until.0);
    assert_eq!(until, Some(now() + SignedDuration::from_secs(9)));
}

#[test]
fn a_majority_of_lost_volumes_asks_for_a_person() {
    let seen = group("main-0 candidate\nmain-1 lost\nmain-2 lost");
    let first = after(&formed(), &seen);
    let later = Observation { now: now() + SignedDuration::from_secs(5), ..seen };
    expect![[r#"
        QuorumLost
        Available=False NoLeader: No member leads: 1 of 3 voters answers. main-0 is not healthy: no leader is known. main-1: its volume data-main-1 is lost for 10m. main-2: its volume data-main-2 is lost for 10m.
        Ready=False QuorumLost: 1 of 3 voters answers, and a majority of the volumes is lost: main-1 and main-2. main-0 is not healthy: no leader is known. main-1: its volume data-main-1 is lost for 10m. main-2: its volume data-main-2 is lost for 10m. Bring a volume back. If that is impossible, one member can go on alone with what it has: kubectl annotate orc main orchestrator.rs/force-new-cluster=CLUSTER_ID/POD.
        Degraded=True StorageLost: main-1: its volume data-main-1 is lost for 10m. main-2: its volume data-main-2 is lost for 10m.
        QuorumLost=True MajorityStorageLost: 1 of 3 voters answers, and a majority of the volumes is lost: main-1 and main-2. main-0 is not healthy: no leader is known. main-1: its volume data-main-1 is lost for 10m. main-2: its volume data-main-2 is lost for 10m. Bring a volume back. If that is impossible, one member can go on alone with what it has: kubectl annotate orc main orchestrator.rs/force-new-cluster=CLUSTER_ID/POD.
    "#]].assert_eq(&told(&after(&first, &later)));
}

#[test]
fn an_operator_that_is_cut_off_says_so_and_takes_readiness_for_true() {
    let before = after(&formed(), &group(THREE));
    let blind = after(&before, &group("main-0 silent\nmain-1 silent\nmain-2 silent"));
    expect![[r#"
        Degraded
        Available=Unknown MembersUnreachable: main-0, main-1 and main-2 are ready, and the operator can call none of them, so it changes nothing: see whether a NetworkPolicy keeps the operator from ports 3000 and 3001.
        Ready=False MembersNotReady: main-0, main-1 and main-2 are ready, and the operator can call none of them, so it changes nothing: see whether a NetworkPolicy keeps the operator from ports 3000 and 3001.
        MembersReachable=False OperatorCannotReachMembers: main-0, main-1 and main-2 are ready, and the operator can call none of them, so it changes nothing: see whether a NetworkPolicy keeps the operator from ports 3000 and 3001.
    "#]].assert_eq(&told(&blind));
    assert_eq!(blind.leader, before.leader);
    assert_eq!(blind.healthy_voters, None);
    assert_eq!(blind.last_quorum_loss, None);
}

#[test]
fn one_member_that_the_operator_cannot_call_is_named_and_still_counts() {
    check(
        &group("main-0 follower\nmain-1 leader\nmain-2 silent"),
        expect![[r#"
        Degraded
        Ready=False MembersNotReady: main-2 is ready and does not answer the operator (connection refused): see whether a NetworkPolicy keeps the operator out.
        MembersReachable=False SomeUnreachable: main-2 is ready and does not answer the operator (connection refused): see whether a NetworkPolicy keeps the operator out.
    "#]],
    );
}

#[test]
fn an_external_member_is_a_member_that_somebody_else_runs() {
    check(
        &group("main-0 leader\nmain-1 follower\nfar.example.net:10008 follower"),
        expect![[r#"
        Running
    "#]],
    );
    check(
        &group("main-0 leader\nmain-1 follower\nfar.example.net:10008 down"),
        expect![[r#"
            Degraded
            Ready=False MembersNotReady: far.example.net:10008 does not answer (connection refused): start it; it runs outside of Kubernetes (if its disk is empty: orchestrator-client -c raft-add-peer -H far.example.net:10008).
            Degraded=True MemberDown: 2 of 3 voters are healthy: far.example.net:10008 does not answer (connection refused): start it; it runs outside of Kubernetes (if its disk is empty: orchestrator-client -c raft-add-peer -H far.example.net:10008).
            MembersReachable=False SomeUnreachable: far.example.net:10008 does not answer (connection refused): start it; it runs outside of Kubernetes (if its disk is empty: orchestrator-client -c raft-add-peer -H far.example.net:10008).
        "#]],
    );
}

#[test]
fn a_service_without_a_ready_pod_is_not_available() {
    let mut seen = group(THREE);
    seen.seats.values_mut().filter_map(|seat| seat.pod.as_mut()).for_each(|pod| pod.ready_since = None);
    let told = after(&formed(), &seen);
    let available = told.conditions.iter().find(|one| one.type_ == "Available").expect("it is there");
    assert_eq!((available.status.as_str(), available.reason.as_str()), ("False", "NoReadyMember"));
}

#[test]
fn before_there_is_a_group_it_is_said_who_is_waited_for() {
    let seen = group("main-0 empty\nmain-1 pending\nmain-2 gone");
    let unformed = OrchestratorClusterStatus::default();
    expect![[r#"
        Bootstrapping
        Available=False NotBootstrapped: The group is not formed yet: see the condition Bootstrapped.
        Ready=False Bootstrapping: Waiting for main-1 and main-2 to answer, of 3. main-1 is Pending: 0/3 nodes are available. main-2 has no pod: see kubectl describe statefulset main for why none is made. Add a node that fits, or change what spec.pod asks for.
        Bootstrapped=False WaitingForMembers: Waiting for main-1 and main-2 to answer, of 3. main-1 is Pending: 0/3 nodes are available. main-2 has no pod: see kubectl describe statefulset main for why none is made.
    "#]].assert_eq(&told(&after(&unformed, &seen)));
    let nothing = group("main-0 gone\nmain-1 gone\nmain-2 gone");
    assert_eq!(after(&unformed, &nothing).phase.map(|phase| phase.as_str()), Some("Pending"));
    let all = group("main-0 empty\nmain-1 empty\nmain-2 empty");
    expect![[r#"
        Bootstrapping
        Available=False NotBootstrapped: The group is not formed yet: see the condition Bootstrapped.
        Ready=False Bootstrapping: All members answer; the group is being formed.
        Bootstrapped=False WaitingForMembers: All members answer; the group is being formed.
    "#]]
    .assert_eq(&told(&after(&unformed, &all)));
}

#[test]
fn of_what_the_planner_works_on_and_what_was_seen_the_worse_is_told() {
    let seen = group("main-0 follower\nmain-1 leader\nmain-2 down");
    let finding = |reason| Finding { condition: ConditionType::Degraded, reason, message: "Found.".into() };
    let degraded = |reason| {
        let plan = Plan { findings: vec![finding(reason)], ..idle() };
        let told = planned(&seen, &plan, &applied());
        told.conditions.into_iter().find(|one| one.type_ == "Degraded").expect("it is there")
    };
    assert_eq!(degraded(Reason::LearnerLagging).reason, "MemberDown");
    assert_eq!(degraded(Reason::StorageLost).message, "Found.");
    assert_eq!(degraded(Reason::MemberDown).message, "Found.");
}

#[test]
fn times_are_whole_seconds_lest_each_pass_writes_them_anew() {
    let seen = Observation { now: now() + SignedDuration::from_millis(700), ..group(THREE) };
    let told = after(&formed(), &seen);
    assert_eq!(told.leader.as_ref().map(|leader| leader.since.0), Some(now()));
    assert!(told.conditions.iter().all(|one| one.last_transition_time.0 == now()));
}
