//! An election of this node's own: whom it asked, who granted, and how it ended.

use std::collections::BTreeSet;

use super::{EventKind, Happening};
use crate::member::NodeId;

/// The two rounds of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// Asks whether others would vote, and changes nothing.
    Trial,
    /// Asks for votes, in a new term.
    Vote,
}

/// What is known when the first question of a round goes out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ballot {
    /// The term that would follow, or follows.
    pub(crate) term: u64,
    /// The sets of voters of which each must agree: one, or two during a change of members.
    pub(crate) voters: Vec<BTreeSet<NodeId>>,
    /// The leader that was heard last.
    pub(crate) leader: Option<String>,
    /// Milliseconds since then.
    pub(crate) silent_ms: Option<u64>,
    /// The leader itself asked this node to stand.
    pub(crate) handed_over: bool,
}

/// What a peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Granted,
    Refused(String),
    NoAnswer(String),
}

/// What this node knows of its own election. One at a time; a new one ends the old.
#[derive(Debug, Default)]
pub(crate) struct Campaign {
    stands: Option<Stand>,
    /// The voters of a group that begins.
    first: BTreeSet<NodeId>,
}

#[derive(Debug)]
struct Stand {
    term: u64,
    voters: Vec<BTreeSet<NodeId>>,
    granted: BTreeSet<NodeId>,
}

impl Campaign {
    /// A group is about to begin with these; the raft library asks for the first votes before it tells its members.
    pub(crate) fn begins_with(&mut self, voters: BTreeSet<NodeId>) {
        self.first = voters;
    }

    /// `me` is about to ask the others; called for each of them.
    pub(crate) fn asks(&mut self, round: Round, me: NodeId, ballot: Ballot) -> Vec<Happening> {
        let Ballot { term, mut voters, leader, silent_ms, handed_over } = ballot;
        if round == Round::Trial {
            let timed_out = Happening::new(EventKind::TimedOut, term.saturating_sub(1)).maybe_peer(leader);
            let told = match silent_ms {
                Some(_) => Happening { elapsed_ms: silent_ms, ..timed_out },
                None => timed_out.detail("no leader was heard yet"),
            };
            return vec![told];
        }
        if self.stands.as_ref().is_some_and(|stand| stand.term >= term) {
            return Vec::new();
        }
        let unfinished = self.stands.take().map(|stand| stand.lost("not enough votes in time"));
        if voters.is_empty() {
            voters.push(self.first.clone());
        }
        let mut needed = votes_needed(&voters);
        if handed_over {
            needed.push_str(", as the leader wishes");
        }
        self.stands = Some(Stand { term, voters, granted: BTreeSet::from([me]) });
        unfinished.into_iter().chain([Happening::new(EventKind::Candidate, term).detail(needed)]).collect()
    }

    /// `peer` answered, or did not.
    pub(crate) fn answered(
        &mut self,
        round: Round,
        term: u64,
        (id, name): (NodeId, &str),
        outcome: Outcome,
    ) -> Happening {
        let stand = self.stands.as_mut().filter(|stand| round == Round::Vote && stand.term == term);
        if let (Some(stand), Outcome::Granted) = (stand, &outcome) {
            stand.granted.insert(id);
        }
        let (kind, detail) = match (round, outcome) {
            (Round::Trial, Outcome::Granted) => (EventKind::WouldGetVote, None),
            (Round::Vote, Outcome::Granted) => (EventKind::VoteGranted, None),
            (Round::Trial, Outcome::Refused(why)) => (EventKind::WouldNotGetVote, Some(why)),
            (Round::Vote, Outcome::Refused(why)) => (EventKind::VoteRefused, Some(why)),
            (_, Outcome::NoAnswer(why)) => (EventKind::NoVoteAnswer, Some(why)),
        };
        Happening { detail, ..Happening::new(kind, term).peer(name) }
    }

    /// This node leads in `term`.
    pub(crate) fn won(&mut self, term: u64) -> Happening {
        let stand = self.stands.take().filter(|stand| stand.term == term);
        let votes = stand.map(|stand| {
            let of: BTreeSet<&NodeId> = stand.voters.iter().flatten().collect();
            format!("{} of {} votes", stand.granted.len(), of.len())
        });
        Happening { detail: votes, ..Happening::new(EventKind::Won, term) }
    }

    /// This node follows in `term`; tells if it stood.
    pub(crate) fn over(&mut self, term: u64, leader: Option<&str>) -> Option<Happening> {
        let stand = self.stands.take_if(|stand| stand.term <= term)?;
        let why = match leader {
            Some(leader) => format!("{leader} leads in term {term}"),
            None => format!("there is a term {term}"),
        };
        Some(stand.lost(&why))
    }
}

