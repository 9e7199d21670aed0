//! A person wishes for another leader.

use jiff::SignedDuration;
use orchestrator_crds::{ConditionType, EventReason, OperationType, Reason, verb};

use super::{
    Action, Flow,
    draft::{Draft, PODS_PAUSE, SOON},
    view::{Leader, View},
};

/// Three times what one hand-over may take.
const LIMIT: SignedDuration = SignedDuration::from_secs(45);
/// So often it is tried.
const TRIES: i32 = 3;

pub(super) fn decide(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let (Some(wish), Some(leader)) = (&view.seen().verbs.transfer_leader_to, view.leader()) else {
        return Flow::Next;
    };
    let mut seats = view.seen().seats.iter();
    let seat = seats.find(|(ordinal, _)| view.pod_name(**ordinal) == *wish);
    let voter = seat.and_then(|(_, seat)| view.voters().iter().find(|voter| voter.addr == seat.address));
    let Some(voter) = voter else {
        fail(draft, format!("{wish} is no pod that votes in this group"));
        return Flow::Decided;
    };
    if voter.node_id == leader.status.node_id {
        draft.tell(EventReason::LeaderTransferred, Some(wish.clone()), format!("{wish} leads"));
        draft.act(Action::ClearVerb { key: verb::TRANSFER_LEADER_TO, pod: None }, SOON);
        return Flow::Decided;
    }
    hand_over(view, leader, wish, &voter.addr, draft);
    Flow::Decided
}

fn hand_over(view: &View<'_>, leader: &Leader<'_>, wish: &str, address: &str, draft: &mut Draft<'_>) {
    let targets = vec![wish.to_owned()];
    let recoveries = leader.status.active_recoveries;
    if recoveries > 0 {
        let name = view.called(leader.address);
        let message = format!("{name} repairs a topology; {wish} leads after that.");
        draft.under(
            OperationType::LeaderTransfer,
            targets,
            format!("waits for recoveries: {recoveries} of them"),
        );
        draft.say(ConditionType::Progressing, Reason::WaitingForRecovery, message);
        draft.wait(PODS_PAUSE);
        return;
    }
    draft.under(OperationType::LeaderTransfer, targets, "is to lead".into());
    let (lasts, tries) = draft.so_far();
    if tries >= TRIES || lasts > LIMIT {
        fail(
            draft,
            format!("{wish} does not lead after {tries} tries; {} does", view.called(leader.address)),
        );
        return;
    }
    match view.heir(|heir| heir == address) {
        Some(_) => draft.act(Action::Transfer { to: address.to_owned() }, SOON),
        None => draft.wait(PODS_PAUSE),
    }
}

fn fail(draft: &mut Draft<'_>, note: String) {
    draft.tell(EventReason::LeaderTransferFailed, None, note);
    draft.act(Action::ClearVerb { key: verb::TRANSFER_LEADER_TO, pod: None }, SOON);
}
