//! Volumes grow one after the other, the leader's last; then the StatefulSet, whose template for volumes cannot be
//! changed, is made anew around its pods. No volume is ever deleted here, and no pod restarted.

use orchestrator_crds::{ConditionType, EventReason, OperationType, Reason};

use super::{
    Action, Flow,
    draft::{Draft, PODS_PAUSE},
    view::View,
};
use crate::observation::{Volume, VolumeState};

/// Volumes take seconds to minutes to grow.
const GROWING_PAUSE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) fn decide(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let seen = view.seen();
    let Some(wished) = bytes(&seen.spec.storage.size.0).filter(|_| !seen.spec.storage.ephemeral) else {
        return Flow::Next;
    };
    let leader = view.leader().and_then(|leader| leader.ordinal);
    let volumes = seen.seats.iter().filter_map(|(ordinal, seat)| Some((*ordinal, seat.volume.as_ref()?)));
    let mut volumes: Vec<(u32, &Volume)> =
        volumes.filter(|(_, volume)| volume.state == VolumeState::Bound && !volume.terminating).collect();
    volumes.sort_by_key(|(ordinal, _)| (Some(*ordinal) == leader, *ordinal));
    if volumes.iter().any(|(_, volume)| cannot_grow(volume, wished)) {
        tell_class(view, &volumes, wished, draft);
        return Flow::Next;
    }
    let small =
        volumes.iter().find(|(_, volume)| volume.requested < wished || volume.capacity < volume.requested);
    match small {
        Some((ordinal, volume)) => {
            grow(view, *ordinal, volume, wished, draft);
            Flow::Decided
        }
        None => renew_template(view, wished, draft),
    }
}

fn grow(view: &View<'_>, ordinal: u32, volume: &Volume, wished: u64, draft: &mut Draft<'_>) {
    let size = &view.seen().spec.storage.size.0;
    let mut under = |step: String| {
        draft.under(OperationType::StorageExpansion, vec![view.pod_name(ordinal)], step);
    };
    if volume.requested < wished {
        under(format!("its volume is to grow: {size}"));
        draft.act(Action::GrowVolume { name: volume.name.clone(), bytes: wished }, GROWING_PAUSE);
    } else {
        under(format!("its volume grows: {} of {} bytes", volume.capacity, volume.requested));
        draft.wait(GROWING_PAUSE);
    }
}

fn cannot_grow(volume: &Volume, wished: u64) -> bool {
    volume.requested < wished && volume.expands == Some(false)
}

/// Kubernetes would refuse each attempt: only a person can do something about the class.
fn tell_class(view: &View<'_>, volumes: &[(u32, &Volume)], wished: u64, draft: &mut Draft<'_>) {
    let held: Vec<&(u32, &Volume)> =
        volumes.iter().filter(|(_, volume)| cannot_grow(volume, wished)).collect();
    let pods = held.iter().map(|(ordinal, _)| view.pod_name(*ordinal)).collect();
    let names: Vec<&str> = held.iter().map(|(_, volume)| volume.name.as_str()).collect();
    let class = held.iter().find_map(|(_, volume)| volume.class.as_deref()).unwrap_or_default();
    let size = &view.seen().spec.storage.size.0;
    let message = format!(
        "{} cannot grow to {size}: the storage class {class} does not allow it. If its driver can, allow it: kubectl \
         patch storageclass {class} -p '{{\"allowVolumeExpansion\":true}}'. If not, create a new OrchestratorCluster \
         with a class that can.",
        names.join(", ")
    );
    draft.under(
        OperationType::StorageExpansion,
        pods,
        format!("waits for a storage class that allows it: {class}"),
    );
    draft.say(ConditionType::Progressing, Reason::Stalled, message);
}

fn renew_template(view: &View<'_>, wished: u64, draft: &mut Draft<'_>) -> Flow {
    let set = view.seen().set.as_ref().filter(|set| set.storage > 0 && set.storage < wished);
    let Some(set) = set else {
        draft.done(
            OperationType::StorageExpansion,
            EventReason::StorageExpanded,
            &view.seen().spec.storage.size.0,
        );
        return Flow::Next;
    };
    let names = vec![view.seen().name.clone()];
    draft.under(
        OperationType::StorageExpansion,
        names,
        "the StatefulSet is made anew around its pods".into(),
    );
    draft.wait(PODS_PAUSE);
    let is_calm = view.seen().seats.values().all(|seat| seat.pod.as_ref().is_none_or(|pod| !pod.terminating));
    if is_calm && set.observed && !set.terminating {
        let note = "made anew with a larger template for volumes; its pods go on".to_owned();
        draft.tell(EventReason::StatefulSetRecreated, None, note);
        let (uid, resource_version) = (set.uid.clone(), set.resource_version.clone());
        draft.act(Action::RecreateSet { uid, resource_version }, PODS_PAUSE);
    }
    Flow::Decided
}

/// A quantity of Kubernetes as bytes, rounded up; `None` when it is none.
#[must_use]
pub fn bytes(quantity: &str) -> Option<u64> {
    let digits =
        quantity.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(quantity.len());
    let (number, unit) = quantity.split_at(digits);
    let factor = match unit {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1_024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        exponent => format!("1{exponent}").parse().ok().filter(|_| exponent.starts_with(['e', 'E']))?,
    };
    let bytes = (number.parse::<f64>().ok()? * factor).ceil();
    // Beyond 2^53 a float skips numbers, and no volume is that large.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in between")]
    (0.0..9e15).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        let cases = [
            ("1Gi", 1 << 30),
            ("500M", 500_000_000),
            ("1.5Ki", 1536),
            ("1e3", 1000),
            ("1E3", 1000),
            ("100m", 1),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in ["", "Gi", "1Xi", "-1", "1 Gi"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
