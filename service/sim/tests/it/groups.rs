//! Groups: random histories hold, and planted mistakes are seen. Each history is a process of its own.

use std::process::Command;

/// Enough for a debug build within seconds; `make sim` plays thousands.
const SEEDS: &str = "24";
/// Each mistake is caught within so many; the search ends at the first violation.
const SEEDS_MAX: &str = "200";

/// Whether everything held, and what was printed.
fn sim(words: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(words).output().expect("the program was built");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[track_caller]
fn catches(bug: &str, expected: &[&str]) {
    let (held, printed) = sim(&["groups", "--bug", bug, "--seeds", SEEDS_MAX]);
    assert!(!held, "nothing caught {bug}: {printed}");
    let caught = expected.iter().any(|property| printed.contains(&format!("({property})")));
    assert!(caught, "caught by other properties only: {printed}");
    assert!(printed.contains(&format!("--bug {bug}")), "the replay names the mistake");
}

#[test]
fn whatever_breaks_a_group_keeps_its_promises() {
    let (held, printed) = sim(&["groups", "--seeds", SEEDS]);
    assert!(held, "{printed}");
    // A world in which nothing happens proves nothing.
    let confirmed: u64 = printed
        .split(", ")
        .find_map(|part| part.strip_suffix(" confirmed commands").and_then(|count| count.parse().ok()))
        .unwrap_or(0);
    assert!(confirmed > 1_000, "{printed}");
}

#[test]
fn the_same_seed_gives_the_same_story_of_a_group() {
    let story = |seed| sim(&["group", seed, "--story"]).1;
    let first = story("5");
    assert!(first.lines().count() > 50, "{first}");
    assert_eq!(first, story("5"));
    assert_ne!(first, story("6"));
}

#[test]
fn a_log_that_is_acknowledged_before_it_is_synced_is_caught() {
    catches(
        "acknowledge-before-sync",
        &["confirmed-is-kept", "same-state", "no-end-without-reason", "settles"],
    );
}

#[test]
fn votes_that_do_not_reach_the_disk_are_caught() {
    catches("forget-votes", &["one-leader-per-term", "no-end-without-reason"]);
}

#[test]
fn health_that_trusts_the_state_of_the_library_is_caught() {
    catches("trust-state", &["health-is-true", "one-leader-check"]);
}

#[test]
fn old_disks_that_return_after_another_went_on_alone_are_caught() {
    catches("return-unwiped", &["one-epoch"]);
}

#[test]
fn numbers_that_are_used_again_are_caught() {
    catches("reuse-numbers", &["numbers-are-not-reused"]);
}
