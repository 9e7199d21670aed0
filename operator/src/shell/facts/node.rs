//! Machines and their disks: what proves that storage is lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Node as NodeObject, NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume as VolumeObject,
};
use kube::ResourceExt;

use crate::shell::index::{Facts, Key};

/// Zone of a node.
const ZONE: &str = "topology.kubernetes.io/zone";
/// Labels that are kept: by these volumes say which nodes can reach them.
const KEPT_LABELS: [&str; 3] = ["kubernetes.io/hostname", ZONE, "topology.kubernetes.io/region"];
/// Kubernetes moves pods with network volumes off a node with this taint.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A node of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    version: String,
    labels: BTreeMap<String, String>,
    /// Since when it is not ready.
    not_ready_since: Option<Timestamp>,
    out_of_service: bool,
}

impl Node {
    /// Its zone.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.labels.get(ZONE).map(String::as_str)
    }

    /// What is wrong with it, as what follows its name. A point in time rather than a duration: the status of a group
    /// in which nothing changes is written once.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let since = self.not_ready_since?;
        let tainted = if self.out_of_service { ", tainted as out of service" } else { "" };
        Some(format!("is NotReady since {since}{tainted}"))
    }
}

impl Facts for Node {
    type Object = NodeObject;

    fn of(object: NodeObject) -> Self {
        let conditions = object.status.as_ref().and_then(|status| status.conditions.as_deref());
        let ready = conditions.unwrap_or_default().iter().find(|condition| condition.type_ == "Ready");
        let unready = ready.filter(|ready| ready.status != "True");
        let since = unready.map(|ready| ready.last_transition_time.as_ref());
        let taints = object.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        let mut labels = object.labels().clone();
        labels.retain(|key, _| KEPT_LABELS.contains(&key.as_str()));
        Self {
            version: object.resource_version().unwrap_or_default(),
            labels,
            not_ready_since: since.map(|since| since.map_or(Timestamp::UNIX_EPOCH, |since| since.0)),
            out_of_service: taints.iter().any(|taint| taint.key == OUT_OF_SERVICE),
        }
    }

    fn version(&self) -> &str {
        &self.version
    }

    /// Its pods change with it.
    fn wakes(&self, _: &Key) -> Option<Key> {
        None
    }
}

/// A disk.
#[derive(Debug, Clone, PartialEq)]
pub struct PersistentVolume {
    version: String,
    /// Which nodes can reach it: any of these terms; empty = all.
    nodes: Vec<NodeSelectorTerm>,
}

impl PersistentVolume {
    /// None of the nodes that can reach it is there any more. Not, when that cannot be told: a cordoned node or one that
    /// is not ready is there.
    pub fn is_out_of_reach(
        &self,
        mut any_node: impl FnMut(&mut dyn FnMut(&str, &Node) -> bool) -> bool,
    ) -> bool {
        if self.nodes.is_empty() || self.nodes.iter().any(|term| !is_understood(term)) {
            return false;
        }
        !any_node(&mut |_, node| self.nodes.iter().any(|term| matches(term, &node.labels)))
    }
}

fn requirements(term: &NodeSelectorTerm) -> &[NodeSelectorRequirement] {
    term.match_expressions.as_deref().unwrap_or_default()
}

/// Only lists of values of labels that are kept.
fn is_understood(term: &NodeSelectorTerm) -> bool {
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let known = |of: &NodeSelectorRequirement| of.operator == "In" && KEPT_LABELS.contains(&of.key.as_str());
    fields.is_empty() && !requirements(term).is_empty() && requirements(term).iter().all(known)
}

fn matches(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>) -> bool {
    requirements(term).iter().all(|of| {
        let values = of.values.as_deref().unwrap_or_default();
        labels.get(&of.key).is_some_and(|value| values.contains(value))
    })
}

impl Facts for PersistentVolume {
    type Object = VolumeObject;

    fn of(object: VolumeObject) -> Self {
        let affinity = object.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref());
        let required = affinity.and_then(|affinity| affinity.required.as_ref());
        Self {
            version: object.resource_version().unwrap_or_default(),
            nodes: required.map(|required| required.node_selector_terms.clone()).unwrap_or_default(),
        }
    }

    fn version(&self) -> &str {
        &self.version
    }

    /// Its claim changes with it.
    fn wakes(&self, _: &Key) -> Option<Key> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str) -> Node {
        let object = json!({
            "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name, "other": "x" } },
            "status": { "conditions": [{ "type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-11-21T10:00:00Z" }] },
        });
        Node::of(serde_json::from_value(object).expect("it is a node"))
    }

    fn volume(key: &str, value: &str) -> PersistentVolume {
        let term = json!({ "matchExpressions": [{ "key": key, "operator": "In", "values": [value] }] });
        let object = json!({ "spec": { "nodeAffinity": { "required": { "nodeSelectorTerms": [term] } } } });
        PersistentVolume::of(serde_json::from_value(object).expect("it is a volume"))
    }

    fn is_lost(volume: &PersistentVolume, nodes: &[Node]) -> bool {
        volume.is_out_of_reach(|is| nodes.iter().any(|node| is("", node)))
    }

    #[test]
    fn a_disk_is_out_of_reach_only_when_its_nodes_are_gone_from_the_api() {
        let disk = volume("kubernetes.io/hostname", "n1");
        assert!(!is_lost(&disk, &[node("n1"), node("n2")]), "a node that is not ready is there");
        assert!(is_lost(&disk, &[node("n2")]));
        assert!(!is_lost(&volume("vendor.example/disk", "d1"), &[node("n2")]), "nobody can tell");
    }

    #[test]
    fn a_node_tells_since_when_it_is_not_ready() {
        assert_eq!(node("n1").problem().as_deref(), Some("is NotReady since 2026-11-21T10:00:00Z"));
    }
}
