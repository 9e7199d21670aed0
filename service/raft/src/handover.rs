//! Hands leadership to another voter: to one that answers, and to the next one when that one does not take it.
//!
//! The raft library sends its offer once, and a leader that made one sends no heartbeats any more. An offer that is lost
//! costs an ordinary election.

use std::cmp::Reverse;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::YieldError;
use crate::events::{EventKind, Happening};
use crate::member::{Member, NodeId, PeerName};
use crate::node::RaftNode;
use crate::observer::Leadership;
use crate::transport::{Kind, Lane, encode};
use crate::types::{Metrics, Raft};

/// Whoever is to be offered leadership says within this time that it is there, on the connection that the offer will
/// take: after a cut, one may be silent for seconds although the way is free.
const LOOK_LIMIT: Duration = Duration::from_millis(75);
/// Whoever was offered leadership leads within this time: four messages, one after the other, and two syncs. Then the
/// next one is asked. Whoever voted by then takes no offer of the old term, so two never take it.
const OFFER_LIMIT: Duration = Duration::from_millis(200);

/// A voter that can be offered leadership.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heir {
    node_id: NodeId,
    /// The address that the group knows it by.
    raft_addr: String,
}

impl RaftNode {
    /// Hands leadership to the voter called `name` (`host[:port]`), or to the most up-to-date one that answers.
    ///
    /// Returns when somebody else leads. Only the leader can.
    pub async fn yield_to(&self, name: Option<&str>, limit: Duration) -> Result<Member, YieldError> {
        let deadline = Instant::now() + limit;
        let me = self.health().me.node_id;
        let not_leader = || YieldError::NotLeader { leader: self.leadership().leader };
        let raft = self.raft().ok_or_else(not_leader)?;
        let metrics = raft.metrics().borrow_watched().clone();
        if !metrics.state.is_leader() {
            return Err(not_leader());
        }
        let mut heirs = heirs(&metrics);
        if let Some(name) = name {
            let wanted = self.voter_named(name, me)?;
            heirs.retain(|heir| heir.node_id == wanted);
        }
        if heirs.is_empty() {
            return Err(YieldError::NoFollower);
        }
        let term = metrics.current_term;
        let mut leadership = self.watch_leadership();
        self.give_away(term).await;
        // Not who led before this node, of whom it may not have told yet that it leads itself.
        let other = |now: &Leadership| {
            now.term > term && now.leader.as_ref().is_some_and(|leader| leader.node_id != me)
        };
        tokio::select! {
            biased;
            taken = timeout_at(deadline, leadership.wait_for(other)) => match taken {
                Ok(Ok(now)) => Ok(now.leader.clone().unwrap_or_default()),
                Ok(Err(_)) => Err(YieldError::Stopped { reason: "the node is gone".into() }),
                Err(_) => Err(YieldError::Timeout { waited: limit }),
            },
            stopped = self.offer_to_all(&raft, &heirs, term) => Err(stopped),
        }
    }

    /// From here on this node does not lead in `term`: whoever is asked to take over needs no lease to end, so this
    /// node must have stopped saying that it leads before.
    async fn give_away(&self, term: u64) {
        let mut leadership = self.watch_leadership();
        self.inner.local.give_away(term);
        self.inner.refresh.notify_one();
        let said = leadership.wait_for(|now| !now.is_me || now.term != term);
        // A tick is due sooner; were it not, the hand-over matters more.
        let _ = timeout(self.inner.local.settings.timings.health_tick, said).await;
    }

    fn voter_named(&self, name: &str, me: NodeId) -> Result<NodeId, YieldError> {
        let unknown = || YieldError::UnknownNode { name: name.to_owned() };
        let wanted = PeerName::parse(name).ok_or_else(unknown)?;
        let health = self.health();
        let voter = health
            .peers
            .iter()
            .find(|peer| peer.voter && peer.member.node_id != me && peer.member.raft_addr == wanted.as_str());
        voter.map(|peer| peer.member.node_id).ok_or_else(unknown)
    }

