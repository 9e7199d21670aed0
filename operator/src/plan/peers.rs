//! A changed list of peers, or another change that a running member can take over, goes through the members one by
//! one: the next one is asked when the one before says that it holds exactly what its files should hold.

use orchestrator_crds::{EventReason, OperationType};
use orchestrator_wire::DataState;

use super::{
    Action, Flow,
    draft::{Draft, SOON},
    view::View,
};
use crate::observation::Seat;

pub(super) fn decide(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    // The file is written before members are asked to read it: in the next pass it is there.
    let is_written = view.seen().delivery.peers == draft.peers;
    let leader = view.leader().and_then(|leader| leader.ordinal);
    let mut seats: Vec<(&u32, &Seat)> = view.seen().seats.iter().collect();
    seats.sort_by_key(|(ordinal, _)| (Some(**ordinal) == leader, **ordinal));
    let behind: Vec<u32> = seats
        .into_iter()
        .filter(|(_, seat)| is_written && (differs_in_peers(view, seat) || differs(seat)))
        .map(|(ordinal, _)| *ordinal)
        .collect();
    tell_read(view, &behind, draft);
    let Some(ordinal) = behind.first() else {
        if is_written {
            draft.done(
                OperationType::PeerListRoll,
                EventReason::PeerListRollCompleted,
                "all members hold the new list",
            );
            draft.done(
                OperationType::ConfigReload,
                EventReason::ConfigReloaded,
                "all members hold the new configuration",
            );
        }
        return Flow::Next;
    };
    let is_peers = view.seat(*ordinal).is_some_and(|seat| differs_in_peers(view, seat));
    let (operation, what) = match is_peers {
        true => (OperationType::PeerListRoll, "the list of peers"),
        false => (OperationType::ConfigReload, "its configuration"),
    };
    let step = format!(
        "reads {what}: {} of {} members still have the old one",
        behind.len(),
        view.seen().seats.len()
    );
    draft.under(operation, vec![view.pod_name(*ordinal)], step);
    draft.act(Action::Reload { ordinal: *ordinal }, SOON);
    Flow::Decided
}

/// Members that answer and run on; whoever starts reads its files anyway.
fn runs(seat: &Seat) -> bool {
    seat.pod.as_ref().is_some_and(|pod| !pod.terminating)
}

fn differs_in_peers(view: &View<'_>, seat: &Seat) -> bool {
    let expected = &view.seen().delivery.peers_hash;
    let status = seat.answer.status().filter(|status| status.data_state != DataState::Corrupt);
    runs(seat) && status.is_some_and(|status| status.raft_nodes_hash != *expected)
}

fn differs(seat: &Seat) -> bool {
    let status = seat.answer.status().filter(|status| status.data_state != DataState::Corrupt);
    let expected = seat.pod.as_ref().and_then(|pod| pod.config_hash.as_ref());
    runs(seat) && status.zip(expected).is_some_and(|(status, expected)| status.config_hash != *expected)
}

/// Reports the member that was asked before and holds the new list now.
fn tell_read(view: &View<'_>, behind: &[u32], draft: &mut Draft<'_>) {
    let Some(last) = draft.last_target(OperationType::PeerListRoll) else { return };
    if behind.iter().all(|ordinal| view.pod_name(*ordinal) != last) {
        let peers = draft.peers.len();
        draft.tell(EventReason::PeerListReloaded, Some(last), format!("holds the list of {peers} peers"));
    }
}
