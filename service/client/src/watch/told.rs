//! What a node tells of its group, read from the answer to `raft-events`.

use serde::Deserialize;

/// How a node stands, and what happened to it. What a server leaves out is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Told {
    /// Its raft address.
    pub(crate) node: String,
    pub(crate) state: String,
    pub(crate) term: u64,
    /// Raft address of the leader; empty = unknown.
    pub(crate) leader: String,
    pub(crate) last_log_index: Option<u64>,
    pub(crate) leader_contact_ms: Option<u64>,
    pub(crate) reason: String,
    pub(crate) members: Vec<Member>,
    pub(crate) events: Vec<Event>,
}

/// A member of the group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Member {
    pub(crate) addr: String,
    #[serde(rename = "HTTPURI")]
    pub(crate) http_uri: String,
}

/// One thing that happened.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Event {
    pub(crate) unix_microseconds: u64,
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) term: u64,
    pub(crate) peer: String,
    pub(crate) detail: String,
    pub(crate) elapsed_ms: Option<u64>,
}
