//! The raft group, as each node sees it.

use std::sync::Arc;

use crate::{
    call::Call,
    error::ApiError,
    ports::Raft,
    reply::{Outcome, ok, raw},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    L_ "raft-state" => state,
    L_ "raft-leader" => leader,
    L_ "raft-peers" => peers,
    L_ "raft-status" => status,
    L_ "raft-events" => events,
    L_ "raft-snapshot" => snapshot,
    PA "raft-add-peer/:addr" => add_peer,
    PA "raft-remove-peer/:addr" => remove_peer,
    LA "raft-yield/:node" => yield_to,
    LA "raft-yield-hint/:hint" => yield_to_hint,
];

/// The group, or the error by the name that the original gives this route.
fn group(call: &Call, name: &'static str) -> Result<Arc<dyn Raft>, ApiError> {
    call.app.ports.raft.clone().ok_or(ApiError::NoRaft(name))
}

/// `raft-state`: `Leader`, `Follower`, `Candidate` or `Shutdown`.
async fn state(call: Call) -> Outcome {
    group(&call, "raft-state")?;
    raw(&call.app.health().role.as_str())
}

/// `raft-leader`: the leader's raft address, empty while there is none.
async fn leader(call: Call) -> Outcome {
    group(&call, "raft-leader")?;
    raw(&call.app.health().leader)
}

/// `raft-peers`: all members' raft addresses.
async fn peers(call: Call) -> Outcome {
    raw(&group(&call, "raft-nodes")?.peers())
}

/// `raft-status`: all of that in one.
async fn status(call: Call) -> Outcome {
    raw(&group(&call, "raft-state")?.status())
}

/// `raft-events?since=MICROSECONDS`: how this node stands, and what happened to it later than that; all that it
/// remembers without `since`.
async fn events(call: Call) -> Outcome {
    let since = call.query.get("since").parse().unwrap_or(0);
    raw(&group(&call, "raft-events")?.events(since))
}

/// `raft-snapshot`: on this node, leader or not. Changes nothing that is replicated.
async fn snapshot(call: Call) -> Outcome {
    let group = group(&call, "raft-leader")?;
    if call.app.admission().read_only {
        return Err(ApiError::Unauthorized);
    }
    group.snapshot().await.map_err(ApiError::Snapshot)?;
    raw(&"snapshot created")
}

/// `raft-add-peer/:addr`: answers the member's address when it votes.
async fn add_peer(call: Call) -> Outcome {
    let group = group(&call, "raft-add-peer")?;
    raw(&group.add_peer(call.param("addr").into()).await.map_err(ApiError::AddPeer)?)
}

/// `raft-remove-peer/:addr`: answers the member's address when it is no member any more.
async fn remove_peer(call: Call) -> Outcome {
    let group = group(&call, "raft-remove-peer")?;
    raw(&group.remove_peer(call.param("addr").into()).await.map_err(ApiError::RemovePeer)?)
}

/// `raft-yield/:node`: asks, and does not wait.
async fn yield_to(call: Call) -> Outcome {
    group(&call, "raft-yield")?.yield_to(call.param("node").into());
    ok("Asynchronously yielded", &())
}

/// `raft-yield-hint/:hint`: asks, and does not wait.
async fn yield_to_hint(call: Call) -> Outcome {
    let hint = call.param("hint");
    group(&call, "raft-yield-hint")?.yield_to_hint(hint.into());
    ok(format!("Asynchronously yielded by hint {hint}"), &hint)
}