impl Stand {
    fn lost(&self, why: &str) -> Happening {
        Happening::new(EventKind::Lost, self.term).detail(why)
    }
}

/// `2 of 3 votes needed`.
fn votes_needed(voters: &[BTreeSet<NodeId>]) -> String {
    let each = voters.iter().map(|set| format!("{} of {}", set.len() / 2 + 1, set.len()));
    format!("{} votes needed", each.collect::<Vec<_>>().join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(happenings: impl IntoIterator<Item = Happening>) -> String {
        let line = |it: Happening| {
            let peer = it.peer.map(|peer| format!(" {peer}")).unwrap_or_default();
            let ms = it.elapsed_ms.map(|ms| format!(" {ms} ms")).unwrap_or_default();
            let detail = it.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("{} {}{peer}{ms}{detail}", it.term, it.kind.as_str())
        };
        happenings.into_iter().map(line).collect::<Vec<_>>().join("; ")
    }

    fn ballot(term: u64) -> Ballot {
        Ballot { term, voters: vec![BTreeSet::from([1, 2, 3])], ..Ballot::default() }
    }

    #[test]
    fn a_won_election_is_told_from_the_timeout_to_the_votes() {
        let mut campaign = Campaign::default();
        let silent = Ballot { leader: Some("o1".into()), silent_ms: Some(761), ..ballot(4) };
        let asked = campaign.asks(Round::Trial, 2, silent);
        assert_eq!(told(asked), "3 timed-out o1 761 ms");
        let would = campaign.answered(Round::Trial, 4, (3, "o3"), Outcome::Granted);
        assert_eq!(told([would]), "4 would-get-vote o3");
        assert_eq!(told(campaign.asks(Round::Vote, 2, ballot(4))), "4 candidate: 2 of 3 votes needed");
        assert_eq!(told(campaign.asks(Round::Vote, 2, ballot(4))), "", "asked of each, told once");
        let granted = campaign.answered(Round::Vote, 4, (3, "o3"), Outcome::Granted);
        assert_eq!(told([granted]), "4 vote-granted o3");
        let silent = campaign.answered(Round::Vote, 4, (1, "o1"), Outcome::NoAnswer("refused".into()));
        assert_eq!(told([silent]), "4 no-vote-answer o1: refused");
        assert_eq!(told([campaign.won(4)]), "4 won: 2 of 3 votes");
        assert_eq!(campaign.over(4, Some("o2")), None, "what was won is not lost");
    }

    #[test]
    fn a_lost_election_says_to_whom() {
        let mut campaign = Campaign::default();
        campaign.asks(Round::Vote, 2, ballot(4));
        let refused =
            campaign.answered(Round::Vote, 4, (3, "o3"), Outcome::Refused("it voted for o1".into()));
        assert_eq!(told([refused]), "4 vote-refused o3: it voted for o1");
        assert_eq!(told(campaign.over(4, Some("o1"))), "4 lost: o1 leads in term 4");
        assert_eq!(campaign.over(4, Some("o1")), None, "told once");
        campaign.asks(Round::Vote, 2, ballot(5));
        assert_eq!(campaign.over(4, Some("o1")), None, "what was before it does not end it");
    }

    #[test]
    fn an_election_that_nobody_won_ends_with_the_next() {
        let mut campaign = Campaign::default();
        campaign.asks(Round::Vote, 2, ballot(4));
        let next = campaign.asks(Round::Vote, 2, ballot(5));
        assert_eq!(told(next), "4 lost: not enough votes in time; 5 candidate: 2 of 3 votes needed");
    }

    #[test]
    fn during_a_change_of_members_both_sets_must_agree() {
        let voters = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 2, 3, 4, 5])];
        let joint = Ballot { voters, handed_over: true, ..ballot(9) };
        let asked = Campaign::default().asks(Round::Vote, 1, joint);
        assert_eq!(told(asked), "9 candidate: 2 of 3 and 3 of 5 votes needed, as the leader wishes");
    }

    #[test]
    fn the_first_election_knows_its_voters_before_the_members_are_told() {
        let mut campaign = Campaign::default();
        campaign.begins_with(BTreeSet::from([1, 2, 3, 4, 5]));
        let first = campaign.asks(Round::Vote, 1, Ballot { term: 1, ..Ballot::default() });
        assert_eq!(told(first), "1 candidate: 3 of 5 votes needed");
        assert_eq!(told([campaign.won(1)]), "1 won: 1 of 5 votes");
    }

    #[test]
    fn who_never_heard_a_leader_says_so() {
        let asked = Campaign::default().asks(Round::Trial, 2, ballot(2));
        assert_eq!(told(asked), "1 timed-out: no leader was heard yet");
    }
}
