//! The raft library's types as this crate fills them in. Nothing here is public: see D16.

use openraft::impls::leader_id_std;

use crate::command::{Command, Reply};
use crate::guard::GuardedRuntime;
use crate::member::MemberInfo;
use crate::state::StateMachine;

openraft::declare_raft_types!(
    /// Standard raft: one leader per term, so that a term alone fences a recovery.
    pub(crate) TypeConfig:
        D = Command,
        R = Reply,
        NodeId = u64,
        Node = MemberInfo,
        LeaderId = leader_id_std::LeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = GuardedRuntime,
);

pub(crate) type Raft = openraft::Raft<TypeConfig, StateMachine>;
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type CommittedLeaderId = openraft::alias::CommittedLeaderIdOf<TypeConfig>;
pub(crate) type MetricsWatch = openraft::alias::WatchReceiverOf<TypeConfig, Metrics>;
pub(crate) type ServerMetricsWatch =
    openraft::alias::WatchReceiverOf<TypeConfig, openraft::metrics::RaftServerMetrics<TypeConfig>>;
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;
