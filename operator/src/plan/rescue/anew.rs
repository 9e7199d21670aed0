//! `allow-rebootstrap`: all data is lost, and a person wishes for a new group that begins with nothing.

use orchestrator_crds::{EventReason, OperationType, verb};
use orchestrator_wire::DataState;

use crate::plan::{
    Action, Flow,
    draft::{Draft, PODS_PAUSE, SOON},
    view::View,
    wipe::{Wipe, wipe},
};

use super::Rest;

pub(super) fn decide(view: &View<'_>, asked: &str, draft: &mut Draft<'_>) -> Flow {
    let group = view.seen().memory.cluster_id.as_deref().unwrap_or_default();
    let refusal = match view.leader() {
        _ if asked != group => Some(format!("{asked} is not the id of this group, which is {group}")),
        Some(_) => Some("the group has a leader, so its data is not lost".to_owned()),
        None => holder(view).map(|name| {
            format!("{name} holds data: bring the others back, or use force-new-cluster with it")
        }),
    };
    if let Some(why) = refusal {
        draft.tell(EventReason::RebootstrapRefused, None, why);
        draft.act(Action::ClearVerb { key: verb::ALLOW_REBOOTSTRAP, pod: None }, SOON);
        return Flow::Decided;
    }
    let names = (0..view.wished_pods()).map(|ordinal| view.pod_name(ordinal)).collect();
    let unknown = unknown(view);
    if !unknown.is_empty() {
        let step = format!("waits to know that all data is lost: {}", unknown.join("; "));
        draft.under(OperationType::Bootstrap, names, step);
        draft.wait(PODS_PAUSE);
        super::tell(view, draft);
        return Flow::Decided;
    }
    draft.under(OperationType::Bootstrap, names, format!("forgets group {group}, whose data is lost"));
    match lost_claim(view) {
        Some(Wipe::Do(action)) => draft.act(action, PODS_PAUSE),
        Some(_) => draft.wait(PODS_PAUSE),
        None => draft.act(Action::ForgetGroup, SOON),
    }
    Flow::Decided
}

/// Claims whose volumes are lost would keep their pods from running.
fn lost_claim(view: &View<'_>) -> Option<Wipe> {
    let mut seats = view.seen().seats.iter().filter(|(_, seat)| seat.pod.is_some());
    let lost = seats.find(|(_, seat)| {
        seat.volume.as_ref().is_some_and(|volume| volume.state.lost_for(view.now()).is_some())
    });
    lost.map(|(ordinal, _)| wipe(view, *ordinal))
}

/// Somebody who answers and holds something.
fn holder(view: &View<'_>) -> Option<String> {
    let mut answers = view.answers();
    let holder = answers.find(|(.., status)| status.data_state != DataState::Empty);
    holder.map(|(address, ..)| view.called(address))
}

/// Those of whom nobody knows whether they hold something.
fn unknown(view: &View<'_>) -> Vec<String> {
    let group = view.seen().memory.cluster_id.as_deref();
    let wished = view.wished_pods();
    let seats = view.seen().seats.iter().filter(|(ordinal, seat)| {
        let is_ours = seat.volume.as_ref().is_some_and(|volume| volume.group.as_deref() == group);
        **ordinal < wished || seat.pod.is_some() || is_ours
    });
    let seats = seats.filter_map(|(ordinal, seat)| match super::rest(view, *ordinal, seat) {
        Rest::Gone => None,
        Rest::Unknown(why) => Some(why),
    });
    // Nobody asks those outside while none of them leads; whoever takes one out of the spec says that it is gone.
    let outside = view.seen().spec.raft.external_members.iter().map(|address| {
        format!(
            "{address} runs outside of Kubernetes and cannot be asked: stop it, empty its RaftDataDir, and take it out \
             of spec.raft.externalMembers until the new group is formed"
        )
    });
    seats.chain(outside).collect()
}
