//! What the API asks of the rest of the node. The server implements these; tests fake them.
//!
//! Nothing here names raft, a backend or a driver, so that the API can be tested without any of them.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use orchestrator_config::Secret;
use orchestrator_core::{
    InstanceKey, Timestamp, TopologyView, analysis::Finding, instance::PromotionRule, observation::Failure,
    policy::Filters, topology::Topology, view::InstanceRecord,
};
use orchestrator_wire::{
    AuditRecord, BlockedRecord, ChangelogRecord, DetectionRecord, MemberStatus, NodeHealth, RaftEvents,
    RecoveryRecord, StepRecord,
};

pub use crate::{
    auth::StoredSecret,
    operator::{BootstrapWish, MembersChange, MembersChanged, MembersWish, Reloaded},
};

/// Everything the API is given at its start.
#[derive(Clone)]
pub struct Ports {
    /// What is known of the fleet.
    pub reads: Arc<dyn Reads>,
    /// What happened before.
    pub history: Arc<dyn History>,
    /// What people may ask for.
    pub commands: Arc<dyn Commands>,
    /// This node's health and role.
    pub node: Arc<dyn Node>,
    /// The raft group; `None` = this is not a raft setup.
    pub raft: Option<Arc<dyn Raft>>,
    /// Filters of the configuration.
    pub filters: Arc<dyn Filters + Send + Sync>,
    /// Where access tokens are kept; `None` = nowhere, and `AuthenticationMethod` `token` is refused.
    pub tokens: Option<Arc<dyn Tokens>>,
}

/// The answer of a port that may wait. Every implementation has a deadline of its own.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, PortError>>;

/// Why a port did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Only the leader does that.
    #[error("not leader")]
    NotLeader,
    /// Not known to be lost: it may still happen.
    #[error("timed out enqueuing operation")]
    Unconfirmed,
    /// This node lost its leadership on the way; it may still happen.
    #[error("leadership lost while committing log")]
    LeadershipLost,
    /// There is no such instance.
    #[error("instance {0} is not known")]
    UnknownInstance(InstanceKey),
    /// The instance could not be reached, or answered badly.
    #[error("instance {0} could not be read")]
    Instance(InstanceKey, Failure),
    /// What was asked for does not fit the state of the fleet; the text says why.
    #[error("{0}")]
    Refused(String),
    /// It failed; the text says how.
    #[error("{0}")]
    Failed(String),
}

/// The fleet as last seen, with what derives from it. One value, so that one answer never mixes two moments.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The newest observations and what was declared.
    pub view: Arc<TopologyView>,
    /// Where each instance stands.
    pub topology: Arc<Topology>,
    /// What analysis said, in the order of the instances' names, those without a problem included or not.
    pub findings: Arc<[Finding]>,
    /// When it was made. The server makes a new one at least once a second, so that ages are true.
    pub now: Timestamp,
}

/// What is known of the fleet.
pub trait Reads: Send + Sync {
    /// The newest picture. Cheap: no lock that is held for long, no I/O.
    fn picture(&self) -> Arc<Picture>;
}

/// Which part of a long list. Newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 0.
    pub number: u64,
    /// Entries of one page.
    pub size: u64,
}

impl Page {
    /// Entries before this page.
    pub fn offset(self) -> u64 {
        self.number.saturating_mul(self.size)
    }
}

/// Which detections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetectionFilter {
    /// All.
    All,
    /// The one of this number.
    Id(i64),
    /// Those of the cluster that had this alias.
    Alias(String),
}

/// Which recoveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryFilter {
    /// All.
    All,
    /// The one of this number.
    Id(i64),
    /// The one of this name.
    Uid(String),
    /// Those of the cluster that had this name.
    Cluster(String),
    /// Those of the cluster that had this alias.
    Alias(String),
}

/// One instance in one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolMember {
    /// Name of the pool.
    pub pool: String,
    /// The instance, also one that is not known.
    pub key: InstanceKey,
}

/// What happened before. Lists are newest first.
pub trait History: Send + Sync {
    /// Audited operations, of one instance or of all; empty when they are not kept in the backend.
    fn audit(&self, instance: Option<InstanceKey>, page: Page) -> Answer<'_, Vec<AuditRecord>>;
    /// Detections.
    fn detections(&self, filter: DetectionFilter, page: Page) -> Answer<'_, Vec<DetectionRecord>>;
    /// Recoveries; `unacknowledged`: only those that nobody closed.
    fn recoveries(
        &self,
        filter: RecoveryFilter,
        unacknowledged: bool,
        page: Page,
    ) -> Answer<'_, Vec<RecoveryRecord>>;
    /// Steps of one recovery, oldest first.
    fn steps(&self, recovery_uid: String) -> Answer<'_, Vec<StepRecord>>;
    /// Recoveries that are held back, of one cluster or of all.
    fn blocked(&self, cluster: Option<String>) -> Answer<'_, Vec<BlockedRecord>>;
    /// How analysis codes changed, by instance.
    fn changelog(&self) -> Answer<'_, Vec<ChangelogRecord>>;
    /// Members of one pool or of all, of whatever cluster, in the order of pools.
    fn pool_members(&self, pool: Option<String>) -> Answer<'_, Vec<PoolMember>>;
}

