//! What happens to a node in its group, told line by line: in the log, and in a short memory for whoever watches.
//!
//! The rest of the crate says what happened ([`Happening`]); [`Journal`] says it once per episode, with its time.
//! What something means is decided by functions without I/O: [`changes`] of how the node stands, [`Campaign`] of an
//! election of its own, [`Refusal`] of a vote.

mod campaign;
mod journal;
mod refusal;
mod standing;

pub use journal::{GroupEvent, REMEMBERED};

pub(crate) use campaign::{Ballot, Campaign, Outcome, Round};
pub(crate) use journal::Journal;
pub(crate) use refusal::{Refusal, refusal};
pub(crate) use standing::{Standing, changes};

use tracing::Level;

/// What kind of thing happened. The set is closed; its words are part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// The node is in no group yet; the detail says whom it waits for.
    Waiting,
    /// This node formed the group.
    Formed,
    /// The raft core runs.
    Started,
    /// The leader was not heard for longer than an election timeout; the others are asked whether they would vote.
    TimedOut,
    /// A peer would vote for this node.
    WouldGetVote,
    /// A peer would not vote for this node; the detail says why.
    WouldNotGetVote,
    /// A peer did not answer whether it votes; the detail says why.
    NoVoteAnswer,
    /// This node stands for election; the detail says how many votes it needs.
    Candidate,
    /// A peer voted for this node.
    VoteGranted,
    /// A peer refused its vote; the detail says why.
    VoteRefused,
    /// This node has the votes that it needs.
    Won,
    /// The election went to somebody else, or to nobody.
    Lost,
    /// A quorum acknowledges this node as the leader.
    BecameLeader,
    /// This node leads no more; the detail says why.
    SteppedDown,
    /// Another node leads, and was heard.
    LeaderElected,
    /// The leader was not heard for two election timeouts.
    LeaderLost,
    /// The same leader is heard again.
    LeaderBack,
    /// No quorum acknowledged this leader for two election timeouts.
    QuorumLost,
    /// A quorum acknowledges it again.
    QuorumBack,
    /// This node would vote for a peer that asks.
    WouldVote,
    /// This node would not vote for a peer that asks; the detail says why.
    WouldNotVote,
    /// This node voted for a peer.
    Voted,
    /// This node refused its vote; the detail says why.
    RefusedVote,
    /// Leadership is handed to a peer.
    HandingOver,
    /// This leader began to replicate to a peer.
    Replicating,
    /// A peer cannot be reached; the detail says why.
    PeerUnreachable,
    /// It can be reached again.
    PeerBack,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 27] = [
        Self::Waiting,
        Self::Formed,
        Self::Started,
        Self::TimedOut,
        Self::WouldGetVote,
        Self::WouldNotGetVote,
        Self::NoVoteAnswer,
        Self::Candidate,
        Self::VoteGranted,
        Self::VoteRefused,
        Self::Won,
        Self::Lost,
        Self::BecameLeader,
        Self::SteppedDown,
        Self::LeaderElected,
        Self::LeaderLost,
        Self::LeaderBack,
        Self::QuorumLost,
        Self::QuorumBack,
        Self::WouldVote,
        Self::WouldNotVote,
        Self::Voted,
        Self::RefusedVote,
        Self::HandingOver,
        Self::Replicating,
        Self::PeerUnreachable,
        Self::PeerBack,
    ];

    /// The word on the wire, and the words of the log.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Waiting => ("waiting", "the raft group is not formed yet"),
            Self::Formed => ("formed", "raft group formed"),
            Self::Started => ("started", "raft started"),
            Self::TimedOut => ("timed-out", "heartbeat timeout reached"),
            Self::WouldGetVote => ("would-get-vote", "a peer would vote for this node"),
            Self::WouldNotGetVote => ("would-not-get-vote", "a peer would not vote for this node"),
            Self::NoVoteAnswer => ("no-vote-answer", "no answer about a vote"),
            Self::Candidate => ("candidate", "became candidate"),
            Self::VoteGranted => ("vote-granted", "vote granted"),
            Self::VoteRefused => ("vote-refused", "vote refused"),
            Self::Won => ("won", "election won"),
            Self::Lost => ("lost", "election lost"),
            Self::BecameLeader => ("became-leader", "became leader"),
            Self::SteppedDown => ("stepped-down", "stepped down"),
            Self::LeaderElected => ("leader-elected", "leader elected"),
            Self::LeaderLost => ("leader-lost", "lost the leader"),
            Self::LeaderBack => ("leader-back", "the leader is back"),
            Self::QuorumLost => ("quorum-lost", "lost the quorum"),
            Self::QuorumBack => ("quorum-back", "the quorum is back"),
            Self::WouldVote => ("would-vote", "would vote for a peer"),
            Self::WouldNotVote => ("would-not-vote", "would not vote for a peer"),
            Self::Voted => ("voted", "voted for a peer"),
            Self::RefusedVote => ("refused-vote", "refused its vote to a peer"),
            Self::HandingOver => ("handing-over", "handing over leadership"),
            Self::Replicating => ("replicating", "replication to a peer started"),
            Self::PeerUnreachable => ("peer-unreachable", "peer unreachable"),
            Self::PeerBack => ("peer-back", "peer is back"),
        }
    }

    /// The word on the wire: lower case, with hyphens.
    pub fn as_str(self) -> &'static str {
        self.words().0
    }

    /// As the log has it, without the detail.
    pub fn message(self) -> &'static str {
        self.words().1
    }

    /// By the reaction that it asks for: a warning is unexpected yet survived.
    fn level(self) -> Level {
        match self {
            Self::Waiting | Self::LeaderLost | Self::QuorumLost | Self::PeerUnreachable => Level::WARN,
            _ => Level::INFO,
        }
    }

    /// The detail is a reason why something is not as it should be.
    fn has_reason(self) -> bool {
        matches!(
            self,
            Self::WouldNotGetVote
                | Self::NoVoteAnswer
                | Self::VoteRefused
                | Self::Lost
                | Self::SteppedDown
                | Self::LeaderLost
                | Self::QuorumLost
                | Self::WouldNotVote
                | Self::RefusedVote
                | Self::PeerUnreachable
        )
    }
}

/// Something that happened, before anybody knows whether it is news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) kind: EventKind,
    /// The term that it is about; 0 before the first election.
    pub(crate) term: u64,
    /// The other node that it is about: `host:port`.
    pub(crate) peer: Option<String>,
    /// A reason, or a number with its words; lower case.
    pub(crate) detail: Option<String>,
    /// The log entry that it is about.
    pub(crate) log_index: Option<u64>,
    /// How long it took to come to this.
    pub(crate) elapsed_ms: Option<u64>,
}

impl Happening {
    pub(crate) fn new(kind: EventKind, term: u64) -> Self {
        Self { kind, term, peer: None, detail: None, log_index: None, elapsed_ms: None }
    }

    pub(crate) fn peer(self, name: impl Into<String>) -> Self {
        Self { peer: Some(name.into()), ..self }
    }

    pub(crate) fn maybe_peer(self, peer: Option<String>) -> Self {
        Self { peer, ..self }
    }

    pub(crate) fn detail(self, text: impl Into<String>) -> Self {
        Self { detail: Some(text.into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let messages: BTreeSet<&str> = EventKind::ALL.iter().map(|kind| kind.message()).collect();
        assert_eq!((words.len(), messages.len()), (EventKind::ALL.len(), EventKind::ALL.len()));
        assert!(words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }
}
