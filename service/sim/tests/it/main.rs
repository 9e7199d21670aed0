//! The net and the fish: random histories hold, and every planted mistake and every known hole is seen.

mod groups;

use std::ops::RangeInclusive;

use orchestrator_sim::{Bug, Gap, History, Setting, Violation, play};

/// Enough that a world is seen, few enough for a debug build within seconds.
const SEEDS: RangeInclusive<u64> = 1..=250;

/// Enough that each mistake below is caught; the search ends at the first violation.
const SEEDS_MAX: RangeInclusive<u64> = 1..=400;

fn first_violation(setting: Setting) -> Option<Violation> {
    SEEDS_MAX.into_iter().find_map(|seed| play(seed, setting).violation)
}

#[track_caller]
fn catches(bug: Bug, expected: &[&str]) {
    let violation = first_violation(Setting { bug: Some(bug), ..Setting::default() });
    let violation = violation.unwrap_or_else(|| panic!("nothing caught {}", bug.as_str()));
    assert!(expected.contains(&violation.invariant), "caught by another property: {violation}");
    assert!(violation.replay().contains(bug.as_str()));
}

#[track_caller]
fn is_still_open(gap: Gap) {
    let found = first_violation(Setting { gap: Some(gap), ..Setting::default() });
    assert!(found.is_some(), "{} is closed: take it from the list of gaps", gap.as_str());
}

#[test]
fn whatever_breaks_every_property_holds() {
    let (mut promotions, mut refused) = (0, 0);
    for seed in SEEDS {
        let history = play(seed, Setting::default());
        promotions += history.promotions;
        refused += u32::from(history.refused);
        if let Some(violation) = history.violation {
            panic!("{violation}");
        }
    }
    // A world in which nothing happens proves nothing.
    assert!(promotions > 100 && refused > 0, "{promotions} promotions, {refused} refused");
}

#[test]
fn the_same_seed_gives_the_same_story() {
    let setting = Setting { story: true, ..Setting::default() };
    let stories: Vec<History> = (1..=10).map(|seed| play(seed, setting)).collect();
    for first in &stories {
        let again = play(first.seed, setting);
        assert_eq!(first.story, again.story);
        assert_eq!(*first, again);
    }
    assert_ne!(stories[0].digest, stories[1].digest);
}

#[test]
fn opening_before_draining_is_caught() {
    catches(Bug::PromoteBeforeDrain, &["acknowledged-rows"]);
}

#[test]
fn not_asking_for_the_term_is_caught() {
    catches(Bug::IgnoreTerm, &["one-driver", "acknowledged-rows", "one-acknowledges"]);
}

#[test]
fn comparing_what_was_executed_is_caught() {
    catches(Bug::CompareExecuted, &["acknowledged-rows"]);
}

#[test]
fn not_stopping_what_replicas_receive_is_caught() {
    catches(Bug::DoNotStop, &["acknowledged-rows", "one-acknowledges"]);
}

#[test]
fn not_counting_who_may_have_acknowledged_is_caught() {
    catches(Bug::IgnoreAcknowledgements, &["acknowledged-rows", "one-acknowledges"]);
}

#[test]
fn forgetting_promotion_rules_is_caught() {
    catches(Bug::ForgetRules, &["promotion-rules"]);
}

#[test]
fn not_carrying_on_is_caught() {
    catches(Bug::DoNotResume, &["recoveries-end"]);
}

#[test]
fn two_recoveries_at_once_are_caught() {
    catches(Bug::DoNotBlock, &["one-recovery"]);
}

#[test]
fn not_answering_a_death_is_caught() {
    catches(Bug::DoNotBegin, &["settles"]);
}

#[test]
fn believing_what_was_seen_before_a_recovery_is_caught() {
    catches(Bug::ForgetMoves, &["acknowledged-rows", "settles"]);
}

#[test]
fn a_stopped_replica_that_restarts_is_still_a_gap() {
    is_still_open(Gap::ReceivesAfterRestart);
}
