//! The algebra of GTID sets, for any sets.

use std::collections::BTreeSet;

use orchestrator_core::gtid::{Comparison, GtidSet, Gtids, Interval, Intervals, Positions};
use proptest::prelude::*;

/// Few servers, tags and numbers, so that sets meet.
fn oracle_text() -> impl Strategy<Value = String> {
    let entry = (0..3_u32, prop_oneof![Just(""), Just("blue:"), Just("_x1:")], 1..20_u64, 0..6_u64).prop_map(
        |(server, tag, first, more)| {
            format!("00000000-0000-0000-0000-{server:012}:{tag}{first}-{}", first + more)
        },
    );
    proptest::collection::vec(entry, 0..8).prop_map(|entries| entries.join(",\n"))
}

fn mariadb_text() -> impl Strategy<Value = String> {
    let entry =
        (0..3_u32, 1..4_u32, 1..9_u64).prop_map(|(domain, server, seq)| format!("{domain}-{server}-{seq}"));
    proptest::collection::vec(entry, 0..6).prop_map(|entries| entries.join(","))
}

fn gtids() -> impl Strategy<Value = [Gtids; 3]> {
    let three = |text: fn() -> BoxedStrategy<String>| [text(), text(), text()];
    prop_oneof![
        three(|| oracle_text().boxed())
            .prop_map(|texts| texts.map(|text| Gtids::parse_oracle(&text).unwrap())),
        three(|| mariadb_text().boxed())
            .prop_map(|texts| texts.map(|text| Gtids::parse_mariadb(&text).unwrap())),
    ]
}

fn numbers(intervals: &Intervals) -> BTreeSet<u64> {
    intervals.iter().flat_map(|interval| interval.first..=interval.last).collect()
}

fn intervals() -> impl Strategy<Value = Intervals> {
    let interval = (1..40_u64, 0..9_u64).prop_map(|(first, more)| Interval { first, last: first + more });
    proptest::collection::vec(interval, 0..9).prop_map(|all| all.into_iter().collect())
}

proptest! {
    #[test]
    fn intervals_are_sets_of_numbers(one in intervals(), other in intervals()) {
        let (a, b) = (numbers(&one), numbers(&other));
        prop_assert_eq!(numbers(&one.union(&other)), &a | &b);
        prop_assert_eq!(numbers(&one.subtract(&other)), &a - &b);
        prop_assert_eq!(one.contains(&other), b.is_subset(&a));
        prop_assert_eq!(one.count(), a.len() as u64);
    }

    #[test]
    fn what_is_written_reads_back([one, ..] in gtids()) {
        let again = match &one {
            Gtids::Oracle(_) => Gtids::parse_oracle(&one.to_string()),
            Gtids::MariaDb(_) => Gtids::parse_mariadb(&one.to_string()),
        };
        prop_assert_eq!(again.unwrap(), one);
    }

    #[test]
    fn union_is_commutative_associative_and_idempotent([a, b, c] in gtids()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.union(&a), a.clone());
        prop_assert_eq!(a.union(&Gtids::default()), a);
    }

    #[test]
    fn a_union_of_sets_contains_both([a, b, _] in gtids()) {
        let union = a.union(&b);
        if matches!(a, Gtids::Oracle(_)) || a.compare(&b) != Comparison::Diverged {
            prop_assert!(union.contains(&a) && union.contains(&b));
        }
        prop_assert!(a.subtract(&a).is_empty());
    }

    #[test]
    fn to_contain_is_to_leave_nothing([a, b, _] in gtids()) {
        prop_assert_eq!(a.contains(&b), b.subtract(&a).is_empty() || !matches!(a, Gtids::Oracle(_)) && a.contains(&b));
        if let Gtids::Oracle(_) = a {
            prop_assert_eq!(a.subtract(&b).union(&b), a.union(&b));
            prop_assert_eq!(b.behind(&a), a.subtract(&b).count());
        }
    }

    #[test]
    fn comparison_has_two_sides([a, b, c] in gtids()) {
        prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
        prop_assert_eq!(a.compare(&a), Comparison::Equal);
        if a.contains(&b) && b.contains(&c) {
            prop_assert!(a.contains(&c));
        }
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in ".{0,60}") {
        let _ = (text.parse::<GtidSet>(), text.parse::<Positions>());
    }
}
