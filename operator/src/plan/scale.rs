//! More or fewer members, here or outside.
//!
//! Whoever is new joins as a learner and catches up; then one joint change makes exactly the wished members vote, so
//! that there is no even stop on the way. Whoever goes is let go by the group first, then loses its pod, then its volume.

use orchestrator_crds::{ConditionType, EventReason, OperationType, Reason, ScaleRetention};
use orchestrator_wire::{DataState, MemberName};

use super::{
    Action, Change, Flow,
    draft::{Draft, PODS_PAUSE, SOON},
    view::{Data, Leader, View},
};

/// Learners at addresses that nobody wishes for (a scale-up that was taken back) are dropped.
pub(super) fn unwanted(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let Some(leader) = view.leader() else { return Flow::Next };
    let wished = view.wished();
    let mut learners = view.learners().iter();
    let unwanted =
        learners.find(|learner| !wished.contains(&learner.addr) && view.voter_at(&learner.addr).is_none());
    let Some(learner) = unwanted else { return Flow::Next };
    draft.under(OperationType::ScaleDown, vec![view.called(&learner.addr)], "leaves before it voted".into());
    draft.change(leader, Change::RemoveLearner(learner.node_id));
    Flow::Decided
}

pub(super) fn decide(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let Some(leader) = view.leader() else { return Flow::Next };
    let wished = view.wished();
    let missing: Vec<&String> = wished.iter().filter(|address| view.voter_at(address).is_none()).collect();
    let surplus: Vec<&MemberName> =
        view.voters().iter().filter(|voter| !wished.contains(&voter.addr)).collect();
    if !missing.is_empty() {
        let names = missing.iter().map(|address| view.called(address)).collect();
        return grow(view, leader, names, &missing, &surplus, draft);
    }
    if !surplus.is_empty() {
        let names = surplus.iter().map(|voter| view.called(&voter.addr)).collect();
        draft.under(OperationType::ScaleDown, names, "leaves the group".into());
        vote(view, leader, &wished, draft);
        return Flow::Decided;
    }
    draft.done(OperationType::ScaleUp, EventReason::ScaledUp, &format!("{} members vote", wished.len()));
    clear(view, leader, draft)
}

fn grow(
    view: &View<'_>,
    leader: &Leader<'_>,
    names: Vec<String>,
    missing: &[&String],
    surplus: &[&MemberName],
    draft: &mut Draft<'_>,
) -> Flow {
    let leaving = |voter: &&MemberName| surplus.iter().any(|other| other.node_id == voter.node_id);
    let unwell: Vec<String> = view
        .voters()
        .iter()
        .filter(|voter| !leaving(voter) && !view.contributes(voter))
        .map(|voter| trouble(view, &voter.addr))
        .collect();
    if !unwell.is_empty() {
        draft.under(
            OperationType::ScaleUp,
            names,
            format!("waits until all members are well: {}", unwell.join("; ")),
        );
        draft.wait(SOON);
        return Flow::Decided;
    }
    let next =
        missing.iter().find(|address| !view.learner_at(address).is_some_and(|node| view.is_caught_up(node)));
    match next {
        Some(address) => join(view, leader, address, names, draft),
        None => {
            draft.under(OperationType::ScaleUp, names, "gets its vote".into());
            // Seen twice in a row to have caught up: one look may have met the moment between two bursts.
            match draft.is_continued() {
                true => vote(view, leader, &view.wished(), draft),
                false => draft.wait(SOON),
            }
        }
    }
    Flow::Decided
}

/// Brings one new member to the point where it may vote.
fn join(view: &View<'_>, leader: &Leader<'_>, address: &str, names: Vec<String>, draft: &mut Draft<'_>) {
    let name = view.called(address);
    let of = names.len();
    let under =
        |draft: &mut Draft<'_>, step: String| draft.under(OperationType::ScaleUp, names.clone(), step);
    let ordinal = view.ordinal_of(address);
    if let Some(learner) = view.learner_at(address) {
        let lag = view.lag(learner).filter(|_| view.is_heard(learner));
        let words = lag.map_or_else(|| trouble(view, address), |lag| format!("{name}, {lag} entries behind"));
        under(draft, format!("catches up: {words}"));
        draft.wait(SOON);
        if draft.so_far().0.as_secs() > view.seen().spec.update.member_timeout_seconds.into() {
            let message = format!("The new member does not catch up, so it does not vote yet: {words}.");
            draft.say(ConditionType::Degraded, Reason::LearnerLagging, message);
        }
        return;
    }
    if let Some(ordinal) = ordinal.filter(|ordinal| *ordinal >= draft.replicas) {
        under(draft, format!("gets a pod: {name}, one of {of}"));
        draft.replicas = ordinal + 1;
        draft.wait(SOON);
        return;
    }
    if let Some(why) = unfit(view, address) {
        under(draft, format!("starts: {why}"));
        draft.wait(SOON);
        return;
    }
    under(draft, format!("joins the group: {name}"));
    draft.tell(EventReason::MemberJoining, ordinal.map(|_| name), "follows and does not vote yet".into());
    let pause = if ordinal.is_some() { SOON } else { PODS_PAUSE };
    draft.change(leader, Change::AddLearner(address.to_owned()));
    draft.wait(pause);
}

