//! `force-new-cluster`: one member goes on without the others, as a person asked by its name.
//!
//! The others are fenced first: those that do not answer lose their volumes and pods, so that they cannot come back
//! and be a majority of the old epoch. Those that answer and hold less may stay as long as they are no majority.

use jiff::SignedDuration;
use orchestrator_crds::{EventReason, OperationType, verb};
use orchestrator_wire::{DataState, MemberName, MemberStatus};

use crate::plan::{
    Action, Flow,
    draft::{Draft, PODS_PAUSE, SOON},
    view::View,
    wipe::{Wipe, wipe},
};

/// So long must the quorum be lost: most outages are over by then, and nothing is thrown away.
const LOST_LONG_ENOUGH: SignedDuration = SignedDuration::from_mins(10);

/// Who shall go on alone.
struct Survivor<'a> {
    ordinal: u32,
    address: &'a str,
    status: &'a MemberStatus,
}

/// What may be said to the wish.
enum Verdict {
    /// Never: it is taken away.
    Refused(String),
    /// Not yet.
    Later(String),
    /// This has to be done first.
    First(String, Action),
}

pub(super) fn decide(view: &View<'_>, wish: &str, draft: &mut Draft<'_>) -> Flow {
    let pod = wish.split_once('/').map_or("", |(_, pod)| pod);
    if let Some(leader) = view.leader() {
        finish(view, leader.status, pod, draft);
        return Flow::Decided;
    }
    let verdict = match survivor(view, wish) {
        Ok(survivor) => {
            check(view, &survivor).and_then(|()| fence(view, &survivor, draft).map(|()| survivor))
        }
        Err(verdict) => Err(verdict),
    };
    let targets = vec![pod.to_owned()];
    match verdict {
        Ok(Survivor { ordinal, status, .. }) => {
            draft.under(OperationType::ForceNewCluster, targets, "goes on alone".into());
            let (cluster_id, epoch) = (status.cluster_id.clone(), status.epoch);
            draft.act(Action::ForceNewCluster { ordinal, cluster_id, epoch }, PODS_PAUSE);
        }
        Err(Verdict::First(step, action)) => {
            draft.under(OperationType::ForceNewCluster, targets, step);
            draft.act(action, PODS_PAUSE);
        }
        Err(Verdict::Later(why)) => {
            draft.under(OperationType::ForceNewCluster, targets, format!("waits to go on alone: {why}"));
            draft.wait(PODS_PAUSE);
            // What is wrong with the group is to be read meanwhile.
            super::tell(view, draft);
        }
        Err(Verdict::Refused(why)) => refuse(draft, why),
    }
    Flow::Decided
}

fn refuse(draft: &mut Draft<'_>, why: String) {
    draft.tell(EventReason::ForceNewClusterRefused, None, why);
    draft.act(Action::ClearVerb { key: verb::FORCE_NEW_CLUSTER, pod: None }, SOON);
}

/// There is a leader: the wish was carried out, or there is nothing to force.
fn finish(view: &View<'_>, leader: &MemberStatus, pod: &str, draft: &mut Draft<'_>) {
    let begun = view.seen().memory.operation.as_ref().is_some_and(|operation| {
        operation.operation_type == OperationType::ForceNewCluster && operation.targets == [pod]
    });
    if !begun || leader.membership.voters.len() != 1 {
        return refuse(draft, "the group has a leader: change its members through spec.replicas".into());
    }
    let note = format!("{pod} leads alone in epoch {}; the others join it again one by one", leader.epoch);
    draft.tell(EventReason::ForceNewClusterCompleted, None, note);
    draft.act(Action::ClearVerb { key: verb::FORCE_NEW_CLUSTER, pod: None }, SOON);
}

/// The member that the wish names: of this group, answering, with data.
fn survivor<'a>(view: &View<'a>, wish: &str) -> Result<Survivor<'a>, Verdict> {
    let group = view.seen().memory.cluster_id.as_deref().unwrap_or_default();
    let example = format!("write {group}/POD, with the pod that shall go on alone");
    let Some((asked, pod)) = wish.split_once('/') else { return Err(Verdict::Refused(example)) };
    if asked != group {
        return Err(Verdict::Refused(format!("{asked} is not the id of this group: {example}")));
    }
    let mut seats = view.seen().seats.iter();
    let Some((ordinal, seat)) = seats.find(|(ordinal, _)| view.pod_name(**ordinal) == pod) else {
        return Err(Verdict::Refused(format!("{pod} is no pod of this group: {example}")));
    };
    let Some(status) = seat.answer.status() else {
        return Err(Verdict::Later(
            view.trouble(*ordinal).unwrap_or_else(|| format!("{pod} does not answer")),
        ));
    };
    if status.data_state != DataState::Present || status.cluster_id != group {
        return Err(Verdict::Refused(format!("{pod} holds no data of this group: name another pod")));
    }
    if !is_member(status) {
        return Err(Verdict::Refused(format!(
            "{pod} was let go by the group, or never had all of its data: name another pod; if there is none, delete its \
             claim and pod and use allow-rebootstrap"
        )));
    }
    Ok(Survivor { ordinal: *ordinal, address: &seat.address, status })
}

