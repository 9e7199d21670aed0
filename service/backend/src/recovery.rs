//! The life of a recovery: begin, move on, end, acknowledge.
//!
//! One per cluster: an unfinished one blocks every other of its cluster, forced or not, for as long as it
//! takes; it is resumed by whoever leads, never replaced. A finished one blocks for its active period.
//! All of this runs while applying commands, and reads nothing but the tables and its arguments.

mod acknowledge;
mod list;
mod rules;

use orchestrator_core::{InstanceKey, Timestamp};

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::rows::{DowntimeRow, NodeIdentity};
use crate::text::keys_to_list;
use crate::value::{Value, key_values};

pub use acknowledge::{AckSelector, Acknowledgement};
pub use rules::{Block, BlockReason};

/// A recovery that somebody wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeginRecovery {
    /// Its name, made by the leader.
    pub uid: String,
    /// The smallest number that it may get: one more than the leader's highest.
    pub at_least_id: i64,
    /// The instance that failed.
    pub failed: InstanceKey,
    /// The analysis code, as the original spells it.
    pub analysis: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Alias of the cluster.
    pub cluster_alias: String,
    /// How many replicas the failed instance has.
    pub replica_count: u32,
    /// Which.
    pub replicas: Vec<InstanceKey>,
    /// The leader's process.
    pub node: NodeIdentity,
    /// Now.
    pub at: Timestamp,
    /// Finished recoveries that began before this block no more: now minus the block period.
    pub active_since: Timestamp,
    /// Somebody insists: block periods, downtime and the global switch do not count.
    pub forced: bool,
    /// First stage, for people.
    pub stage: String,
    /// First record, for the program.
    pub record: String,
}

/// What became of [`BeginRecovery`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeginOutcome {
    /// It began under this number.
    Accepted {
        /// Its number.
        id: i64,
    },
    /// It did not.
    Blocked(Block),
}

/// A recovery that moves on by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub uid: String,
    /// Its sequence number before; anything else means that somebody else moved it.
    pub expected_seq: i64,
    /// New stage, for people.
    pub stage: String,
    /// New record, for the program.
    pub record: String,
    /// Whom it chose; `None` keeps what was chosen.
    pub successor: Option<InstanceKey>,
    /// Audited steps since the last move, with their times.
    pub steps: Vec<(Timestamp, String)>,
    /// Now.
    pub at: Timestamp,
}

/// What became of [`Progress`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgressOutcome {
    /// It moved on; the new sequence number.
    Accepted {
        /// Sequence number now.
        seq: i64,
    },
    /// Somebody else moved or ended it: whoever asked must stop. `None` = it has ended or never was.
    Stale {
        /// Sequence number now.
        seq: Option<i64>,
    },
}

/// A recovery that ends, with all that is to be declared about what it leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndRecovery {
    /// Which.
    pub uid: String,
    /// Its sequence number before.
    pub expected_seq: i64,
    /// It promoted a successor.
    pub is_successful: bool,
    /// Whom.
    pub successor: Option<InstanceKey>,
    /// The successor's alias.
    pub successor_alias: String,
    /// Replicas that could not be moved.
    pub lost_replicas: Vec<InstanceKey>,
    /// Instances that were touched.
    pub participants: Vec<InstanceKey>,
    /// What went wrong on the way.
    pub errors: Vec<String>,
    /// Last audited steps, with their times.
    pub steps: Vec<(Timestamp, String)>,
    /// Downtimes to begin.
    pub downtimes: Vec<DowntimeRow>,
    /// Downtimes to end.
    pub end_downtimes: Vec<InstanceKey>,
    /// Aliases to declare: cluster name, alias.
    pub aliases: Vec<(String, String)>,
    /// Now.
    pub at: Timestamp,
}

/// What became of [`EndRecovery`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndOutcome {
    /// It ended.
    Ended {
        /// Its number.
        id: i64,
    },
    /// Somebody else moved or ended it; nothing was changed. `None` = it has ended or never was.
    Stale {
        /// Sequence number now.
        seq: Option<i64>,
    },
}

