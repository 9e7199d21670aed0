//! Whether all is as people wish, and what the operator does about it: each reason from a picture.

use expect_test::expect;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use orchestrator_crds::{
    ConditionType, OperationStatus, OperationType, OrchestratorClusterStatus, Reason, UpdateStrategy,
};
use orchestrator_operator::{
    observation::{Invalid, Observation},
    plan::{Finding, Plan},
    status::{Applied, Outcome, Problem, Trouble, status},
};

use super::drawn::{THREE, after, applied, check, formed, group, idle, now, planned, told, underway, with};

#[test]
fn a_spec_that_makes_no_sense_leaves_a_running_group_as_it_is() {
    let invalid =
        vec![Invalid { reason: Reason::SecretNotFound, message: "Secret fleet is not there.".into() }];
    let seen = Observation { invalid, ..group(THREE) };
    check(
        &seen,
        expect![[r#"
        Blocked
        Ready=False ConfigInvalid: Secret fleet is not there. Members keep the configuration that they have.
        ConfigValid=False SecretNotFound: Secret fleet is not there. Members keep the configuration that they have.
    "#]],
    );
    let unformed = OrchestratorClusterStatus::default();
    let nothing = Observation { set: None, seats: group("main-0 gone").seats, ..seen };
    expect![[r#"
        Blocked
        Available=False NotBootstrapped: The group is not formed yet: see the condition Bootstrapped.
        Ready=False ConfigInvalid: Secret fleet is not there. No member is started.
        Bootstrapped=False WaitingForMembers: Nothing is started: see the condition ConfigValid.
        ConfigValid=False SecretNotFound: Secret fleet is not there. No member is started.
    "#]]
    .assert_eq(&told(&after(&unformed, &nothing)));
}

#[test]
fn remarks_of_members_stand_where_the_configuration_is_valid() {
    let applied = Applied { remarks: vec!["spec.config.X: unknown key, ignored.".into()], ..applied() };
    let told = planned(&group(THREE), &idle(), &applied);
    let valid = told.conditions.iter().find(|one| one.type_ == "ConfigValid").expect("it is there");
    assert_eq!(valid.message, "Members accept the configuration. spec.config.X: unknown key, ignored.");
}

#[test]
fn who_pauses_is_told_how_to_go_on() {
    check(
        &with(&group(THREE), |spec| spec.paused = true),
        expect![[r#"
        Paused
        Ready=False Paused: Nothing is changed. Set spec.paused to false to go on.
        Paused=True SpecPaused: Nothing is changed. Set spec.paused to false to go on.
    "#]],
    );
    let mut seen = group(THREE);
    seen.verbs.paused = true;
    check(
        &seen,
        expect![[r#"
        Paused
        Ready=False Paused: Nothing is changed. To go on: kubectl annotate orc main orchestrator.rs/reconcile-.
        Paused=True Annotation: Nothing is changed. To go on: kubectl annotate orc main orchestrator.rs/reconcile-.
    "#]],
    );
}

#[test]
fn a_stopped_group_is_not_degraded() {
    let seen = with(&group("main-0 gone\nmain-1 gone\nmain-2 gone"), |spec| spec.stopped = true);
    check(
        &seen,
        expect![[r#"
        Stopped
        Available=False Stopped: Stopped, as spec.stopped says. Set it to false to start the same group.
        Ready=False Stopped: Stopped, as spec.stopped says. Set it to false to start the same group.
    "#]],
    );
}

#[test]
fn an_object_that_is_deleted_says_so() {
    check(
        &Observation { deleting: true, ..group(THREE) },
        expect![[r#"
        Deleting
        Ready=False MembersNotReady: The object is being deleted.
    "#]],
    );
}

#[test]
fn what_is_under_way_is_told_with_its_step_and_a_member_that_it_restarts_is_not_down() {
    let seen = group("main-0 follower\nmain-1 leader old\nmain-2 starting");
    let step = "is restarted: 1 of 3 members done";
    let plan = underway(OperationType::RollingUpdate, &["main-2"], step, false);
    expect![[r#"
        Updating
        Ready=False Updating: main-2: is restarted: 1 of 3 members done.
        Progressing=True RollingUpdate: main-2: is restarted: 1 of 3 members done.
        UpdateComplete=False InProgress: main-2: is restarted: 1 of 3 members done.
    "#]]
    .assert_eq(&told(&planned(&seen, &plan, &applied())));
    let stalled = underway(OperationType::RollingUpdate, &["main-2"], step, true);
    expect![[r#"
        Updating
        Ready=False Updating: RollingUpdate waits for longer than it should: main-2: is restarted: 1 of 3 members done.
        Progressing=False Stalled: RollingUpdate waits for longer than it should: main-2: is restarted: 1 of 3 members done.
        Degraded=True MemberDown: 2 of 3 voters are healthy: main-2 does not answer: connection refused.
        UpdateComplete=False InProgress: main-2: is restarted: 1 of 3 members done.
    "#]].assert_eq(&told(&planned(&seen, &stalled, &applied())));
}

/// What is told of a picture with what the planner makes of it, and of what was under way.
fn decided(picture: &str, operation: Option<OperationStatus>) -> String {
    let mut seen = group(picture);
    seen.memory.leader = Some((2, 4, now() - SignedDuration::from_mins(1)));
    seen.memory.operation = operation.clone();
    let previous = OrchestratorClusterStatus { operation, ..formed() };
    told(&status(&seen, &orchestrator_operator::plan::plan(&seen), &applied(), &previous))
}

#[test]
fn who_hangs_in_an_update_is_named_in_ready_with_the_next_human_step() {
    expect![[r#"
        Updating
        Ready=False Updating: main-0: waits to be restarted: main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there; 1 of 3 members done. Correct spec.image or spec.imagePullSecrets; the pod is then made anew.
        Progressing=True RollingUpdate: main-0: waits to be restarted: main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there; 1 of 3 members done.
        Degraded=True MemberDown: 2 of 3 voters are healthy: main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there. Correct spec.image or spec.imagePullSecrets; the pod is then made anew.
        UpdateComplete=False WaitingForHealthyMembers: main-0 is restarted when all others are well: main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there.
    "#]].assert_eq(&decided("main-0 follower old\nmain-1 leader old\nmain-2 unpulled", None));
    let last = under_way("is restarted: 2 of 3 members done", 1);
    expect![[r#"
        Updating
        Ready=False Updating: main-2: starts anew: main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there. Correct spec.image or spec.imagePullSecrets; the pod is then made anew.
        Progressing=True RollingUpdate: main-2: starts anew: main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there.
        Degraded=True MemberDown: 2 of 3 voters are healthy: main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there. Correct spec.image or spec.imagePullSecrets; the pod is then made anew.
        UpdateComplete=False InProgress: main-2: starts anew: main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there.
    "#]].assert_eq(&decided("main-0 follower\nmain-1 leader\nmain-2 unpulled", Some(last)));
}

#[test]
fn who_hangs_before_there_is_a_group_or_without_a_quorum_is_named_as_well() {
    let unformed = OrchestratorClusterStatus::default();
    let ready = |status: &OrchestratorClusterStatus| {
        let ready = status.conditions.iter().find(|one| one.type_ == "Ready").expect("it is there");
        format!("{}: {}\n", ready.reason, ready.message)
    };
    let first = after(&unformed, &group("main-0 empty\nmain-1 unpulled\nmain-2 empty"));
    expect![[r#"
        Bootstrapping: Waiting for main-1 to answer, of 3. main-1 does not start: ImagePullBackOff: image example/orchestrator:9 is not there. Correct spec.image or spec.imagePullSecrets; the pod is then made anew.
    "#]].assert_eq(&ready(&first));
    let seen = group("main-0 candidate\nmain-1 unpulled\nmain-2 unpulled");
    let lost = after(&formed(), &seen);
    let later = Observation { now: now() + SignedDuration::from_secs(5), ..seen };
    expect![[r#"
        QuorumLost: 1 of 3 voters answers. main-0 is not healthy: no leader is known. main-1 does not start: ImagePullBackOff: image example/orchestrator:9 is not there. main-2 does not start: ImagePullBackOff: image example/orchestrator:9 is not there. Nothing is changed meanwhile; the group goes on by itself as soon as a majority is back. Correct spec.image or spec.imagePullSecrets; the pod is then made anew.
    "#]].assert_eq(&ready(&after(&lost, &later)));
}

/// An operation that is under way since now.
fn under_way(step: &str, attempts: i32) -> OperationStatus {
    let since = Time(now());
    OperationStatus {
        id: "1".into(),
        operation_type: OperationType::RollingUpdate,
        targets: vec!["main-2".into()],
        step: step.into(),
        started_at: since.clone(),
        step_started_at: since,
        attempts,
        last_error: None,
    }
}

/// Progressing and UpdateComplete after a pass in which a restart came to this, for the so many-th time.
fn restarted(outcome: Outcome, times: i32) -> String {
    let step = "is restarted: 1 of 3 members done";
    let plan = Plan {
        action: Some(orchestrator_operator::plan::Action::Bootstrap),
        ..underway(OperationType::RollingUpdate, &["main-2"], step, false)
    };
    let previous = OrchestratorClusterStatus { operation: Some(under_way(step, times - 1)), ..formed() };
    let told = status(&group(THREE), &plan, &Applied { outcome, ..applied() }, &previous);
    let lines = told.conditions.iter().filter(|one| matches!(&*one.type_, "Progressing" | "UpdateComplete"));
    lines.map(|one| format!("{}={} {}: {}\n", one.type_, one.status, one.reason, one.message)).collect()
}

#[test]
fn what_fails_again_and_again_is_told_and_a_budget_that_forbids_it_is_a_reason() {
    let once = restarted(Outcome::Failed("the API says no".into()), 1);
    assert!(!once.contains("the API says no"), "things move while the operator looks: {once}");
    expect![[r#"
        Progressing=True RollingUpdate: main-2: is restarted: 1 of 3 members done. It was tried several times: the API says no.
        UpdateComplete=False InProgress: main-2: is restarted: 1 of 3 members done.
    "#]].assert_eq(&restarted(Outcome::Failed("the API says no".into()), 3));
    expect![[r#"
        Progressing=True RollingUpdate: main-2: is restarted: 1 of 3 members done. It was tried several times: the disruption budget does not let main-2 go now.
        UpdateComplete=False BlockedByPDB: The disruption budget does not let main-2 go now. Another budget may choose this pod as well: see kubectl -n db get poddisruptionbudgets. It is tried again.
    "#]].assert_eq(&restarted(
        Outcome::Blocked("the disruption budget does not let main-2 go now".into()),
        3,
    ));
}

#[test]
fn what_was_written_a_moment_ago_is_not_said_to_be_in_force() {
    let seen = group(THREE);
    let written = Applied { rewritten: true, ..applied() };
    let told = status(&seen, &idle(), &written, &after(&formed(), &seen));
    let of = |name: &str| told.conditions.iter().find(|one| one.type_ == name).map(|one| one.reason.clone());
    assert_eq!(of("Ready").as_deref(), Some("Updating"));
    assert_eq!(of("UpdateComplete").as_deref(), Some("InProgress"));
}

#[test]
fn every_operation_has_its_reason_in_ready_and_its_phase() {
    let mut lines = String::new();
    for operation in OperationType::ALL {
        let told = planned(&group(THREE), &underway(*operation, &[], "a step", false), &applied());
        let ready = told.conditions.iter().find(|one| one.type_ == "Ready").expect("it is there");
        let phase = told.phase.map_or("none", |phase| phase.as_str());
        lines.push_str(&format!("{operation}: {phase}, Ready={} {}\n", ready.status, ready.reason));
    }
    expect![[r#"
        Bootstrap: Bootstrapping, Ready=False Bootstrapping
        ScaleUp: Scaling, Ready=False ScalingUp
        ScaleDown: Scaling, Ready=False ScalingDown
        PeerListRoll: Updating, Ready=False Updating
        ConfigReload: Updating, Ready=False Updating
        RollingUpdate: Updating, Ready=False Updating
        MemberReplacement: Replacing, Ready=False Replacing
        LeaderTransfer: Updating, Ready=False Updating
        StorageExpansion: Updating, Ready=False Updating
        ForceNewCluster: Replacing, Ready=False Replacing
    "#]]
    .assert_eq(&lines);
}

#[test]
fn pods_of_an_older_template_wait_for_whom_the_strategy_says() {
    let seen = group("main-0 follower old\nmain-1 leader old\nmain-2 follower");
    check(
        &seen,
        expect![[r#"
            Updating
            Ready=False Updating: main-0 and main-1 are of an older template; they are restarted when all members are healthy.
            UpdateComplete=False WaitingForHealthyMembers: main-0 and main-1 are of an older template; they are restarted when all members are healthy.
        "#]],
    );
    check(
        &with(&seen, |spec| spec.update.strategy = UpdateStrategy::Manual),
        expect![[r#"
            Updating
            Ready=False Updating: main-0 and main-1 are of an older template: delete these pods one after the other, the leader last.
            UpdateComplete=False ManualUpdateRequired: main-0 and main-1 are of an older template: delete these pods one after the other, the leader last.
        "#]],
    );
}

#[test]
fn a_configuration_that_a_member_has_not_read_is_told() {
    check(
        &group("main-0 follower unread\nmain-1 leader\nmain-2 follower"),
        expect![[r#"
            Updating
            Ready=False Updating: main-0 has not read the newest configuration yet.
            UpdateComplete=False InProgress: main-0 has not read the newest configuration yet.
        "#]],
    );
}

#[test]
fn fewer_members_than_wished_are_on_their_way() {
    check(
        &with(&group(THREE), |spec| spec.replicas = 5),
        expect![[r#"
            Scaling
            Ready=False ScalingUp: 3 members vote, 5 shall; the next step follows.
        "#]],
    );
    check(
        &with(&group(THREE), |spec| spec.replicas = 1),
        expect![[r#"
            Scaling
            Ready=False ScalingDown: 3 members vote, 1 shall; the next step follows.
        "#]],
    );
}

#[test]
fn an_object_of_that_name_which_is_not_ours_blocks_and_is_named() {
    let trouble = |problem, kind: &str, message: &str| Trouble {
        kind: kind.into(),
        name: "main".into(),
        problem,
        message: message.into(),
    };
    let conflict = trouble(Problem::OwnershipConflict, "Service", "it belongs to somebody else");
    let applied_with = |trouble| Applied { troubles: vec![trouble], ..applied() };
    expect![[r#"
        Blocked
        Ready=False OwnershipConflict: Service main: it belongs to somebody else: rename or delete it, or rename this OrchestratorCluster.
        Progressing=False Stalled: Service main: it belongs to somebody else: rename or delete it, or rename this OrchestratorCluster.
    "#]].assert_eq(&told(&planned(&group(THREE), &idle(), &applied_with(conflict))));
    let quota = trouble(Problem::Quota, "StatefulSet", "exceeded quota: pods");
    expect![[r#"
        Degraded
        Ready=False MembersNotReady: StatefulSet main: exceeded quota: pods: raise the quota of the namespace.
        Progressing=False Stalled: StatefulSet main: exceeded quota: pods: raise the quota of the namespace.
    "#]]
    .assert_eq(&told(&planned(&group(THREE), &idle(), &applied_with(quota))));
    let forbidden = trouble(Problem::Forbidden, "PodDisruptionBudget", "may not create it");
    expect![[r#"
        Degraded
        Ready=False MembersNotReady: PodDisruptionBudget main: may not create it: give the operator the rights of its chart.
        Progressing=False Stalled: PodDisruptionBudget main: may not create it: give the operator the rights of its chart.
    "#]].assert_eq(&told(&planned(&group(THREE), &idle(), &applied_with(forbidden))));
}

#[test]
fn what_the_planner_found_out_comes_first() {
    let finding = Finding {
        condition: ConditionType::UpdateComplete,
        reason: Reason::DowngradeRefused,
        message: "main-0 would go back.".into(),
    };
    let plan = Plan { findings: vec![finding], ..idle() };
    expect![[r#"
        Updating
        Ready=False Updating: main-0 would go back.
        UpdateComplete=False DowngradeRefused: main-0 would go back.
    "#]]
    .assert_eq(&told(&planned(&group(THREE), &plan, &applied())));
}

#[test]
fn timers_go_on_while_a_step_does_and_attempts_count() {
    let seen = group(THREE);
    let mut plan =
        underway(OperationType::ScaleUp, &["main-3"], "main-3 catches up: 500 entries behind", false);
    plan.action = Some(orchestrator_operator::plan::Action::Bootstrap);
    let failed = Applied { outcome: Outcome::Failed("409".into()), ..applied() };
    let first = status(&seen, &plan, &failed, &formed()).operation.expect("it is under way");
    assert_eq!((first.attempts, first.last_error.as_deref(), first.id.as_str()), (1, Some("409"), "fresh"));
    let previous = OrchestratorClusterStatus { operation: Some(first.clone()), ..formed() };
    let later = Observation { now: now() + SignedDuration::from_secs(5), fresh_id: "other".into(), ..seen };
    plan.operation.as_mut().expect("there is one").step = "main-3 catches up: 20 entries behind".into();
    let second = status(&later, &plan, &failed, &previous).operation.expect("it is under way");
    assert_eq!(
        (second.attempts, &second.step_started_at, &second.id),
        (2, &first.step_started_at, &first.id)
    );
    plan.operation.as_mut().expect("there is one").step = "main-3 votes".into();
    let third = status(&later, &plan, &applied(), &previous).operation.expect("it is under way");
    assert_eq!((third.attempts, &third.started_at, third.last_error), (1, &first.started_at, None));
    assert_ne!(third.step_started_at, first.step_started_at);
}
