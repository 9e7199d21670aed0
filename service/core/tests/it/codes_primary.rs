//! Every code of a primary, and for each a near miss: one thing drawn otherwise, another code.

use std::time::Duration;

use expect_test::expect;
use orchestrator_core::policy::AnalysisPolicy;

use crate::support::{check, check_with};

#[test]
fn a_healthy_cluster_has_no_finding() {
    check("a\n  b\n  c\n    d", expect![""]);
}

#[test]
fn a_lone_unreachable_primary_is_dead_without_replicas() {
    check("a unreachable", expect!["a:3306 DeadPrimaryWithoutReplicas: 0 replicas, 0 valid, 0 replicating"]);
}

#[test]
fn a_primary_is_dead_when_no_replica_hears_from_it() {
    check(
        "
        a  unreachable
          b  io=connecting
          c  io=connecting
        ",
        expect![[r#"
            a:3306 DeadPrimary: 2 replicas, 2 valid, 0 replicating, 2 failing
            b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating
            c:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_stopped_applier_does_not_hear_either() {
    check(
        "
        a  unreachable
          b  sql=no
          c  io=no
        ",
        expect!["a:3306 DeadPrimary: 2 replicas, 2 valid, 0 replicating"],
    );
}

#[test]
fn a_primary_never_seen_is_dead_like_any_other() {
    check(
        "a unreachable never-seen\n  b io=connecting",
        expect![[r#"
        a:3306 DeadPrimary: 1 replicas, 1 valid, 0 replicating, 1 failing
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn one_replica_that_still_replicates_makes_it_unreachable() {
    check(
        "
        a  unreachable
          b  io=connecting
          c
        ",
        expect![[r#"
            a:3306 UnreachablePrimary: 2 replicas, 2 valid, 1 replicating, 1 failing
            b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_primary_and_all_its_replicas_may_be_dead() {
    check(
        "a unreachable\n  b unreachable\n  c unreachable",
        expect!["a:3306 DeadPrimaryAndReplicas: 2 replicas, 0 valid, 0 replicating; [NoFailoverSupport]"],
    );
}

#[test]
fn a_primary_and_some_of_its_replicas_may_be_dead() {
    check(
        "a unreachable\n  b unreachable\n  c io=connecting",
        expect![[r#"
        a:3306 DeadPrimaryAndSomeReplicas: 2 replicas, 1 valid, 0 replicating, 1 failing
        c:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn all_replicas_lagging_hints_at_a_hung_primary() {
    check(
        "a unreachable\n  b lag=30\n  c lag=30",
        expect![
            "a:3306 UnreachablePrimaryWithLaggingReplicas: 2 replicas, 2 valid, 2 replicating, 2 lagging"
        ],
    );
}

#[test]
fn lag_that_is_wanted_hints_at_nothing() {
    check(
        "a unreachable\n  b lag=3600 delay=3600\n  c lag=3600 delay=3600",
        expect!["a:3306 UnreachablePrimary: 2 replicas, 2 valid, 2 replicating, 2 lagging"],
    );
}

#[test]
fn unknown_lag_is_not_lag() {
    check(
        "a unreachable\n  b lag=30\n  c lag=null",
        expect!["a:3306 UnreachablePrimary: 2 replicas, 2 valid, 2 replicating, 1 lagging"],
    );
}

#[test]
fn a_partly_answering_primary_is_not_even_unreachable_while_replicas_are_well() {
    check("a unreachable partial\n  b\n  c", expect![""]);
}

#[test]
fn a_partly_answering_primary_is_unreachable_when_a_replica_fails_to_connect() {
    check(
        "a unreachable partial\n  b io=connecting\n  c",
        expect![[r#"
        a:3306 UnreachablePrimary: 2 replicas, 2 valid, 1 replicating, 1 failing
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_check_that_hangs_makes_an_instance_unseen() {
    check(
        "a hanging\n  b io=connecting",
        expect![[r#"
        a:3306 DeadPrimary: 1 replicas, 1 valid, 0 replicating, 1 failing
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_primary_that_answers_with_an_error_is_never_dead() {
    check(
        "a denied\n  b io=connecting\n  c io=connecting",
        expect![[r#"
        a:3306 UnreachablePrimary: 2 replicas, 2 valid, 0 replicating, 2 failing
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating
        c:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
    check(
        "a denied\n  b unreachable",
        expect!["a:3306 UnreachablePrimary: 1 replicas, 0 valid, 0 replicating"],
    );
    check("a denied", expect![""]);
    check("a denied\n  b\n  c", expect![""]);
}

#[test]
fn a_name_that_does_not_resolve_needs_a_witness_to_be_dead() {
    check(
        "a unresolved\n  b io=connecting\n  c io=connecting",
        expect![[r#"
        a:3306 DeadPrimary: 2 replicas, 2 valid, 0 replicating, 2 failing
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating
        c:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
    check(
        "a unresolved\n  b io=connecting\n  c unreachable",
        expect![[r#"
        a:3306 DeadPrimaryAndSomeReplicas: 2 replicas, 1 valid, 0 replicating, 1 failing
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
    check(
        "a unresolved\n  b unresolved\n  c unresolved",
        expect!["a:3306 UnreachablePrimary: 2 replicas, 0 valid, 0 replicating; [NoFailoverSupport]"],
    );
    check("a unresolved", expect![""]);
    check("a unresolved\n  b\n  c", expect!["a:3306 UnreachablePrimary: 2 replicas, 2 valid, 2 replicating"]);
}

#[test]
fn too_few_acknowledging_replicas_may_lock_a_primary() {
    check(
        "a semi=2/1\n  b\n  c",
        expect!["a:3306 LockedSemiSyncPrimaryHypothesis: 2 replicas, 2 valid, 2 replicating"],
    );
}

#[test]
fn a_log_that_stands_still_locks_it() {
    check(
        "a semi=2/1 standing=11\n  b\n  c",
        expect!["a:3306 LockedSemiSyncPrimary: 2 replicas, 2 valid, 2 replicating"],
    );
    check(
        "a semi=2/1 standing=9\n  b\n  c",
        expect!["a:3306 LockedSemiSyncPrimaryHypothesis: 2 replicas, 2 valid, 2 replicating"],
    );
}

#[test]
fn the_limit_of_standing_still_falls_back_to_reasonable_lag() {
    let policy = AnalysisPolicy {
        reasonable_locked_semi_sync: Duration::ZERO,
        reasonable_lag: Duration::from_secs(60),
        ..AnalysisPolicy::default()
    };
    check_with(
        &policy,
        "a semi=2/1 standing=59\n  b",
        expect!["a:3306 LockedSemiSyncPrimaryHypothesis: 1 replicas, 1 valid, 1 replicating"],
    );
    check_with(
        &policy,
        "a semi=2/1 standing=61\n  b",
        expect!["a:3306 LockedSemiSyncPrimary: 1 replicas, 1 valid, 1 replicating"],
    );
}

#[test]
fn enough_acknowledging_replicas_lock_nothing() {
    check("a semi=2/2 standing=100\n  b\n  c", expect![""]);
}

#[test]
fn a_missing_wait_count_is_one_on_mariadb() {
    check(
        "a mariadb semi=0/0 standing=11\n  b mariadb",
        expect!["a:3306 LockedSemiSyncPrimary: 1 replicas, 1 valid, 1 replicating"],
    );
    check("a semi=0/0 standing=11\n  b", expect![""]);
}

#[test]
fn blocked_commits_lock_a_primary_whatever_the_client_count_says() {
    check(
        "a mariadb semi=1/2 blocked=1 standing=11\n  b mariadb",
        expect!["a:3306 LockedSemiSyncPrimary: 1 replicas, 1 valid, 1 replicating"],
    );
}

#[test]
fn a_commit_that_waits_at_one_look_is_no_evidence() {
    check("a mariadb semi=1/2 blocked=1\n  b mariadb", expect![""]);
}

#[test]
fn a_log_first_looked_at_now_has_not_stood_still() {
    check("a mariadb semi=1/2 blocked=1 standing=0\n  b mariadb", expect![""]);
}

#[test]
fn limits_are_exceeded_not_met() {
    check(
        "a semi=2/1 standing=10\n  b",
        expect!["a:3306 LockedSemiSyncPrimaryHypothesis: 1 replicas, 1 valid, 1 replicating"],
    );
    check(
        "a unreachable\n  b lag=10",
        expect!["a:3306 UnreachablePrimary: 1 replicas, 1 valid, 1 replicating"],
    );
}

#[test]
fn too_many_acknowledging_replicas_matter_where_the_number_is_enforced() {
    let exact = AnalysisPolicy { enforce_exact_semi_sync_replicas: true, ..AnalysisPolicy::default() };
    check_with(
        &exact,
        "a semi=1/2\n  b\n  c",
        expect!["a:3306 PrimaryWithTooManySemiSyncReplicas: 2 replicas, 2 valid, 2 replicating"],
    );
    check_with(&exact, "a semi=1/1\n  b\n  c", expect![""]);
    check("a semi=1/2\n  b\n  c", expect![""]);
}

#[test]
fn a_read_only_primary_is_a_finding_where_it_is_to_be_mended() {
    let mend = AnalysisPolicy { recover_non_writeable_primary: true, ..AnalysisPolicy::default() };
    check_with(
        &mend,
        "a ro\n  b",
        expect!["a:3306 NoWriteablePrimary: 1 replicas, 1 valid, 1 replicating; [NoWriteablePrimary]"],
    );
    check_with(
        &mend,
        "a ro\n  b io=no",
        expect![
            "a:3306 PrimarySingleReplicaNotReplicating: 1 replicas, 1 valid, 0 replicating; [NoWriteablePrimary]"
        ],
    );
    check("a ro\n  b", expect!["a:3306 NoProblem: 1 replicas, 1 valid, 1 replicating; [NoWriteablePrimary]"]);
}

#[test]
fn the_only_replica_of_a_primary_does_not_replicate() {
    check(
        "a\n  b io=no",
        expect!["a:3306 PrimarySingleReplicaNotReplicating: 1 replicas, 1 valid, 0 replicating"],
    );
}

#[test]
fn the_only_replica_of_a_primary_is_dead() {
    check(
        "a\n  b unreachable",
        expect!["a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating"],
    );
}

#[test]
fn no_replica_of_a_primary_replicates() {
    check(
        "a\n  b io=no\n  c sql=no",
        expect!["a:3306 AllPrimaryReplicasNotReplicating: 2 replicas, 2 valid, 0 replicating"],
    );
    check("a\n  b io=no\n  c", expect![""]);
}

#[test]
fn no_replica_of_a_primary_replicates_and_some_are_dead() {
    check(
        "a\n  b io=no\n  c unreachable",
        expect!["a:3306 AllPrimaryReplicasNotReplicatingOrDead: 2 replicas, 1 valid, 0 replicating"],
    );
}

#[test]
fn all_replicas_dead_below_a_living_primary_is_no_code() {
    check(
        "a\n  b unreachable\n  c unreachable",
        expect!["a:3306 NoProblem: 2 replicas, 0 valid, 0 replicating; [NoFailoverSupport]"],
    );
}

#[test]
fn a_detached_replica_is_a_primary_of_its_own() {
    check(
        "a source=//old:3306 unreachable\n  b io=connecting",
        expect![[r#"
        a:3306 DeadPrimary: 1 replicas, 1 valid, 0 replicating, 1 failing
        b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_group_member_has_its_own_rule() {
    check(
        "g1 group=g/PRIMARY/ONLINE unreachable\n  r io=connecting",
        expect![[r#"
        g1:3306 DeadGroupMemberWithReplicas: 1 replicas, 1 valid, 0 replicating, 1 failing
        r:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
    check("g1 group=g/PRIMARY/ONLINE unreachable\n  r", expect![""]);
    check("g1 group=g/PRIMARY/ONLINE unreachable", expect![""]);
    check(
        "g1 group=g/PRIMARY/ONLINE denied\n  r io=connecting",
        expect!["r:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"],
    );
}

#[test]
fn a_member_that_left_its_group_is_an_ordinary_primary() {
    check(
        "g1 group=g/PRIMARY/OFFLINE unreachable\n  r io=connecting",
        expect![[r#"
        g1:3306 DeadPrimary: 1 replicas, 1 valid, 0 replicating, 1 failing
        r:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_secondary_that_left_its_group_is_no_primary() {
    check(
        "g1 group=g/PRIMARY/ONLINE\n  g2 group=g/SECONDARY/OFFLINE unreachable\n    r io=connecting",
        expect![
            "g2:3306 DeadIntermediateWithSingleReplicaFailingToConnect: 1 replicas, 1 valid, 0 replicating, 1 failing"
        ],
    );
}
