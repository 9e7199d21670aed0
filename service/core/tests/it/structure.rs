//! Every structure warning, with near misses.

use expect_test::expect;

use crate::support::check;

#[test]
fn none_of_several_replicas_logs() {
    check(
        "a\n  b log=none\n  c log=own",
        expect!["a:3306 NoProblem: 2 replicas, 2 valid, 2 replicating; [NoLoggingReplicas]"],
    );
    check("a\n  b log=none\n  c", expect![""]);
    check("a\n  b log=none", expect![""]);
}

#[test]
fn replicas_that_follow_by_position_cannot_be_moved() {
    check(
        "a\n  b follows=position\n  c",
        expect!["a:3306 NoProblem: 2 replicas, 2 valid, 2 replicating; [NoFailoverSupport]"],
    );
    check("a mariadb\n  b mariadb\n  c mariadb", expect![""]);
    check("a\n  b maxscale\n  c maxscale", expect![""]);
    check("a\n  b follows=position", expect![""]);
}

#[test]
fn an_unreachable_replica_does_not_count_against_failover() {
    check("a\n  b unreachable follows=position\n  c", expect![""]);
}

#[test]
fn replicas_log_in_different_formats() {
    check(
        "a\n  b log=statement\n  c log=mixed",
        expect!["a:3306 NoProblem: 2 replicas, 2 valid, 2 replicating; [StatementAndMixedLoggingReplicas]"],
    );
    check(
        "a\n  b log=statement\n  c log=row",
        expect!["a:3306 NoProblem: 2 replicas, 2 valid, 2 replicating; [StatementAndRowLoggingReplicas]"],
    );
    check(
        "a\n  b log=mixed\n  c log=row",
        expect!["a:3306 NoProblem: 2 replicas, 2 valid, 2 replicating; [MixedAndRowLoggingReplicas]"],
    );
    check("a\n  b log=mixed\n  c log=mixed", expect![""]);
}

#[test]
fn replicas_log_in_different_versions() {
    check(
        "a\n  b version=5.7.44\n  c",
        expect![
            "a:3306 NoProblem: 2 replicas, 2 valid, 2 replicating; [MultipleMajorVersionsLoggingReplicas]"
        ],
    );
    check("a\n  b version=8.0.11\n  c", expect![""]);
}

#[test]
fn gtid_modes_differ() {
    check(
        "a mode=ON\n  b mode=OFF",
        expect!["a:3306 NoProblem: 1 replicas, 1 valid, 1 replicating; [DifferentGtidModes]"],
    );
    check(
        "a\n  b\n    c mode=ON_PERMISSIVE",
        expect!["b:3306 NoProblem: 1 replicas, 1 valid, 1 replicating; [DifferentGtidModes]"],
    );
    check("a mode=OFF\n  b mode=OFF", expect![""]);
}

#[test]
fn a_replica_has_errant_transactions() {
    check(
        "a gtid=#1:1-9\n  b gtid=#1:1-9,#2:1",
        expect!["a:3306 NoProblem: 1 replicas, 1 valid, 1 replicating; [ErrantGtid]"],
    );
    check("a gtid=#1:1-9\n  b gtid=#1:1-11", expect![""]);
    check("a gtid=#1:1-9\n  b downtimed gtid=#1:1-9,#2:1", expect![""]);
}

#[test]
fn a_primary_is_read_only() {
    check("a ro\n  b", expect!["a:3306 NoProblem: 1 replicas, 1 valid, 1 replicating; [NoWriteablePrimary]"]);
    check("a\n  b ro\n    c", expect![""]);
}

#[test]
fn semi_sync_fell_back() {
    check(
        "a semi=2/1/off\n  b\n  c",
        expect!["a:3306 NoProblem: 2 replicas, 2 valid, 2 replicating; [NotEnoughValidSemiSyncReplicas]"],
    );
    check("a semi=2/2/off\n  b\n  c", expect![""]);
}
