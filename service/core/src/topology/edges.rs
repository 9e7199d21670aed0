//! The edges of a view by number, and the walk that reaches each instance after the one above it.

use alloc::{sync::Arc, vec::Vec};

use super::{Place, ancestry, cluster_name};
use crate::{
    instance::Instance,
    key::InstanceKey,
    view::{InstanceRecord, TopologyView},
};

/// Instances in the order of their names, each with what it hangs on.
pub(super) struct Edges<'v> {
    nodes: Vec<Node<'v>>,
}

struct Node<'v> {
    key: &'v InstanceKey,
    record: &'v Arc<InstanceRecord>,
    /// Its source, also one that is not known.
    source: Option<&'v InstanceKey>,
    /// Its source or its group's primary, also one that is not known.
    upstream: Option<&'v InstanceKey>,
    source_at: Option<usize>,
    upstream_at: Option<usize>,
}

/// How far the walk is with a node.
#[derive(Clone, Copy, PartialEq)]
enum Visit {
    Never,
    /// On the path that is being climbed.
    Climbing,
    /// Reached from above: its cluster's head and its depth.
    Done {
        head: usize,
        depth: u32,
    },
}

impl<'v> Edges<'v> {
    pub(super) fn of(view: &'v TopologyView) -> Self {
        let keys: Vec<_> = view.records().map(|(key, _)| key).collect();
        let nodes = view
            .records()
            .enumerate()
            .map(|(here, (key, record))| {
                let at = |key: Option<&InstanceKey>| find_near(&keys, here, key?);
                let source =
                    followed(&record.instance).map(|source| view.canonical(source)).filter(|s| *s != key);
                let primary =
                    group_primary(&record.instance).map(|p| view.canonical(p)).filter(|p| *p != key);
                let upstream = primary.or(source);
                let source_at = at(source);
                let upstream_at = if primary.is_none() { source_at } else { at(upstream) };
                Node { key, record, source, upstream, source_at, upstream_at }
            })
            .collect();
        Self { nodes }
    }

    pub(super) fn instance(&self, at: usize) -> &'v Instance {
        &self.nodes[at].record.instance
    }

    pub(super) fn is_valid(&self, at: usize) -> bool {
        self.nodes[at].record.checks.is_valid()
    }

    pub(super) fn key(&self, at: usize) -> &'v InstanceKey {
        self.nodes[at].key
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'v InstanceKey> {
        self.nodes.iter().map(|node| node.key)
    }

    /// The place of every instance, and the number of its cluster's head.
    pub(super) fn places(&self) -> (Vec<Place>, Vec<usize>) {
        let mut heads: Vec<usize> = (0..self.nodes.len()).collect();
        let mut places: Vec<Option<Place>> = self.nodes.iter().map(|_| None).collect();
        self.visit_downwards(|at, head, depth| {
            let above =
                self.nodes[at].upstream_at.filter(|_| depth > 0).and_then(|above| places[above].as_ref());
            let place = self.place(at, depth, above);
            places[at] = Some(place);
            heads[at] = head;
        });
        let mut places: Vec<Place> =
            places.into_iter().map(|place| place.expect("every node is visited once")).collect();
        self.hang_below(&mut places);
        (places, heads)
    }

    /// Enters each instance at what it hangs on, where that is known.
    fn hang_below(&self, places: &mut [Place]) {
        for node in &self.nodes {
            if let Some(source) = node.source_at {
                places[source].replicas.push(node.key.clone());
            }
            if let Some(primary) = node.upstream_at.filter(|_| node.upstream != node.source) {
                places[primary].secondaries.push(node.key.clone());
            }
        }
    }

    /// The place of `at`; `above` is that of its upstream unless it is a head.
    fn place(&self, at: usize, depth: u32, above: Option<&Place>) -> Place {
        let Node { record, source, upstream, .. } = &self.nodes[at];
        let instance = &record.instance;
        let is_co_primary = self.is_co_primary(at);
        let inherited = match &instance.replication {
            // Both of a pair are below the other one, whichever names the cluster.
            Some(replication) if is_co_primary => replication.source_uuid.as_str(),
            _ => above.map_or("", |above| above.ancestry_uuid.as_str()),
        };
        Place {
            cluster: above.map_or_else(|| cluster_name(self.key(at)), |above| above.cluster.clone()),
            depth,
            is_co_primary,
            ancestry_uuid: ancestry(inherited, instance),
            source: source.cloned(),
            upstream: upstream.cloned(),
            replicas: Vec::new(),
            secondaries: Vec::new(),
            suggested_alias: above
                .map(|above| above.suggested_alias.clone())
                .filter(|alias| !alias.is_empty())
                .unwrap_or_else(|| instance.labels.cluster_alias.as_str().into()),
        }
    }

    fn is_co_primary(&self, at: usize) -> bool {
        let source = self.nodes[at].source_at;
        source.is_some_and(|source| self.nodes[source].source_at == Some(at))
    }

    /// Calls `reach(node, head, depth)` once for each node, and for what it hangs on before.
    ///
    /// Climbs from each node until it meets one that was reached, the top, or itself; then comes down
    /// again. Every node is climbed over once, so this is linear.
    fn visit_downwards(&self, mut reach: impl FnMut(usize, usize, u32)) {
        let mut visits: Vec<Visit> = self.nodes.iter().map(|_| Visit::Never).collect();
        let mut path = Vec::new();
        for start in 0..self.nodes.len() {
            let mut next = Some(start);
            while let Some(at) = next.filter(|at| visits[*at] == Visit::Never) {
                visits[at] = Visit::Climbing;
                path.push(at);
                next = self.nodes[at].upstream_at;
            }
            if let Some(met) = next.filter(|at| visits[*at] == Visit::Climbing) {
                enter_ring(&mut path, met);
            }
            while let Some(at) = path.pop() {
                let (head, depth) = match self.nodes[at].upstream_at.map(|above| visits[above]) {
                    Some(Visit::Done { head, depth }) => (head, depth + 1),
                    _ => (at, 0),
                };
                visits[at] = Visit::Done { head, depth };
                reach(at, head, depth);
            }
        }
    }
}

/// The place of `key` in the sorted `keys`, looked for in ever wider circles around `here`: who replicates
/// from one another is usually named alike, and comparing names is most of the work.
fn find_near(keys: &[&InstanceKey], here: usize, key: &InstanceKey) -> Option<usize> {
    let (mut low, mut high) = (here, here + 1);
    let mut step = 2;
    while low > 0 && keys[low] > key {
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = 2;
    while high < keys.len() && keys[high - 1] < key {
        high = (high + step).min(keys.len());
        step *= 2;
    }
    keys[low..high].binary_search(&key).ok().map(|at| low + at)
}

/// Turns the ring at the end of `path`, which begins with `met`, so that it is entered at the smallest
/// name: all nodes must call the cluster the same, wherever they began to look.
fn enter_ring(path: &mut [usize], met: usize) {
    let begin = path.iter().position(|at| *at == met).expect("the climb met a node of its own path");
    let ring = &mut path[begin..];
    // Numbers follow names.
    let smallest = (0..ring.len()).min_by_key(|at| ring[*at]).expect("a ring has a node");
    ring.rotate_left(smallest + 1);
}

/// The source that an instance would follow if it ran: a detached one it would not.
fn followed(instance: &Instance) -> Option<&InstanceKey> {
    instance.source().filter(|source| !source.is_detached())
}

fn group_primary(instance: &Instance) -> Option<&InstanceKey> {
    instance.group.as_ref().filter(|group| group.role == "SECONDARY")?.primary.as_ref()
}
