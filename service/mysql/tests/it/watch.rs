//! The pulse.

use std::time::Duration;

use orchestrator_core::{grace::Departure, observation::FailureKind};
use orchestrator_mysql::{Fleet, Pace, Probe as _, ProbeSettings, Watch, WatchEvent};
use tokio::time::timeout;

use crate::{
    PATIENCE,
    fake::{Answer, Fake},
    fleet,
    servers::{mysql, row},
    settings,
};

const PACE: Pace = Pace { pulse: Duration::from_millis(10), deadline: Duration::from_millis(120) };

/// The next event of this kind; others are passed over.
async fn until(watch: &mut Watch, wanted: fn(&WatchEvent) -> bool) -> WatchEvent {
    let search = async {
        loop {
            let event = watch.next().await.expect("the watch goes on");
            if wanted(&event) {
                return event;
            }
        }
    };
    timeout(PATIENCE, search).await.expect("the event comes")
}

fn pulse(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Pulse { .. })
}

fn overdue(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Overdue { .. })
}

fn lost(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Lost { .. })
}

fn back(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Back)
}

fn kind(event: WatchEvent) -> FailureKind {
    end(event).0
}

/// How it was lost.
fn end(event: WatchEvent) -> (FailureKind, Departure) {
    match event {
        WatchEvent::Lost { failure, departure } => (failure.kind, departure),
        other => panic!("{other:?}"),
    }
}

/// A server that answers the pulse so when the gate opens.
fn when_the_gate_opens(answer: Answer) -> impl Fn(&str) -> Answer {
    move |sql| {
        if sql.starts_with("SELECT SLEEP") { Answer::Gated(Box::new(answer.clone())) } else { mysql(sql) }
    }
}

/// What MySQL answers to a SLEEP that it wakes up because it stops.
fn woken() -> Answer {
    row(&[("slept", "1"), ("read_only", "0")])
}

/// So slow a pace that no deadline can tell anything.
const SLOW: Pace = Pace { pulse: Duration::from_secs(600), deadline: Duration::from_secs(1200) };

/// A server on which the pulse takes for ever.
fn asleep(sql: &str) -> Answer {
    if sql.starts_with("SELECT SLEEP") { Answer::Hang } else { mysql(sql) }
}

#[tokio::test]
async fn a_living_server_pulses_and_tells_whether_it_is_writable() {
    let fake = Fake::start(mysql).await;
    let mut watch = fleet().watch(&fake.key(), PACE);
    for _ in 0..3 {
        let event = until(&mut watch, pulse).await;
        assert!(matches!(event, WatchEvent::Pulse { read_only: Some(true), .. }));
    }
}

#[tokio::test]
async fn a_killed_server_is_lost_at_once_and_found_refused() {
    let mut fake = Fake::start(asleep).await;
    let mut watch = fleet().watch(&fake.key(), SLOW);
    fake.received("SELECT SLEEP").await;
    fake.kill().await;
    assert_eq!(end(until(&mut watch, lost).await), (FailureKind::Broken, Departure::Abrupt));
    assert_eq!(end(until(&mut watch, lost).await), (FailureKind::Refused, Departure::Abrupt));
}

#[tokio::test]
async fn a_server_that_wakes_the_pulse_and_lets_nobody_in_was_shut_down_in_order() {
    let mut fake = Fake::start(when_the_gate_opens(woken())).await;
    let mut watch = fleet().watch(&fake.key(), SLOW);
    fake.received("SELECT SLEEP").await;
    fake.stop_listening().await;
    fake.open_gate();
    assert_eq!(end(until(&mut watch, lost).await), (FailureKind::Refused, Departure::InOrder));
    assert_eq!(end(until(&mut watch, lost).await), (FailureKind::Refused, Departure::Abrupt), "said once");
}

#[tokio::test]
async fn a_pulse_woken_late_in_its_time_tells_the_same() {
    let mut fake = Fake::start(when_the_gate_opens(woken())).await;
    let mut watch = fleet().watch(&fake.key(), PACE);
    until(&mut watch, overdue).await;
    fake.stop_listening().await;
    fake.open_gate();
    assert_eq!(end(until(&mut watch, lost).await).1, Departure::InOrder);
}

#[tokio::test]
async fn the_last_words_of_a_server_that_lets_nobody_in_are_a_shutdown_in_order() {
    let mut fake = Fake::start(when_the_gate_opens(Answer::Error(1053, "Server shutdown in progress"))).await;
    let mut watch = fleet().watch(&fake.key(), SLOW);
    fake.received("SELECT SLEEP").await;
    fake.stop_listening().await;
    fake.open_gate();
    assert_eq!(end(until(&mut watch, lost).await), (FailureKind::Broken, Departure::InOrder));
}

