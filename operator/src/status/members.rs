//! Who is there, what each is in the group, and who leads.

use orchestrator_crds::{
    LeaderStatus, MemberStatus, MembershipEntry, MembershipStatus, OrchestratorClusterStatus, Role,
    StorageState,
};
use orchestrator_wire::MemberName;

use super::{facts::Facts, record::number, time};
use crate::{
    observation::{Answer, Seat},
    plan::view::{Data, LAG_LIMIT},
};

/// More than the spec allows to wish for; the definition refuses longer lists.
const MEMBERS_MAX: usize = 16;

/// Everything about members.
pub(super) fn fill(next: &mut OrchestratorClusterStatus, facts: &Facts<'_>) {
    let Facts { seen, view, previous, .. } = facts;
    let pods = || seen.seats.values().filter_map(|seat| seat.pod.as_ref());
    let current = seen.set.as_ref().filter(|set| set.observed).map(|set| set.update_revision.as_str());
    next.replicas = Some(count(pods().count()));
    next.ready_replicas = Some(count(facts.ready()));
    next.updated_replicas = Some(count(pods().filter(|pod| current == Some(pod.revision.as_str())).count()));
    next.membership = membership(facts).or_else(|| previous.membership.clone());
    if let Some(membership) = &next.membership {
        next.voters = Some(count(membership.voters.len()));
        next.learners = Some(count(membership.learners.len()));
        next.healthy_voters = facts.is_quorum_known().then(|| count(view.contributing().len()));
    }
    next.leader = leader(facts);
    next.members = members(facts);
    next.version = version(facts).or_else(|| previous.version.clone());
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// As last known; nothing while no member knows of any.
fn membership(facts: &Facts<'_>) -> Option<MembershipStatus> {
    let known = facts.view.known().filter(|known| !known.membership.voters.is_empty())?;
    let entries = |names: &[MemberName]| -> Vec<MembershipEntry> {
        let entry =
            |name: &MemberName| MembershipEntry { node_id: number(name.node_id), address: name.addr.clone() };
        names.iter().take(MEMBERS_MAX).map(entry).collect()
    };
    Some(MembershipStatus {
        log_index: number(known.membership_log_index.unwrap_or(0)),
        joint: known.membership.joint,
        voters: entries(&known.membership.voters),
        learners: entries(&known.membership.learners),
    })
}

/// Who leads, since when it was seen to. One who does not answer for a moment, while others hear it, is kept.
fn leader(facts: &Facts<'_>) -> Option<LeaderStatus> {
    let before = facts.previous.leader.as_ref();
    let Some(leader) = facts.view.leader() else {
        return before.filter(|_| facts.is_quorum_seen() || !facts.is_quorum_known()).cloned();
    };
    let (node_id, term) = (number(leader.status.node_id), number(leader.status.term));
    let same = before.filter(|before| before.node_id == node_id && before.term == term);
    Some(LeaderStatus {
        pod: leader.ordinal.map(|ordinal| facts.view.pod_name(ordinal)),
        node_id,
        term,
        since: same.map_or_else(|| time(facts.seen.now), |before| before.since.clone()),
    })
}

fn members(facts: &Facts<'_>) -> Vec<MemberStatus> {
    let here = facts.seen.seats.iter().map(|(ordinal, seat)| here(facts, *ordinal, seat));
    let outside = facts.seen.external.iter().map(|(address, answer)| outside(facts, address, answer));
    let mut members: Vec<MemberStatus> = here.chain(outside).take(MEMBERS_MAX).collect();
    for member in members.iter_mut().filter(|member| !member.reachable) {
        let before = facts.previous.members.iter().find(|before| before.pod == member.pod);
        member.last_seen = before.and_then(|before| match before.reachable {
            true => Some(time(facts.seen.now)),
            false => before.last_seen.clone(),
        });
    }
    members
}

/// A member that runs here, or whose volume waits.
fn here(facts: &Facts<'_>, ordinal: u32, seat: &Seat) -> MemberStatus {
    let pod = seat.pod.as_ref();
    let lost = seat.volume.as_ref().is_some_and(|volume| volume.state.lost_for(facts.seen.now).is_some());
    let node = pod.and_then(|pod| pod.node.clone());
    MemberStatus {
        pod: facts.view.pod_name(ordinal),
        ordinal: i32::try_from(ordinal).ok(),
        ready: pod.is_some_and(|pod| pod.ready_since.is_some()),
        revision: pod.map(|pod| pod.revision.clone()).filter(|revision| !revision.is_empty()),
        zone: node.as_ref().and_then(|node| facts.applied.zones.get(node).cloned()),
        node,
        storage_state: if lost { StorageState::Lost } else { storage(facts.view.data(ordinal)) },
        ..anywhere(facts, &seat.address, &seat.answer)
    }
}

/// A member that somebody else runs.
fn outside(facts: &Facts<'_>, address: &str, answer: &Answer) -> MemberStatus {
    let member = anywhere(facts, address, answer);
    let voter = facts.view.voter_at(address);
    let heard = voter.is_some_and(|node| facts.view.is_heard(node));
    let storage_state = if heard { StorageState::Ok } else { StorageState::Unknown };
    MemberStatus { ready: heard, storage_state, ..member }
}

fn anywhere(facts: &Facts<'_>, address: &str, answer: &Answer) -> MemberStatus {
    let view = &facts.view;
    let listed = view.voter_at(address).or_else(|| view.learner_at(address));
    let node = match answer.status() {
        Some(status) => Some(status.node_id).filter(|node| *node != 0),
        None => listed,
    };
    let role = role(facts, address, node);
    // What is replicated within a moment is no lag, and would be written down in each pass.
    let lag = node.and_then(|node| view.lag(node)).filter(|lag| *lag > LAG_LIMIT || role == Role::Learner);
    MemberStatus {
        pod: address.to_owned(),
        ordinal: None,
        address: address.to_owned(),
        node_id: node.map(number),
        role,
        ready: false,
        reachable: answer.status().is_some(),
        lag: lag.map(number),
        version: answer.status().map(|status| status.version.clone()).filter(|version| !version.is_empty()),
        revision: None,
        node: None,
        zone: None,
        storage_state: StorageState::Unknown,
        last_seen: None,
    }
}

fn role(facts: &Facts<'_>, address: &str, node: Option<u64>) -> Role {
    let is = |known: Option<u64>| known.is_some() && known == node;
    match facts.view.leader() {
        Some(leader) if leader.address == address => Role::Leader,
        _ if is(facts.view.voter_at(address)) => Role::Follower,
        _ if is(facts.view.learner_at(address)) => Role::Learner,
        _ => Role::None,
    }
}

fn storage(data: Data) -> StorageState {
    match data {
        Data::Own(_) => StorageState::Ok,
        Data::Empty => StorageState::Empty,
        Data::Foreign => StorageState::Foreign,
        Data::Stale => StorageState::Stale,
        Data::Corrupt => StorageState::Corrupt,
        Data::Unknown => StorageState::Unknown,
    }
}

/// The oldest that runs.
fn version(facts: &Facts<'_>) -> Option<String> {
    let versions =
        facts.view.answers().map(|(.., status)| &status.version).filter(|version| !version.is_empty());
    versions.min_by_key(|version| parts(version)).cloned()
}

/// `1.10.0-rc.1` → `[1, 10, 0]`, and whether it is the release itself.
fn parts(version: &str) -> (Vec<u64>, bool) {
    let (numbers, release) = match version.split_once(['-', '+']) {
        Some((numbers, _)) => (numbers, false),
        None => (version, true),
    };
    (numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect(), release)
}
