//! Votes, on both sides of the question: sent and answered as the raft library wants, and told.

use std::collections::BTreeSet;

use openraft::async_runtime::WatchReceiver;
use openraft::raft::{VoteRequest, VoteResponse};
use tokio::sync::watch;

use super::server::{Answer, Problem, Server, read, reply};
use crate::events::{Ballot, EventKind, Happening, Outcome, Refusal, Round, refusal};
use crate::local::{Local, lock};
use crate::member::{Member, NodeId};
use crate::types::{Metrics, Raft, TypeConfig};

impl Server {
    /// Answers a peer that stands for election, or asks whether it could.
    pub(super) async fn vote(&self, raft: &Raft, peer: &Member, round: Round, body: &[u8]) -> Answer {
        let asked: VoteRequest<TypeConfig> = read(body)?;
        self.speaker(raft, peer).vote(&asked).map_err(Problem::Refused)?;
        let heard = hears_a_leader(&self.local);
        let answer = match round {
            Round::Trial => raft.pre_vote(asked.clone()).await,
            Round::Vote => raft.vote(asked.clone()).await,
        };
        if let Ok(answer) = &answer {
            let refused = refusal(&asked, answer, Some(heard));
            let names = Names(Some(raft.metrics().borrow_watched().clone()));
            let refused = refused.map(|why| why.to_voter(|id| names.of(id), names.me()));
            self.local.tell(judged(round, &asked, peer, refused));
        }
        reply(answer)
    }
}

fn judged(
    round: Round,
    asked: &VoteRequest<TypeConfig>,
    peer: &Member,
    refused: Option<String>,
) -> Happening {
    let kind = match (round, refused.is_some()) {
        (Round::Trial, false) => EventKind::WouldVote,
        (Round::Trial, true) => EventKind::WouldNotVote,
        (Round::Vote, false) => EventKind::Voted,
        (Round::Vote, true) => EventKind::RefusedVote,
    };
    let told = Happening::new(kind, asked.vote.leader_id.term).peer(peer.raft_addr.as_str());
    Happening { detail: refused, ..told }
}

/// Whether this node heard its leader within the lease, or leads.
fn hears_a_leader(local: &Local) -> bool {
    let lease = local.settings.timings.election_max;
    local.holds().leads || local.contact().is_some_and(|contact| contact.at.elapsed() < lease)
}

/// The questions of this node's own elections.
#[derive(Clone)]
pub(super) struct OwnVotes {
    /// The raft core that asks; it runs before anybody is asked.
    pub(super) raft: watch::Receiver<Option<Raft>>,
}

impl OwnVotes {
    fn names(&self) -> Names {
        Names(self.raft.borrow().as_ref().map(|raft| raft.metrics().borrow_watched().clone()))
    }

    /// One peer is about to be asked.
    pub(super) fn asks(&self, local: &Local, round: Round, asked: &VoteRequest<TypeConfig>) {
        let names = self.names();
        let leader = names.0.as_ref().and_then(|metrics| metrics.current_leader);
        let contact = local.contact().filter(|contact| Some(contact.leader) == leader);
        let silent_ms =
            contact.map(|contact| u64::try_from(contact.at.elapsed().as_millis()).unwrap_or(u64::MAX));
        let ballot = Ballot {
            term: asked.vote.leader_id.term,
            voters: names.voters(),
            leader: leader.filter(|_| contact.is_some()).map(|id| names.of(id)),
            silent_ms,
            handed_over: asked.leadership_transfer,
        };
        let told = lock(&local.campaign).asks(round, asked.vote.leader_id.voted_for, ballot);
        local.journal.tell_all(local.name(), told);
    }

    /// It answered, or did not.
    pub(super) fn heard(
        &self,
        local: &Local,
        round: Round,
        asked: &VoteRequest<TypeConfig>,
        peer: (NodeId, &str),
        answer: Result<&VoteResponse<TypeConfig>, String>,
    ) {
        let outcome = match answer.map(|answer| refusal(asked, answer, None)) {
            Ok(None) => Outcome::Granted,
            Ok(Some(why)) => Outcome::Refused(self.in_words(why, peer.0)),
            Err(why) => Outcome::NoAnswer(why),
        };
        let told = lock(&local.campaign).answered(round, asked.vote.leader_id.term, peer, outcome);
        local.tell(told);
    }

    fn in_words(&self, why: Refusal, voter: NodeId) -> String {
        let names = self.names();
        why.to_candidate(|id| names.of(id), voter)
    }
}

/// The members, as this node's log has them.
struct Names(Option<Metrics>);

impl Names {
    fn me(&self) -> NodeId {
        self.0.as_ref().map_or(0, |metrics| metrics.id)
    }

    fn of(&self, id: NodeId) -> String {
        let known = self.0.as_ref().and_then(|metrics| metrics.membership_config.membership().get_node(&id));
        known.map_or_else(|| format!("node {id}"), |info| info.raft_addr.clone())
    }

    fn voters(&self) -> Vec<BTreeSet<NodeId>> {
        self.0
            .as_ref()
            .map(|metrics| metrics.membership_config.get_joint_config().clone())
            .unwrap_or_default()
    }
}
