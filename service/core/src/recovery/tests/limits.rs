//! What cannot be had: transactions that are nowhere, replicas that stay behind.

use expect_test::expect;

use super::*;

#[test]
fn what_was_seen_and_is_nowhere_is_told_as_lost() {
    check_case(
        "
        b received=10
        c received=9
        ",
        |case| case.seen = set(12),
        |_| {},
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-9
            chose b:3306: it received most
            lost: 00000000-0000-0000-0000-000000000001:11-12 was seen on a:3306 and is on no replica that can be reached
            not c:3306: b:3306 is better: it received most
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            c:3306 follows b:3306
            => Some(b:3306), lost {}, writable ["b"]"#]],
    );
}

#[test]
fn a_replica_that_is_told_to_stay_behind_is_not_promoted() {
    check(
        "
        b received=10 delayed
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            nobody is promoted: no replica may be promoted: b:3306: applies with a delay of 3600 s on purpose (no-candidate)
            b:3306 receives again
            => None, lost {}, writable []
            !! no replica may be promoted: b:3306: applies with a delay of 3600 s on purpose (no-candidate)"#]],
    );
}
