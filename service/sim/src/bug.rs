//! Deliberate mistakes of the driver: each proves that an invariant can catch something.

/// A mistake to plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The successor is opened before it executed what it received.
    PromoteBeforeDrain,
    /// Neither the log nor the driver asks whose term it is.
    IgnoreTerm,
    /// Replicas are compared by what they executed.
    CompareExecuted,
    /// Positions are read, receiving threads go on.
    DoNotStop,
    /// Nobody counts who may have acknowledged.
    IgnoreAcknowledgements,
    /// Promotion rules and bans are forgotten.
    ForgetRules,
    /// A new leader leaves alone what another one began.
    DoNotResume,
    /// The log accepts a recovery beside an unfinished one, and nobody looks whether there is one.
    DoNotBlock,
    /// A dead primary is never answered.
    DoNotBegin,
    /// Whom a recovery moved is believed to be where it was last seen.
    ForgetMoves,
}

impl Bug {
    /// All of them, with the names that `--bug` takes.
    pub const ALL: [(Self, &str); 10] = [
        (Self::PromoteBeforeDrain, "promote-before-drain"),
        (Self::IgnoreTerm, "ignore-term"),
        (Self::CompareExecuted, "compare-executed"),
        (Self::DoNotStop, "do-not-stop"),
        (Self::IgnoreAcknowledgements, "ignore-acknowledgements"),
        (Self::ForgetRules, "forget-rules"),
        (Self::DoNotResume, "do-not-resume"),
        (Self::DoNotBlock, "do-not-block"),
        (Self::DoNotBegin, "do-not-begin"),
        (Self::ForgetMoves, "forget-moves"),
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