#[tokio::test]
async fn the_same_words_from_a_server_that_lets_us_in_again_are_only_the_end_of_a_connection() {
    let fake = Fake::start(when_the_gate_opens(Answer::Error(1053, "Server shutdown in progress"))).await;
    let mut watch = fleet().watch(&fake.key(), SLOW);
    fake.received("SELECT SLEEP").await;
    fake.open_gate();
    assert_eq!(end(until(&mut watch, lost).await), (FailureKind::Broken, Departure::Abrupt));
    until(&mut watch, back).await;
}

#[tokio::test]
async fn a_frozen_server_is_overdue_again_and_again_until_it_is_back() {
    let fake = Fake::start(|sql| match sql {
        sql if sql.starts_with("SELECT SLEEP") => Answer::Gated(Box::new(mysql(sql))),
        sql => mysql(sql),
    })
    .await;
    let mut watch = fleet().watch(&fake.key(), PACE);
    let first = until(&mut watch, overdue).await;
    let second = until(&mut watch, overdue).await;
    let silence = |event| match event {
        WatchEvent::Overdue { silent_for } => silent_for,
        other => panic!("{other:?}"),
    };
    let first = silence(first);
    assert!(first >= PACE.deadline && silence(second) > first);
    fake.open_gate();
    until(&mut watch, back).await;
    until(&mut watch, pulse).await;
    // One for the pulse, one in reserve: the overdue connection was kept.
    assert_eq!(fake.logins(), 2);
}

#[tokio::test]
async fn a_broken_connection_to_a_living_server_is_mended() {
    let fake = Fake::start(mysql).await;
    let mut watch = fleet().watch(&fake.key(), PACE);
    until(&mut watch, pulse).await;
    fake.break_connections().await;
    until(&mut watch, lost).await;
    until(&mut watch, back).await;
    until(&mut watch, pulse).await;
}

#[tokio::test]
async fn a_killed_sleep_is_a_sign_of_life() {
    let fake = Fake::start(|sql| match sql {
        sql if sql.starts_with("SELECT SLEEP") => Answer::Error(1317, "Query execution was interrupted"),
        sql => mysql(sql),
    })
    .await;
    let mut watch = fleet().watch(&fake.key(), PACE);
    let event = until(&mut watch, |event| pulse(event) || lost(event)).await;
    assert!(matches!(event, WatchEvent::Pulse { read_only: None, .. }), "{event:?}");
}

#[tokio::test]
async fn held_connections_are_closed_when_a_new_one_is_refused() {
    let mut fake = Fake::start(asleep).await;
    let fleet = fleet();
    let mut watch = fleet.watch(&fake.key(), SLOW);
    fake.received("SELECT SLEEP").await;
    fake.stop_listening().await;
    assert_eq!(fleet.touch_fresh(&fake.key(), PATIENCE).await.unwrap_err().kind, FailureKind::Refused);
    assert_eq!(end(until(&mut watch, lost).await), (FailureKind::Refused, Departure::Abrupt));
}

#[tokio::test]
async fn a_server_that_refuses_somebody_else_first_is_still_heard_out() {
    let mut fake = Fake::start(when_the_gate_opens(woken())).await;
    let fleet = fleet();
    let mut watch = fleet.watch(&fake.key(), SLOW);
    fake.received("SELECT SLEEP").await;
    fake.stop_listening().await;
    assert_eq!(fleet.touch_fresh(&fake.key(), PATIENCE).await.unwrap_err().kind, FailureKind::Refused);
    fake.open_gate();
    assert_eq!(end(until(&mut watch, lost).await), (FailureKind::Refused, Departure::InOrder));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_lost_again_and_again() {
    let mut fake = Fake::start(mysql).await;
    fake.kill().await;
    let mut watch =
        Fleet::new(ProbeSettings { connect_timeout: PATIENCE, ..settings() }).watch(&fake.key(), PACE);
    for _ in 0..3 {
        assert_eq!(kind(until(&mut watch, lost).await), FailureKind::Refused);
    }
}

#[tokio::test]
async fn a_watch_for_fakes_tells_what_it_is_told() {
    let (sender, events) = tokio::sync::mpsc::channel(1);
    let mut watch = Watch::from_events(events);
    sender.send(WatchEvent::Back).await.unwrap();
    assert_eq!(watch.next().await, Some(WatchEvent::Back));
    drop(sender);
    assert_eq!(watch.next().await, None);
}
