//! A network that can be cut between any two nodes, and what the group does then.

use std::collections::{HashMap, HashSet};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use orchestrator_raft::{
    Acceptor, ByteStream, Dialer, EventKind, GroupEvent, Health, NodeState, ProposeError, TcpDialer,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::group::{Group, PATIENCE, put, wait_health};

/// Pairs of names between which nothing passes; clones share it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Cuts(Arc<Mutex<HashSet<(String, String)>>>);

impl Cuts {
    fn between(&self, a: &str, b: &str) -> bool {
        let cuts = self.0.lock().unwrap();
        cuts.contains(&(a.into(), b.into())) || cuts.contains(&(b.into(), a.into()))
    }

    pub(crate) fn isolate(&self, group: &Group, index: usize) {
        let name = &group.places[index].name;
        let others = group.places.iter().filter(|place| place.name != *name);
        self.0.lock().unwrap().extend(others.map(|other| (name.clone(), other.name.clone())));
    }

    /// Nothing passes between these and all others.
    pub(crate) fn split(&self, group: &Group, side: &[usize]) {
        let mut cuts = self.0.lock().unwrap();
        let there = group.places.iter().enumerate().filter(|(index, _)| !side.contains(index));
        for (_, there) in there {
            cuts.extend(side.iter().map(|here| (group.places[*here].name.clone(), there.name.clone())));
        }
    }

    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().clear();
    }
}

/// Where names lead; clones share it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Addresses(Arc<Mutex<HashMap<String, String>>>);

impl Addresses {
    pub(crate) fn point(&self, name: &str, address: &str) {
        self.0.lock().unwrap().insert(name.into(), address.into());
    }

    fn of(&self, name: &str) -> String {
        self.0.lock().unwrap().get(name).cloned().unwrap_or_else(|| name.into())
    }
}

pub(crate) struct CutDialer {
    pub(crate) from: String,
    pub(crate) cuts: Cuts,
    pub(crate) addresses: Addresses,
}

impl Dialer for CutDialer {
    fn dial(&self, name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let (from, cuts, addresses) = (self.from.clone(), self.cuts.clone(), self.addresses.clone());
        Box::pin(async move {
            if cuts.between(&from, &name) {
                return Err(io::ErrorKind::HostUnreachable.into());
            }
            let inner = TcpDialer::default().dial(addresses.of(&name)).await?;
            Ok(Box::new(CutStream { inner, from, to: name, cuts }) as Box<dyn ByteStream>)
        })
    }
}

/// Falls silent for ever once its ends are cut from each other.
struct CutStream {
    inner: Box<dyn ByteStream>,
    from: String,
    to: String,
    cuts: Cuts,
}

