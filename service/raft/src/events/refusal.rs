//! Why a vote was refused, told from the question and the answer, on either side of it.

use openraft::raft::{VoteRequest, VoteResponse};

use crate::member::NodeId;
use crate::types::{LogId, TypeConfig};

/// Why a node does not vote for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It heard this leader a moment ago, or is it.
    Leader(NodeId),
    /// Its log has more than the candidate's.
    LongerLog { voter: Option<u64>, candidate: Option<u64> },
    /// It voted for this node in the same term.
    VotedFor(NodeId),
    /// It is in this term already.
    NewerTerm(u64),
}

/// Why it was refused; `None` if it was granted.
///
/// `heard`: whether the voter knows to have heard its leader within the lease. A candidate does not know that, and
/// takes a longer log for the reason where both could be.
pub(crate) fn refusal(
    asked: &VoteRequest<TypeConfig>,
    answer: &VoteResponse<TypeConfig>,
    heard: Option<bool>,
) -> Option<Refusal> {
    if answer.vote_granted {
        return None;
    }
    let (theirs, mine) = (answer.vote.leader_id, asked.vote.leader_id);
    let leader = Refusal::Leader(theirs.voted_for);
    let longer_log = answer.last_log_id > asked.last_log_id;
    let leads_on = answer.vote.committed && !asked.leadership_transfer;
    Some(match theirs.term.cmp(&mine.term) {
        std::cmp::Ordering::Greater if !longer_log => Refusal::NewerTerm(theirs.term),
        std::cmp::Ordering::Equal if answer.vote.committed => leader,
        std::cmp::Ordering::Equal if theirs.voted_for != mine.voted_for => {
            Refusal::VotedFor(theirs.voted_for)
        }
        _ if leads_on && heard == Some(true) => leader,
        _ if longer_log => {
            let index = |id: Option<LogId>| id.map(|id| id.index);
            Refusal::LongerLog { voter: index(answer.last_log_id), candidate: index(asked.last_log_id) }
        }
        _ if leads_on => leader,
        _ => Refusal::NewerTerm(theirs.term),
    })
}

impl Refusal {
    /// In the words of the candidate, who is `me`.
    pub(crate) fn to_candidate(self, name: impl Fn(NodeId) -> String, voter: NodeId) -> String {
        match self {
            Self::Leader(leader) if leader == voter => "it leads".into(),
            Self::Leader(leader) => format!("it hears the leader {}", name(leader)),
            Self::LongerLog { voter, candidate } => {
                format!("its log ends at {}, this one's at {}", end(voter), end(candidate))
            }
            Self::VotedFor(other) => format!("it voted for {}", name(other)),
            Self::NewerTerm(term) => format!("it is in term {term}"),
        }
    }

    /// In the words of the voter, who is `me`.
    pub(crate) fn to_voter(self, name: impl Fn(NodeId) -> String, me: NodeId) -> String {
        match self {
            Self::Leader(leader) if leader == me => "this node leads".into(),
            Self::Leader(leader) => format!("this node hears the leader {}", name(leader)),
            Self::LongerLog { voter, candidate } => {
                format!("its log ends at {}, this one's at {}", end(candidate), end(voter))
            }
            Self::VotedFor(other) if other == me => "this node stands itself".into(),
            Self::VotedFor(other) => format!("this node voted for {}", name(other)),
            Self::NewerTerm(term) => format!("this node is in term {term}"),
        }
    }
}

fn end(index: Option<u64>) -> u64 {
    index.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{CommittedLeaderId, Vote};

    const CANDIDATE: NodeId = 2;

    fn log(index: u64) -> Option<LogId> {
        Some(LogId::new(CommittedLeaderId::new(1), index))
    }

    /// Node 2 asks in term 4 with a log that ends at 10; the voter's vote and log are these.
    fn refused(vote: Vote, last: u64, heard: Option<bool>) -> Option<Refusal> {
        let asked = VoteRequest::new(Vote::new(4, CANDIDATE), log(10));
        refusal(&asked, &VoteResponse::new(vote, log(last), false), heard)
    }

    #[test]
    fn each_reason_is_told_from_what_was_asked_and_answered() {
        let cases = [
            (Vote::new_committed(3, 1), 10, Some(true), Refusal::Leader(1)),
            (Vote::new_committed(3, 1), 12, Some(true), Refusal::Leader(1)),
            (Vote::new_committed(3, 1), 10, None, Refusal::Leader(1)),
            (Vote::new_committed(4, 3), 10, None, Refusal::Leader(3)),
            (Vote::new(4, 3), 10, None, Refusal::VotedFor(3)),
            (Vote::new(6, 3), 10, None, Refusal::NewerTerm(6)),
        ];
        for (vote, last, heard, expected) in cases {
            assert_eq!(refused(vote, last, heard), Some(expected), "{vote} {last} {heard:?}");
        }
        let longer = Refusal::LongerLog { voter: Some(12), candidate: Some(10) };
        for (vote, heard) in [
            (Vote::new_committed(3, 1), Some(false)),
            (Vote::new_committed(3, 1), None),
            (Vote::new(3, 1), None),
            (Vote::new(6, 3), None),
        ] {
            assert_eq!(refused(vote, 12, heard), Some(longer), "{vote} {heard:?}");
        }
    }

    #[test]
    fn a_granted_vote_has_no_reason() {
        let asked = VoteRequest::new(Vote::new(4, CANDIDATE), log(10));
        let granted = VoteResponse::new(Vote::new(4, CANDIDATE), log(9), true);
        assert_eq!(refusal(&asked, &granted, Some(false)), None);
    }

    #[test]
    fn both_sides_say_the_same_in_their_own_words() {
        let name = |id: NodeId| format!("o{id}");
        let says = |refusal: Refusal| [refusal.to_candidate(name, 3), refusal.to_voter(name, 3)];
        let longer = Refusal::LongerLog { voter: Some(12), candidate: None };
        assert_eq!(says(Refusal::Leader(3)), ["it leads", "this node leads"]);
        assert_eq!(says(Refusal::Leader(1)), ["it hears the leader o1", "this node hears the leader o1"]);
        assert_eq!(
            says(longer),
            ["its log ends at 12, this one's at 0", "its log ends at 0, this one's at 12"]
        );
        assert_eq!(says(Refusal::VotedFor(3)), ["it voted for o3", "this node stands itself"]);
        assert_eq!(says(Refusal::NewerTerm(7)), ["it is in term 7", "this node is in term 7"]);
    }
}
