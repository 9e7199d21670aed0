//! What applying a command answered.

use serde::{Deserialize, Serialize};

/// What applying one command answered, the same on every node, except where a node's own history is meant.
///
/// The default is the answer to an entry that carries no command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The command was applied; there is nothing more to say.
    #[default]
    Done,
    /// The command was read and changed nothing, for this reason.
    Refused {
        /// Why, as a sentence for the user who asked.
        reason: String,
    },
    /// A detection was noted.
    Detected {
        /// Its number; `None` = the same was noted before and is still active.
        id: Option<i64>,
    },
    /// A recovery began.
    Accepted {
        /// Its number.
        id: i64,
    },
    /// A recovery did not begin.
    Blocked(BlockedBy),
    /// A recovery moved on.
    Progressed {
        /// Its sequence number now.
        seq: i64,
    },
    /// Somebody else moved or ended the recovery: whoever asked must stop.
    Stale {
        /// Its sequence number now; `None` = it has ended or never was.
        seq: Option<i64>,
    },
    /// A recovery ended.
    Ended {
        /// Its number.
        id: i64,
    },
    /// Recoveries were closed.
    Acknowledged {
        /// Their numbers, lowest first. Ended ones are each node's own history.
        ids: Vec<i64>,
    },
    /// Instances were dropped.
    Forgotten {
        /// How many this node had.
        count: u64,
    },
}

/// What is in the way of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedBy {
    /// A word for programs, as [`orchestrator_backend::BlockReason::as_str`].
    pub code: String,
    /// A sentence for people.
    pub reason: String,
    /// The recovery in the way; 0 = none.
    pub id: i64,
    /// Its name; empty = none.
    pub uid: String,
}
