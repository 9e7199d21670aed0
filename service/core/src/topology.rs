//! Who replicates from whom: clusters, depth, ancestry. Derived from a view, never stored in it.
//!
//! Every input gives an answer, also one that no sane fleet has: unknown sources, rings of any length,
//! an instance that names itself as its source. Two nodes with the same view get the same answer.

mod alias;
mod edges;

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use self::edges::Edges;
use crate::{instance::Instance, key::InstanceKey, view::TopologyView};

/// The place of every instance of a view.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// In order; the place of each has the same number. Two lists are built three times as fast as a map.
    keys: Vec<InstanceKey>,
    places: Vec<Place>,
    clusters: BTreeMap<Arc<str>, Cluster>,
    by_alias: BTreeMap<Arc<str>, Arc<str>>,
}

/// Where one instance stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of its cluster: `host:port` of the instance on top.
    pub cluster: Arc<str>,
    /// Number of instances above it; 0 = on top. In a ring, distance from the one that names the cluster.
    pub depth: u32,
    /// It and its source replicate from one another.
    pub is_co_primary: bool,
    /// Server UUIDs (and names of replication groups) from the top down to itself, comma separated; empty
    /// where servers have none. Of a very long chain only the lower end, see [`ANCESTRY_MAX_BYTES`].
    pub ancestry_uuid: String,
    /// Its source under the name it goes by; `None` for a primary, also for one whose source is detached or
    /// that names itself. May be an instance that was never probed.
    pub source: Option<InstanceKey>,
    /// What its place derives from: its source, for a secondary of a replication group the group's primary.
    pub upstream: Option<InstanceKey>,
    /// Instances that replicate from it, in the order of their names.
    pub replicas: Vec<InstanceKey>,
    /// Members of its replication group of which it is the primary, in the order of their names.
    pub secondaries: Vec<InstanceKey>,
    /// Alias of the cluster that it suggests, inherited from above; empty = none.
    pub suggested_alias: Arc<str>,
}

/// One replication tree, or ring with trees below it.
#[derive(Debug, Clone)]
struct Cluster {
    members: Vec<InstanceKey>,
    alias: Arc<str>,
    domain: Arc<str>,
}

/// Longest ancestry kept, bytes: some hundred UUIDs. Real chains have three; without a limit, one of ten
/// thousand would cost gigabytes.
pub const ANCESTRY_MAX_BYTES: usize = 4096;

impl Topology {
    /// Finds the place of each instance.
    pub fn of(view: &TopologyView) -> Self {
        let edges = Edges::of(view);
        let (places, heads) = edges.places();
        let mut clusters = gather(&edges, &heads);
        let aliases = alias::choose(view, &edges, &places, &heads);
        let mut by_alias = BTreeMap::new();
        for (head, alias) in aliases {
            if let Some(cluster) = &mut clusters[head] {
                cluster.alias = alias.clone();
                by_alias.insert(alias, places[head].cluster.clone());
            }
        }
        let named = clusters.into_iter().enumerate();
        Self {
            clusters: named
                .filter_map(|(head, cluster)| Some((places[head].cluster.clone(), cluster?)))
                .collect(),
            keys: edges.keys().cloned().collect(),
            places,
            by_alias,
        }
    }

    /// Where `key` stands, by the name it goes by.
    pub fn place(&self, key: &InstanceKey) -> Option<&Place> {
        self.keys.binary_search(key).ok().map(|at| &self.places[at])
    }

    /// All places in the order of the instances' names.
    pub fn places(&self) -> impl ExactSizeIterator<Item = (&InstanceKey, &Place)> {
        self.keys.iter().zip(&self.places)
    }

    /// Clusters and their instances, in the order of their names.
    pub fn clusters(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &[InstanceKey])> {
        self.clusters.iter().map(|(name, cluster)| (name, cluster.members.as_slice()))
    }

    /// The cluster of that very name.
    pub fn named(&self, cluster: &str) -> Option<&Arc<str>> {
        self.clusters.get_key_value(cluster).map(|(name, _)| name)
    }

