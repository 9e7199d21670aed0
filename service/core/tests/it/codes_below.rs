//! Every code of co-primaries, intermediate primaries and replicas, each with near misses.

use expect_test::expect;

use crate::support::check;

#[test]
fn a_co_primary_is_dead_when_nobody_hears_from_it() {
    check(
        "a source=b unreachable\n  b io=connecting\n  c io=connecting",
        expect![[r#"
        a:3306 DeadCoPrimary: 2 replicas, 2 valid, 0 replicating, 2 failing
        b:3306 AllCoPrimaryReplicasNotReplicating: 1 replicas, 0 valid, 0 replicating
        c:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_co_primary_and_some_replicas_may_be_dead() {
    check(
        "a source=b unreachable\n  b io=connecting\n  c unreachable",
        expect![[r#"
        a:3306 DeadCoPrimaryAndSomeReplicas: 2 replicas, 1 valid, 0 replicating, 1 failing
        b:3306 AllCoPrimaryReplicasNotReplicating: 1 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_co_primary_with_a_replica_that_replicates_is_unreachable() {
    check(
        "a source=b unreachable\n  b\n  c io=connecting",
        expect![[r#"
        a:3306 UnreachableCoPrimary: 2 replicas, 2 valid, 1 replicating, 1 failing
        b:3306 AllCoPrimaryReplicasNotReplicating: 1 replicas, 0 valid, 0 replicating
        c:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn a_co_primary_that_answers_with_an_error_is_unreachable_at_most() {
    check(
        "a source=b denied\n  b io=connecting",
        expect![[r#"
        a:3306 UnreachableCoPrimary: 1 replicas, 1 valid, 0 replicating, 1 failing
        b:3306 AllCoPrimaryReplicasNotReplicating: 1 replicas, 0 valid, 0 replicating"#]],
    );
    check(
        "a source=b unresolved\n  b unresolved",
        expect![[r#"
        a:3306 UnreachableCoPrimary: 1 replicas, 0 valid, 0 replicating
        b:3306 UnreachableCoPrimary: 1 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn no_replica_of_a_co_primary_replicates() {
    check(
        "a source=b\n  b io=no",
        expect!["a:3306 AllCoPrimaryReplicasNotReplicating: 1 replicas, 1 valid, 0 replicating"],
    );
}

#[test]
fn the_single_replica_of_a_dead_intermediate_fails_to_connect() {
    check(
        "a\n  m unreachable\n    r io=connecting",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 DeadIntermediateWithSingleReplicaFailingToConnect: 1 replicas, 1 valid, 0 replicating, 1 failing"#]],
    );
}

#[test]
fn the_single_replica_of_a_dead_intermediate_does_not_replicate() {
    check(
        "a\n  m unreachable\n    r io=waiting",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 DeadIntermediateWithSingleReplica: 1 replicas, 1 valid, 0 replicating"#]],
    );
}

#[test]
fn an_intermediate_is_dead_when_no_replica_hears_from_it() {
    check(
        "a\n  m unreachable\n    r io=connecting\n    s io=connecting",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 DeadIntermediate: 2 replicas, 2 valid, 0 replicating, 2 failing"#]],
    );
}

#[test]
fn an_intermediate_and_some_of_its_replicas_may_be_dead() {
    check(
        "a\n  m unreachable\n    r io=connecting\n    s unreachable",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 DeadIntermediateAndSomeReplicas: 2 replicas, 1 valid, 0 replicating, 1 failing"#]],
    );
}

#[test]
fn an_intermediate_and_all_its_replicas_may_be_dead() {
    check(
        "a\n  m unreachable\n    r unreachable\n    s unreachable",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 DeadIntermediateAndReplicas: 2 replicas, 0 valid, 0 replicating"#]],
    );
}

#[test]
fn lagging_replicas_hint_at_a_hung_intermediate() {
    check(
        "a\n  m unreachable\n    r lag=30\n    s lag=30",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 UnreachableIntermediateWithLaggingReplicas: 2 replicas, 2 valid, 2 replicating, 2 lagging"#]],
    );
}

#[test]
fn an_intermediate_with_a_replica_that_replicates_is_unreachable() {
    check(
        "a\n  m unreachable\n    r\n    s io=connecting",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 UnreachableIntermediate: 2 replicas, 2 valid, 1 replicating, 1 failing"#]],
    );
    check(
        "a\n  m unreachable partial\n    r\n    s io=connecting",
        expect!["a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating"],
    );
}

#[test]
fn an_intermediate_that_answers_with_an_error_is_unreachable_at_most() {
    check(
        "a\n  m denied\n    r io=connecting\n    s io=connecting",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 UnreachableIntermediate: 2 replicas, 2 valid, 0 replicating, 2 failing"#]],
    );
    check(
        "a\n  m unresolved\n    r unresolved\n    s unresolved",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 UnreachableIntermediate: 2 replicas, 0 valid, 0 replicating"#]],
    );
    check(
        "a\n  m unresolved\n    r io=connecting\n    s io=connecting",
        expect![[r#"
        a:3306 PrimarySingleReplicaDead: 1 replicas, 0 valid, 0 replicating
        m:3306 DeadIntermediate: 2 replicas, 2 valid, 0 replicating, 2 failing"#]],
    );
}

#[test]
fn replicas_may_fail_to_connect_to_an_intermediate_that_we_reach() {
    check(
        "a\n  m\n    r io=connecting\n    s io=connecting",
        expect![
            "m:3306 AllIntermediateReplicasFailingToConnectOrDead: 2 replicas, 2 valid, 0 replicating, 2 failing"
        ],
    );
    check(
        "a\n  m\n    r io=connecting\n    s unreachable",
        expect![
            "m:3306 AllIntermediateReplicasFailingToConnectOrDead: 2 replicas, 1 valid, 0 replicating, 1 failing"
        ],
    );
    check(
        "a\n  m\n    r io=connecting",
        expect![
            "m:3306 AllIntermediateReplicasNotReplicating: 1 replicas, 1 valid, 0 replicating, 1 failing"
        ],
    );
}

#[test]
fn no_replica_of_an_intermediate_replicates() {
    check(
        "a\n  m\n    r io=connecting\n    s io=no",
        expect![
            "m:3306 AllIntermediateReplicasNotReplicating: 2 replicas, 2 valid, 0 replicating, 1 failing"
        ],
    );
    check("a\n  m\n    r unreachable\n    s unreachable", expect![""]);
}

#[test]
fn a_binary_log_server_fails_to_connect() {
    check(
        "a\n  m maxscale io=connecting\n    r\n  b",
        expect![[r#"
        a:3306 NoProblem: 2 replicas, 2 valid, 1 replicating, 1 failing; [MultipleMajorVersionsLoggingReplicas]
        m:3306 BinlogServerFailingToConnect: 1 replicas, 1 valid, 1 replicating"#]],
    );
}

#[test]
fn a_replica_of_the_primary_fails_to_connect() {
    check(
        "a\n  b io=connecting\n  c",
        expect!["b:3306 FirstTierReplicaFailingToConnect: 0 replicas, 0 valid, 0 replicating"],
    );
    check("a\n  b io=waiting\n  c", expect![""]);
    check("a\n  b\n    c io=connecting\n    d", expect![""]);
}
