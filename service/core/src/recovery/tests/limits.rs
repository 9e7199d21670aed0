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

#[test]
fn a_replica_that_refuses_is_told_as_one_that_answers() {
    check(
        "
        b received=10
        c received=12 denied
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 is lost: error 1227
            chose b:3306: the only candidate
            not c:3306: refuses: error 1227
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            c:3306 was detached
            => Some(b:3306), lost {c:3306}, writable ["b"]"#]],
    );
}

#[test]
fn with_semi_sync_a_refusal_is_told_as_what_it_is() {
    check_case(
        "
        b received=10 semisync
        c received=10 semisync denied
        ",
        |case| case.acknowledgements = 1,
        |_| {},
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            asking again, since nobody can be promoted: acknowledged transactions may exist only on c:3306, which will not stop receiving (data-loss)
            c:3306 is lost: error 1227
            nobody is promoted: acknowledged transactions may exist only on c:3306, which will not stop receiving (data-loss)
            b:3306 receives again
            => None, lost {c:3306}, writable []
            !! acknowledged transactions may exist only on c:3306, which will not stop receiving (data-loss)"#]],
    );
}

#[test]
fn one_that_the_account_may_not_open_is_chosen_where_there_is_no_other() {
    check(
        "
        b received=10 nogrant
        c received=9
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-9
            chose c:3306: the account may open it
            not b:3306: c:3306 is better: the account may open it
            it fetches what it lacks from b:3306 first
            b:3306 executed all that it received
            c:3306 follows b:3306
            c:3306 has what it lacked
            chose c:3306: the account may open it
            not b:3306: c:3306 is better: the account may open it
            a:3306 cannot be fenced: refused
            c:3306 executed all that it received
            c:3306 is open for writes
            b:3306 follows c:3306
            => Some(c:3306), lost {}, writable ["c"]"#]],
    );
    check(
        "b received=10 nogrant",
        expect![[r#"
        b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
        chose b:3306: the only candidate
        a:3306 cannot be fenced: refused
        b:3306 executed all that it received
        b:3306 is open for writes
        => Some(b:3306), lost {}, writable ["b"]"#]],
    );
}