impl CutStream {
    fn is_cut(&self) -> bool {
        self.cuts.between(&self.from, &self.to)
    }
}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut() {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_cut() {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

pub(crate) struct TcpAccept(TcpListener);

impl TcpAccept {
    pub(crate) async fn bind(name: &str) -> io::Result<Self> {
        TcpListener::bind(name).await.map(Self)
    }
}

impl Acceptor for TcpAccept {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn ByteStream>, String)>> {
        Box::pin(async move {
            let (stream, from) = self.0.accept().await?;
            Ok((Box::new(stream) as Box<dyn ByteStream>, from.to_string()))
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_leader_is_replaced_and_accepts_nothing_any_more() {
    let group = Group::on_wires(3).await;
    let old = group.leader().await;
    let term = group.node(old).leadership().term;
    group.cuts.isolate(&group, old);
    let health = wait_health(group.node(old), "unhealthy", |health| !health.healthy).await;
    assert_eq!((health.state, health.leader.as_ref()), (NodeState::Candidate, None));
    let refused = group.node(old).propose(put("lost"), PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { leader: None }), "{refused}");
    let other = (old + 1) % 3;
    wait_health(group.node(other), "led anew", |health| {
        health.healthy && health.term > term && health.leader.is_some()
    })
    .await;
    assert!(!group.node(old).leadership().is_me);
    let refused = group.node(old).propose_in_term(term, put("stale"), PATIENCE).await;
    assert!(refused.is_err());
    group.cuts.heal();
    group.everybody_healthy().await;
    let index = group.write("after").await;
    group.converged(index).await;
    assert!(!group.places[old].disk.applied().values().any(|text| text.contains("lost")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_be_reached_is_said_to_be_reached_again_by_a_node_that_follows_now() {
    let group = Group::on_wires(3).await;
    let old = group.leader().await;
    group.cuts.isolate(&group, old);
    let unreached = |health: &Health| health.peers.iter().filter(|peer| peer.problem.is_some()).count();
    wait_health(group.node(old), "alone", |health| unreached(health) == 2).await;
    // Another one leads when it is back, so it has nothing to say to them.
    group.leader_of(&[(old + 1) % 3, (old + 2) % 3]).await;
    group.cuts.heal();
    wait_health(group.node(old), "among the others", |health| health.healthy && unreached(health) == 0).await;
    assert!(!group.node(old).leadership().is_me);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_follower_is_unhealthy_and_its_return_deposes_nobody() {
    let group = Group::on_wires(3).await;
    let leader = group.leader().await;
    let term = group.node(leader).leadership().term;
    let away = (leader + 1) % 3;
    group.cuts.isolate(&group, away);
    let health = wait_health(group.node(away), "unhealthy", |health| !health.healthy).await;
    assert_eq!((health.state, health.leader.as_ref()), (NodeState::Candidate, None));
    // Long enough to have stood for election several times, had it been allowed to.
    wait_health(group.node(away), "silent for long", |health| health.leader_contact_ms > Some(3000)).await;
    assert_eq!(group.node(away).health().term, term, "an isolated node does not raise its term");
    group.cuts.heal();
    group.everybody_healthy().await;
    assert_eq!(group.leader().await, leader);
    assert_eq!(group.node(leader).leadership().term, term);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_beside_an_old_leader_without_a_quorum_is_unhealthy() {
    let group = Group::on_wires(5).await;
    let old = group.leader().await;
    let beside = (old + 1) % 5;
    group.cuts.split(&group, &[old, beside]);
    wait_health(group.node(old), "unhealthy", |health| !health.healthy).await;
    // It hears that leader all the time, which says that nobody else does.
    let health = wait_health(group.node(beside), "unhealthy", |health| !health.healthy).await;
    assert!(health.leader.is_none(), "{health:?}");
    wait_health(group.node((old + 2) % 5), "led anew", |health| health.healthy).await;
    group.cuts.heal();
    group.everybody_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_to_a_node_that_just_went_away_ends_with_some_leader() {
    let group = Group::on_wires(3).await;
    let old = group.leader().await;
    let target = (old + 1) % 3;
    group.cuts.isolate(&group, target);
    let name = group.places[target].name.clone();
    let outcome = group.node(old).yield_to(Some(&name), PATIENCE).await;
    println!("hand-over to a node that is away: {outcome:?}");
    group.cuts.heal();
    group.everybody_healthy().await;
    let index = group.write("after").await;
    group.converged(index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_to_a_node_that_answers_though_another_one_just_went_away() {
    let group = Group::on_wires(3).await;
    let mut leader = group.leader().await;
    // Each of the others may be the one that would be asked first.
    for round in 0..6 {
        let away = (leader + 1 + round % 2) % 3;
        let there = 3 - leader - away;
        let term = group.node(leader).leadership().term;
        group.cuts.isolate(&group, away);
        let begun = Instant::now();
        let to = group.node(leader).yield_to(None, PATIENCE).await.unwrap();
        println!("hand-over beside a node that went away took {} ms", begun.elapsed().as_millis());
        assert_eq!(to.raft_addr, group.places[there].name);
        let stood = group.node(there).events_since(0).into_iter();
        let stood: Vec<_> = stood.filter(|event| event.kind == EventKind::Candidate).collect();
        let wished =
            |event: &GroupEvent| event.detail.as_deref().is_some_and(|why| why.contains("leader wishes"));
        assert!(stood.last().is_some_and(|last| last.term > term && wished(last)), "on its own: {stood:#?}");
        group.cuts.heal();
        group.everybody_healthy().await;
        leader = group.leader().await;
    }
}
