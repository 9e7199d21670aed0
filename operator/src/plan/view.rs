//! What follows from what was seen: who leads, who belongs to the group, and whom it can spare.
//!
//! Every predicate that more than one operation asks is here, so that it has one meaning, for the status as well.

mod data;
mod spare;
mod words;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use orchestrator_wire::{DataState, MemberName, MemberStatus};

use crate::observation::{Observation, Pod, Seat};

pub use data::Data;

/// A member that acknowledged something within this time is there: two election timeouts, as in `raft-health`.
pub const FRESH_ACK_MS: u64 = 1_000;

/// A member that lags by no more entries than this has the rest within milliseconds; the service's own limit for a
/// learner that is to vote.
pub const LAG_LIMIT: u64 = 100;

/// For how long one leader must have led before anybody is disturbed: an election that follows another one shows that
/// something is wrong which is not understood yet.
pub const STABLE_LEADER: SignedDuration = SignedDuration::from_secs(10);

/// What follows from one observation.
#[derive(Debug)]
pub struct View<'a> {
    seen: &'a Observation,
    leader: Option<Leader<'a>>,
    split: bool,
    known: Option<&'a MemberStatus>,
}

/// Who leads, acknowledged by a quorum.
#[derive(Debug, Clone, Copy)]
pub struct Leader<'a> {
    /// Its raft address.
    pub address: &'a str,
    /// Its ordinal; `None` for an external member.
    pub ordinal: Option<u32>,
    /// What it says.
    pub status: &'a MemberStatus,
}

impl<'a> View<'a> {
    /// Looks at `seen`.
    #[must_use]
    pub fn new(seen: &'a Observation) -> Self {
        let mut view = Self { seen, leader: None, split: false, known: None };
        let leaders: Vec<Leader<'a>> = view.leaders().collect();
        view.leader = leaders.iter().copied().max_by_key(|leader| rank(leader.status));
        view.split = view.leader.is_some_and(|first| {
            let rivals = leaders.iter().filter(|other| rank(other.status) == rank(first.status));
            rivals.count() > 1
        });
        view.known = view.leader.map(|leader| leader.status).or_else(|| {
            let told = view.answers().map(|(.., status)| status).filter(|status| view.is_ours(status));
            told.max_by_key(|status| (status.epoch, status.membership_log_index))
        });
        view
    }

