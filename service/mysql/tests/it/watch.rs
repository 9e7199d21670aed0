//! The pulse.

use std::time::Duration;

use orchestrator_core::observation::FailureKind;
use orchestrator_mysql::{Fleet, Pace, Probe as _, ProbeSettings, Watch, WatchEvent};
use tokio::time::timeout;

use crate::{
    PATIENCE,
    fake::{Answer, Fake},
    fleet,
    servers::mysql,
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
    matches!(event, WatchEvent::Lost(_))
}

fn back(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Back)
}

fn kind(event: WatchEvent) -> FailureKind {
    match event {
        WatchEvent::Lost(failure) => failure.kind,
        other => panic!("{other:?}"),
    }
}

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
    // So slow a pace that no deadline can tell it.
    let slow = Pace { pulse: PATIENCE * 10, deadline: PATIENCE * 20 };
    let mut watch = fleet().watch(&fake.key(), slow);
    fake.received("SELECT SLEEP").await;
    fake.kill().await;
    assert_eq!(kind(until(&mut watch, lost).await), FailureKind::Broken);
    assert_eq!(kind(until(&mut watch, lost).await), FailureKind::Refused);
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
    let slow = Pace { pulse: PATIENCE * 10, deadline: PATIENCE * 20 };
    let mut watch = fleet.watch(&fake.key(), slow);
    fake.received("SELECT SLEEP").await;
    fake.stop_listening().await;
    assert_eq!(fleet.touch_fresh(&fake.key(), PATIENCE).await.unwrap_err().kind, FailureKind::Refused);
    assert_eq!(kind(until(&mut watch, lost).await), FailureKind::Refused);
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
