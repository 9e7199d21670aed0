//! Who replicates from whom: clusters, depth, ancestry. Derived from a view, never stored in it.

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};

use crate::{key::InstanceKey, view::TopologyView};

/// The place of every instance of a view.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    places: BTreeMap<InstanceKey, Place>,
    clusters: BTreeMap<Arc<str>, Vec<InstanceKey>>,
}

/// Where one instance stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of its cluster: `host:port` of the instance on top.
    pub cluster: Arc<str>,
    /// Number of sources above it; 0 = on top.
    pub depth: u32,
    /// It and its source replicate from one another.
    pub is_co_primary: bool,
    /// Server UUIDs from the top down to itself, comma separated; empty where servers have none.
    pub ancestry_uuid: String,
    /// Its source under the name it goes by; `None` for a primary. May be an instance that was never probed.
    pub source: Option<InstanceKey>,
    /// Instances that replicate from it, in the order of their names.
    pub replicas: Vec<InstanceKey>,
}

impl Topology {
    /// Finds the place of each instance. Any input gives an answer: unknown sources, rings, self-replication.
    pub fn of(view: &TopologyView) -> Self {
        let _ = view;
        Self::default()
    }

    /// Where `key` stands, by the name it goes by.
    pub fn place(&self, key: &InstanceKey) -> Option<&Place> {
        self.places.get(key)
    }

    /// Clusters and their instances, in the order of their names.
    pub fn clusters(&self) -> impl Iterator<Item = (&Arc<str>, &[InstanceKey])> {
        self.clusters.iter().map(|(name, members)| (name, members.as_slice()))
    }

    /// Instances of one cluster; empty when there is none of that name.
    pub fn members(&self, cluster: &str) -> &[InstanceKey] {
        self.clusters.get(cluster).map_or(&[], Vec::as_slice)
    }

    /// `below` replicates from `above`, directly or not.
    pub fn is_descendant(&self, below: &InstanceKey, above: &InstanceKey) -> bool {
        let _ = (below, above);
        false
    }
}
