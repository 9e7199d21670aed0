//! What happened to this node in its group, for whoever watches.

use orchestrator_raft::GroupEvent;
use orchestrator_wire::{EventMember, RaftEvent, RaftEvents};

use super::NodeApi;

impl NodeApi {
    /// How this node stands, and what happened later than `micros`.
    pub(super) fn events_since(&self, micros: u64) -> RaftEvents {
        // Read first: the answer may then be newer than its events, and what it shows as new is told by the next.
        let events = self.raft.events_since(micros);
        let health = self.raft.health();
        let members = health.peers.iter().map(|peer| EventMember {
            addr: peer.member.raft_addr.clone(),
            http_uri: peer.member.http_uri.clone(),
        });
        RaftEvents {
            node: health.me.raft_addr.clone(),
            state: health.state.as_str().into(),
            term: health.term,
            leader: health.leader.as_ref().map(|leader| leader.raft_addr.clone()).unwrap_or_default(),
            last_log_index: health.last_log_index,
            leader_contact_ms: health.leader_contact_ms,
            last_quorum_ack_ms: health.quorum_ack_ms,
            reason: health.reason.clone().unwrap_or_default(),
            members: members.collect(),
            events: events.into_iter().map(event).collect(),
        }
    }
}

fn event(event: GroupEvent) -> RaftEvent {
    RaftEvent {
        unix_microseconds: event.at_micros,
        kind: event.kind.as_str().into(),
        message: event.kind.message().into(),
        term: event.term,
        peer: event.peer.unwrap_or_default(),
        detail: event.detail.unwrap_or_default(),
        log_index: event.log_index,
        elapsed_ms: event.elapsed_ms,
    }
}
