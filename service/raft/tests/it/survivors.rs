//! Who goes on alone, whatever happens while it is told so.

use futures::FutureExt;
use orchestrator_raft::{ChangeError, RaftNode};
use tokio::time::timeout;

use crate::group::{Group, PATIENCE, put, wait_health};

/// A node whose group of two has lost the other one for good, and the group's id.
async fn left_alone() -> (Group, usize, String) {
    let mut group = Group::started(2).await;
    let index = group.write("kept").await;
    group.converged(index).await;
    let survivor = group.leader().await;
    group.kill(1 - survivor).await;
    wait_health(group.node(survivor), "without a leader", |health| !health.is_part_of_quorum).await;
    let cluster = group.node(survivor).health().cluster_id.clone().unwrap();
    (group, survivor, cluster)
}

/// Why the process must exit.
async fn end_of(node: &RaftNode) -> String {
    let mut fatal = node.fatal();
    let reason = timeout(PATIENCE, fatal.wait_for(Option::is_some)).await;
    reason.expect("it ends").expect("it is there").clone().unwrap().to_string()
}

/// It is started again, and leads alone with what it had.
async fn goes_on(group: &mut Group, survivor: usize) {
    group.kill(survivor).await;
    group.start(survivor).await;
    let health = wait_health(group.node(survivor), "leading alone", |health| health.healthy).await;
    assert_eq!(health.epoch, 2);
    group.node(survivor).propose(put("alone"), PATIENCE).await.unwrap();
    assert!(group.places[survivor].disk.applied().values().any(|text| text.contains("kept")));
}

/// As a client that waits no longer.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_go_on_alone_does_so_although_nobody_waits_for_the_answer() {
    let (mut group, survivor, cluster) = left_alone().await;
    let node = group.node(survivor).clone();
    assert!(node.force_new_cluster(&cluster, 1).now_or_never().is_none(), "it takes a moment");
    let reason = end_of(&node).await;
    assert!(reason.contains("alone in epoch 2"), "{reason}");
    goes_on(&mut group, survivor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survivor_that_cannot_write_its_new_epoch_ends_and_may_be_told_again() {
    let (mut group, survivor, cluster) = left_alone().await;
    // Where the new identity is to be written first.
    let in_the_way = group.settings(survivor).data_dir.join("identity.tmp");
    std::fs::create_dir(&in_the_way).unwrap();
    let node = group.node(survivor).clone();
    let failed = node.force_new_cluster(&cluster, 1).await.unwrap_err();
    assert!(matches!(failed, ChangeError::Stopped { .. }), "{failed}");
    let reason = end_of(&node).await;
    assert!(reason.contains("epoch 2") && reason.contains("cannot be written"), "{reason}");
    drop(node);
    std::fs::remove_dir(&in_the_way).unwrap();
    group.kill(survivor).await;
    group.start(survivor).await;
    wait_health(group.node(survivor), "with its members", |health| health.membership_index.is_some()).await;
    assert_eq!(group.node(survivor).force_new_cluster(&cluster, 1).await.unwrap(), 2);
    goes_on(&mut group, survivor).await;
}
