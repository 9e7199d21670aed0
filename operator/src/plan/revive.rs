//! Pods that cannot run as they are and hold nothing up by going: the one thing that is done without a quorum as
//! well, since after a bad image or a bad value there may be no other way to one.

use jiff::SignedDuration;
use orchestrator_crds::{OperationType, UpdateStrategy};

use super::{
    Action, Flow,
    draft::{Draft, PODS_PAUSE, target},
    view::View,
};
use crate::observation::{Pod, Seat};

/// The controller of StatefulSets makes the volume claim before the pod; one that is missing for longer was deleted,
/// and only a new pod brings a new one.
const CLAIM_LIMIT: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn decide(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    if view.is_blind() {
        return Flow::Next;
    }
    let found = view.seen().seats.iter().find_map(|(ordinal, seat)| {
        let pod = seat.pod.as_ref().filter(|pod| !pod.terminating && pod.ready_since.is_none())?;
        let step = why(view, *ordinal, seat, pod)?;
        Some((pod, step))
    });
    let Some((pod, step)) = found else { return Flow::Next };
    let rescued = draft.last_target(OperationType::ForceNewCluster);
    match rescued.filter(|_| view.seen().verbs.force_new_cluster.is_some()) {
        // Which volumes are new since the rescue began tells who is fenced: it goes on meanwhile.
        Some(survivor) => {
            let step = format!("waits to go on alone: {} {step}", pod.name);
            draft.under(OperationType::ForceNewCluster, vec![survivor], step);
        }
        None => draft.under(OperationType::RollingUpdate, vec![pod.name.clone()], step.to_owned()),
    }
    draft.act(Action::DeletePod(target(pod)), PODS_PAUSE);
    Flow::Decided
}

fn why(view: &View<'_>, ordinal: u32, seat: &Seat, pod: &Pod) -> Option<&'static str> {
    let spec = &view.seen().spec;
    if !view.is_dead(ordinal) {
        return None;
    }
    if spec.update.strategy == UpdateStrategy::LeaderLast && view.is_outdated(ordinal) {
        return Some("cannot run from its old template: is made anew from the present one");
    }
    let is_old = view.now().duration_since(pod.created) > CLAIM_LIMIT;
    let lacks_volume = !spec.storage.ephemeral && seat.volume.is_none();
    (lacks_volume && is_old).then_some("has no volume claim any more: is made anew with one")
}
