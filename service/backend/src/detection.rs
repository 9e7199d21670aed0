//! Detections: what was found and announced, once per instance as long as it is active.

use orchestrator_core::{InstanceKey, Timestamp};

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::rows::{DetectionFilter, DetectionRow, NodeIdentity, PAGE_ROWS};
use crate::text::{keys_from_list, keys_to_list};
use crate::value::{Row, Value, key_values};

const COLUMNS: &str = "d.detection_id, d.hostname, d.port, d.analysis, d.cluster_name, d.cluster_alias, \
    d.count_affected_slaves, d.slave_hosts, d.is_actionable, d.in_active_period, d.start_active_period, \
    d.processing_node_hostname, d.processcing_node_token, r.recovery_id";

impl dyn Backend + '_ {
    /// Notes a detection, unless one of the same instance and actionability is active.
    ///
    /// `detection.id` is the smallest number that it may get; answers the one it got, or `None` when it was
    /// known already. Detections that began before `active_since` are active no more.
    pub fn register_detection(
        &mut self,
        detection: &DetectionRow,
        active_since: Timestamp,
    ) -> Result<Option<i64>, BackendError> {
        let [hostname, port] = key_values(&detection.key);
        let sql = "select detection_id, start_active_period from topology_failure_detection \
                   where hostname = ? and port = ? and is_actionable = ? and in_active_period = 1";
        let found = self.query_first(sql, &[hostname, port, detection.is_actionable.into()])?;
        if let Some(mut row) = found {
            let (id, started_at) = (row.int(), row.time().unwrap_or_default());
            if started_at >= active_since {
                return Ok(None);
            }
            self.end_detection(id, detection.started_at)?;
        }
        let id = self.claim_id("detection", detection.id)?;
        self.make_room("topology_failure_detection", "detection_id", id)?;
        self.insert_detection(id, detection)?;
        Ok(Some(id))
    }

    fn insert_detection(&mut self, id: i64, detection: &DetectionRow) -> Result<(), BackendError> {
        let [hostname, port] = key_values(&detection.key);
        let row = vec![
            ("detection_id", id.into()),
            ("hostname", hostname),
            ("port", port),
            ("in_active_period", 1_i64.into()),
            ("start_active_period", detection.started_at.into()),
            ("end_active_period_unixtime", 0_i64.into()),
            ("processing_node_hostname", (&detection.node.hostname).into()),
            ("processcing_node_token", (&detection.node.token).into()), // sic
            ("analysis", (&detection.analysis).into()),
            ("cluster_name", (&detection.cluster).into()),
            ("cluster_alias", (&detection.cluster_alias).into()),
            ("count_affected_slaves", detection.replica_count.into()),
            ("slave_hosts", keys_to_list(&detection.replicas).into()),
            ("is_actionable", detection.is_actionable.into()),
        ];
        self.insert("topology_failure_detection", OnConflict::Fail, row)
    }

    /// Ends the active detections of an instance, so that the next failure is announced again.
    pub fn end_detections_of(&mut self, key: &InstanceKey, at: Timestamp) -> Result<(), BackendError> {
        let sql = "select detection_id from topology_failure_detection \
                   where in_active_period = 1 and hostname = ? and port = ?";
        self.end_detections(sql, &key_values(key), at)
    }

    /// Ends every detection that the query `sql` names.
    pub(crate) fn end_detections(
        &mut self,
        sql: &str,
        values: &[Value],
        at: Timestamp,
    ) -> Result<(), BackendError> {
        for mut row in self.query(sql, values)? {
            self.end_detection(row.int(), at)?;
        }
        Ok(())
    }

    /// Two that end in the same second would clash, so the second one ends a second later.
    pub(crate) fn end_detection(&mut self, id: i64, at: Timestamp) -> Result<(), BackendError> {
        let sql = "select max(o.end_active_period_unixtime) from topology_failure_detection o \
                   join topology_failure_detection d on o.hostname = d.hostname and o.port = d.port \
                   and o.is_actionable = d.is_actionable and o.in_active_period = 0 where d.detection_id = ?";
        let end = at.as_secs().max(self.query_int(sql, &[id.into()])? + 1);
        let sql = "update topology_failure_detection set in_active_period = 0, end_active_period_unixtime = ? \
                   where detection_id = ?";
        self.execute(sql, &[end.into(), id.into()]).map(drop)
    }

    /// One page of detections, newest first; pages count from 0.
    pub fn detections(
        &mut self,
        filter: &DetectionFilter,
        page: u32,
    ) -> Result<Vec<DetectionRow>, BackendError> {
        let (condition, mut values) = match filter {
            DetectionFilter::All => ("1 = 1", vec![]),
            DetectionFilter::Id(id) => ("d.detection_id = ?", vec![(*id).into()]),
            DetectionFilter::Alias(alias) => ("d.cluster_alias = ?", vec![alias.into()]),
            DetectionFilter::Instance(key) => ("d.hostname = ? and d.port = ?", key_values(key).to_vec()),
        };
        values.extend([PAGE_ROWS.into(), Value::from(u64::from(page) * u64::from(PAGE_ROWS))]);
        let sql = format!(
            "select {COLUMNS} from topology_failure_detection d \
             left join topology_recovery r on r.last_detection_id = d.detection_id \
             where {condition} order by d.detection_id desc limit ? offset ?"
        );
        Ok(self.query(&sql, &values)?.into_iter().map(read).collect())
    }

    /// The next number of a kind, at least `at_least`; the same on every node that applied the same commands.
    pub(crate) fn claim_id(&mut self, kind: &str, at_least: i64) -> Result<i64, BackendError> {
        let sql = "select last_id from orchestrator_sequence where sequence_name = ?";
        let id = (self.query_int(sql, &[kind.into()])? + 1).max(at_least);
        let row = vec![("sequence_name", kind.into()), ("last_id", id.into())];
        self.insert("orchestrator_sequence", OnConflict::Update(&["sequence_name"]), row)?;
        Ok(id)
    }

    /// Moves a row of this node's own history out of the way of a replicated number.
    ///
    /// Only possible after a group was formed from databases with different pasts.
    pub(crate) fn make_room(&mut self, table: &str, column: &str, id: i64) -> Result<(), BackendError> {
        if self.query_int(&format!("select count(*) from {table} where {column} = ?"), &[id.into()])? == 0 {
            return Ok(());
        }
        let free = self.query_int(&format!("select max({column}) + 1 from {table}"), &[])?;
        self.execute(
            &format!("update {table} set {column} = ? where {column} = ?"),
            &[free.into(), id.into()],
        )
        .map(drop)
    }
}

fn read(mut row: Row) -> DetectionRow {
    DetectionRow {
        id: row.int(),
        key: row.key(),
        analysis: row.text(),
        cluster: row.text(),
        cluster_alias: row.text(),
        replica_count: row.unsigned(),
        replicas: keys_from_list(&row.text()),
        is_actionable: row.truth(),
        is_active: row.truth(),
        started_at: row.time().unwrap_or_default(),
        node: NodeIdentity { hostname: row.text(), token: row.text() },
        recovery_id: row.int(),
    }
}
