//! Operating on one instance.

use orchestrator_core::InstanceKey;

use crate::{
    call::Call,
    error::ApiError,
    ports::InstanceOperation,
    reply::{Outcome, ok},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    PA "set-read-only/:host/:port" => set_read_only,
    PA "set-writeable/:host/:port" => set_writeable,
    PA "start-slave/:host/:port" => start_replica,
    PA "stop-slave/:host/:port" => stop_replica,
    PA "restart-slave/:host/:port" => restart_replica,
    PA "reset-slave/:host/:port" => reset_replica,
];

/// `set-read-only/:host/:port`.
async fn set_read_only(call: Call) -> Outcome {
    operate(&call, InstanceOperation::SetReadOnly, |_| "Server set as read-only".into()).await
}

/// `set-writeable/:host/:port`.
async fn set_writeable(call: Call) -> Outcome {
    operate(&call, InstanceOperation::SetWriteable, |_| "Server set as writeable".into()).await
}

/// `start-slave/:host/:port`.
async fn start_replica(call: Call) -> Outcome {
    operate(&call, InstanceOperation::StartReplica, |key| format!("Replica started: {key}")).await
}

/// `stop-slave/:host/:port`.
async fn stop_replica(call: Call) -> Outcome {
    operate(&call, InstanceOperation::StopReplica, |key| format!("Replica stopped: {key}")).await
}

/// `restart-slave/:host/:port`.
async fn restart_replica(call: Call) -> Outcome {
    operate(&call, InstanceOperation::RestartReplica, |key| format!("Replica restarted: {key}")).await
}

/// `reset-slave/:host/:port`.
async fn reset_replica(call: Call) -> Outcome {
    operate(&call, InstanceOperation::ResetReplica, |key| format!("Replica reset on {key}")).await
}

/// Operates on a known instance, and answers what it then looks like.
async fn operate(
    call: &Call,
    operation: InstanceOperation,
    message: impl Fn(&InstanceKey) -> String,
) -> Outcome {
    let picture = call.picture();
    let key = call.known_key(&picture)?;
    if picture.view.get(&key).is_none() {
        return Err(ApiError::UnknownInstance(key));
    }
    let record = call.app.ports.commands.operate(key.clone(), operation).await?;
    let picture = call.picture();
    ok(message(&key), &call.lens(&picture).instance(&record))
}
