//! What load balancers and probes ask. Everything here is answered from the health value, which somebody
//! else computes: no lock, no disk, no network.

use http::StatusCode;
use orchestrator_wire::{HealthStatus, NodeHealth};

use crate::{
    app::App,
    call::Call,
    error::ApiError,
    reply::{Outcome, Reply, encode, ok, raw},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    LO "leader-check" => leader_check,
    LO "leader-check/:errorStatusCode" => leader_check_with_status,
    LO "raft-health" => raft_health,
    LO "lb-check" => lb_check,
    LO "_ping" => lb_check,
    PO "routed-leader-check" => leader_check,
    L_ "health" => health,
    L_ "status" => health,
];

/// `lb-check`, `_ping`: this process answers.
async fn lb_check(_: Call) -> Outcome {
    raw(&"OK")
}

/// `leader-check`: 200 at the leader, 404 elsewhere.
async fn leader_check(call: Call) -> Outcome {
    leader_or(&call.app, StatusCode::NOT_FOUND)
}

/// `leader-check/:errorStatusCode`: elsewhere the given status; what is no number counts as 404.
async fn leader_check_with_status(call: Call) -> Outcome {
    let given = call.param("errorStatusCode");
    let status = match given.parse::<u32>() {
        Err(_) => StatusCode::NOT_FOUND,
        Ok(status) => u16::try_from(status)
            .ok()
            .filter(|status| *status >= 200) // Below, a status is not final.
            .and_then(|status| StatusCode::from_u16(status).ok())
            .ok_or_else(|| ApiError::InvalidStatusCode(given.into()))?,
    };
    leader_or(&call.app, status)
}

fn leader_or(app: &App, status: StatusCode) -> Outcome {
    if app.health().is_leader { raw(&"OK") } else { Ok(Reply::Status(status, encode(&"Not leader")?)) }
}

/// `raft-health`: 200 at a member that knows a live leader; else the details say why not.
async fn raft_health(call: Call) -> Outcome {
    if call.app.ports.raft.is_none() {
        return Err(ApiError::NoRaft("raft-state"));
    }
    let health = call.app.health();
    if health.healthy { raw(&"healthy") } else { Err(ApiError::Unhealthy(health.reasons.clone())) }
}

/// `health`, `status`: 200 as long as this node's backend takes writes.
async fn health(call: Call) -> Outcome {
    let status = status(&call.app);
    if status.healthy {
        return ok("Application node is healthy", &status);
    }
    let message = status.error.clone().unwrap_or_default();
    Err(ApiError::NodeUnhealthy { message, details: encode(&status)? })
}

fn status(app: &App) -> HealthStatus {
    let (health, identity) = (app.health(), &app.settings.identity);
    let raft = app.ports.raft.is_some();
    let available_nodes = app.ports.node.available_nodes();
    let active_node = if raft {
        NodeHealth { hostname: health.leader.clone(), ..NodeHealth::default() }
    } else {
        available_nodes.iter().flatten().next().cloned().unwrap_or_default()
    };
    HealthStatus {
        healthy: health.backend_writable,
        hostname: identity.hostname.clone(),
        token: identity.token.clone(),
        is_active_node: health.is_leader,
        active_node,
        error: (!health.backend_error.is_empty()).then(|| health.backend_error.clone()),
        available_nodes,
        raft_leader: health.leader.clone(),
        is_raft_leader: raft && health.is_leader,
        raft_leader_uri: health.leader_uri.clone(),
        raft_advertise: identity.raft_advertise.clone(),
        raft_healthy_members: app.ports.node.healthy_members(),
    }
}
