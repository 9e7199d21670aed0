//! The one time that a group is formed, or found.
//!
//! A group is formed only when every member answers that it holds nothing, by one member, with a list that was
//! written down before. Whoever holds data belongs to a group that exists already: that one is found, not replaced.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator_crds::{BootstrapStatus, ConditionType, EventReason, OperationType, Reason, verb};
use orchestrator_wire::{DataState, MemberStatus};

use super::{
    Action, Flow,
    draft::{Draft, FORMING_LIMIT, SOON, peers},
    view::View,
};
use crate::observation::VolumeState;

pub(super) fn decide(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let memory = &view.seen().memory;
    if memory.cluster_id.is_some() {
        return Flow::Next;
    }
    if view.seen().verbs.allow_rebootstrap.is_some() {
        // It was carried out, or there is nothing to carry out: the next group is not the one that it was about.
        draft.act(Action::ClearVerb { key: verb::ALLOW_REBOOTSTRAP, pod: None }, SOON);
        return Flow::Decided;
    }
    let record = memory.bootstrap.as_ref().filter(|record| record.completed_at.is_none());
    draft.replicas = pods(view, record);
    draft.peers = peers(view, draft.replicas);
    draft.wait(SOON);
    if find(view, record, draft) == Flow::Next {
        match record {
            Some(record) => form(view, record, draft),
            None => prepare(view, draft),
        }
    }
    Flow::Decided
}

/// How many pods: those that are wished, unless a list was written down, or data was found.
fn pods(view: &View<'_>, record: Option<&BootstrapStatus>) -> u32 {
    let running = view.seen().set.as_ref().map_or(0, |set| set.replicas);
    let wished = view.wished_pods();
    if holders(view).next().is_some() {
        return wished.max(view.occupied()).max(running);
    }
    match record {
        Some(record) => u32::try_from(record.members.len()).unwrap_or(wished).max(running),
        None => wished.max(claimed(view)),
    }
}

/// One more than the highest ordinal with a volume that may hold data: whoever it belongs to is asked before a group
/// is formed, also when fewer members are wished by now.
fn claimed(view: &View<'_>) -> u32 {
    let seats = view.seen().seats.iter();
    let claimed = seats.filter(|(_, seat)| {
        seat.volume
            .as_ref()
            .is_some_and(|volume| volume.state == VolumeState::Bound || volume.group.is_some())
    });
    claimed.map(|(ordinal, _)| ordinal + 1).max().unwrap_or(0)
}

/// Members with data, in Kubernetes and outside.
fn holders<'a>(view: &View<'a>) -> impl Iterator<Item = (&'a str, &'a MemberStatus)> {
    let present = view.answers().filter(|(.., status)| status.data_state != DataState::Empty);
    present.map(|(address, _, status)| (address, status))
}

/// Finds the group to which members belong already: that of a leader, or the one on which most members agree.
fn find(view: &View<'_>, record: Option<&BootstrapStatus>, draft: &mut Draft<'_>) -> Flow {
    let led = view.leader().map(|leader| leader.status.cluster_id.clone());
    let Some(cluster_id) = led.or_else(|| agreed(view)) else { return Flow::Next };
    let adopted = record.is_none_or(|record| record.cluster_id != cluster_id);
    // A list that was written down is finished by its leader, not by a few who heard of it.
    if !adopted && view.leader().is_none() {
        return Flow::Next;
    }
    let reason = if adopted { EventReason::ClusterAdopted } else { EventReason::ClusterBootstrapped };
    draft.under(OperationType::Bootstrap, names(view), format!("group {cluster_id} exists"));
    draft.tell(reason, None, format!("group {cluster_id}"));
    draft.act(Action::RecordGroup { cluster_id, adopted }, SOON);
    Flow::Decided
}

/// The group to which a majority of the wished members belongs.
fn agreed(view: &View<'_>) -> Option<String> {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for (address, status) in holders(view) {
        if view.ordinal_of(address).is_some() && status.data_state == DataState::Present {
            *votes.entry(&status.cluster_id).or_default() += 1;
        }
    }
    let majority = view.seen().spec.replicas as usize / 2 + 1;
    votes.into_iter().find(|(_, votes)| *votes >= majority).map(|(group, _)| group.to_owned())
}

