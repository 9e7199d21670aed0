//! Getting to know instances, and forgetting them.

use crate::{
    call::Call,
    error::ApiError,
    ports::PortError,
    reply::{Outcome, ok, ok_key},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    PA "discover/:host/:port" => discover,
    PA "async-discover/:host/:port" => discover_later,
    PA "refresh/:host/:port" => refresh,
    PA "forget/:host/:port" => forget,
    PA "forget-cluster/:clusterHint" => forget_cluster,
];

/// `discover/:host/:port`: probes exactly that name, and answers what was read.
async fn discover(call: Call) -> Outcome {
    let key = call.key()?;
    let Some(record) = call.app.ports.commands.discover(key).await? else {
        return ok("No instances discovered", &());
    };
    let picture = call.picture();
    let message = format!("Instance discovered: {}", record.instance.key);
    ok(message, &call.lens(&picture).instance(&record))
}

/// `async-discover/:host/:port`: takes note of exactly that name.
async fn discover_later(call: Call) -> Outcome {
    let key = call.key()?;
    call.app.ports.commands.discover_later(key.clone()).await?;
    ok(format!("Asynchronous discovery initiated for Instance: {key}"), &())
}

/// `refresh/:host/:port`.
async fn refresh(call: Call) -> Outcome {
    let key = call.known_key(&call.picture())?;
    call.app.ports.commands.refresh(key.clone()).await?;
    ok_key(format!("Instance refreshed: {key}"), &key)
}

/// `forget/:host/:port`: exactly that name; similar ones stay.
async fn forget(call: Call) -> Outcome {
    let key = call.key()?;
    let forgotten = call.app.ports.commands.forget(key.clone()).await;
    forgotten.map_err(|error| match error {
        PortError::UnknownInstance(key) => ApiError::NothingToForget(key),
        other => other.into(),
    })?;
    ok_key(format!("Instance forgotten: {key}"), &key)
}

/// `forget-cluster/:clusterHint`.
async fn forget_cluster(call: Call) -> Outcome {
    let cluster = call.cluster(&call.picture())?;
    call.app.ports.commands.forget_cluster(cluster.as_ref().into()).await?;
    ok(format!("Cluster forgotten: {cluster}"), &())
}