impl dyn Backend + '_ {
    /// Begins a recovery unless another one, a downtime or the global switch is in the way.
    pub fn begin_recovery(&mut self, begin: &BeginRecovery) -> Result<BeginOutcome, BackendError> {
        self.in_transaction(|backend| {
            // A leader that heard no answer may have asked twice.
            if let Some(id) = backend.active_recovery_named(&begin.uid)? {
                return Ok(BeginOutcome::Accepted { id });
            }
            if let Some(block) = backend.find_block(begin)? {
                backend.note_block(begin, &block)?;
                return Ok(BeginOutcome::Blocked(block));
            }
            backend.retire_former(begin)?;
            backend.forget_history_of(&begin.uid)?;
            let id = backend.claim_id("recovery", begin.at_least_id)?;
            backend.make_room("topology_recovery", "recovery_id", id)?;
            backend.insert_recovery(id, begin)?;
            backend.insert_progress(id, begin)?;
            Ok(BeginOutcome::Accepted { id })
        })
    }

    fn active_recovery_named(&mut self, uid: &str) -> Result<Option<i64>, BackendError> {
        let sql = "select recovery_id from topology_recovery where uid = ? and in_active_period = 1";
        Ok(self.query_first(sql, &[uid.into()])?.map(|mut row| row.int()))
    }

    /// A node that joins a group with a database of an earlier life hears again of what its history has already.
    fn forget_history_of(&mut self, uid: &str) -> Result<(), BackendError> {
        self.execute("delete from topology_recovery_steps where recovery_uid = ?", &[uid.into()])?;
        let sql = "delete from topology_recovery where uid = ? and in_active_period = 0";
        self.execute(sql, &[uid.into()]).map(drop)
    }

    /// Whatever still counts as active although it does not block: the table allows one active row per instance.
    fn retire_former(&mut self, begin: &BeginRecovery) -> Result<(), BackendError> {
        if begin.forced {
            let acknowledgement = Acknowledgement {
                selector: AckSelector::Instance(begin.failed.clone()),
                by: begin.node.hostname.clone(),
                comment: "forced recovery".into(),
                at: begin.at,
            };
            // The detection stays: it is what this recovery answers.
            self.acknowledge_each(&acknowledgement)?;
        }
        let sql = "select recovery_id from topology_recovery \
                   where in_active_period = 1 and hostname = ? and port = ?";
        for mut row in self.query(sql, &key_values(&begin.failed))? {
            self.end_active_period(row.int(), begin.at)?;
        }
        Ok(())
    }

    fn insert_recovery(&mut self, id: i64, begin: &BeginRecovery) -> Result<(), BackendError> {
        let [hostname, port] = key_values(&begin.failed);
        let sql = "select coalesce(max(detection_id), 0) from topology_failure_detection \
                   where in_active_period = 1 and hostname = ? and port = ?";
        let detection_id = self.query_int(sql, &[hostname.clone(), port.clone()])?;
        let row = vec![
            ("recovery_id", id.into()),
            ("uid", (&begin.uid).into()),
            ("hostname", hostname),
            ("port", port),
            ("in_active_period", 1_i64.into()),
            ("start_active_period", begin.at.into()),
            ("end_active_period_unixtime", 0_i64.into()),
            ("processing_node_hostname", (&begin.node.hostname).into()),
            ("processcing_node_token", (&begin.node.token).into()), // sic
            ("analysis", (&begin.analysis).into()),
            ("cluster_name", (&begin.cluster).into()),
            ("cluster_alias", (&begin.cluster_alias).into()),
            ("count_affected_slaves", begin.replica_count.into()),
            ("slave_hosts", keys_to_list(&begin.replicas).into()),
            ("participating_instances", "".into()),
            ("lost_slaves", "".into()),
            ("all_errors", "".into()),
            ("acknowledged_by", "".into()),
            ("acknowledge_comment", "".into()),
            ("last_detection_id", detection_id.into()),
        ];
        self.insert("topology_recovery", OnConflict::Fail, row)
    }

    fn insert_progress(&mut self, id: i64, begin: &BeginRecovery) -> Result<(), BackendError> {
        let row = vec![
            ("recovery_uid", (&begin.uid).into()),
            ("recovery_id", id.into()),
            ("seq", 0_i64.into()),
            ("stage", (&begin.stage).into()),
            ("record", (&begin.record).into()),
            ("updated_at_millis", begin.at.as_millis().into()),
        ];
        self.insert("orchestrator_recovery_progress", OnConflict::Fail, row)
    }

    /// Moves an unfinished recovery on, if nobody else did.
    pub fn progress_recovery(&mut self, progress: &Progress) -> Result<ProgressOutcome, BackendError> {
        self.in_transaction(|backend| {
            let seq = backend.recovery_seq(&progress.uid)?;
            if seq != Some(progress.expected_seq) {
                return Ok(ProgressOutcome::Stale { seq });
            }
            let seq = progress.expected_seq + 1;
            let sql = "update orchestrator_recovery_progress \
                       set seq = ?, stage = ?, record = ?, updated_at_millis = ?, \
                       successor_hostname = coalesce(?, successor_hostname), \
                       successor_port = coalesce(?, successor_port) where recovery_uid = ?";
            let [hostname, port] = maybe_key_values(progress.successor.as_ref());
            let Progress { uid, stage, record, at, .. } = progress;
            let values =
                [seq.into(), stage.into(), record.into(), at.as_millis().into(), hostname, port, uid.into()];
            backend.execute(sql, &values)?;
            backend.add_recovery_steps(uid, &progress.steps)?;
            Ok(ProgressOutcome::Accepted { seq })
        })
    }

    /// The sequence number of an unfinished recovery.
    fn recovery_seq(&mut self, uid: &str) -> Result<Option<i64>, BackendError> {
        let sql = "select seq from orchestrator_recovery_progress where recovery_uid = ?";
        Ok(self.query_first(sql, &[uid.into()])?.map(|mut row| row.int()))
    }

    /// Ends a recovery, if nobody else moved it, and declares what it leaves behind.
    pub fn end_recovery(&mut self, end: &EndRecovery) -> Result<EndOutcome, BackendError> {
        self.in_transaction(|backend| {
            let seq = backend.recovery_seq(&end.uid)?;
            if seq != Some(end.expected_seq) {
                return Ok(EndOutcome::Stale { seq });
            }
            let sql = "select recovery_id from orchestrator_recovery_progress where recovery_uid = ?";
            let id = backend.query_int(sql, &[(&end.uid).into()])?;
            backend.close_recovery(end)?;
            backend.add_recovery_steps(&end.uid, &end.steps)?;
            let sql = "delete from orchestrator_recovery_progress where recovery_uid = ?";
            backend.execute(sql, &[(&end.uid).into()])?;
            backend.leave_period_if_acknowledged(&end.uid, end.at)?;
            backend.declare_aftermath(end)?;
            Ok(EndOutcome::Ended { id })
        })
    }

    fn close_recovery(&mut self, end: &EndRecovery) -> Result<(), BackendError> {
        let (hostname, port) = match &end.successor {
            Some(key) => (Value::from(&*key.hostname), key.port),
            None => ("".into(), 0),
        };
        let sql = "update topology_recovery set is_successful = ?, successor_hostname = ?, successor_port = ?, \
                   successor_alias = ?, lost_slaves = ?, participating_instances = ?, all_errors = ?, \
                   end_recovery = ? where uid = ?";
        let values = [
            end.is_successful.into(),
            hostname,
            port.into(),
            (&end.successor_alias).into(),
            keys_to_list(&end.lost_replicas).into(),
            keys_to_list(&end.participants).into(),
            end.errors.join("\n").into(),
            end.at.into(),
            (&end.uid).into(),
        ];
        self.execute(sql, &values).map(drop)
    }

    /// An acknowledgement of an unfinished recovery takes effect here.
    fn leave_period_if_acknowledged(&mut self, uid: &str, at: Timestamp) -> Result<(), BackendError> {
        let sql = "select recovery_id from topology_recovery \
                   where uid = ? and acknowledged = 1 and in_active_period = 1";
        for mut row in self.query(sql, &[uid.into()])? {
            self.end_active_period(row.int(), at)?;
        }
        Ok(())
    }

    fn declare_aftermath(&mut self, end: &EndRecovery) -> Result<(), BackendError> {
        for downtime in &end.downtimes {
            self.begin_downtime(downtime)?;
        }
        for key in &end.end_downtimes {
            self.end_downtime(key)?;
        }
        for (cluster, alias) in &end.aliases {
            // What an earlier recovery declared of the server that failed now would keep the name with it.
            let sql = "delete from cluster_alias_override where alias = ? and cluster_name <> ?";
            self.execute(sql, &[alias.into(), cluster.into()])?;
            self.set_cluster_alias(cluster, Some(alias))?;
        }
        if end.is_successful {
            let sql = "select d.detection_id from topology_failure_detection d \
                       join topology_recovery r on d.hostname = r.hostname and d.port = r.port \
                       where r.uid = ? and d.in_active_period = 1";
            self.end_detections(sql, &[(&end.uid).into()], end.at)?;
        }
        Ok(())
    }

    /// Writes audited steps.
    pub fn add_recovery_steps(
        &mut self,
        uid: &str,
        steps: &[(Timestamp, String)],
    ) -> Result<(), BackendError> {
        for (at, message) in steps {
            let row =
                vec![("recovery_uid", uid.into()), ("audit_at", (*at).into()), ("message", message.into())];
            self.insert("topology_recovery_steps", OnConflict::Fail, row)?;
        }
        Ok(())
    }

    /// A recovery blocks no more. Two that end in the same second would clash, so the second ends a second later.
    pub(crate) fn end_active_period(&mut self, id: i64, at: Timestamp) -> Result<(), BackendError> {
        let sql = "select max(o.end_active_period_unixtime) from topology_recovery o \
                   join topology_recovery r on o.hostname = r.hostname and o.port = r.port \
                   and o.in_active_period = 0 where r.recovery_id = ?";
        let end = at.as_secs().max(self.query_int(sql, &[id.into()])? + 1);
        let sql = "update topology_recovery set in_active_period = 0, end_active_period_unixtime = ? \
                   where recovery_id = ?";
        self.execute(sql, &[end.into(), id.into()]).map(drop)
    }
}

fn maybe_key_values(key: Option<&InstanceKey>) -> [Value; 2] {
    key.map_or([Value::Null, Value::Null], key_values)
}
