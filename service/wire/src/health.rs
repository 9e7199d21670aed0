//! What a node says of itself.

use serde::{Deserialize, Serialize};

/// Details of `health` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthStatus {
    /// This node can write to its backend.
    pub healthy: bool,
    /// Host name of this node.
    pub hostname: String,
    /// Token of this process: 64 hexadecimal digits.
    pub token: String,
    /// This node leads.
    pub is_active_node: bool,
    /// Who leads.
    pub active_node: NodeHealth,
    /// What is wrong; `null` = nothing.
    pub error: Option<String>,
    /// Nodes seen in this node's backend; usually itself.
    pub available_nodes: Option<Vec<NodeHealth>>,
    /// Raft address of the leader; empty = unknown.
    pub raft_leader: String,
    /// This node is the raft leader.
    pub is_raft_leader: bool,
    /// Where the leader answers HTTP; empty = unknown.
    #[serde(rename = "RaftLeaderURI")]
    pub raft_leader_uri: String,
    /// How peers name this node.
    pub raft_advertise: String,
    /// Members that reported to the leader; `null` elsewhere.
    pub raft_healthy_members: Option<Vec<String>>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeHealth {
    /// Host name; of the active node under raft its raft address.
    pub hostname: String,
    /// Token of the process.
    pub token: String,
    /// Version of the program.
    pub app_version: String,
    /// RFC 3339; empty = unknown.
    pub first_seen_active: String,
    /// RFC 3339; empty = unknown.
    pub last_seen_active: String,
    /// Blank.
    pub extra_info: String,
    /// Blank.
    pub command: String,
    /// Path of the SQLite file, or `host:port`.
    #[serde(rename = "DBBackend")]
    pub db_backend: String,
    /// Always the zero time in listings.
    pub last_reported: String,
}

impl Default for NodeHealth {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            token: String::new(),
            app_version: String::new(),
            first_seen_active: String::new(),
            last_seen_active: String::new(),
            extra_info: String::new(),
            command: String::new(),
            db_backend: String::new(),
            last_reported: crate::time::GO_ZERO.into(),
        }
    }
}

/// Answer of `raft-status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RaftStatus {
    /// Where this node listens for peers.
    pub raft_bind: String,
    /// How peers name this node.
    pub raft_advertise: String,
    /// `Leader`, `Follower`, `Candidate` or `Shutdown`.
    pub state: String,
    /// As `raft-health` says.
    pub healthy: bool,
    /// This node knows a leader and is a leader or a follower.
    pub is_part_of_quorum: bool,
    /// Raft address of the leader; empty = unknown.
    pub leader: String,
    /// Where the leader answers HTTP; empty = unknown.
    #[serde(rename = "LeaderURI")]
    pub leader_uri: String,
    /// All members, this one included.
    pub peers: Vec<String>,
}