    /// Offers leadership round after round, until the raft core stops.
    async fn offer_to_all(&self, raft: &Raft, heirs: &[Heir], term: u64) -> YieldError {
        loop {
            // All are looked at at once; nobody is waited for but those before it.
            let mut looks: FuturesOrdered<_> = heirs.iter().map(|heir| self.look_at(heir)).collect();
            let mut silent = Vec::new();
            while let Some((heir, is_there)) = looks.next().await {
                if !is_there {
                    silent.push(heir);
                } else if let Err(stopped) = self.offer_to(raft, heir, term).await {
                    return stopped;
                }
            }
            for heir in silent {
                if let Err(stopped) = self.offer_to(raft, heir, term).await {
                    return stopped;
                }
            }
        }
    }

    /// Whether it answers on the connection of elections.
    async fn look_at<'a>(&self, heir: &'a Heir) -> (&'a Heir, bool) {
        let local = &self.inner.local;
        let Ok(report) = encode(&local.report()) else { return (heir, false) };
        let link = self.inner.links.to(heir.node_id, &heir.raft_addr, Lane::Election);
        (heir, link.call(Kind::Report, &report, Instant::now() + LOOK_LIMIT).await.is_ok())
    }

    /// Asks it to stand, and gives it time to win; does not come back once this leadership is over.
    async fn offer_to(&self, raft: &Raft, heir: &Heir, term: u64) -> Result<(), YieldError> {
        // An offer is made by whoever leads then: not by this node in a term that it did not give away.
        if !leads_in(&raft.metrics().borrow_watched(), term) {
            return std::future::pending().await;
        }
        let offered = Happening::new(EventKind::HandingOver, term).peer(heir.raft_addr.as_str());
        self.inner.local.tell(offered);
        let sent = raft.trigger().transfer_leader(heir.node_id).await;
        sent.map_err(|fatal| YieldError::Stopped { reason: fatal.to_string() })?;
        tokio::time::sleep(OFFER_LIMIT).await;
        Ok(())
    }
}

fn leads_in(metrics: &Metrics, term: u64) -> bool {
    metrics.state.is_leader() && metrics.current_term == term
}

/// All other voters: the longest log first, of these who answered most recently.
fn heirs(metrics: &Metrics) -> Vec<Heir> {
    let Some(replication) = metrics.replication.as_ref() else { return Vec::new() };
    let stored = &metrics.membership_config;
    let answered = |id: &NodeId| metrics.heartbeat.as_ref()?.get(id).copied().flatten();
    let mut voters: Vec<NodeId> = stored.voter_ids().filter(|id| *id != metrics.id).collect();
    voters.retain(|id| replication.contains_key(id));
    voters.sort_by_key(|id| Reverse((replication[id], answered(id))));
    let named = voters.into_iter().filter_map(|node_id| {
        let raft_addr = stored.get_node(&node_id)?.raft_addr.clone();
        Some(Heir { node_id, raft_addr })
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::member::MemberInfo;
    use crate::types::{LogId, StoredMembership};

    /// Of voters 1 to 4 and the learner 5, where 1 leads, and these have acknowledged so much.
    fn in_order(matched: &[(NodeId, u64)]) -> Vec<NodeId> {
        let info = |id: NodeId| MemberInfo { raft_addr: format!("n{id}:1"), ..MemberInfo::default() };
        let nodes: BTreeMap<NodeId, MemberInfo> = (1..=5).map(|id| (id, info(id))).collect();
        let membership = openraft::Membership::new(vec![BTreeSet::from([1, 2, 3, 4])], nodes);
        let mut metrics = Metrics::new_initial(1);
        metrics.membership_config = StoredMembership::new(None, membership.expect("each has a node")).into();
        let acknowledged = matched.iter().map(|(id, index)| (*id, Some(LogId::new_term_index(1, *index))));
        metrics.replication = Some(acknowledged.collect());
        heirs(&metrics).into_iter().map(|heir| heir.node_id).collect()
    }

    #[test]
    fn leadership_is_offered_to_the_longest_log_first_and_to_voters_only() {
        assert_eq!(in_order(&[(1, 9), (2, 7), (3, 9), (4, 8), (5, 9)]), [3, 4, 2]);
        assert_eq!(in_order(&[(1, 9), (4, 8)]), [4], "who never acknowledged anything is not there");
        assert!(in_order(&[(1, 9)]).is_empty());
    }
}
