//! A person closes recoveries, ending their block.

use orchestrator_core::{InstanceKey, Timestamp};

use crate::error::BackendError;
use crate::port::Backend;
use crate::value::{Value, key_values};

/// Which recoveries are acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckSelector {
    /// All.
    All,
    /// The one with this number.
    Id(i64),
    /// The one with this name.
    Uid(String),
    /// Those of the cluster with this name or alias.
    Cluster(String),
    /// Those of this failed instance.
    Instance(InstanceKey),
}

/// Somebody closes recoveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Which.
    pub selector: AckSelector,
    /// Who.
    pub by: String,
    /// With what words.
    pub comment: String,
    /// When.
    pub at: Timestamp,
}

impl AckSelector {
    fn condition(&self) -> (&'static str, Vec<Value>) {
        match self {
            Self::All => ("1 = 1", vec![]),
            Self::Id(id) => ("recovery_id = ?", vec![(*id).into()]),
            Self::Uid(uid) => ("uid = ?", vec![uid.into()]),
            Self::Cluster(name) => {
                ("(cluster_name = ? or cluster_alias = ?)", vec![name.into(), name.into()])
            }
            Self::Instance(key) => ("hostname = ? and port = ?", key_values(key).to_vec()),
        }
    }
}

impl dyn Backend + '_ {
    /// Acknowledges recoveries that were not yet; their numbers, lowest first.
    ///
    /// A finished one stops blocking at once; an unfinished one as soon as it ends. Clusters and instances
    /// also have their detections ended. The history of each node may differ, and so may the answer.
    pub fn acknowledge_recoveries(&mut self, ack: &Acknowledgement) -> Result<Vec<i64>, BackendError> {
        self.in_transaction(|backend| {
            let (condition, values) = ack.selector.condition();
            let acknowledged = backend.acknowledge_each(ack)?;
            if matches!(ack.selector, AckSelector::Cluster(_) | AckSelector::Instance(_)) {
                let sql = format!(
                    "select detection_id from topology_failure_detection where in_active_period = 1 and {condition}"
                );
                backend.end_detections(&sql, &values, ack.at)?;
            }
            Ok(acknowledged)
        })
    }

    /// The same without an effect on detections.
    pub(super) fn acknowledge_each(&mut self, ack: &Acknowledgement) -> Result<Vec<i64>, BackendError> {
        let (condition, values) = ack.selector.condition();
        let sql = format!(
            "select recovery_id, in_active_period = 1 and end_recovery is not null from topology_recovery \
             where acknowledged = 0 and {condition} order by recovery_id"
        );
        let mut acknowledged = Vec::new();
        for mut row in self.query(&sql, &values)? {
            let (id, blocks) = (row.int(), row.truth());
            self.acknowledge(id, ack)?;
            if blocks {
                self.end_active_period(id, ack.at)?;
            }
            acknowledged.push(id);
        }
        Ok(acknowledged)
    }

    fn acknowledge(&mut self, id: i64, ack: &Acknowledgement) -> Result<(), BackendError> {
        let sql = "update topology_recovery set acknowledged = 1, acknowledged_at = ?, acknowledged_by = ?, \
                   acknowledge_comment = ? where recovery_id = ?";
        self.execute(sql, &[ack.at.into(), (&ack.by).into(), (&ack.comment).into(), id.into()])?;
        let sql = "delete from blocked_topology_recovery where blocking_recovery_id = ?";
        self.execute(sql, &[id.into()]).map(drop)
    }
}
