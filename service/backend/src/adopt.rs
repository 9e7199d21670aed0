//! What is checked and noted at each opening, whatever the database.

use std::time::Duration;

use orchestrator_core::Timestamp;

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::rows::NodeIdentity;
use crate::schema;

/// What is done about a schema that is not this version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaPolicy {
    /// Missing tables, columns and indexes are added, and the version is noted as deployed; otherwise a schema that
    /// lacks a table or a column is refused.
    pub complete: bool,
    /// A schema that was deployed by other versions only is refused; one that nobody deployed yet is not.
    pub only_own: bool,
}

impl Default for SchemaPolicy {
    fn default() -> Self {
        Self { complete: true, only_own: false }
    }
}

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

/// The versions that deployed the schema, when `version` is none of them; `None` when it is, or when nobody did.
///
/// The caller has seen that there is such a table.
pub(crate) fn deployed_by_others(
    backend: &mut dyn Backend,
    version: &str,
) -> Result<Option<String>, BackendError> {
    let rows = backend.query("select deployed_version from orchestrator_db_deployments", &[])?;
    let mut versions: Vec<String> = rows.into_iter().map(|mut row| row.text()).collect();
    versions.sort();
    let by_others = !versions.is_empty() && !versions.iter().any(|deployed| deployed == version);
    Ok(by_others.then(|| versions.join(", ")))
}

/// Notes who opened the database, and the version if it deployed the schema.
pub(crate) fn note_opening(
    backend: &mut dyn Backend,
    node: &NodeIdentity,
    version: Option<&str>,
    now: Timestamp,
) -> Result<(), BackendError> {
    // Only the last opener is known by its token: the row of the one before would look like a living original's.
    let predecessor = last_opener(backend)?;
    backend.execute("delete from node_health where token = ?", &[predecessor.into()])?;
    for (key, value) in [(LAYOUT, schema::LAYOUT.to_string()), (PROCESS_TOKEN, node.token.clone())] {
        backend.insert(
            "orchestrator_backend_meta",
            OnConflict::Update(&["meta_key"]),
            vec![("meta_key", key.into()), ("meta_value", value.into())],
        )?;
    }
    let Some(version) = version else { return Ok(()) };
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
