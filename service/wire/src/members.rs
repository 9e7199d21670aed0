//! The whole of `raft-status`: the fields of the original first, then what an operator of the group decides by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::health::RaftStatus;

/// Answer of `raft-status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MemberStatus {
    /// What the original answers.
    #[serde(flatten)]
    pub status: RaftStatus,
    /// The group's id; empty before there is one.
    #[serde(rename = "ClusterID")]
    pub cluster_id: String,
    /// This node's number; 0 before it has one.
    #[serde(rename = "NodeID")]
    pub node_id: u64,
    /// The epoch of the group; 0 before there is one.
    pub epoch: u64,
    /// This node is, or was, in a group.
    pub initialized: bool,
    /// What its raft directory holds.
    pub data_state: DataState,
    /// The raft term, 0 before the first election.
    pub term: u64,
    /// Index of the last log entry.
    pub last_log_index: Option<u64>,
    /// Index of the last applied entry.
    pub applied_index: Option<u64>,
    /// Index up to which the newest raft snapshot reaches.
    pub snapshot_index: Option<u64>,
    /// Index of the log entry with the members in force: what a change with compare-and-set expects.
    pub membership_log_index: Option<u64>,
    /// The members in force.
    pub membership: Members,
    /// A leader of others: milliseconds since a quorum last acknowledged it.
    pub last_quorum_ack_ms: Option<u64>,
    /// A leader: how far each other member is, by its number; empty elsewhere.
    pub replication: BTreeMap<u64, Replication>,
    /// Recoveries that this node drives at the moment.
    pub active_recoveries: u64,
    /// SHA-256 of this node's `RaftNodes`: with a port each, sorted, one a line. Hexadecimal.
    pub raft_nodes_hash: String,
    /// SHA-256 of the configuration files that this node read last, one after the other. Hexadecimal.
    pub config_hash: String,
    /// Keys that changed in these files since the start and wait for a restart.
    pub needs_restart: Vec<String>,
    /// Version of the program.
    pub version: String,
    /// The oldest version that can read what this node has on disk: no older one may follow.
    pub min_version: String,
    /// The group removed this node.
    pub removed: bool,
    /// Why it is not healthy; empty = it is.
    pub reason: String,
    /// Whom this node waits for and why, one line each.
    pub waiting_for: Vec<String>,
    /// Members that this node cannot reach or that refuse it, and why, one line each.
    pub peer_problems: Vec<String>,
    /// Voters whose `RaftNodes` differ from this node's, one line each.
    pub differing: Vec<String>,
}

/// What a raft directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DataState {
    /// Nothing that binds it to a group.
    #[default]
    Empty,
    /// The log of a group.
    Present,
    /// Something, in it or in the backend, that cannot be read as what it should be: `Reason` says what.
    Corrupt,
}

/// How far a leader knows another member to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Replication {
    /// Index of the last log entry that it acknowledged; `null` while it acknowledged nothing.
    pub matched_index: Option<u64>,
    /// Milliseconds since it last acknowledged anything; `null` while it never did.
    pub last_ack_ms: Option<u64>,
}

/// Who belongs to the group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Members {
    /// A change is under way: old and new voters must both agree.
    pub joint: bool,
    /// This node knows that its entry is committed.
    pub committed: bool,
    /// Who votes, by number.
    pub voters: Vec<MemberName>,
    /// Who only follows, by number.
    pub learners: Vec<MemberName>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MemberName {
    /// Its number.
    #[serde(rename = "NodeID")]
    pub node_id: u64,
    /// Its raft address, `host:port`.
    pub addr: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_original_come_first_and_alone_are_enough_to_read() {
        let text = serde_json::to_string(&MemberStatus::default()).expect("it is plain data");
        let original = serde_json::to_string(&RaftStatus::default()).expect("it is plain data");
        assert!(text.starts_with(original.trim_end_matches('}')), "{text}");
        let read: MemberStatus = serde_json::from_str(&original).expect("the rest has defaults");
        assert_eq!(read, MemberStatus::default());
    }
}
