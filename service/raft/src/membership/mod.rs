//! Who belongs to a running group: the wish, the decisions, and the changes.

mod api;
mod beginning;
mod change;
mod decide;
mod error;
mod force;
mod keeper;
mod known;
mod wish;

use std::time::Duration;

use crate::member::{Member, NodeId};

pub(crate) use self::change::Changer;
pub use self::error::ChangeError;
pub(crate) use self::keeper::Keeper;
pub(crate) use self::known::KnownMembership;
pub(crate) use self::wish::Wish;

/// Numbers that are given out later lie above those of the first members, whatever the log index.
const FIRST_LATER_NUMBER: NodeId = 1 << 16;

/// The number of a node that joins a running group: from the log index of an entry made for it.
fn number_at(index: u64) -> NodeId {
    FIRST_LATER_NUMBER + index
}

/// Whether it joined a running group, and so has nothing of what that group began with.
pub(crate) fn joined_later(node_id: NodeId) -> bool {
    node_id >= FIRST_LATER_NUMBER
}

/// The log index before which a node cannot have been a member.
fn birth_of(node_id: NodeId) -> u64 {
    node_id.saturating_sub(FIRST_LATER_NUMBER)
}

/// How far a leader knows another member to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Index of the last log entry that it acknowledged.
    pub matched_index: Option<u64>,
    /// How long ago it last acknowledged anything, heartbeats included.
    pub last_ack: Option<Duration>,
}

/// The members of a group, as one node's log has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Membership {
    /// The group's id; `None` before there is one.
    pub cluster_id: Option<String>,
    /// The epoch of the group; 0 before there is one.
    pub epoch: u64,
    /// Index of the log entry that says so: what a change with compare-and-set expects.
    pub index: Option<u64>,
    /// That entry is committed, as far as this node knows.
    pub committed: bool,
    /// A change is under way: old and new voters must both agree.
    pub joint: bool,
    /// Who votes, by number.
    pub voters: Vec<Member>,
    /// Who only follows, by number.
    pub learners: Vec<Member>,
    /// This node's `RaftNodes`, sorted.
    pub wish: Vec<String>,
    /// The wish changed since the group last fitted it.
    pub wish_is_new: bool,
}
