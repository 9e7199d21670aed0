//! What is kept of each kind of object, and how it is read from one. Pure.

mod child;
mod cluster;
mod node;
mod pod;
mod set;
mod volume;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use orchestrator_crds::label;

pub use child::Child;
pub use cluster::Cluster;
pub use node::{Node, PersistentVolume};
pub use pod::Pod;
pub use set::Set;
pub use volume::{Claim, bytes};

use super::index::Key;

/// Who controls an object.
pub(super) fn owner(meta: &ObjectMeta) -> Option<&OwnerReference> {
    let owners: &[OwnerReference] = meta.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

/// The uid of whoever controls an object.
pub(super) fn controller(meta: &ObjectMeta) -> Option<String> {
    owner(meta).map(|owner| owner.uid.clone())
}

/// The name of the `OrchestratorCluster` that a label names.
fn cluster(labels: Option<&BTreeMap<String, String>>) -> Option<Box<str>> {
    labels?.get(label::CLUSTER).map(|name| name.as_str().into())
}

/// It lives beside its members.
fn woken(key: &Key, cluster: Option<&str>) -> Option<Key> {
    cluster.map(|name| key.beside(name))
}
