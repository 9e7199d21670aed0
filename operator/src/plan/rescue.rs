//! No quorum: what is refused, what people are told, and what they can ask for.

mod alone;
mod anew;

use jiff::SignedDuration;
use orchestrator_crds::{ConditionType, EventReason, Reason};
use orchestrator_wire::{DataState, MemberStatus};

use super::{
    Flow,
    draft::{Draft, PODS_PAUSE, SOON},
    view::View,
};
use crate::observation::Seat;

/// An election takes a second; without a leader for longer something is missing.
const ELECTION_LIMIT: SignedDuration = SignedDuration::from_secs(2);

/// Two members claim to lead in one term: whatever follows from that is wrong, so nothing is done.
pub(super) fn split(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    if !view.is_split() {
        return Flow::Next;
    }
    let leaders = view.answers().filter(|(.., status)| status.status.state == "Leader");
    let names: Vec<String> = leaders.map(|(address, ..)| view.called(address)).collect();
    let note = format!("{} say that they lead in one term; nothing is changed", names.join(" and "));
    draft.tell(EventReason::SplitBrainSuspected, None, note);
    draft.wait(PODS_PAUSE);
    Flow::Decided
}

/// What people asked for by annotation: one member goes on alone, or another group begins with nothing.
pub(super) fn asked(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let verbs = &view.seen().verbs;
    match (&verbs.force_new_cluster, &verbs.allow_rebootstrap) {
        (Some(wish), _) => alone::decide(view, wish, draft),
        (None, Some(group)) => anew::decide(view, group, draft),
        (None, None) => Flow::Next,
    }
}

/// Without a majority nothing is changed; it is said who is missing and what brings them back.
pub(super) fn without_quorum(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    if view.has_quorum() {
        return Flow::Next;
    }
    draft.carry();
    draft.wait(SOON);
    if view.leader().is_none() {
        tell(view, draft);
    }
    Flow::Decided
}

fn tell(view: &View<'_>, draft: &mut Draft<'_>) {
    if view.is_blind() {
        let troubles: Vec<String> = view.unreached().filter_map(|ordinal| view.trouble(ordinal)).collect();
        let message = format!(
            "Kubernetes says that members are ready, and none of them answers the operator, so nothing is changed. {}.",
            troubles.join(". ")
        );
        draft.say(ConditionType::MembersReachable, Reason::OperatorCannotReachMembers, message);
        return;
    }
    if view.is_led() {
        let known = view.answers().filter(|(.., status)| status.status.healthy);
        let known = known.map(|(.., status)| view.called(&status.status.leader)).next().unwrap_or_default();
        let message = format!(
            "The group is led by {known}, which does not answer the operator, so nothing is changed. Let the operator \
             reach the API of this member, or have a pod lead: orchestrator-client -c raft-elect-leader"
        );
        draft.say(ConditionType::MembersReachable, Reason::SomeUnreachable, message);
        return;
    }
    let lost = view.seen().memory.quorum_lost_since.map(|since| view.now().duration_since(since));
    if lost.is_none_or(|lost| lost < ELECTION_LIMIT) {
        return;
    }
    if all_data_lost(view) {
        let group = view.seen().memory.cluster_id.as_deref().unwrap_or_default();
        let message = format!(
            "All members of group {group} answer that they hold no data. Bring their volumes back. If the data is lost \
             for good, a new group can begin with nothing (downtimes, candidates, tags, the history of recoveries and \
             maintenance are gone): kubectl annotate orc {} orchestrator.rs/allow-rebootstrap={group}",
            view.seen().name
        );
        draft.say(ConditionType::Bootstrapped, Reason::AllDataLost, message);
    }
    let (reason, message) = lost_quorum(view);
    draft.say(ConditionType::QuorumLost, reason, message);
}

/// What is known of the data of a seat.
enum Rest {
    /// It is gone: an empty disk, a lost volume, or neither pod nor volume.
    Gone,
    /// It is not known to be gone, and why.
    Unknown(String),
}

fn rest(view: &View<'_>, ordinal: u32, seat: &Seat) -> Rest {
    let is_lost = seat.volume.as_ref().is_some_and(|volume| volume.state.lost_for(view.now()).is_some());
    let is_empty = seat.answer.status().is_some_and(|status| status.data_state == DataState::Empty);
    if is_lost || is_empty || (seat.pod.is_none() && seat.volume.is_none()) {
        return Rest::Gone;
    }
    let name = view.pod_name(ordinal);
    Rest::Unknown(view.trouble(ordinal).unwrap_or_else(|| format!("{name} may hold data")))
}

/// Whether members answer that they hold nothing, and nobody is left who could hold anything: a member outside could.
fn all_data_lost(view: &View<'_>) -> bool {
    let mut seats = view.seen().seats.iter();
    let is_empty = |(.., status): (&str, Option<u32>, &MemberStatus)| status.data_state == DataState::Empty;
    view.seen().spec.raft.external_members.is_empty()
        && view.answers().next().is_some()
        && view.answers().all(is_empty)
        && seats.all(|(ordinal, seat)| matches!(rest(view, *ordinal, seat), Rest::Gone))
}

fn lost_quorum(view: &View<'_>) -> (Reason, String) {
    let voters = view.voters().len();
    let healthy = view.voters().iter().filter(|voter| {
        let status = view.status_at(&voter.addr);
        status
            .is_some_and(|status| status.node_id == voter.node_id && status.data_state == DataState::Present)
    });
    let (healthy, lost) = (healthy.count(), lost_disks(view));
    let troubles: String = view.troubles().iter().map(|trouble| format!(" {trouble}.")).collect();
    if voters == 0 || lost < view.majority() {
        let count = match voters {
            0 => "No member of the group answers".to_owned(),
            _ => format!("{healthy} of {voters} voters answer and none of them leads"),
        };
        let message = format!(
            "{count}.{troubles} The group goes on by itself when a majority is back; until then nothing is changed."
        );
        return (Reason::MajorityUnreachable, message);
    }
    let group = view.seen().memory.cluster_id.as_deref().unwrap_or_default();
    let message = format!(
        "The data of {lost} of {voters} voters is lost.{troubles} Bring their volumes back; if they are lost for good, \
         the best survivor can go on alone: kubectl annotate orc {} orchestrator.rs/force-new-cluster={group}/POD",
        view.seen().name
    );
    (Reason::MajorityStorageLost, message)
}

/// Voters whose disks are known to hold their data no more.
fn lost_disks(view: &View<'_>) -> usize {
    let lost = view.voters().iter().filter(|voter| {
        let Some((_, seat)) = view.seat_at(&voter.addr) else { return false };
        let is_lost = seat.volume.as_ref().is_some_and(|volume| volume.state.lost_for(view.now()).is_some());
        is_lost || seat.answer.status().is_some_and(|status| status.node_id != voter.node_id)
    });
    lost.count()
}
