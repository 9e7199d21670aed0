//! Commands reach every node, also one that was away; a failing machine stops its node.

use orchestrator_raft::ProposeError;

use crate::group::{Group, PATIENCE, put, wait_health};

#[tokio::test(flavor = "multi_thread")]
async fn every_node_applies_the_same_commands_in_the_same_order() {
    let group = Group::started(3).await;
    let leader = group.leader().await;
    let node = group.node(leader);
    let keys: Vec<String> = (0..100).map(|number| format!("key-{number}")).collect();
    let writes = keys.iter().map(|key| node.propose(put(key), PATIENCE));
    let done = futures::future::join_all(writes).await;
    let last = done.into_iter().map(|done| done.unwrap().0).max().unwrap();
    group.converged(last).await;
    assert_eq!(group.places[leader].disk.applied().len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_catches_up_by_log() {
    let mut group = Group::started(3).await;
    let away = (group.leader().await + 1) % 3;
    group.kill(away).await;
    let mut last = 0;
    for number in 0..20 {
        last = group.write(&format!("key-{number}")).await;
    }
    group.start(away).await;
    group.converged(last).await;
    assert_eq!(group.places[away].disk.with(|content| content.installed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_for_long_catches_up_by_raft_snapshot() {
    let mut group = Group::of(3);
    group.timings.snapshot_every = 20;
    group.timings.keep_logs = 2;
    group.start_all().await;
    group.everybody_healthy().await;
    let away = (group.leader().await + 1) % 3;
    group.kill(away).await;
    let mut last = 0;
    for number in 0..60 {
        last = group.write(&format!("key-{number}")).await;
    }
    for kept in group.running() {
        wait_health(group.node(kept), "applied", |health| health.applied_index >= Some(last)).await;
        assert!(group.node(kept).snapshot(PATIENCE).await.unwrap() >= 60);
        wait_health(group.node(kept), "purged", |health| health.purged_index > Some(40)).await;
    }
    group.start(away).await;
    group.converged(last).await;
    assert!(group.places[away].disk.with(|content| content.installed) > 0);
    group.everybody_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_fell_behind_its_raft_snapshot_gets_it_at_the_start() {
    let mut group = Group::started(1).await;
    let index = group.write("kept").await;
    assert!(group.node(0).snapshot(PATIENCE).await.unwrap() >= index);
    group.kill(0).await;
    // A power failure took back what the machine had not synced.
    let before = group.places[0].disk.applied();
    group.places[0].disk = Default::default();
    group.start(0).await;
    assert_eq!(group.places[0].disk.applied(), before);
    group.everybody_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_group_comes_back_after_all_nodes_were_killed() {
    let mut group = Group::started(3).await;
    let index = group.write("kept").await;
    for node in 0..3 {
        group.kill(node).await;
    }
    group.start_all().await;
    group.everybody_healthy().await;
    group.converged(index).await;
    assert!(group.places[0].disk.applied().values().any(|text| text.contains("kept")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_fails_stops_its_node_and_says_why() {
    let group = Group::started(1).await;
    group.places[0].disk.with(|content| content.broken = true);
    let mut fatal = group.node(0).fatal();
    let refused = group.node(0).propose(put("x"), PATIENCE).await;
    assert!(refused.is_err());
    let reason =
        tokio::time::timeout(PATIENCE, fatal.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
    assert!(reason.unwrap().contains("disk full"));
    let health = wait_health(group.node(0), "stopped", |health| health.storage_error.is_some()).await;
    assert!(!health.healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_beyond_the_limit_is_refused() {
    let group = Group::started(1).await;
    let huge = "x".repeat(orchestrator_raft::MAX_COMMAND_BYTES + 1);
    let refused = group.node(0).propose(put(&huge), PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ProposeError::TooLarge { .. }), "{refused}");
}
