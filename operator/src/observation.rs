//! What one pass saw: the only input of [`crate::plan`].
//!
//! Plain data without types of the Kubernetes API, so that a model of a group can make it as well as a real cluster.

mod member;
mod set;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use orchestrator_crds::{BootstrapStatus, OperationStatus, OrchestratorClusterSpec};

pub use member::{Answer, Pod, Seat, Trouble, Volume, VolumeState};
pub use set::{Delivery, Set};

/// Everything that decides what happens next to one group.
#[derive(Debug, Clone)]
pub struct Observation {
    /// When it was seen. The planner asks no clock.
    pub now: Timestamp,
    /// Name of the object; pods are `<name>-<ordinal>`.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The object is being deleted.
    pub deleting: bool,
    /// What people wish.
    pub spec: Arc<OrchestratorClusterSpec>,
    /// What people asked for by annotation.
    pub verbs: Verbs,
    /// What the operator wrote down earlier.
    pub memory: Memory,
    /// The StatefulSet, when there is one that is ours.
    pub set: Option<Set>,
    /// The members that run here, by ordinal: each ordinal below what the set has or the spec wishes, and each that
    /// still has a pod or a volume.
    pub seats: BTreeMap<u32, Seat>,
    /// Members outside of Kubernetes, by address (`host:port`): those of the spec, in its order, then those that the
    /// group still has, so that a leader is seen until the group let it go. Only one that leads is asked.
    pub external: Vec<(String, Answer)>,
    /// What keeps this spec from being rendered; empty = it can be.
    pub invalid: Vec<Invalid>,
    /// What the live configuration holds.
    pub delivery: Delivery,
    /// One more cluster may be rolled at the moment: the operator limits how many are at once.
    pub may_roll: bool,
    /// An id that nobody used before, should one be needed: the planner rolls no dice.
    pub fresh_id: String,
}

/// What people asked for by annotation on the object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verbs {
    /// `reconcile: paused`.
    pub paused: bool,
    /// Pod that shall lead.
    pub transfer_leader_to: Option<String>,
    /// `<clusterID>/<pod>`, unchecked.
    pub force_new_cluster: Option<String>,
    /// The old `clusterID`, unchecked.
    pub allow_rebootstrap: Option<String>,
    /// A version to which members may be taken back.
    pub allow_downgrade: Option<String>,
}

/// What the status held before this pass. Only timers, the fence of the bootstrap, and the group's id; without it
/// nothing is lost but that the group is adopted again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// The group's id.
    pub cluster_id: Option<String>,
    /// How the group is, or was, formed.
    pub bootstrap: Option<BootstrapStatus>,
    /// What was under way: for its timers.
    pub operation: Option<OperationStatus>,
    /// Who led, and since when it was seen to: node number, term.
    pub leader: Option<(u64, u64, Timestamp)>,
    /// Since when there is no quorum; `None` while there is one.
    pub quorum_lost_since: Option<Timestamp>,
}

/// Why a spec cannot be rendered or reach the members; healing goes on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The reason in the condition `ConfigValid`.
    pub reason: orchestrator_crds::Reason,
    /// A sentence that names the next human step.
    pub message: String,
}
