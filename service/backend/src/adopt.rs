//! What is checked and noted at each opening, whatever the database.

use std::time::Duration;

use orchestrator_core::Timestamp;

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::rows::NodeIdentity;
use crate::schema;

/// A process of the original refreshes its row each second and is taken for dead after this time.
pub(crate) const OLD_PROCESS_LIFE: Duration = Duration::from_secs(5);

/// Name of the newest layout of our own tables, in `orchestrator_backend_meta`.
const LAYOUT: &str = "layout";

/// Name of the process that opened the database last.
const PROCESS_TOKEN: &str = "process_token";

/// The layout in the database, if it is newer than ours.
pub(crate) fn newer_layout(backend: &mut dyn Backend) -> Result<Option<i64>, BackendError> {
    let found = read_meta(backend, LAYOUT)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok((found > schema::LAYOUT).then_some(found))
}

/// The token of the process that opened the database last; empty when none did.
pub(crate) fn last_opener(backend: &mut dyn Backend) -> Result<String, BackendError> {
    Ok(read_meta(backend, PROCESS_TOKEN)?.unwrap_or_default())
}

fn read_meta(backend: &mut dyn Backend, key: &str) -> Result<Option<String>, BackendError> {
    let sql = "select meta_value from orchestrator_backend_meta where meta_key = ?";
    Ok(backend.query_first(sql, &[key.into()])?.map(|mut row| row.text()))
}

/// Notes who opened the database and with what version.
pub(crate) fn note_opening(
    backend: &mut dyn Backend,
    node: &NodeIdentity,
    version: &str,
    now: Timestamp,
) -> Result<(), BackendError> {
    for (key, value) in [(LAYOUT, schema::LAYOUT.to_string()), (PROCESS_TOKEN, node.token.clone())] {
        backend.insert(
            "orchestrator_backend_meta",
            OnConflict::Update(&["meta_key"]),
            vec![("meta_key", key.into()), ("meta_value", value.into())],
        )?;
    }
    backend.insert(
        "orchestrator_db_deployments",
        OnConflict::Update(&["deployed_version"]),
        vec![("deployed_version", version.into()), ("deployed_timestamp", now.into())],
    )
}

/// Closes recoveries that a process of the original left behind: it cannot be resumed, and must not block.
///
/// Unfinished recoveries of ours have a row of progress from their first moment.
pub(crate) fn close_orphans(backend: &mut dyn Backend, now: Timestamp) -> Result<(), BackendError> {
    let sql = "select recovery_id from topology_recovery where in_active_period = 1 and end_recovery is null \
               and uid not in (select recovery_uid from orchestrator_recovery_progress)";
    for mut row in backend.query(sql, &[])? {
        let id = row.int();
        tracing::warn!(recovery_id = id, "recovery of a former process closed: it had not ended");
        let sql = "update topology_recovery set end_recovery = ?, acknowledged = 1, acknowledged_at = ?, \
                   acknowledged_by = 'orchestrator', acknowledge_comment = 'detected crashed recovery' \
                   where recovery_id = ?";
        backend.execute(sql, &[now.into(), now.into(), id.into()])?;
        backend.end_active_period(id, now)?;
    }
    Ok(())
}
