//! What the core is known not to survive. Histories leave it out, so that they can find what is not known;
//! `--gap` lets it in, and a test sees that each is still there: when one is closed, it goes from this list.

/// A known hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// A replica that a recovery stopped or lost restarts, and its receiving thread starts by itself
    /// (`skip_replica_start` is off by default). If the old primary returns too, it acknowledges again.
    ReceivesAfterRestart,
    /// Whom a recovery moved dies before the node that leads then has looked at it again: in its view it is still
    /// a replica of the old primary. A successor is then a dead intermediate, which is not answered; a replica is
    /// not counted among those that may have acknowledged, so that rows can be lost.
    MovedUnseen,
}

impl Gap {
    /// All of them, with the names that `--gap` takes.
    pub const ALL: [(Self, &str); 2] =
        [(Self::ReceivesAfterRestart, "receives-after-restart"), (Self::MovedUnseen, "moved-unseen")];

    /// The name that `--gap` takes.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(gap, _)| *gap == self).map_or("", |(_, name)| name)
    }

    /// Reads [`Gap::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(gap, _)| *gap)
    }
}
