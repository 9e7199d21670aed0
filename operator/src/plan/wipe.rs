//! Gives a seat new storage: first the claim, then the pod that uses it, so that the next pod finds neither.
//!
//! A claim that is deleted stays until its pod is gone; a pod that goes first would come back on the old one.

use super::{Action, draft::end, view::View};

/// The next step.
pub(super) enum Wipe {
    /// Do this.
    Do(Action),
    /// Wait, for this reason.
    Wait(String),
    /// Its claim is labelled with another group: only a person may delete it.
    Foreign,
}

/// Gives the seat of `ordinal` new storage; who calls has made sure that nothing is lost by it.
pub(super) fn wipe(view: &View<'_>, ordinal: u32) -> Wipe {
    let name = view.pod_name(ordinal);
    let Some(seat) = view.seat(ordinal) else { return Wipe::Wait(format!("{name} is not there")) };
    let volume = seat.volume.as_ref().filter(|_| !view.seen().spec.storage.ephemeral);
    if let Some(volume) = volume.filter(|volume| !volume.terminating) {
        let group = view.seen().memory.cluster_id.as_deref();
        if volume.group.as_deref().is_some_and(|label| Some(label) != group) {
            return Wipe::Foreign;
        }
        return Wipe::Do(Action::DeleteVolume {
            name: volume.name.clone(),
            uid: volume.uid.clone(),
            resource_version: volume.resource_version.clone(),
        });
    }
    match &seat.pod {
        Some(pod) if pod.terminating => {
            Wipe::Wait(view.trouble(ordinal).unwrap_or_else(|| format!("{name} is being deleted")))
        }
        Some(pod) => Wipe::Do(end(pod)),
        None => Wipe::Wait(format!("{name} is made anew")),
    }
}
