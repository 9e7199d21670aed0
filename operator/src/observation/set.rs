//! The StatefulSet, and how far the configuration came.

/// The StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Distinguishes it from the next one of its name.
    pub uid: String,
    /// With which version of it a deletion must agree.
    pub resource_version: String,
    /// How many pods it shall have.
    pub replicas: u32,
    /// Revision of its template as it is now; pods of another one are outdated. Empty until its controller saw it.
    pub update_revision: String,
    /// Image of the service in its template.
    pub image: String,
    /// Its controller has seen the newest template.
    pub observed: bool,
    /// Bytes that the template of its volumes asks for; 0 for ephemeral storage.
    pub storage: u64,
    /// It is being deleted.
    pub terminating: bool,
}

/// What the live configuration (`<name>-live`) holds, as members see it after a reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The peers that stand in it, in order; empty before it exists.
    pub peers: Vec<String>,
    /// What a member with these peers reports as `RaftNodesHash`.
    pub peers_hash: String,
}
