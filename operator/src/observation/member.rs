//! One member: its pod, its volume, and what it says.

use jiff::{SignedDuration, Timestamp};
use orchestrator_wire::MemberStatus;

/// The place of one ordinal: it keeps name and address whatever pod or volume fills it.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Raft address, `name:port`: what stands in `RaftNodes` and in the group's membership.
    pub address: String,
    /// The pod, when there is one.
    pub pod: Option<Pod>,
    /// The volume claim, when there is one; never for ephemeral storage.
    pub volume: Option<Volume>,
    /// What the member answered in this pass.
    pub answer: Answer,
}

/// What came of asking a member for its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nobody was asked: there is no address to ask, yet.
    NotAsked,
    /// It did not answer as it should; why, in words.
    Silent(String),
    /// It answered.
    Status(Box<MemberStatus>),
}

impl Answer {
    /// The status, when there is one.
    #[must_use]
    pub fn status(&self) -> Option<&MemberStatus> {
        match self {
            Self::Status(status) => Some(status),
            Self::NotAsked | Self::Silent(_) => None,
        }
    }
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Distinguishes it from the next one of its name.
    pub uid: String,
    /// With which version of it a deletion must agree.
    pub resource_version: String,
    /// Since when it exists.
    pub created: Timestamp,
    /// `controller-revision-hash`: from which revision of the template it was made.
    pub revision: String,
    /// It says that it is ready, since when.
    pub ready_since: Option<Timestamp>,
    /// It is being deleted.
    pub terminating: bool,
    /// Why it cannot run.
    pub trouble: Option<Trouble>,
    /// The node of Kubernetes on which it runs or shall run.
    pub node: Option<String>,
    /// What is wrong with that node, in words: not ready since when, gone, tainted.
    pub node_problem: Option<String>,
    /// What the member reports as `ConfigHash` once it has read what its pod's volumes shall hold now: the immutable
    /// file that this pod mounts and the live one. `None` when its immutable ConfigMap is gone.
    pub config_hash: Option<String>,
    /// Somebody annotated it with the wish to be replaced.
    pub replace: bool,
}

/// Why a pod does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No node takes it; the scheduler's words.
    Unschedulable(String),
    /// It was placed, and its container does not start: reason and message (`ImagePullBackOff`, `CrashLoopBackOff`,
    /// `CreateContainerConfigError`, …).
    Waiting(String, String),
    /// Its container ended and is not started again yet: reason and message.
    Ended(String, String),
}

/// A volume claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Name of the claim.
    pub name: String,
    /// Distinguishes it from the next one of its name.
    pub uid: String,
    /// With which version of it a deletion must agree.
    pub resource_version: String,
    /// Since when it exists.
    pub created: Timestamp,
    /// It is being deleted.
    pub terminating: bool,
    /// What is known of it.
    pub state: VolumeState,
    /// Value of the label [`orchestrator_crds::label::CLUSTER_ID`]: of which group its data was said to be. A volume
    /// of another group is never deleted.
    pub group: Option<String>,
    /// Bytes asked for.
    pub requested: u64,
    /// Bytes that it has, once bound.
    pub capacity: u64,
    /// Its storage class; `None` = it has none.
    pub class: Option<String>,
    /// Its class lets it grow; `None` = nobody asked, or nobody may ask.
    pub expands: Option<bool>,
}

/// What is known of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeState {
    /// Not bound yet.
    Unbound,
    /// Bound, and nothing says that its data is gone.
    Bound,
    /// Its data cannot come back (the claim is `Lost`, its volume is gone, or each node that may hold it is gone from
    /// the API), since when.
    Lost(Timestamp),
}

impl VolumeState {
    /// For how long it is known to be lost.
    #[must_use]
    pub fn lost_for(self, now: Timestamp) -> Option<SignedDuration> {
        match self {
            Self::Lost(since) => Some(now.duration_since(since)),
            Self::Unbound | Self::Bound => None,
        }
    }
}