    /// What was seen.
    #[must_use]
    pub fn seen(&self) -> &'a Observation {
        self.seen
    }

    /// When it was seen.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.seen.now
    }

    /// Who leads: of those who say so with a quorum behind them, the one of the highest term.
    #[must_use]
    pub fn leader(&self) -> Option<&Leader<'a>> {
        self.leader.as_ref()
    }

    /// Whether the group has a leader: one that answers, or one of whom a healthy member knows.
    #[must_use]
    pub fn is_led(&self) -> bool {
        self.leader.is_some()
            || self.answers().any(|(.., status)| self.is_ours(status) && status.status.healthy)
    }

    /// Two members say that they lead, in one term: nothing that anybody says can be trusted.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.split
    }

    /// Everybody who answered: address, ordinal (`None` outside of Kubernetes), and what it says.
    pub fn answers(&self) -> impl Iterator<Item = (&'a str, Option<u32>, &'a MemberStatus)> {
        let seats = self.seen.seats.iter().filter_map(|(ordinal, seat)| {
            Some((seat.address.as_str(), Some(*ordinal), seat.answer.status()?))
        });
        let external = self.seen.external.iter();
        let external =
            external.filter_map(|(address, answer)| Some((address.as_str(), None, answer.status()?)));
        seats.chain(external)
    }

    fn leaders(&self) -> impl Iterator<Item = Leader<'a>> {
        let leading = |status: &MemberStatus| {
            let acknowledged = status.last_quorum_ack_ms.is_none_or(|age| age <= FRESH_ACK_MS);
            status.status.state == "Leader" && status.status.healthy && acknowledged
        };
        let leaders = self.answers().filter(move |(.., status)| leading(status) && self.is_ours(status));
        leaders.map(|(address, ordinal, status)| Leader { address, ordinal, status })
    }

    /// Whether a member with data belongs to this group, or to any while there is no group yet.
    fn is_ours(&self, status: &MemberStatus) -> bool {
        let group = self.seen.memory.cluster_id.as_deref();
        status.data_state == DataState::Present && group.is_none_or(|id| id == status.cluster_id)
    }

    /// The member whose list of members is the newest that is known: the leader, if there is one.
    #[must_use]
    pub fn known(&self) -> Option<&'a MemberStatus> {
        self.known
    }

    /// Who votes, as last known.
    #[must_use]
    pub fn voters(&self) -> &'a [MemberName] {
        self.known.map_or(&[], |status| &status.membership.voters)
    }

    /// Who follows without a vote, as last known.
    #[must_use]
    pub fn learners(&self) -> &'a [MemberName] {
        self.known.map_or(&[], |status| &status.membership.learners)
    }

    /// Everybody who belongs to the group, as last known.
    pub fn members(&self) -> impl Iterator<Item = &'a MemberName> {
        self.voters().iter().chain(self.learners())
    }

    /// How many of the voters are a majority.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.voters().len() / 2 + 1
    }

    /// Name of the pod of `ordinal`.
    #[must_use]
    pub fn pod_name(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.seen.name)
    }

    /// What people call the member at `address`: its pod, or the address itself outside of Kubernetes.
    #[must_use]
    pub fn called(&self, address: &str) -> String {
        self.ordinal_of(address).map_or_else(|| address.to_owned(), |ordinal| self.pod_name(ordinal))
    }

    /// The ordinal whose pod has this address, whether or not it is seen at the moment.
    #[must_use]
    pub fn ordinal_of(&self, address: &str) -> Option<u32> {
        let (prefix, suffix) = self.pattern()?;
        address.strip_prefix(prefix.as_str())?.strip_suffix(suffix)?.parse().ok()
    }

    /// The address that the pod of `ordinal` has, or would have.
    #[must_use]
    pub fn address_of(&self, ordinal: u32) -> Option<String> {
        let (prefix, suffix) = self.pattern()?;
        Some(format!("{prefix}{ordinal}{suffix}"))
    }

    /// What stands before and behind the ordinal in an address.
    fn pattern(&self) -> Option<(String, &'a str)> {
        let (ordinal, seat) = self.seen.seats.first_key_value()?;
        let prefix = format!("{}-", self.seen.name);
        let suffix =
            seat.address.strip_prefix(prefix.as_str())?.strip_prefix(ordinal.to_string().as_str())?;
        Some((prefix, suffix))
    }

    /// The seat at `address`.
    #[must_use]
    pub fn seat_at(&self, address: &str) -> Option<(u32, &'a Seat)> {
        let mut seats = self.seen.seats.iter();
        seats.find(|(_, seat)| seat.address == address).map(|(ordinal, seat)| (*ordinal, seat))
    }

    /// The seat of `ordinal`.
    #[must_use]
    pub fn seat(&self, ordinal: u32) -> Option<&'a Seat> {
        self.seen.seats.get(&ordinal)
    }

    /// The pod of `ordinal`.
    #[must_use]
    pub fn pod(&self, ordinal: u32) -> Option<&'a Pod> {
        self.seat(ordinal)?.pod.as_ref()
    }

    /// What the member at `address` says, if it answered.
    #[must_use]
    pub fn status_at(&self, address: &str) -> Option<&'a MemberStatus> {
        self.answers().find(|(of, ..)| *of == address).map(|(.., status)| status)
    }

    /// Voter at `address`.
    #[must_use]
    pub fn voter_at(&self, address: &str) -> Option<u64> {
        self.voters().iter().find(|member| member.addr == address).map(|member| member.node_id)
    }

    /// The newest learner at `address`: the disk of an older one is gone.
    #[must_use]
    pub fn learner_at(&self, address: &str) -> Option<u64> {
        let learners = self.learners().iter().filter(|member| member.addr == address);
        learners.map(|member| member.node_id).max()
    }

    /// How many pods people wish for.
    #[must_use]
    pub fn wished_pods(&self) -> u32 {
        u32::try_from(self.seen.spec.replicas).unwrap_or(0)
    }

    /// Addresses of the members that people wish for: pods in order, then external ones.
    #[must_use]
    pub fn wished(&self) -> Vec<String> {
        let pods = (0..self.wished_pods()).filter_map(|ordinal| self.address_of(ordinal));
        pods.chain(self.seen.spec.raft.external_members.iter().cloned()).collect()
    }

    /// One more than the highest ordinal that belongs to the group, as last known: no fewer pods may there be.
    #[must_use]
    pub fn occupied(&self) -> u32 {
        let ordinals = self.members().filter_map(|member| self.ordinal_of(&member.addr));
        ordinals.max().map_or(0, |highest| highest + 1)
    }

    /// By how many entries a member lags; `None` without a leader, or while it acknowledged nothing.
    #[must_use]
    pub fn lag(&self, node: u64) -> Option<u64> {
        let leader = self.leader?.status;
        if leader.node_id == node {
            return Some(0);
        }
        let matched = leader.replication.get(&node)?.matched_index?;
        Some(leader.last_log_index.unwrap_or(0).saturating_sub(matched))
    }

    /// Whether the leader hears a member, or is it.
    #[must_use]
    pub fn is_heard(&self, node: u64) -> bool {
        self.leader.is_some_and(|leader| {
            let heard = leader.status.replication.get(&node).and_then(|progress| progress.last_ack_ms);
            leader.status.node_id == node || heard.is_some_and(|age| age <= FRESH_ACK_MS)
        })
    }

    /// Whether the leader hears a member, and it has nearly all entries.
    #[must_use]
    pub fn is_caught_up(&self, node: u64) -> bool {
        self.is_heard(node) && self.lag(node).is_some_and(|lag| lag <= LAG_LIMIT)
    }

    /// Voters on which the group can count at the moment.
    #[must_use]
    pub fn contributing(&self) -> BTreeSet<u64> {
        let voters = self.voters().iter().filter(|voter| self.contributes(voter));
        voters.map(|voter| voter.node_id).collect()
    }

    /// Whether the group can count on a member: caught up, and its pod is ready and to stay.
    #[must_use]
    pub fn contributes(&self, member: &MemberName) -> bool {
        let same = self.status_at(&member.addr).is_none_or(|status| {
            status.node_id == member.node_id && self.known.is_some_and(|known| known.epoch == status.epoch)
        });
        let stays = match self.ordinal_of(&member.addr) {
            Some(ordinal) => {
                self.pod(ordinal).is_some_and(|pod| pod.ready_since.is_some() && !pod.terminating)
            }
            None => true,
        };
        same && stays && self.is_caught_up(member.node_id)
    }

    /// A leader, and a majority of voters on which it can count.
    #[must_use]
    pub fn has_quorum(&self) -> bool {
        self.leader.is_some() && self.contributing().len() >= self.majority()
    }

    /// Pods that are ready for kubelet and silent for the operator.
    pub fn unreached(&self) -> impl Iterator<Item = u32> {
        let ready = self.seen.seats.iter().filter(|(_, seat)| is_ready(seat));
        ready.filter(|(_, seat)| seat.answer.status().is_none()).map(|(ordinal, _)| *ordinal)
    }

    /// Kubelet says that members are well, and none of them answers the operator: it is the operator that is cut off.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.unreached().next().is_some() && self.answers().next().is_none()
    }

    /// Whether a change of the members is under way.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        let members = self.leader.map(|leader| &leader.status.membership);
        members.is_some_and(|members| members.joint || !members.committed)
    }

    /// Whether one leader has led, in one term, for long enough.
    #[must_use]
    pub fn is_led_steadily(&self) -> bool {
        let leads = self.leader.map(|leader| (leader.status.node_id, leader.status.term));
        let since = self.seen.memory.leader.filter(|(node, term, _)| leads == Some((*node, *term)));
        since.is_some_and(|(.., since)| self.now().duration_since(since) >= STABLE_LEADER)
    }
}

/// Which of two that say that they lead is right: the one of the later epoch, then of the later term.
fn rank(status: &MemberStatus) -> (u64, u64) {
    (status.epoch, status.term)
}

fn is_ready(seat: &Seat) -> bool {
    seat.pod.as_ref().is_some_and(|pod| pod.ready_since.is_some() && !pod.terminating)
}
