//! What was done.

use orchestrator_core::InstanceKey;
use orchestrator_wire::Audit;

use crate::{
    call::Call,
    reply::{Outcome, raw},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    P_ "audit" => all,
    P_ "audit/:page" => all,
    P_ "audit/instance/:host/:port" => of_instance,
    P_ "audit/instance/:host/:port/:page" => of_instance,
];

/// `audit[/:page]`.
async fn all(call: Call) -> Outcome {
    list(&call, None).await
}

/// `audit/instance/:host/:port[/:page]`.
async fn of_instance(call: Call) -> Outcome {
    let key = call.known_key(&call.picture())?;
    list(&call, Some(key)).await
}

async fn list(call: &Call, instance: Option<InstanceKey>) -> Outcome {
    let records = call.app.ports.history.audit(instance, call.page()).await?;
    raw(&records.into_iter().map(Audit::from).collect::<Vec<_>>())
}
