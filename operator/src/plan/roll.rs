//! Members of an old template are restarted, one at a time, the leader last.

use jiff::SignedDuration;
use orchestrator_crds::{ConditionType, EventReason, OperationType, Reason, UpdateStrategy};

use super::{
    Action, Flow,
    draft::{Draft, PODS_PAUSE, SOON, end},
    version,
    view::{Leader, View},
};

/// Three times what one hand-over may take. After it the leader is restarted as it is: it hands over when it is told
/// to end, and at worst there is one election.
const HAND_OVER_LIMIT: SignedDuration = SignedDuration::from_secs(45);
/// So often a hand-over is tried.
const HAND_OVER_TRIES: i32 = 3;

/// Ordinals whose pods have to be made anew: in a healthy order, the leader last.
fn due(view: &View<'_>) -> Vec<u32> {
    let leader = view.leader().and_then(|leader| leader.ordinal);
    let seats = view.seen().seats.iter().filter(|(_, seat)| seat.pod.is_some()).map(|(ordinal, _)| *ordinal);
    let mut due: Vec<u32> =
        seats.filter(|ordinal| view.is_outdated(*ordinal) || view.awaits_restart(*ordinal)).collect();
    due.sort_by_key(|ordinal| {
        let is_voter = view.seat(*ordinal).is_some_and(|seat| view.voter_at(&seat.address).is_some());
        (Some(*ordinal) == leader, view.counts_on(*ordinal), is_voter, u32::MAX - ordinal)
    });
    due
}

fn is_allowed(view: &View<'_>) -> bool {
    let seen = view.seen();
    seen.invalid.is_empty() && seen.spec.update.strategy == UpdateStrategy::LeaderLast
}

/// A member of an old template on which the group does not count anyway gets the new one before anything else
/// changes: the new template may be what heals it.
pub(super) fn heal(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    if !is_allowed(view) || refused_version(view).is_some() {
        return Flow::Next;
    }
    let sick = due(view).into_iter().find(|ordinal| !view.counts_on(*ordinal));
    let Some(ordinal) = sick.filter(|ordinal| view.is_outdated(*ordinal)) else { return Flow::Next };
    let Some(pod) = view.pod(ordinal).filter(|pod| !pod.terminating) else { return Flow::Next };
    if view.indispensable(ordinal, true).is_some() {
        return Flow::Next;
    }
    draft.under(
        OperationType::RollingUpdate,
        vec![pod.name.clone()],
        "does not work and gets the new template".into(),
    );
    draft.act(end(pod), PODS_PAUSE);
    Flow::Decided
}

pub(super) fn decide(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let Some(leader) = view.leader() else { return Flow::Next };
    let due = due(view);
    tell_updated(view, &due, draft);
    let Some(next) = due.first().copied() else {
        if let Some((name, why)) = returning(view, draft) {
            draft.under(OperationType::RollingUpdate, vec![name], format!("starts anew: {why}"));
            draft.wait(PODS_PAUSE);
            return Flow::Next;
        }
        draft.done(
            OperationType::RollingUpdate,
            EventReason::RollingUpdateCompleted,
            "all members are of the new template",
        );
        return Flow::Next;
    };
    if let Some((reason, message)) = refusal(view, &due, draft) {
        draft.say(ConditionType::UpdateComplete, reason, message);
        return Flow::Next;
    }
    let Some(pod) = view.pod(next) else { return Flow::Next };
    let done = view.seen().seats.len().saturating_sub(due.len());
    let of = format!("{done} of {} members done", view.seen().seats.len());
    if let Some(why) = busy(view, next) {
        draft.under(
            OperationType::RollingUpdate,
            vec![pod.name.clone()],
            format!("waits to be restarted: {why}; {of}"),
        );
        let message = format!("{} is restarted when all others are well: {why}.", pod.name);
        draft.say(ConditionType::UpdateComplete, Reason::WaitingForHealthyMembers, message);
        draft.wait(SOON);
        return Flow::Decided;
    }
    if leader.ordinal == Some(next) && spare_leader(view, leader, draft) {
        return Flow::Decided;
    }
    draft.under(OperationType::RollingUpdate, vec![pod.name.clone()], format!("is restarted: {of}"));
    draft.act(end(pod), PODS_PAUSE);
    Flow::Decided
}

/// The voter that was restarted last and does not work again yet, and why.
fn returning(view: &View<'_>, draft: &Draft<'_>) -> Option<(String, String)> {
    let last = draft.last_target(OperationType::RollingUpdate)?;
    let mut seats = view.seen().seats.iter();
    let (ordinal, seat) = seats.find(|(ordinal, _)| view.pod_name(**ordinal) == last)?;
    let is_away = view.voter_at(&seat.address).is_some() && !view.counts_on(*ordinal);
    is_away.then(|| {
        let why = view.trouble(*ordinal).unwrap_or_else(|| format!("{last} is not ready yet"));
        (last, why)
    })
}