/// Whether it is time, and nobody who answers knows more.
fn check(view: &View<'_>, survivor: &Survivor<'_>) -> Result<(), Verdict> {
    if view.is_led() {
        return Err(Verdict::Refused("the group has a leader, which does not answer the operator".into()));
    }
    let members = &survivor.status.membership.voters;
    if members.len() == 1 && members[0].node_id == survivor.status.node_id {
        return Err(Verdict::Later("it is alone already and is going to lead".into()));
    }
    let lost = view.seen().memory.quorum_lost_since.map(|since| view.now().duration_since(since));
    let rest = LOST_LONG_ENOUGH - lost.unwrap_or_default();
    if rest > SignedDuration::ZERO {
        let rest = rest.as_secs() / 60 + 1;
        return Err(Verdict::Later(format!("the quorum may still come back; another {rest} min")));
    }
    let known = |status: &MemberStatus| (status.epoch, status.last_log_index);
    let better = others(view, survivor).find_map(|voter| {
        let status =
            view.status_at(&voter.addr).filter(|status| holds(status, voter) && is_member(status))?;
        (known(status) > known(survivor.status)).then(|| view.called(&voter.addr))
    });
    match better {
        Some(better) => Err(Verdict::Refused(format!(
            "{better} has newer data: name it instead of {}",
            view.pod_name(survivor.ordinal)
        ))),
        None => Ok(()),
    }
}

/// Whether it belongs to the group as far as it knows itself: who was let go is no survivor, however much it holds.
fn is_member(status: &MemberStatus) -> bool {
    let mut members = status.membership.voters.iter().chain(&status.membership.learners);
    !status.removed && members.any(|member| member.node_id == status.node_id)
}

fn holds(status: &MemberStatus, voter: &MemberName) -> bool {
    status.data_state == DataState::Present && status.node_id == voter.node_id
}

fn others<'a>(view: &View<'a>, survivor: &Survivor<'a>) -> impl Iterator<Item = &'a MemberName> {
    let own = survivor.address;
    view.voters().iter().filter(move |voter| voter.addr != own)
}

/// Keeps the others from ever being a majority again.
fn fence(view: &View<'_>, survivor: &Survivor<'_>, draft: &mut Draft<'_>) -> Result<(), Verdict> {
    // So that the time is known since when a seat has new storage.
    draft.under(
        OperationType::ForceNewCluster,
        vec![view.pod_name(survivor.ordinal)],
        "goes on alone".into(),
    );
    let mut left = Vec::new();
    let mut next = None;
    for voter in others(view, survivor) {
        match fenced(view, voter, draft) {
            Fence::Done => {}
            Fence::Cannot => left.push(view.called(&voter.addr)),
            Fence::Next(verdict) => next = next.or(Some(verdict)),
        }
    }
    if left.len() >= view.majority() {
        return Err(Verdict::Refused(format!(
            "{} could be a majority without {}: take external members that are gone for good out of \
             spec.raft.externalMembers first",
            left.join(", "),
            view.pod_name(survivor.ordinal)
        )));
    }
    next.map_or(Ok(()), Err)
}

enum Fence {
    Done,
    /// It belongs to the group, holds its data and answers, or runs outside of Kubernetes.
    Cannot,
    Next(Verdict),
}

fn fenced(view: &View<'_>, voter: &MemberName, draft: &Draft<'_>) -> Fence {
    if let Some(status) = view.status_at(&voter.addr) {
        // Whom a committed change let go never leads again, nor has it one of its own kind led: any leader after that
        // change needs those who stayed, and these are fenced or counted themselves.
        let may_lead = holds(status, voter) && is_member(status);
        return if may_lead { Fence::Cannot } else { Fence::Done };
    }
    let Some(ordinal) = view.ordinal_of(&voter.addr) else {
        // Whoever takes an external member out of the spec says that it is gone for good.
        let is_wished = view.seen().spec.raft.external_members.contains(&voter.addr);
        return if is_wished { Fence::Cannot } else { Fence::Done };
    };
    let Some(seat) = view.seat(ordinal) else { return Fence::Done };
    let began = draft.begun();
    let is_new = |created: jiff::Timestamp| began.is_some_and(|began| created > began);
    let has_new_storage = match &seat.volume {
        Some(volume) => is_new(volume.created),
        None => {
            !view.seen().spec.storage.ephemeral || seat.pod.as_ref().is_none_or(|pod| is_new(pod.created))
        }
    };
    if has_new_storage {
        return Fence::Done;
    }
    let name = view.pod_name(ordinal);
    if seat.pod.as_ref().is_some_and(|pod| pod.ready_since.is_some() && !pod.terminating) {
        let why = format!("{name} is ready, so it lives, and the operator cannot reach it");
        return Fence::Next(Verdict::Later(why));
    }
    Fence::Next(match wipe(view, ordinal) {
        Wipe::Do(action) => Verdict::First(format!("keeps others from coming back: {name}"), action),
        Wipe::Wait(why) => Verdict::Later(why),
        Wipe::Foreign => Verdict::Refused(format!("the volume of {name} is labelled with another group")),
    })
}
