//! What the core is known not to survive. Histories leave it out, so that they can find what is not known;
//! `--gap` lets it in, and a test sees that each is still there: when one is closed, it goes from this list.

/// A known hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// A replica that a recovery stopped or lost restarts, and its receiving thread starts by itself
    /// (`skip_replica_start` is off by default). If the old primary returns too and neither was reached in between,
    /// it acknowledges again.
    ReceivesAfterRestart,
}

impl Gap {
    /// All of them, with the names that `--gap` takes.
    pub const ALL: [(Self, &str); 1] = [(Self::ReceivesAfterRestart, "receives-after-restart")];

    /// The name that `--gap` takes.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(gap, _)| *gap == self).map_or("", |(_, name)| name)
    }

    /// Reads [`Gap::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(gap, _)| *gap)
    }
}
