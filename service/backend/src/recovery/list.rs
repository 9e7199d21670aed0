//! Recoveries as they are shown and resumed.

use orchestrator_core::Timestamp;
use orchestrator_core::view::ActiveRecovery;

use crate::error::BackendError;
use crate::port::Backend;
use crate::rows::{NodeIdentity, PAGE_ROWS, ProgressRow, RecoveryFilter, RecoveryRow, RecoveryStepRow};
use crate::text::keys_from_list;
use crate::value::{Row, Value};

const COLUMNS: &str = "recovery_id, uid, hostname, port, analysis, cluster_name, cluster_alias, \
    count_affected_slaves, slave_hosts, in_active_period, start_active_period, end_recovery, is_successful, \
    successor_hostname, successor_port, successor_alias, participating_instances, lost_slaves, all_errors, \
    processing_node_hostname, processcing_node_token, acknowledged, acknowledged_at, acknowledged_by, \
    acknowledge_comment, last_detection_id";

impl dyn Backend + '_ {
    /// One page of recoveries, newest first; pages count from 0.
    pub fn recoveries(
        &mut self,
        filter: &RecoveryFilter,
        only_unacknowledged: bool,
        page: u32,
    ) -> Result<Vec<RecoveryRow>, BackendError> {
        let (condition, mut values) = match filter {
            RecoveryFilter::All => ("1 = 1", vec![]),
            RecoveryFilter::Id(id) => ("recovery_id = ?", vec![(*id).into()]),
            RecoveryFilter::Uid(uid) => ("uid = ?", vec![uid.into()]),
            RecoveryFilter::Cluster(cluster) => ("cluster_name = ?", vec![cluster.into()]),
            RecoveryFilter::Alias(alias) => ("cluster_alias = ?", vec![alias.into()]),
        };
        let unacknowledged = if only_unacknowledged { "acknowledged = 0" } else { "1 = 1" };
        values.extend([PAGE_ROWS.into(), Value::from(u64::from(page) * u64::from(PAGE_ROWS))]);
        let sql = format!(
            "select {COLUMNS} from topology_recovery where {condition} and {unacknowledged} \
             order by recovery_id desc limit ? offset ?"
        );
        Ok(self.query(&sql, &values)?.into_iter().map(read).collect())
    }

    /// The highest number of a recovery, and of a detection, that this node knows: for whoever numbers the next.
    pub fn highest_ids(&mut self) -> Result<(i64, i64), BackendError> {
        let recovery = self.query_int("select max(recovery_id) from topology_recovery", &[])?;
        let detection = self.query_int("select max(detection_id) from topology_failure_detection", &[])?;
        Ok((recovery, detection))
    }

    /// Recoveries that have not ended, oldest first, for whoever leads to resume.
    pub fn unfinished_recoveries(&mut self) -> Result<Vec<(RecoveryRow, ProgressRow)>, BackendError> {
        let sql = "select recovery_uid, recovery_id, seq, stage, record, successor_hostname, successor_port, \
                   updated_at_millis from orchestrator_recovery_progress order by recovery_id";
        let mut unfinished = Vec::new();
        for row in self.query(sql, &[])? {
            let progress = read_progress(row);
            let filter = RecoveryFilter::Uid(progress.uid.clone());
            unfinished
                .extend(self.recoveries(&filter, false, 0)?.into_iter().map(|row| (row, progress.clone())));
        }
        Ok(unfinished)
    }

    /// How far a recovery is; `None` when it has ended or never was.
    pub fn recovery_progress(&mut self, uid: &str) -> Result<Option<ProgressRow>, BackendError> {
        let sql = "select recovery_uid, recovery_id, seq, stage, record, successor_hostname, successor_port, \
                   updated_at_millis from orchestrator_recovery_progress where recovery_uid = ?";
        Ok(self.query_first(sql, &[uid.into()])?.map(read_progress))
    }

    /// Recoveries that block others.
    pub(crate) fn active_recoveries(&mut self) -> Result<Vec<ActiveRecovery>, BackendError> {
        let sql = "select r.uid, r.recovery_id, r.hostname, r.port, r.cluster_name, \
                   coalesce(p.successor_hostname, r.successor_hostname), \
                   coalesce(p.successor_port, r.successor_port), r.start_active_period, r.end_recovery, \
                   r.participating_instances \
                   from topology_recovery r \
                   left join orchestrator_recovery_progress p on p.recovery_uid = r.uid \
                   where r.in_active_period = 1 order by r.recovery_id";
        let read = |mut row: Row| ActiveRecovery {
            uid: row.text(),
            id: row.int(),
            failed: row.key(),
            cluster: row.text(),
            successor: row.maybe_key(),
            started_at: row.time().unwrap_or_default(),
            ended_at: row.time(),
            touched: keys_from_list(&row.text()),
        };
        Ok(self.query(sql, &[])?.into_iter().map(read).collect())
    }

    /// Audited steps of one recovery, oldest first.
    pub fn recovery_steps(&mut self, uid: &str) -> Result<Vec<RecoveryStepRow>, BackendError> {
        let sql = "select recovery_step_id, recovery_uid, audit_at, message from topology_recovery_steps \
                   where recovery_uid = ? order by recovery_step_id";
        let read = |mut row: Row| RecoveryStepRow {
            id: row.int(),
            uid: row.text(),
            at: row.time().unwrap_or_default(),
            message: row.text(),
        };
        Ok(self.query(sql, &[uid.into()])?.into_iter().map(read).collect())
    }
}

fn read(mut row: Row) -> RecoveryRow {
    RecoveryRow {
        id: row.int(),
        uid: row.text(),
        failed: row.key(),
        analysis: row.text(),
        cluster: row.text(),
        cluster_alias: row.text(),
        replica_count: row.unsigned(),
        replicas: keys_from_list(&row.text()),
        is_active: row.truth(),
        started_at: row.time().unwrap_or_default(),
        ended_at: row.time(),
        is_successful: row.truth(),
        successor: row.maybe_key(),
        successor_alias: row.text(),
        participants: keys_from_list(&row.text()),
        lost_replicas: keys_from_list(&row.text()),
        errors: lines(&row.text()),
        node: NodeIdentity { hostname: row.text(), token: row.text() },
        is_acknowledged: row.truth(),
        acknowledged_at: row.time(),
        acknowledged_by: row.text(),
        acknowledge_comment: row.text(),
        last_detection_id: row.int(),
    }
}

fn lines(text: &str) -> Vec<String> {
    text.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn read_progress(mut row: Row) -> ProgressRow {
    ProgressRow {
        uid: row.text(),
        id: row.int(),
        seq: row.int(),
        stage: row.text(),
        record: row.text(),
        successor: row.maybe_key(),
        updated_at: Timestamp::from_millis(row.int()),
    }
}
