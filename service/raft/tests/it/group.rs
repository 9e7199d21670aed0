//! The harness: start, stop and wait for nodes; every wait has a deadline and prints the last state.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orchestrator_raft::command::Command;
use orchestrator_raft::{
    Answerer, Health, Leadership, Member, Policy, ProposeError, RaftNode, RaftSettings, StartError, Timings,
    Wire,
};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::machine::{Disk, DiskMachine};
use crate::partition::{Addresses, CutDialer, Cuts, TcpAccept};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers a question with its own name and the question.
#[derive(Default)]
pub(crate) struct Echo(String);

impl Answerer for Echo {
    fn answer(&self, from: Member, question: Vec<u8>) -> BoxFuture<'static, Vec<u8>> {
        let text = format!("{} to {}: {}", self.0, from.node_id, String::from_utf8_lossy(&question));
        async move { text.into_bytes() }.boxed()
    }
}

pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) disk: Disk,
    /// What peers call it.
    pub(crate) name: String,
    /// Where it listens, if not under its name.
    pub(crate) bind: Option<String>,
    /// Its `RaftNodes`, if not all places.
    pub(crate) list: Option<Vec<String>>,
    pub(crate) node: Option<RaftNode>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            disk: Disk::default(),
            name: free_address(),
            bind: None,
            list: None,
            node: None,
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.bind.as_ref().unwrap_or(&self.name)
    }

    /// An empty disk.
    pub(crate) fn wipe(&mut self) {
        std::fs::remove_dir_all(self.dir.path().join("raft")).unwrap();
        self.disk = Disk::default();
    }
}

pub(crate) struct Group {
    pub(crate) places: Vec<Place>,
    pub(crate) timings: Timings,
    pub(crate) policy: Policy,
    /// On the production network, each node with threads of its own.
    pub(crate) own_loops: bool,
    /// Where names lead, if not where they say.
    pub(crate) addresses: Addresses,
    /// Cut here, and what was sent is neither delivered nor refused.
    pub(crate) cuts: Cuts,
}

/// An address that nobody else uses: a loopback address of its own, so that no outgoing connection
/// (they come from 127.0.0.1) takes the port between here and its use.
pub(crate) fn free_address() -> String {
    static SERIAL: AtomicU32 = AtomicU32::new(1);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = serial.to_be_bytes();
    let process = 1 + std::process::id() % 250;
    let listener = TcpListener::bind(format!("127.{process}.{high}.{low}:0")).unwrap();
    listener.local_addr().unwrap().to_string()
}

impl Group {
    pub(crate) fn of(size: usize) -> Self {
        let places = (0..size).map(|_| Place::new()).collect();
        Self {
            places,
            timings: Timings::default(),
            policy: Policy::default(),
            own_loops: true,
            addresses: Addresses::default(),
            cuts: Cuts::default(),
        }
    }

    pub(crate) fn settings(&self, index: usize) -> RaftSettings {
        let place = &self.places[index];
        RaftSettings {
            data_dir: place.dir.path().join("raft"),
            bind: place.address().to_owned(),
            advertise: place.name.clone(),
            nodes: place.list.clone().unwrap_or_else(|| self.names()),
            http_uri: format!("http://node-{index}:3000"),
            hostname: format!("node-{index}"),
            timings: self.timings.clone(),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.places.iter().map(|place| place.name.clone()).collect()
    }

    pub(crate) async fn try_start(&mut self, index: usize) -> Result<(), StartError> {
        let machine = Box::new(DiskMachine(self.places[index].disk.clone()));
        let answerer = Arc::new(Echo(format!("node-{index}")));
        let dialer = CutDialer {
            from: self.places[index].name.clone(),
            cuts: self.cuts.clone(),
            addresses: self.addresses.clone(),
        };
        let acceptor = TcpAccept::bind(self.places[index].address()).await;
        let node = match acceptor {
            Ok(acceptor) if !self.own_loops => {
                let wire = Wire { dialer: Arc::new(dialer), acceptor: Box::new(acceptor) };
                RaftNode::start_on(self.settings(index), self.policy, machine, answerer, wire).await?
            }
            // The production path also says why a port cannot be had.
            taken => {
                drop(taken);
                RaftNode::start_with(self.settings(index), self.policy, machine, answerer).await?
            }
        };
        self.places[index].node = Some(node);
        Ok(())
    }

    pub(crate) async fn start(&mut self, index: usize) {
        self.try_start(index).await.unwrap();
    }

    pub(crate) async fn started(size: usize) -> Self {
        let mut group = Self::of(size);
        group.start_all().await;
        group.everybody_healthy().await;
        group
    }

    /// Nodes whose connections can be cut.
    pub(crate) async fn on_wires(size: usize) -> Self {
        let mut group = Self { own_loops: false, ..Self::of(size) };
        group.start_all().await;
        group.everybody_healthy().await;
        group
    }

    pub(crate) async fn start_all(&mut self) {
        for index in 0..self.places.len() {
            self.start(index).await;
        }
    }

    pub(crate) fn node(&self, index: usize) -> &RaftNode {
        self.places[index].node.as_ref().expect("the node was started")
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.places.len()).filter(|index| self.places[*index].node.is_some())
    }

