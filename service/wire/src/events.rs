//! What a node tells whoever watches its group: how it stands, and what happened to it lately.

use serde::{Deserialize, Serialize};

/// Answer of `raft-events`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftEvents {
    /// Raft address of this node, `host:port`.
    pub node: String,
    /// `Leader`, `Follower`, `Candidate` or `Shutdown`.
    pub state: String,
    /// The raft term, 0 before the first election.
    pub term: u64,
    /// Raft address of the live leader; empty = unknown.
    pub leader: String,
    /// Index of the last log entry.
    pub last_log_index: Option<u64>,
    /// A follower: milliseconds since the leader's last message.
    pub leader_contact_ms: Option<u64>,
    /// A leader of others: milliseconds since a quorum last acknowledged it.
    pub last_quorum_ack_ms: Option<u64>,
    /// Why this node is not healthy; empty = it is.
    pub reason: String,
    /// All members that this node knows, itself included, by number.
    pub members: Vec<EventMember>,
    /// What happened later than was asked for, in order.
    pub events: Vec<RaftEvent>,
}

/// Where a member is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventMember {
    /// Its raft address, `host:port`.
    pub addr: String,
    /// Where it answers HTTP, `scheme://host:port`; empty = unknown.
    #[serde(rename = "HTTPURI")]
    pub http_uri: String,
}

/// One thing that happened to a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftEvent {
    /// Microseconds since the Unix epoch by the clock of the node; later events have larger ones. The largest one
    /// that is known is what to ask for next: `raft-events?since=…`.
    pub unix_microseconds: u64,
    /// What kind of thing, as a word: `candidate`, `vote-granted`, `leader-elected` and so on.
    pub kind: String,
    /// The same as the log has it.
    pub message: String,
    /// The term that it is about; 0 before the first election.
    pub term: u64,
    /// The other node that it is about, `host:port`; empty = none.
    pub peer: String,
    /// A reason, or a number with its words; may be empty.
    pub detail: String,
    /// The log entry that it is about.
    pub log_index: Option<u64>,
    /// How long it took to come to this.
    pub elapsed_ms: Option<u64>,
}
