//! The orchestrator nodes and their committed log, without the protocol that makes it: who leads is decided by
//! chance, what is committed is decided by term and sequence number as in the real state machine.

use orchestrator_core::{InstanceKey, TopologyView, recovery::Recovery};

/// One orchestrator node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) up: bool,
    /// Cut off from its peers, not from the fleet.
    pub(crate) isolated: bool,
    /// The term in which it believes to lead; an old leader hears late of the new one.
    pub(crate) leads_in: Option<u64>,
    pub(crate) view: TopologyView,
    /// Servers out of its reach.
    pub(crate) cut: [bool; crate::rows::SERVERS_MAX],
}

/// A recovery in the log.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) cluster: String,
    pub(crate) seq: u64,
    /// Term of the last commit.
    pub(crate) term: u64,
    pub(crate) recovery: Recovery,
    pub(crate) began_at: u64,
    pub(crate) ended_at: Option<u64>,
    /// The node that began it had not looked at the failed primary since an earlier recovery opened it.
    pub(crate) failed_unseen: bool,
}

impl Entry {
    pub(crate) fn promoted(&self) -> Option<&InstanceKey> {
        self.recovery.promoted()
    }
}

/// All nodes, and what they agreed on.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) nodes: Vec<Node>,
    pub(crate) term: u64,
    pub(crate) leader: Option<usize>,
    pub(crate) log: Vec<Entry>,
}

impl Group {
    pub(crate) fn new(nodes: usize) -> Self {
        let node = Node {
            up: true,
            isolated: false,
            leads_in: None,
            view: TopologyView::default(),
            cut: Default::default(),
        };
        Self { nodes: vec![node; nodes], term: 0, leader: None, log: Vec::new() }
    }

    /// Nodes that reach one another.
    pub(crate) fn connected(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.nodes[*at].up && !self.nodes[*at].isolated).collect()
    }

    pub(crate) fn has_quorum(&self) -> bool {
        self.connected().len() > self.nodes.len() / 2
    }

    pub(crate) fn believes(&self, node: usize, term: u64) -> bool {
        self.nodes[node].up && self.nodes[node].leads_in == Some(term)
    }

    /// The log takes what `node` proposes in `term`.
    pub(crate) fn takes(&self, node: usize, term: u64) -> bool {
        self.leader == Some(node) && self.term == term && self.has_quorum() && !self.nodes[node].isolated
    }

    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.log.iter().enumerate().filter(|(_, entry)| entry.ended_at.is_none())
    }

    /// A recovery that keeps another one of `cluster`, or of its successor, from beginning.
    pub(crate) fn blocks(&self, cluster: &str, failed: &InstanceKey, now: u64, period_ms: u64) -> bool {
        self.log.iter().any(|entry| {
            let active = entry.ended_at.is_none_or(|ended| now < ended + period_ms);
            let same = entry.cluster == cluster || entry.recovery.progress.successor.as_ref() == Some(failed);
            active && same
        })
    }
}
