//! Why the members of a group were not changed, by what the caller does next.

use std::time::Duration;

use crate::member::{Member, NodeId};

/// Why the members of the group were not, or perhaps not, changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// Ask the leader.
    #[error("not leader")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<Member>,
    },
    /// A name that is no `host[:port]`.
    #[error("{name:?} is no host[:port]")]
    BadName {
        /// The name as given.
        name: String,
    },
    /// Nothing to do.
    #[error("{name} is a member of this group already, as node {node_id}")]
    AlreadyMember {
        /// Its raft address.
        name: String,
        /// Its number.
        node_id: NodeId,
    },
    /// No member has this name or number.
    #[error("{name} is no member of this group")]
    UnknownMember {
        /// The name or number.
        name: String,
    },
    /// A group needs one voter.
    #[error("{name} is the last voter of this group, which would end without it")]
    LastVoter {
        /// Its raft address.
        name: String,
    },
    /// The group is as large as may be.
    #[error("the group has {voters} voters, the limit is {limit}")]
    TooManyVoters {
        /// How many there would be.
        voters: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The node cannot join as it is.
    #[error("{name} cannot join: {reason}")]
    Occupied {
        /// Its raft address.
        name: String,
        /// What to do about it.
        reason: String,
    },
    /// The node does not answer.
    #[error(
        "{name} does not answer ({reason}): start it with an empty RaftDataDir and with RaftNodes that name this \
         node, then ask again"
    )]
    Unreachable {
        /// Its raft address.
        name: String,
        /// Why.
        reason: String,
    },
    /// The members changed since the caller looked: look again.
    #[error("the members changed: expected those of log entry {expected}, found those of {found}")]
    Moved {
        /// What the caller expected.
        expected: u64,
        /// What is in force.
        found: u64,
    },
    /// Another change is under way: try again.
    #[error("another change of the members is under way")]
    Busy,
    /// The change would leave the group without a working majority.
    #[error("not done: {reason}")]
    NoMajority {
        /// Who is missing.
        reason: String,
    },
    /// Outcome unknown: it may be carried out later. Look at the members.
    #[error("not confirmed within {waited:?}")]
    Unconfirmed {
        /// How long was waited.
        waited: Duration,
    },
    /// The call names another group or epoch than this node's.
    #[error("this node belongs to group {cluster_id}, epoch {epoch}")]
    OtherGroup {
        /// Its group.
        cluster_id: String,
        /// The epoch.
        epoch: u64,
    },
    /// This node was told to form a group before, by another order.
    #[error(
        "this node was told before to form group {cluster_id}, and {difference}: send the former request again, or move \
         its RaftDataDir away if that group is to be given up"
    )]
    ToldOtherwise {
        /// The group that it was told to form.
        cluster_id: String,
        /// How the orders differ.
        difference: &'static str,
    },
    /// The group works: there is nothing to force.
    #[error("this node knows a live leader: change the members through it")]
    HasLeader,
    /// Nodes form their group by themselves here.
    #[error("not done: {reason}")]
    NotAllowed {
        /// Why.
        reason: String,
    },
    /// This node is stopping or has stopped.
    #[error("raft is stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}
