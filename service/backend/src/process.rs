//! Processes that use this database. A row that was written here is the node's proof that its database works.

use orchestrator_core::Timestamp;

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::rows::{NodeHealthRow, NodeIdentity};
use crate::value::Row;

impl dyn Backend + '_ {
    /// Says that this process lives. Meant to be called each second.
    ///
    /// The first call of a process also notes its start.
    pub fn write_node_health(&mut self, health: &NodeHealthRow) -> Result<(), BackendError> {
        self.in_transaction(|backend| {
            let sql = "update node_health set last_seen_active = ?, app_version = ?, extra_info = ?, \
                       incrementing_indicator = incrementing_indicator + 1 where hostname = ? and token = ?";
            let NodeHealthRow { node, version, mode, last_seen, .. } = health;
            let values = [
                (*last_seen).into(),
                version.into(),
                mode.into(),
                (&node.hostname).into(),
                (&node.token).into(),
            ];
            if backend.execute(sql, &values)? > 0 { Ok(()) } else { backend.note_start(health) }
        })
    }

    fn note_start(&mut self, health: &NodeHealthRow) -> Result<(), BackendError> {
        let mut row = vec![
            ("hostname", (&health.node.hostname).into()),
            ("token", (&health.node.token).into()),
            ("first_seen_active", health.first_seen.into()),
            ("extra_info", (&health.mode).into()),
            ("command", (&health.command).into()),
            ("app_version", (&health.version).into()),
        ];
        self.insert("node_health_history", OnConflict::Ignore, row.clone())?;
        row.extend([
            ("last_seen_active", health.last_seen.into()),
            ("db_backend", (&health.database).into()),
        ]);
        self.insert("node_health", OnConflict::Ignore, row)
    }

    /// Processes seen since then, in the order of their names. A process is alive when seen within two seconds.
    pub fn node_health(&mut self, seen_since: Timestamp) -> Result<Vec<NodeHealthRow>, BackendError> {
        let sql = "select hostname, token, app_version, extra_info, command, db_backend, first_seen_active, \
                   last_seen_active from node_health where last_seen_active >= ? order by hostname, token";
        let read = |mut row: Row| NodeHealthRow {
            node: NodeIdentity { hostname: row.text(), token: row.text() },
            version: row.text(),
            mode: row.text(),
            command: row.text(),
            database: row.text(),
            first_seen: row.time().unwrap_or_default(),
            last_seen: row.time().unwrap_or_default(),
        };
        Ok(self.query(sql, &[seen_since.into()])?.into_iter().map(read).collect())
    }
}