/// Why the member at `address` cannot be taken in yet. An external member is asked by the group itself, which reaches
/// it perhaps when the operator does not.
fn unfit(view: &View<'_>, address: &str) -> Option<String> {
    let Some(ordinal) = view.ordinal_of(address) else {
        let status = view.status_at(address).filter(|status| status.data_state != DataState::Empty)?;
        return Some(format!(
            "{address} holds data of group {}, node {}: empty its RaftDataDir, so that it joins as a new node",
            status.cluster_id, status.node_id
        ));
    };
    let is_going = view.pod(ordinal).is_none_or(|pod| pod.terminating);
    match view.data(ordinal) {
        Data::Empty if !is_going => None,
        _ => Some(trouble(view, address)),
    }
}

fn trouble(view: &View<'_>, address: &str) -> String {
    view.trouble_at(address).unwrap_or_else(|| format!("{} is not ready yet", view.called(address)))
}

/// One change after which exactly the members at `wished` vote, led by one of them.
fn vote(view: &View<'_>, leader: &Leader<'_>, wished: &[String], draft: &mut Draft<'_>) {
    let stay = |address: &str| wished.iter().any(|other| other == address);
    let unwell = view.voters().iter().filter(|voter| stay(&voter.addr) && !view.contributes(voter));
    let unwell: Vec<String> = unwell.map(|voter| trouble(view, &voter.addr)).collect();
    if !unwell.is_empty() {
        draft.rename(&format!("waits until those who stay are well: {}", unwell.join("; ")));
        draft.wait(SOON);
        return;
    }
    // A leader outside takes no orders from the operator: it hands over by itself once the change let it go.
    if leader.ordinal.is_some()
        && !stay(leader.address)
        && let Some(heir) = view.heir(stay)
    {
        draft.rename(&format!("hands leadership over: {}", view.called(heir)));
        draft.act(Action::Transfer { to: heir.to_owned() }, SOON);
        return;
    }
    let voter = |address: &String| view.voter_at(address).or_else(|| view.learner_at(address));
    let mut voters: Vec<u64> = wished.iter().filter_map(voter).collect();
    voters.sort_unstable();
    tell_joined(view, wished, draft);
    draft.change(leader, Change::Voters(voters));
}

fn tell_joined(view: &View<'_>, wished: &[String], draft: &mut Draft<'_>) {
    for address in wished.iter().filter(|address| view.voter_at(address).is_none()) {
        let pod = view.ordinal_of(address).map(|ordinal| view.pod_name(ordinal));
        draft.tell(EventReason::MemberJoined, pod, format!("{} votes", view.called(address)));
    }
    for voter in view.voters().iter().filter(|voter| !wished.contains(&voter.addr)) {
        let pod = view.ordinal_of(&voter.addr).map(|ordinal| view.pod_name(ordinal));
        draft.tell(
            EventReason::MemberRemoved,
            pod,
            format!("{} is no member any more", view.called(&voter.addr)),
        );
    }
}

/// Takes pods, then volumes away from those whom the group let go.
fn clear(view: &View<'_>, leader: &Leader<'_>, draft: &mut Draft<'_>) -> Flow {
    let needed = view.wished_pods().max(view.occupied());
    let running = view.seen().seats.range(needed..).find(|(_, seat)| seat.pod.is_some());
    if draft.replicas > needed || running.is_some() {
        let names = (needed..draft.replicas).map(|ordinal| view.pod_name(ordinal)).collect();
        let is_sure = is_confirmed(view, leader);
        let step = if is_sure {
            "its pod ends"
        } else {
            "waits until a second member confirms who belongs to the group"
        };
        draft.under(OperationType::ScaleDown, names, step.into());
        draft.wait(SOON);
        if is_sure {
            draft.replicas = needed;
        }
        return Flow::Decided;
    }
    let group = view.seen().memory.cluster_id.as_deref();
    let retention = view.seen().spec.storage.retention.when_scaled;
    let left = view.seen().seats.range(needed..).find_map(|(ordinal, seat)| {
        let volume = seat.volume.as_ref().filter(|volume| !volume.terminating)?;
        let is_ours = volume.group.is_none() || volume.group.as_deref() == group;
        (is_ours && retention == ScaleRetention::Delete).then_some((*ordinal, volume))
    });
    let Some((ordinal, volume)) = left else {
        draft.done(
            OperationType::ScaleDown,
            EventReason::ScaledDown,
            &format!("{needed} members vote in Kubernetes"),
        );
        return Flow::Next;
    };
    draft.under(OperationType::ScaleDown, vec![view.pod_name(ordinal)], "its volume goes".into());
    let action = Action::DeleteVolume {
        name: volume.name.clone(),
        uid: volume.uid.clone(),
        resource_version: volume.resource_version.clone(),
    };
    draft.act(action, SOON);
    Flow::Decided
}

/// Another voter holds the entry with these members, so that the removal outlives the leader.
fn is_confirmed(view: &View<'_>, leader: &Leader<'_>) -> bool {
    let entry = leader.status.membership_log_index;
    let others = view.voters().iter().filter(|voter| voter.node_id != leader.status.node_id);
    let matched = others.filter_map(|voter| leader.status.replication.get(&voter.node_id));
    view.voters().len() == 1 || matched.into_iter().any(|progress| progress.matched_index >= entry)
}