    /// Instances of one cluster; empty when there is none of that name.
    pub fn members(&self, cluster: &str) -> &[InstanceKey] {
        self.clusters.get(cluster).map_or(&[], |cluster| cluster.members.as_slice())
    }

    /// The instance that gives a cluster its name.
    pub fn head(&self, cluster: &str) -> Option<&InstanceKey> {
        self.members(cluster).iter().find(|key| self.place(key).is_some_and(|place| place.depth == 0))
    }

    /// What people call a cluster: declared, else suggested by its instances, else its name; `None` when
    /// there is no cluster of that name.
    pub fn alias(&self, cluster: &str) -> Option<&str> {
        self.clusters.get(cluster).map(|cluster| &*cluster.alias)
    }

    /// The cluster that people call so; a cluster without an alias is called by its name.
    pub fn by_alias(&self, alias: &str) -> Option<&Arc<str>> {
        self.by_alias.get(alias).or_else(|| {
            self.clusters
                .get_key_value(alias)
                .filter(|(name, cluster)| **name == cluster.alias)
                .map(|(name, _)| name)
        })
    }

    /// Domain name of a cluster as its head tells; empty = none.
    pub fn domain(&self, cluster: &str) -> &str {
        self.clusters.get(cluster).map_or("", |cluster| &cluster.domain)
    }

    /// `below` gets its data from `above`, directly or not. Told by the edges, so that it also holds where
    /// servers have no UUID. Two of a ring are below one another; nothing is below itself.
    pub fn is_descendant(&self, below: &InstanceKey, above: &InstanceKey) -> bool {
        below != above && self.ancestors(below).any(|ancestor| ancestor == above)
    }

    /// The instances above `key`, nearest first; goes around a ring at most twice. The last may be an
    /// instance that was never probed.
    pub fn ancestors<'t>(&'t self, key: &InstanceKey) -> impl Iterator<Item = &'t InstanceKey> {
        let mut at = self.place(key).and_then(|place| place.upstream.as_ref());
        let mut heads_passed = 0;
        core::iter::from_fn(move || {
            let ancestor = at?;
            let place = self.place(ancestor);
            // Only a ring leads to a head again.
            heads_passed += u32::from(place.is_some_and(|place| place.depth == 0));
            at = place.filter(|_| heads_passed < 2).and_then(|place| place.upstream.as_ref());
            Some(ancestor)
        })
    }
}

/// Clusters by the number of their head.
fn gather(edges: &Edges<'_>, heads: &[usize]) -> Vec<Option<Cluster>> {
    let mut clusters: Vec<Option<Cluster>> = heads.iter().map(|_| None).collect();
    for (at, head) in heads.iter().enumerate() {
        let cluster = clusters[*head].get_or_insert_with(|| {
            let domain = edges.instance(*head).labels.cluster_domain.as_str().into();
            Cluster { members: Vec::new(), alias: cluster_name(edges.key(*head)), domain }
        });
        cluster.members.push(edges.key(at).clone());
    }
    clusters
}

/// The ancestry of an instance: what it inherits, itself, its group.
fn ancestry(inherited: &str, instance: &Instance) -> String {
    let group = instance.group.as_ref().map_or("", |group| group.name.as_str());
    let own = instance.identity.server_uuid.as_str();
    let mut ancestry = String::with_capacity(inherited.len() + own.len() + group.len() + 2);
    ancestry.push_str(inherited);
    for part in [own, group] {
        if !part.is_empty() {
            if !ancestry.is_empty() {
                ancestry.push(',');
            }
            ancestry.push_str(part);
        }
    }
    while ancestry.len() > ANCESTRY_MAX_BYTES {
        match ancestry.find(',') {
            Some(comma) => ancestry.drain(..=comma),
            None => break,
        };
    }
    ancestry
}

/// The name of the cluster of which `head` is on top.
fn cluster_name(head: &InstanceKey) -> Arc<str> {
    head.to_string().into()
}
