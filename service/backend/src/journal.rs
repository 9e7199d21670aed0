//! What each node writes for itself, for people to read: audit, refused recoveries, changes of analysis.

use std::collections::BTreeMap;

use orchestrator_core::{InstanceKey, Timestamp};

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::rows::{AuditRow, BlockedRecoveryRow, PAGE_ROWS};
use crate::value::{Row, Value, key_values};

impl dyn Backend + '_ {
    /// Appends one line to the audit; its number is given here.
    pub fn add_audit(&mut self, line: &AuditRow) -> Result<(), BackendError> {
        let [hostname, port] = line.key.as_ref().map_or(["".into(), 0_i64.into()], key_values);
        let row = vec![
            ("audit_timestamp", line.at.into()),
            ("audit_type", (&line.kind).into()),
            ("hostname", hostname),
            ("port", port),
            ("cluster_name", (&line.cluster).into()),
            ("message", (&line.message).into()),
        ];
        self.insert("audit", OnConflict::Fail, row)
    }

    /// One page of the audit, newest first, of all or of one instance; pages count from 0.
    pub fn audit(&mut self, key: Option<&InstanceKey>, page: u32) -> Result<Vec<AuditRow>, BackendError> {
        let (condition, mut values) = match key {
            None => ("1 = 1", vec![]),
            Some(key) => ("hostname = ? and port = ?", key_values(key).to_vec()),
        };
        values.extend([PAGE_ROWS.into(), Value::from(u64::from(page) * u64::from(PAGE_ROWS))]);
        let sql = format!(
            "select audit_id, audit_timestamp, audit_type, hostname, port, cluster_name, message from audit \
             where {condition} order by audit_timestamp desc, audit_id desc limit ? offset ?"
        );
        let read = |mut row: Row| AuditRow {
            id: row.int(),
            at: row.time().unwrap_or_default(),
            kind: row.text(),
            key: row.maybe_key(),
            cluster: row.text(),
            message: row.text(),
        };
        Ok(self.query(&sql, &values)?.into_iter().map(read).collect())
    }

    /// Notes a recovery that was not even proposed because another is in the way.
    pub fn note_blocked_recovery(&mut self, blocked: &BlockedRecoveryRow) -> Result<(), BackendError> {
        let [hostname, port] = key_values(&blocked.key);
        let row = vec![
            ("hostname", hostname),
            ("port", port),
            ("cluster_name", (&blocked.cluster).into()),
            ("analysis", (&blocked.analysis).into()),
            ("last_blocked_timestamp", blocked.blocked_at.into()),
            ("blocking_recovery_id", blocked.blocking_id.into()),
        ];
        self.insert("blocked_topology_recovery", OnConflict::Update(&["hostname", "port"]), row)
    }

    /// Refused recoveries, newest first, of all or of one cluster.
    pub fn blocked_recoveries(
        &mut self,
        cluster: Option<&str>,
    ) -> Result<Vec<BlockedRecoveryRow>, BackendError> {
        let (condition, values) = match cluster {
            None => ("1 = 1", vec![]),
            Some(cluster) => ("cluster_name = ?", vec![cluster.into()]),
        };
        let sql = format!(
            "select hostname, port, cluster_name, analysis, last_blocked_timestamp, blocking_recovery_id \
             from blocked_topology_recovery where {condition} order by last_blocked_timestamp desc, hostname, port"
        );
        let read = |mut row: Row| BlockedRecoveryRow {
            key: row.key(),
            cluster: row.text(),
            analysis: row.text(),
            blocked_at: row.time().unwrap_or_default(),
            blocking_id: row.int(),
        };
        Ok(self.query(&sql, &values)?.into_iter().map(read).collect())
    }

    /// Notes that the analysis of an instance became `code`; does nothing when it was that already.
    pub fn note_analysis(
        &mut self,
        key: &InstanceKey,
        code: &str,
        at: Timestamp,
    ) -> Result<(), BackendError> {
        let [hostname, port] = key_values(key);
        let sql = "select analysis from database_instance_last_analysis where hostname = ? and port = ?";
        let last = self.query_first(sql, &[hostname.clone(), port.clone()])?.map(|mut row| row.text());
        if last.as_deref() == Some(code) {
            return Ok(());
        }
        let row = vec![
            ("hostname", hostname),
            ("port", port),
            ("analysis_timestamp", at.into()),
            ("analysis", code.into()),
        ];
        self.in_transaction(|backend| {
            // The first code of an instance is no change.
            if last.is_some() {
                backend.insert("database_instance_analysis_changelog", OnConflict::Fail, row.clone())?;
            }
            let update = OnConflict::Update(&["hostname", "port"]);
            backend.insert("database_instance_last_analysis", update, row)
        })
    }

    /// How the analysis of each instance changed, oldest first, by instance.
    pub fn analysis_changelog(
        &mut self,
    ) -> Result<BTreeMap<InstanceKey, Vec<(Timestamp, String)>>, BackendError> {
        let sql = "select hostname, port, analysis_timestamp, analysis \
                   from database_instance_analysis_changelog order by changelog_id";
        let mut changes = BTreeMap::<_, Vec<_>>::new();
        for mut row in self.query(sql, &[])? {
            let key = row.key();
            changes.entry(key).or_default().push((row.time().unwrap_or_default(), row.text()));
        }
        Ok(changes)
    }
}
