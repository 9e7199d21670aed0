//! A node that is no member of a group.

use std::path::Path;
use std::sync::Arc;

use orchestrator_backend::{NodeIdentity, SqliteBackend, SqliteOptions};
use orchestrator_core::Timestamp;
use orchestrator_raft::RaftNode;
use orchestrator_raft::command::Command;
use orchestrator_raft::machine::{BackendMachine, MachineNews};

use crate::group::{Echo, PATIENCE, wait_health};

async fn start(dir: &Path) -> (RaftNode, MachineNews) {
    let identity = NodeIdentity { hostname: "alone".into(), token: "t".into() };
    let options = SqliteOptions::new(identity, "0", Timestamp::from_millis(0));
    let backend = SqliteBackend::open(&dir.join("o.db"), &options).unwrap();
    let (machine, news) = BackendMachine::owning(Box::new(backend)).unwrap();
    // A folder for this life alone.
    let log = tempfile::tempdir_in(dir).unwrap().keep();
    let started = RaftNode::start_alone(log, "alone".into(), Box::new(machine), Arc::new(Echo::default()));
    let node = started.await.unwrap();
    wait_health(&node, "leads", |health| health.healthy).await;
    (node, news)
}

async fn disable_recoveries(node: &RaftNode, off: bool) {
    let (at, by) = (Timestamp::from_millis(1), "me".to_owned());
    let command = match off {
        true => Command::DisableGlobalRecoveries { at, by },
        false => Command::EnableGlobalRecoveries { at, by },
    };
    node.propose(command, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_leads_and_keeps_its_state_from_life_to_life() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _) = start(dir.path()).await;
    for _ in 0..5 {
        disable_recoveries(&node, false).await;
    }
    disable_recoveries(&node, true).await;
    node.stop().await;
    drop(node);

    let (node, news) = start(dir.path()).await;
    assert!(news.declared.borrow().recoveries_disabled, "the state is kept");
    // The new log begins with small numbers: none of its entries may pass for applied.
    disable_recoveries(&node, false).await;
    assert!(!news.declared.borrow().recoveries_disabled);
    node.stop().await;
}