fn names(view: &View<'_>) -> Vec<String> {
    (0..view.wished_pods()).map(|ordinal| view.pod_name(ordinal)).collect()
}

/// Whoever of `ordinals` did not answer, and why.
fn missing(view: &View<'_>, ordinals: impl Iterator<Item = u32>) -> Vec<String> {
    let silent =
        ordinals.filter(|ordinal| view.seat(*ordinal).is_none_or(|seat| seat.answer.status().is_none()));
    let named = silent.map(|ordinal| {
        view.trouble(ordinal).unwrap_or_else(|| format!("{} does not answer yet", view.pod_name(ordinal)))
    });
    named.collect()
}

/// Writes down which group is going to be formed, once everybody is there and holds nothing.
fn prepare(view: &View<'_>, draft: &mut Draft<'_>) {
    let (wished, asked) = (view.wished_pods(), draft.replicas);
    let missing = missing(view, 0..asked);
    if !missing.is_empty() {
        let message = format!(
            "The group is formed when all {asked} members that are wished or have a volume answer. {}.",
            missing.join(". ")
        );
        draft.under(
            OperationType::Bootstrap,
            names(view),
            format!("waits for members: {}", missing.join("; ")),
        );
        draft.say(ConditionType::Bootstrapped, Reason::WaitingForMembers, message);
        return;
    }
    if holders(view).next().is_some() {
        return refuse(view, draft);
    }
    let seen = view.seen();
    let members: BTreeMap<u64, String> = seen
        .seats
        .range(..wished)
        .map(|(ordinal, seat)| (u64::from(*ordinal) + 1, seat.address.clone()))
        .collect();
    let id = seen.fresh_id.clone();
    draft.under(
        OperationType::Bootstrap,
        names(view),
        "the group is written down before it is formed".into(),
    );
    draft.act(Action::RecordBootstrap { token: id.clone(), cluster_id: id, members }, SOON);
}

/// Members hold data, and no majority of them the same: a second group could be formed over the first.
fn refuse(view: &View<'_>, draft: &mut Draft<'_>) {
    let holders = holders(view).map(|(address, status)| match status.data_state {
        DataState::Corrupt => {
            format!("{} holds data that it cannot read: {}", view.called(address), status.reason)
        }
        _ => format!("{} holds data of group {}", view.called(address), status.cluster_id),
    });
    let told: BTreeSet<String> = holders.collect();
    let told: Vec<String> = told.into_iter().collect();
    let message = format!(
        "{}, and the other members hold nothing. No group is formed over data. Bring the volumes of the other members \
         back, or, if this data is not needed, delete the claim and the pod of each member that holds some.",
        told.join(", ")
    );
    draft.under(OperationType::Bootstrap, names(view), "waits for a person: some members hold data".into());
    draft.say(ConditionType::Bootstrapped, Reason::DataWithoutQuorum, message);
}

/// Has the first member form the group that was written down: the same list for ever, and nobody else.
fn form(view: &View<'_>, record: &BootstrapStatus, draft: &mut Draft<'_>) {
    let addresses: Vec<&str> = record.members.iter().map(|member| member.address.as_str()).collect();
    let targets: Vec<String> = addresses.iter().map(|address| view.called(address)).collect();
    let ordinals = addresses.iter().filter_map(|address| view.ordinal_of(address));
    let missing = missing(view, ordinals);
    let began = holders(view).next().is_some();
    let step = match (began, missing.is_empty()) {
        (true, _) => format!("waits for a leader: {}", view.troubles().join("; ")),
        (false, false) => format!("waits for members: {}", missing.join("; ")),
        (false, true) => "forms the group".to_owned(),
    };
    if view.now().duration_since(record.started_at.0) > FORMING_LIMIT {
        let message = format!(
            "The group {} was to be formed by {} and has no leader yet: {}. See kubectl logs of these pods.",
            record.cluster_id,
            targets.join(", "),
            if began { view.troubles().join("; ") } else { missing.join("; ") },
        );
        draft.say(ConditionType::Bootstrapped, Reason::BootstrapStalled, message);
    } else {
        let message = format!("The group is being formed: it {step}.");
        draft.say(ConditionType::Bootstrapped, Reason::WaitingForMembers, message);
    }
    draft.under(OperationType::Bootstrap, targets, step);
    if !began && missing.is_empty() {
        draft.act(Action::Bootstrap, SOON);
    }
}
