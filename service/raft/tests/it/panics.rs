//! A panic in any part of raft ends the node with a reason, instead of leaving it waiting for ever.

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use orchestrator_raft::{ByteStream, Dialer, RaftNode, Wire};
use tokio::time::timeout;

use crate::group::{Echo, Group, PATIENCE, put};
use crate::machine::DiskMachine;
use crate::partition::TcpAccept;

struct FallsOver;

impl Dialer for FallsOver {
    fn dial(&self, name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move { panic!("cannot stand {name}") })
    }
}

async fn reason(node: &RaftNode) -> String {
    let mut fatal = node.fatal();
    let reason = timeout(PATIENCE, fatal.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
    reason.unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_before_raft_runs_ends_the_node_that_would_wait_for_ever() {
    let group = Group::of(2);
    let acceptor = Box::new(TcpAccept::bind(group.places[0].address()).await.unwrap());
    let node = RaftNode::start_on(
        group.settings(0),
        group.policy,
        Box::new(DiskMachine(group.places[0].disk.clone())),
        Arc::new(Echo::default()),
        Wire { dialer: Arc::new(FallsOver), acceptor },
    );
    let node = node.await.unwrap();
    assert_eq!(reason(&node).await, format!("a task panicked: cannot stand {}", group.places[1].name));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_panics_ends_the_node() {
    let group = Group::started(1).await;
    group.places[0].disk.with(|content| content.panics = true);
    assert!(group.node(0).propose(put("x"), PATIENCE).await.is_err());
    let reason = reason(group.node(0)).await;
    assert!(reason.contains("the state machine"), "{reason}");
}