/// A wish to start a recovery by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverWish {
    /// The instance that failed.
    pub failed: InstanceKey,
    /// Whom to promote; `None` = the best.
    pub candidate: Option<InstanceKey>,
    /// Leave external processes out.
    pub skip_hooks: bool,
    /// Who asks, for the audit.
    pub by: String,
}

/// What came of a recovery started by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoverOutcome {
    /// This one was promoted.
    Promoted(InstanceKey),
    /// There was nothing to do, or rules forbid it; the text may be empty.
    NotAttempted(String),
    /// It ran and promoted nobody; the text may be empty.
    NobodyPromoted(String),
}

/// Which recoveries are closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckScope {
    /// All.
    All,
    /// Those of a cluster, by its present name or alias: a failover changes the name, the alias stays.
    Cluster {
        /// Its present name.
        name: String,
        /// Its alias; its name when it has none.
        alias: String,
    },
    /// Those of this failed instance.
    Instance(InstanceKey),
    /// The one of this number.
    Id(i64),
    /// The one of this name.
    Uid(String),
}

/// A wish to pause recovery of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DowntimeWish {
    /// The instance.
    pub key: InstanceKey,
    /// Who asks.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// For how long, never zero.
    pub duration: Duration,
}

/// An operation on one instance's replication or writability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceOperation {
    /// `read_only` on.
    SetReadOnly,
    /// `read_only` off.
    SetWriteable,
    /// Start both replication threads.
    StartReplica,
    /// Stop both replication threads.
    StopReplica,
    /// Stop, then start.
    RestartReplica,
    /// Forget the source. The replica must be stopped.
    ResetReplica,
}

/// What people may ask for. Called only where the request is authorised; the leader's own check of its
/// lease is the implementation's.
pub trait Commands: Send + Sync {
    /// Probes now and answers what was read; the instance stays known on all nodes.
    /// `None`: a filter of the configuration leaves it out.
    fn discover(&self, key: InstanceKey) -> Answer<'_, Option<Arc<InstanceRecord>>>;
    /// Takes note of the instance; it is probed soon.
    fn discover_later(&self, key: InstanceKey) -> Answer<'_, ()>;
    /// Probes a known instance now.
    fn refresh(&self, key: InstanceKey) -> Answer<'_, ()>;
    /// Drops an instance on all nodes; [`PortError::UnknownInstance`] when there is none.
    fn forget(&self, key: InstanceKey) -> Answer<'_, ()>;
    /// Drops all instances of a cluster on all nodes.
    fn forget_cluster(&self, cluster: String) -> Answer<'_, ()>;
    /// Begins or replaces a downtime.
    fn begin_downtime(&self, wish: DowntimeWish) -> Answer<'_, ()>;
    /// Ends a downtime; well also when there is none.
    fn end_downtime(&self, key: InstanceKey) -> Answer<'_, ()>;
    /// Declares a promotion rule.
    fn register_candidate(&self, key: InstanceKey, rule: PromotionRule) -> Answer<'_, ()>;
    /// Closes recoveries, which ends their block. Answers how many.
    fn acknowledge(&self, scope: AckScope, by: String, comment: String) -> Answer<'_, u64>;
    /// Switches automatic recoveries off or on, on all nodes.
    fn set_global_recoveries(&self, enabled: bool) -> Answer<'_, ()>;
    /// Operates on an instance and answers what it then looks like.
    fn operate(&self, key: InstanceKey, operation: InstanceOperation) -> Answer<'_, Arc<InstanceRecord>>;
    /// Recovers from the failure of an instance now, whatever filters and block periods say, and waits for the end.
    fn recover(&self, wish: RecoverWish) -> Answer<'_, RecoverOutcome>;
}

/// A token by which its holder may change things (`AuthenticationMethod` `token`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// What is kept of the half that only the holder knows.
    pub secret: StoredSecret,
    /// When it was made.
    pub generated_at: Timestamp,
    /// It can be redeemed again and again, and never grows old.
    pub is_reentrant: bool,
}

/// Where access tokens are kept, by their public half. Called at the leader.
pub trait Tokens: Send + Sync {
    /// Makes a token for somebody and answers its public half; those made before `forget_before` are dropped.
    fn issue(&self, owner: String, forget_before: Timestamp) -> Answer<'_, String>;
    /// The token of this public half, whether it was redeemed or not.
    fn find(&self, public: String) -> Answer<'_, Option<AccessToken>>;
    /// Marks the token as redeemed and answers its other half, in one step, if it is reentrant, or if it was not
    /// redeemed before and was made at `not_before` or later; else `None`.
    fn redeem(&self, public: String, not_before: Timestamp) -> Answer<'_, Option<Secret<String>>>;
}

