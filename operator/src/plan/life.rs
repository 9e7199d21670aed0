//! Deletion, pause, stop: nothing is changed, or nothing runs.

use jiff::SignedDuration;
use orchestrator_crds::OperationType;

use super::{
    Flow,
    draft::{Draft, PODS_PAUSE},
    view::View,
};

/// A stop waits for so long for a change of the members to be finished; the next start finishes what is left.
const JOINT_LIMIT: SignedDuration = SignedDuration::from_secs(60);

/// Children are collected by their owner references: there is nothing to do, and the membership stays as it is, so
/// that volumes that are kept hold the whole group.
pub(super) fn deleting(view: &View<'_>, _: &mut Draft<'_>) -> Flow {
    if view.seen().deleting { Flow::Decided } else { Flow::Next }
}

/// Everything stays as it is.
pub(super) fn paused(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let seen = view.seen();
    if !seen.spec.paused && !seen.verbs.paused {
        return Flow::Next;
    }
    if let Some(set) = &seen.set {
        draft.replicas = set.replicas;
    }
    if !seen.delivery.peers.is_empty() {
        draft.peers.clone_from(&seen.delivery.peers);
    }
    Flow::Decided
}

/// All pods go at once: no member is removed, and no volume.
pub(super) fn stopped(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    if !view.seen().spec.stopped {
        return Flow::Next;
    }
    draft.wait(PODS_PAUSE);
    let is_joint = view.leader().is_some_and(|leader| leader.status.membership.joint);
    if is_joint {
        let step = "finishes a change of its members before it stops".to_owned();
        draft.under(OperationType::ScaleDown, Vec::new(), step);
        if draft.so_far().0 <= JOINT_LIMIT {
            return Flow::Decided;
        }
    }
    draft.replicas = 0;
    Flow::Decided
}
