//! Mistakes of a disk, of people, and of whoever reads health: each proves that a property can catch something.

/// A mistake to plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The log is acknowledged before it is synced: a power failure takes it back.
    AcknowledgeBeforeSync,
    /// Votes do not reach the disk.
    ForgetVotes,
    /// Health believes the raft library's state, however old its last contact is.
    TrustState,
    /// A disk is emptied, and its old number is written back.
    ReuseNumbers,
    /// Whoever was lost comes back on its old disk when another one went on alone.
    ReturnUnwiped,
}

impl Bug {
    /// All of them, with the names that `--bug` takes.
    pub const ALL: [(Self, &str); 5] = [
        (Self::AcknowledgeBeforeSync, "acknowledge-before-sync"),
        (Self::ForgetVotes, "forget-votes"),
        (Self::TrustState, "trust-state"),
        (Self::ReuseNumbers, "reuse-numbers"),
        (Self::ReturnUnwiped, "return-unwiped"),
    ];

    /// The name that `--bug` takes.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(bug, _)| *bug == self).map_or("", |(_, name)| name)
    }

    /// Reads [`Bug::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(bug, _)| *bug)
    }
}