/// Why the members stay as they are, although some are outdated.
fn refusal(view: &View<'_>, due: &[u32], draft: &Draft<'_>) -> Option<(Reason, String)> {
    let seen = view.seen();
    let names: Vec<String> = due.iter().map(|ordinal| view.pod_name(*ordinal)).collect();
    let names = names.join(", ");
    if !seen.invalid.is_empty() {
        return Some((
            Reason::InProgress,
            format!("{names}: not restarted while the configuration is not valid."),
        ));
    }
    if seen.spec.update.strategy == UpdateStrategy::Manual {
        let message = format!(
            "{names}: of an older template, and restarted by whoever deletes the pods, since spec.update.strategy is \
             Manual. Begin with the followers; the leader is {}.",
            view.leader().map_or_else(|| "unknown".into(), |leader| view.called(leader.address))
        );
        return Some((Reason::ManualUpdateRequired, message));
    }
    if let Some(message) = refused_version(view) {
        return Some((Reason::DowngradeRefused, message));
    }
    let is_under_way = draft.last_target(OperationType::RollingUpdate).is_some();
    (!seen.may_roll && !is_under_way).then(|| {
        let message = format!("{names}: restarted when fewer other clusters are being rolled.");
        (Reason::RateLimited, message)
    })
}

fn refused_version(view: &View<'_>) -> Option<String> {
    let image = &view.seen().set.as_ref()?.image;
    let needed = view.answers().map(|(.., status)| status.min_version.as_str());
    let needed = needed.max_by_key(|text| version::parse(text))?;
    let wished = version::of_image(image)?;
    let is_older = version::parse(&wished).zip(version::parse(needed)).is_some_and(|(new, old)| new < old);
    let is_allowed = view.seen().verbs.allow_downgrade.as_deref() == Some(wished.as_str());
    (is_older && !is_allowed).then(|| {
        format!(
            "{image} is older than {needed}, the oldest version that can read what members have on disk. Set spec.image \
             to a newer one, or, if you know that it works: kubectl annotate orc {} \
             orchestrator.rs/allow-downgrade={wished}",
            view.seen().name
        )
    })
}

/// Why nobody can be restarted now.
fn busy(view: &View<'_>, ordinal: u32) -> Option<String> {
    let going =
        view.seen().seats.iter().find(|(_, seat)| seat.pod.as_ref().is_some_and(|pod| pod.terminating));
    if let Some((going, _)) = going {
        return view.trouble(*going);
    }
    let is_ephemeral = view.seen().spec.storage.ephemeral;
    let alone = view.voters().len() == 1 && view.counts_on(ordinal) && is_ephemeral;
    if alone {
        return Some("it is the only voter, and its storage ends with its pod".into());
    }
    view.indispensable(ordinal, !is_ephemeral || !view.counts_on(ordinal))
}

/// Holds the leader while it repairs a topology, then has it hand over; false = it may be restarted.
fn spare_leader(view: &View<'_>, leader: &Leader<'_>, draft: &mut Draft<'_>) -> bool {
    let name = view.called(leader.address);
    let recoveries = leader.status.active_recoveries;
    if recoveries > 0 {
        let step = format!("waits for the leader to finish its recoveries: {recoveries} of them");
        draft.under(OperationType::RollingUpdate, vec![name.clone()], step);
        let hold = view.seen().spec.update.recovery_hold_seconds;
        if draft.so_far().0.as_secs() < hold.into() {
            let message =
                format!("{name} leads and repairs a topology; it is restarted after that, or after {hold}s.");
            draft.say(ConditionType::Progressing, Reason::WaitingForRecovery, message);
            draft.wait(PODS_PAUSE);
            return true;
        }
    }
    let Some(heir) = view.heir(|_| true) else { return false };
    draft.under(
        OperationType::RollingUpdate,
        vec![name.clone()],
        format!("hands leadership over: {}", view.called(heir)),
    );
    let (lasts, tries) = draft.so_far();
    if tries >= HAND_OVER_TRIES || lasts > HAND_OVER_LIMIT {
        let note = format!("after {tries} tries; it is restarted as it is and hands over when it ends");
        draft.tell(EventReason::LeaderTransferFailed, Some(name), note);
        return false;
    }
    draft.act(Action::Transfer { to: heir.to_owned() }, SOON);
    true
}

/// Reports the member that was restarted last and works again.
fn tell_updated(view: &View<'_>, due: &[u32], draft: &mut Draft<'_>) {
    let Some(last) = draft.last_target(OperationType::RollingUpdate) else { return };
    let is_due = due.iter().any(|ordinal| view.pod_name(*ordinal) == last);
    let mut seats = view.seen().seats.keys();
    let works = seats.any(|ordinal| view.pod_name(*ordinal) == last && view.counts_on(*ordinal));
    let is_next = due.first().is_some_and(|next| busy(view, *next).is_none());
    if !is_due && works && (is_next || due.is_empty()) {
        draft.tell(EventReason::MemberUpdated, Some(last), "runs the new template".into());
    }
}
