//! The oracle sees what is wrong, and accuses nobody of what is right.

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn look(start: Instant, at: u64, status: u16) -> Look {
    Look { sent: start + ms(at), ended: start + ms(at + 1), status: Some(status) }
}

/// Answers every 20 ms from `from` to `to`, 200 or 500.
fn row(start: Instant, from: u64, to: u64, yes: bool) -> Vec<Look> {
    (from..to).step_by(20).map(|at| look(start, at, if yes { 200 } else { 500 })).collect()
}

fn truth(start: Instant, changes: &[(u64, World)]) -> Truth {
    let at = |(at, world): &(u64, World)| (start + ms(*at), start + ms(at + 5), world.clone());
    Truth { changes: changes.iter().map(at).collect() }
}

fn alone(size: usize) -> World {
    World::well(size).divided(&[])
}

#[test]
fn a_node_that_says_well_without_a_majority_is_caught_with_the_time_that_it_did() {
    let start = Instant::now();
    let truth = truth(start, &[(0, World::well(3)), (1000, alone(3))]);
    let seen = Seen::from([((0, Question::Health), row(start, 0, 2000, true))]);
    let worst = judge(&truth, &seen).too_well[&Question::Health];
    assert!(worst.lasted > ms(950) && worst.lasted < ms(1000), "{worst:?}");
}

#[test]
fn a_node_that_says_sick_beside_its_leader_is_caught_from_when_there_was_one() {
    let start = Instant::now();
    let truth = truth(start, &[(0, World::well(3))]);
    let leader = [row(start, 0, 1000, false), row(start, 1000, 3000, true)].concat();
    let seen =
        Seen::from([((0, Question::Leader), leader), ((1, Question::Health), row(start, 0, 2000, false))]);
    let report = judge(&truth, &seen);
    let worst = report.too_sick[&Question::Health];
    assert!(worst.node == 1 && worst.lasted > ms(950) && worst.lasted < ms(1000), "{worst:?}");
    assert!(report.without_leader > ms(950) && report.without_leader < ms(1050), "{report:?}");
}

#[test]
fn silence_counts_until_the_question_was_given_up() {
    let start = Instant::now();
    let truth = truth(start, &[(0, World::well(1))]);
    let silent = Look { sent: start + ms(100), ended: start + ms(1100), status: None };
    let seen =
        Seen::from([((0, Question::Live), vec![look(start, 40, 200), silent, look(start, 1200, 200)])]);
    assert_eq!(judge(&truth, &seen).too_sick[&Question::Live].lasted, ms(1060));
}

#[test]
fn what_is_down_or_starting_is_accused_of_nothing() {
    let start = Instant::now();
    let (down, starting) = (
        World::well(3).with(0, Condition::Down),
        World::well(3).with(0, Condition::Starting).with(1, Condition::Down),
    );
    let truth = truth(start, &[(0, down), (1000, starting)]);
    let seen = Seen::from([
        ((0, Question::Health), row(start, 0, 2000, false)),
        ((0, Question::Live), row(start, 0, 2000, false)),
        // It may agree with the one that starts, and it need not.
        ((2, Question::Health), [row(start, 0, 1500, true), row(start, 1500, 2000, false)].concat()),
    ]);
    assert_eq!(judge(&truth, &seen).worst(), Duration::ZERO);
}

#[test]
fn a_minority_is_sick_and_the_majority_beside_it_need_not_be() {
    let start = Instant::now();
    let parts: &[&[usize]] = &[&[0, 1], &[2, 3, 4]];
    let world = World::well(5).divided(parts);
    assert!([0, 1].iter().all(|node| world.must_be_sick(*node)));
    assert!([2, 3, 4].iter().all(|node| world.follows(*node, 2)));
    assert!(!world.follows(0, 2) && world.can_lead());
    let none = judge(&truth(start, &[(0, world)]), &Seen::new());
    assert_eq!(none.looks, 0);
}

#[test]
fn two_leaders_are_seen_and_a_hand_over_is_spared() {
    let start = Instant::now();
    let truth = truth(start, &[(0, World::well(2))]);
    let over = Seen::from([
        ((0, Question::Leader), vec![look(start, 0, 200), look(start, 10, 404)]),
        ((1, Question::Leader), vec![look(start, 5, 404), look(start, 9, 200)]),
    ]);
    assert!(judge(&truth, &over).led_at_once.is_empty());
    let both = Seen::from([
        ((0, Question::Leader), vec![look(start, 0, 200), look(start, 10, 200)]),
        ((1, Question::ProbedLeader), vec![look(start, 5, 200)]),
    ]);
    assert_eq!(judge(&truth, &both).led_at_once, [(0, 1)]);
}