    /// Ends a node as a crash would.
    pub(crate) async fn kill(&mut self, index: usize) {
        let node = self.places[index].node.take().expect("the node was started");
        node.stop().await;
    }

    pub(crate) async fn everybody_healthy(&self) {
        for index in self.running() {
            wait_health(self.node(index), "healthy", |health| health.healthy).await;
        }
    }

    /// The one that leads, as soon as all running nodes agree on it.
    pub(crate) async fn leader(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let views: Vec<Leadership> = self.running().map(|index| self.node(index).leadership()).collect();
            let leaders: Vec<usize> =
                self.running().filter(|index| self.node(*index).leadership().is_me).collect();
            let agreed =
                views.windows(2).all(|pair| pair[0].leader == pair[1].leader && pair[0].term == pair[1].term);
            if let ([leader], true) = (leaders.as_slice(), agreed) {
                return *leader;
            }
            let mut changes: Vec<_> = self.running().map(|index| self.node(index).watch_health()).collect();
            let changed =
                futures::future::select_all(changes.iter_mut().map(|watch| watch.changed().boxed()));
            assert!(tokio::time::timeout_at(deadline, changed).await.is_ok(), "no leader: {views:?}");
        }
    }

    /// The one of these that leads, when they agree on it.
    pub(crate) async fn leader_of(&self, indexes: &[usize]) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let views: Vec<Leadership> = indexes.iter().map(|index| self.node(*index).leadership()).collect();
            let leader = indexes.iter().zip(&views).find(|(_, view)| view.is_me).map(|(index, _)| *index);
            let agreed = views.iter().all(|view| view.leader.is_some() && view.leader == views[0].leader);
            if let (Some(leader), true) = (leader, agreed) {
                return leader;
            }
            let mut changes: Vec<_> = indexes.iter().map(|index| self.node(*index).watch_health()).collect();
            let changed =
                futures::future::select_all(changes.iter_mut().map(|watch| watch.changed().boxed()));
            assert!(tokio::time::timeout_at(deadline, changed).await.is_ok(), "no leader: {views:?}");
        }
    }

    /// Proposes on whoever leads, until it is confirmed.
    pub(crate) async fn write(&self, key: &str) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = self.leader().await;
            match self.node(leader).propose(put(key), PATIENCE).await {
                Ok((index, _)) => return index,
                Err(ProposeError::NotLeader { .. }) if Instant::now() < deadline => {}
                Err(error) => panic!("cannot write {key}: {error}"),
            }
        }
    }

    /// All running nodes have applied `index`, and the same commands up to there.
    pub(crate) async fn converged(&self, index: u64) {
        for node in self.running() {
            wait_health(self.node(node), "applied", |health| health.applied_index >= Some(index)).await;
        }
        let states: Vec<_> = self.running().map(|node| self.places[node].disk.applied()).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "states differ: {states:?}");
    }
}

pub(crate) fn put(key: &str) -> Command {
    Command::SetClusterAlias { cluster: key.into(), alias: Some("v".into()) }
}

/// Waits until `wanted` holds.
pub(crate) async fn wait_health(
    node: &RaftNode,
    what: &str,
    wanted: impl Fn(&Health) -> bool,
) -> Arc<Health> {
    let mut health = node.watch_health();
    let found = timeout(PATIENCE, health.wait_for(|health| wanted(health))).await;
    match found {
        Ok(Ok(health)) => health.clone(),
        _ => panic!("never became {what}: {:#?}", node.health()),
    }
}
