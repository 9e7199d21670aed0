//! This node's health and its place in the raft group.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures::FutureExt;
use orchestrator_backend::NodeHealthRow;
use orchestrator_http::ports::{
    Answer, BootstrapWish, HealthView, MembersChanged, MembersWish, Node, PortError, Raft, Reloaded, Role,
};
use orchestrator_raft::{Health, Holds, NodeState as RaftState, RaftNode, YieldError};
use orchestrator_wire::{MemberStatus, NodeHealth, RaftEvents};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{NodeApi, pulse::Pulses};

/// How long a wished hand-over of leadership may take.
const YIELD_DEADLINE: Duration = Duration::from_secs(2);

/// How long making a raft snapshot may take.
const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(60);

/// What is asked so often that it is kept ready.
#[derive(Default)]
pub(crate) struct NodeState {
    health: ArcSwap<HealthView>,
    /// Why the backend took no writes when it was last tried.
    backend_error: Mutex<Option<String>>,
    /// Nodes seen in this node's backend.
    seen: Mutex<Vec<NodeHealthRow>>,
    /// What must go round for the process to be of use.
    pulses: Pulses,
}

impl NodeState {
    /// Notes whether the backend took the last write.
    pub(crate) fn set_backend(&self, error: Option<String>, seen: Option<Vec<NodeHealthRow>>) {
        *self.backend_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        if let Some(seen) = seen {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        }
    }

    /// Notes that the loop of the duties has gone round.
    pub(crate) fn duties_went_round(&self) {
        self.pulses.duties.beat();
    }

    /// Keeps the health ready for whoever asks, until stopped.
    pub(crate) async fn mirror(self: Arc<Self>, raft: RaftNode, stop: CancellationToken) {
        let mut health = raft.watch_health();
        loop {
            self.pulses.health.beat();
            let now = health.borrow_and_update().clone();
            self.health.store(Arc::new(self.view(&now, raft.leadership().is_me)));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = health.changed() => if changed.is_err() { return },
            }
        }
    }

    fn view(&self, health: &Health, is_leader: bool) -> HealthView {
        let backend_error = self.backend_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let waiting = health.waiting_for.iter().cloned();
        HealthView {
            healthy: health.healthy,
            reasons: health.reason.iter().cloned().chain(waiting).collect(),
            is_leader,
            role: match health.state {
                RaftState::Leader => Role::Leader,
                RaftState::Follower => Role::Follower,
                RaftState::Candidate => Role::Candidate,
                RaftState::Shutdown => Role::Shutdown,
            },
            leader: health.leader.as_ref().map_or_else(String::new, |leader| leader.raft_addr.clone()),
            leader_uri: health.leader.as_ref().map_or_else(String::new, |leader| leader.http_uri.clone()),
            backend_writable: backend_error.is_none(),
            backend_error: backend_error.unwrap_or_default(),
            ready: health.healthy && !health.draining,
        }
    }
}

impl Node for NodeApi {
    fn health(&self) -> Arc<HealthView> {
        believed(self.state.health.load_full(), self.raft.holds())
    }

    fn stuck(&self) -> Option<String> {
        self.state.pulses.stuck()
    }

    fn available_nodes(&self) -> Option<Vec<NodeHealth>> {
        let seen = self.state.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nodes: Vec<NodeHealth> = seen
            .iter()
            .map(|row| NodeHealth {
                hostname: row.node.hostname.clone(),
                token: row.node.token.clone(),
                app_version: row.version.clone(),
                first_seen_active: orchestrator_wire::time::rfc3339(row.first_seen),
                last_seen_active: orchestrator_wire::time::rfc3339(row.last_seen),
                db_backend: row.database.clone(),
                ..NodeHealth::default()
            })
            .collect();
        nodes.sort_by_key(|node| node.token != self.node.token);
        Some(nodes)
    }

    fn reload(&self, by: String) -> Answer<'_, Reloaded> {
        async move { self.door.reload(by).await }.boxed()
    }

    fn healthy_members(&self) -> Option<Vec<String>> {
        let health = self.raft.health();
        let reached = health.peers.iter().filter(|peer| peer.problem.is_none());
        self.raft.leadership().is_me.then(|| reached.map(|peer| peer.member.raft_addr.clone()).collect())
    }
}

impl Raft for NodeApi {
    fn status(&self) -> MemberStatus {
        self.member_status()
    }

    fn events(&self, since: u64) -> RaftEvents {
        self.events_since(since)
    }

    fn peers(&self) -> Vec<String> {
        let health = self.raft.health();
        let mut peers: Vec<String> = health.peers.iter().map(|peer| peer.member.raft_addr.clone()).collect();
        peers.sort();
        peers
    }

    fn yield_to(&self, node: String) {
        let raft = self.raft.clone();
        // What is no address is no member either: that is told in the log.
        let node = self.address(&node).unwrap_or(node);
        self.tasks.spawn(async move { tell(raft.yield_to(Some(&node), YIELD_DEADLINE).await.err()) });
    }

    fn yield_to_hint(&self, hint: String) {
        let raft = self.raft.clone();
        let health = raft.health();
        let peer = health
            .peers
            .iter()
            .find(|peer| peer.member.node_id != health.me.node_id && peer.member.hostname.contains(&hint));
        if let Some(name) = peer.map(|peer| peer.member.raft_addr.clone()) {
            self.tasks.spawn(async move { tell(raft.yield_to(Some(&name), YIELD_DEADLINE).await.err()) });
        }
    }

    fn snapshot(&self) -> Answer<'_, ()> {
        async move {
            let made = self.raft.snapshot(SNAPSHOT_DEADLINE).await;
            made.map(|_| ()).map_err(|error| PortError::Failed(error.to_string()))
        }
        .boxed()
    }

    fn add_peer(&self, address: String) -> Answer<'_, String> {
        async move { self.take_in(&address).await }.boxed()
    }

    fn remove_peer(&self, address: String) -> Answer<'_, String> {
        async move { self.drop_peer(&address).await }.boxed()
    }

    fn change_members(&self, wish: MembersWish) -> Answer<'_, MembersChanged> {
        async move { self.change_with(wish).await }.boxed()
    }

    fn bootstrap(&self, wish: BootstrapWish) -> Answer<'_, ()> {
        async move { self.form(wish).await }.boxed()
    }

    fn force_new_cluster(&self, cluster_id: String, epoch: u64) -> Answer<'_, u64> {
        async move { self.go_on_alone(&cluster_id, epoch).await }.boxed()
    }
}

/// What may be said of a view at the moment of the question: this process may have slept since it was made.
fn believed(view: Arc<HealthView>, holds: Holds) -> Arc<HealthView> {
    let slept = !holds.live && (view.healthy || !view.leader.is_empty());
    if !slept && (holds.leads || !view.is_leader) {
        return view;
    }
    let mut view = HealthView { is_leader: view.is_leader && holds.leads, ..(*view).clone() };
    if slept {
        view.reasons.push("this node slept: it does not know yet who leads".into());
        view = HealthView {
            healthy: false,
            ready: false,
            role: Role::Candidate,
            leader: String::new(),
            leader_uri: String::new(),
            ..view
        };
    }
    Arc::new(view)
}

fn tell(error: Option<YieldError>) {
    if let Some(error) = error {
        warn!(%error, "leadership was not handed over");
    }
}
