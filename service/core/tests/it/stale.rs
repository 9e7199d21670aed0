//! Since when binary logs stand still.

use std::time::Duration;

use orchestrator_core::{
    InstanceKey,
    analysis::StaleCoordinates,
    instance::BinlogCoordinates,
    picture::{NOW, draw},
};

fn at(position: u64) -> BinlogCoordinates {
    BinlogCoordinates { file: "bin.000001".into(), position }
}

#[test]
fn a_log_stands_still_since_it_was_first_seen_there() {
    let (key, mut stale) = (InstanceKey::new("a", 3306), StaleCoordinates::default());
    let later = |seconds| NOW + Duration::from_secs(seconds);
    stale.note(key.clone(), at(7), NOW);
    stale.note(key.clone(), at(7), later(5));
    assert_eq!(stale.standing_for(&key, &at(7), later(6)), Some(Duration::from_secs(6)));
    assert_eq!(stale.standing_for(&key, &at(8), later(6)), None);
    stale.note(key.clone(), at(8), later(6));
    assert_eq!(stale.standing_for(&key, &at(8), later(6)), Some(Duration::ZERO));
    assert_eq!(stale.standing_for(&key, &at(7), later(6)), None);
}

#[test]
fn only_semi_synchronous_sources_that_are_known_are_noted() {
    let mut stale = StaleCoordinates::default();
    let known = |stale: &StaleCoordinates, host| {
        stale.standing_for(&InstanceKey::new(host, 3306), &at(7), NOW).is_some()
    };
    stale.observe(&draw("a at=7 semi=1/1\nb at=7").view);
    assert!(known(&stale, "a") && !known(&stale, "b"));
    stale.observe(&draw("b at=7").view);
    assert!(!known(&stale, "a"));
}
