//! Waiting costs nothing: what is asked of the raft library changes its metrics, and whoever asks again at each change
//! turns round without end.

use std::pin::pin;
use std::time::Duration;

use orchestrator_raft::{ChangeError, ProposeError};

use crate::group::{Group, Place, wait_health};

/// As long as each of these waits.
const LIMIT: Duration = Duration::from_secs(2);
/// Heartbeats, and a request that is repeated ten times a second, wake whoever waits some dozen times in that time.
const WOKEN_MAX: usize = 1_000;

/// Runs `future`, and fails when it is woken again and again.
async fn seldom_woken<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut woken = 0;
    std::future::poll_fn(move |context| {
        woken += 1;
        assert!(woken <= WOKEN_MAX, "it turns round");
        future.as_mut().poll(context)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raft_snapshot_that_takes_long_is_waited_for() {
    let group = Group::started(1).await;
    group.write("something").await;
    let hanging = group.places[0].disk.hang();
    let late = seldom_woken(group.node(0).snapshot(LIMIT)).await;
    assert!(matches!(late, Err(ProposeError::Unconfirmed { .. })), "{late:?}");
    drop(hanging);
    group.node(0).snapshot(crate::group::PATIENCE).await.unwrap();
}

/// A group of one, and a node that knocks.
async fn one_and_a_newcomer() -> Group {
    let mut group = Group::of(1);
    group.places[0].list = Some(vec![group.places[0].name.clone()]);
    group.places.push(Place::new());
    group.start(0).await;
    wait_health(group.node(0), "alone", |health| health.healthy).await;
    group.write("something").await;
    group
}

#[tokio::test(flavor = "multi_thread")]
async fn the_raft_snapshot_for_a_newcomer_is_waited_for() {
    let mut group = one_and_a_newcomer().await;
    group.start(1).await;
    let hanging = group.places[0].disk.hang();
    let late = seldom_woken(group.node(0).add_peer(&group.places[1].name, LIMIT)).await;
    assert!(matches!(late, Err(ChangeError::Unconfirmed { .. })), "{late:?}");
    drop(hanging);
    group.node(0).add_peer(&group.places[1].name, crate::group::PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_that_catches_up_slowly_is_waited_for() {
    let mut group = one_and_a_newcomer().await;
    let held = group.places[1].disk.hold_installation();
    group.start(1).await;
    let late = seldom_woken(group.node(0).add_peer(&group.places[1].name, LIMIT)).await;
    assert!(matches!(late, Err(ChangeError::Unconfirmed { .. })), "{late:?}");
    drop(held);
    group.node(0).add_peer(&group.places[1].name, crate::group::PATIENCE).await.unwrap();
    group.everybody_healthy().await;
}