/// Roles in the raft group, by the words that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Leads.
    Leader,
    /// Follows a live leader.
    Follower,
    /// Knows no live leader, or still starts.
    #[default]
    Candidate,
    /// Stops.
    Shutdown,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Leader, Self::Follower, Self::Candidate, Self::Shutdown];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "Leader",
            Self::Follower => "Follower",
            Self::Candidate => "Candidate",
            Self::Shutdown => "Shutdown",
        }
    }
}

/// How this node stands, computed once per tick by somebody else. Everything that load balancers and
/// probes ask is answered from this value alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealthView {
    /// `raft-health` is 200.
    pub healthy: bool,
    /// Why not; empty when healthy. One reason each, lower case, for people.
    pub reasons: Vec<String>,
    /// This node leads, and can prove it. Without raft: it is the elected one.
    pub is_leader: bool,
    /// Role in the raft group.
    pub role: Role,
    /// Raft address of the live leader, `host:port`; empty = unknown.
    pub leader: String,
    /// Where the live leader answers HTTP, `scheme://host:port`; empty = unknown.
    pub leader_uri: String,
    /// Its own backend takes writes.
    pub backend_writable: bool,
    /// What the backend said when it did not; empty = nothing.
    pub backend_error: String,
    /// The node may be sent requests: it is healthy and not about to stop.
    pub ready: bool,
}

/// This node.
pub trait Node: Send + Sync {
    /// The newest health. Cheap: a clone of a shared value, no lock that is held for long, no I/O.
    fn health(&self) -> Arc<HealthView>;
    /// Why only a restart would help, for `/livez`: a loop that has not turned for half a minute, a task that
    /// ended, a backend's thread that does not answer. Never the leader, a quorum, a peer or a server: a
    /// restart mends none of these. Cheap as [`Node::health`]; without an answer of its own, a node that
    /// answers at all lives.
    fn stuck(&self) -> Option<String> {
        None
    }
    /// Nodes seen in this node's backend, itself first; `None` = unknown.
    fn available_nodes(&self) -> Option<Vec<NodeHealth>>;
    /// Members that reported to this leader lately; `None` elsewhere.
    fn healthy_members(&self) -> Option<Vec<String>>;
    /// Reads the configuration again, as SIGHUP does; `by` is for the audit. [`PortError::Failed`] when it makes no
    /// sense: then nothing changed.
    fn reload(&self, by: String) -> Answer<'_, Reloaded>;
}

/// The raft group.
pub trait Raft: Send + Sync {
    /// Answer of `raft-status`.
    fn status(&self) -> MemberStatus;
    /// Answer of `raft-events`: how this node stands, and what happened to it later than `since`, in microseconds
    /// since the Unix epoch; 0 = all that it remembers.
    fn events(&self, since: u64) -> RaftEvents;
    /// All members' addresses, this one included, sorted.
    fn peers(&self) -> Vec<String>;
    /// Hands leadership over to the member of this address, if this node leads. Returns at once.
    fn yield_to(&self, node: String);
    /// Hands leadership over to a member whose host name contains `hint`. Returns at once.
    fn yield_to_hint(&self, hint: String);
    /// Makes a snapshot of the replicated state on this node.
    fn snapshot(&self) -> Answer<'_, ()>;
    /// Takes the node of this address, `host[:port]`, in as a voter; answers the address by which it is a
    /// member. [`PortError::Refused`] `peer already known` if it is one.
    fn add_peer(&self, address: String) -> Answer<'_, String>;
    /// Changes the members with compare-and-set. [`PortError::Refused`] when they are others than expected, the
    /// group is another, or the change cannot be done now.
    fn change_members(&self, wish: MembersWish) -> Answer<'_, MembersChanged>;
    /// Forms a group out of empty nodes; the same again does nothing. [`PortError::Refused`] on a node that was told
    /// otherwise before, that is in another group, or that forms its group by itself.
    fn bootstrap(&self, wish: BootstrapWish) -> Answer<'_, ()>;
    /// Makes this node the only voter of a new epoch of its group, which is answered, and ends the process.
    /// [`PortError::Refused`] while the group works, or when group or epoch are others than given.
    fn force_new_cluster(&self, cluster_id: String, epoch: u64) -> Answer<'_, u64>;
    /// Removes the member of this address, `host[:port]`; answers the address by which it was one.
    /// [`PortError::Refused`] `peer is unknown` if it is none.
    fn remove_peer(&self, address: String) -> Answer<'_, String>;
}
