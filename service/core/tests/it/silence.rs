//! A frozen primary: threads say `Yes` for as long as `replica_net_timeout`, heartbeats do not come.

use expect_test::expect;

use crate::support::check;

#[test]
fn replicas_that_hear_nothing_from_a_silent_primary_count_as_lost() {
    check(
        "a silent\n  b quiet=1500\n  c quiet=1500",
        expect!["a:3306 DeadPrimary: 2 replicas, 2 valid, 0 replicating, 2 silent"],
    );
}

#[test]
fn one_that_still_hears_keeps_it_alive() {
    check(
        "a silent\n  b quiet=1500\n  c quiet=1300",
        expect!["a:3306 UnreachablePrimary: 2 replicas, 2 valid, 1 replicating, 1 silent"],
    );
}

#[test]
fn silence_is_no_evidence_against_a_primary_that_answers() {
    check("a\n  b quiet=60000\n  c quiet=60000", expect![""]);
    check("a denied\n  b quiet=60000\n  c quiet=60000", expect![""]);
}

#[test]
fn silence_is_measured_at_the_look_not_since() {
    // Looked at ten minutes ago, and heard a second before that.
    check(
        "a silent\n  b unchecked quiet=1000",
        expect!["a:3306 UnreachablePrimary: 1 replicas, 1 valid, 1 replicating"],
    );
}

#[test]
fn silence_means_nothing_where_heartbeats_are_off() {
    check(
        "a silent\n  b quiet=60000 heartbeat=0",
        expect!["a:3306 UnreachablePrimary: 1 replicas, 1 valid, 1 replicating"],
    );
}

#[test]
fn silence_is_measured_in_heartbeats() {
    check(
        "a silent\n  b quiet=3550 heartbeat=3000",
        expect!["a:3306 UnreachablePrimary: 1 replicas, 1 valid, 1 replicating"],
    );
    check(
        "a silent\n  b quiet=3650 heartbeat=3000",
        expect!["a:3306 DeadPrimary: 1 replicas, 1 valid, 0 replicating, 1 silent"],
    );
}
