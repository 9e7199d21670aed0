//! What ends by itself: declared things by command, history by age.

use orchestrator_core::Timestamp;
use orchestrator_core::view::LOST_IN_RECOVERY;

use crate::error::BackendError;
use crate::port::Backend;
use crate::value::Value;

/// Replicated things that end at a time. The leader proposes it when something is due; every node applies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Now: downtimes that end by then are cleared, except those of lost instances.
    pub at: Timestamp,
    /// Downtimes of lost instances that end by now are renewed until then.
    pub lost_until: Timestamp,
    /// Promotion rules declared before are cleared.
    pub candidates_before: Timestamp,
    /// Finished recoveries begun before block no more.
    pub recoveries_before: Timestamp,
    /// Detections begun before are active no more.
    pub detections_before: Timestamp,
}

const DUE_DOWNTIMES: &str = "from database_instance_downtime where end_timestamp <= ?";
const DUE_CANDIDATES: &str = "from candidate_database_instance where last_suggested < ?";
const DUE_RECOVERIES: &str = "from topology_recovery \
    where in_active_period = 1 and end_recovery is not null and start_active_period < ?";
const DUE_DETECTIONS: &str =
    "from topology_failure_detection where in_active_period = 1 and start_active_period < ?";

/// How old a node's own history may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgeLimits {
    /// Audit, ended detections, ended recoveries and their steps older than this go.
    pub audit_before: Timestamp,
    /// Changes of analysis and starts of processes older than this go.
    pub history_before: Timestamp,
    /// Processes not seen since then go.
    pub processes_before: Timestamp,
    /// Refusals not repeated since then go.
    pub blocked_before: Timestamp,
}

impl dyn Backend + '_ {
    /// Something would change: worth a command.
    pub fn is_expiry_due(&mut self, expiry: &Expiry) -> Result<bool, BackendError> {
        let due = [
            (DUE_DOWNTIMES, expiry.at),
            (DUE_CANDIDATES, expiry.candidates_before),
            (DUE_RECOVERIES, expiry.recoveries_before),
            (DUE_DETECTIONS, expiry.detections_before),
        ];
        for (from, limit) in due {
            if self.query_int(&format!("select count(*) {from}"), &[limit.into()])? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends what is due. Unfinished recoveries never end by themselves.
    pub fn expire(&mut self, expiry: &Expiry) -> Result<(), BackendError> {
        self.in_transaction(|backend| {
            let sql = "update database_instance_downtime set end_timestamp = ? \
                       where end_timestamp <= ? and reason = ?";
            let lost = LOST_IN_RECOVERY.into();
            backend.execute(sql, &[expiry.lost_until.into(), expiry.at.into(), lost])?;
            backend.execute(&format!("delete {DUE_DOWNTIMES}"), &[expiry.at.into()])?;
            backend.execute(&format!("delete {DUE_CANDIDATES}"), &[expiry.candidates_before.into()])?;
            let sql = format!("select recovery_id {DUE_RECOVERIES} order by recovery_id");
            for mut row in backend.query(&sql, &[expiry.recoveries_before.into()])? {
                backend.end_active_period(row.int(), expiry.at)?;
            }
            let sql = format!("select detection_id {DUE_DETECTIONS} order by detection_id");
            backend.end_detections(&sql, &[expiry.detections_before.into()], expiry.at)
        })
    }

    /// Removes this node's own history by age; how many rows. Meant to be called each minute.
    pub fn purge(&mut self, limits: &PurgeLimits) -> Result<u64, BackendError> {
        let statements: [(&str, Timestamp); 8] = [
            ("delete from audit where audit_timestamp < ?", limits.audit_before),
            (
                "delete from topology_failure_detection where in_active_period = 0 and start_active_period < ?",
                limits.audit_before,
            ),
            (
                "delete from topology_recovery_steps where audit_at < ? and recovery_uid not in \
                 (select uid from topology_recovery where in_active_period = 1)",
                limits.audit_before,
            ),
            (
                "delete from topology_recovery where in_active_period = 0 and start_active_period < ?",
                limits.audit_before,
            ),
            (
                "delete from database_instance_analysis_changelog where analysis_timestamp < ?",
                limits.history_before,
            ),
            ("delete from node_health_history where first_seen_active < ?", limits.history_before),
            ("delete from node_health where last_seen_active < ?", limits.processes_before),
            ("delete from blocked_topology_recovery where last_blocked_timestamp < ?", limits.blocked_before),
        ];
        self.in_transaction(|backend| {
            statements.into_iter().try_fold(0, |removed, (sql, limit)| {
                Ok(removed + backend.execute(sql, &[Value::from(limit)])?)
            })
        })
    }
}
