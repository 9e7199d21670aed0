//! What keeps a recovery from beginning.

use std::fmt;

use orchestrator_core::InstanceKey;

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::value::{Row, key_values};

use super::BeginRecovery;

/// Why a recovery did not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What is in the way.
    pub reason: BlockReason,
    /// The recovery in the way; 0 = none.
    pub id: i64,
    /// Its name; empty = none.
    pub uid: String,
}

/// What is in the way of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockReason {
    /// A recovery of the same cluster or instance has not ended. Cannot be forced.
    Unfinished,
    /// A recovery of the same cluster is in its active period.
    ActivePeriod,
    /// The instance was promoted by a recovery that is in its active period.
    SuccessorOfActive,
    /// The instance is downtimed.
    Downtimed,
    /// Automatic recoveries are switched off.
    Disabled,
}

impl BlockReason {
    /// A word for programs; the same in API, log and conditions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished-recovery",
            Self::ActivePeriod => "active-period",
            Self::SuccessorOfActive => "successor-of-active-recovery",
            Self::Downtimed => "downtimed",
            Self::Disabled => "recoveries-disabled",
        }
    }
}

impl fmt::Display for BlockReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "a recovery of the same cluster has not ended",
            Self::ActivePeriod => "the cluster was recovered within the block period",
            Self::SuccessorOfActive => "the instance was promoted within the block period",
            Self::Downtimed => "the instance is downtimed",
            Self::Disabled => "recoveries are globally disabled",
        })
    }
}

/// A recovery that may be in the way.
struct Former {
    id: i64,
    uid: String,
    failed: InstanceKey,
    cluster: String,
    is_finished: bool,
    is_active: bool,
    successor: Option<InstanceKey>,
}

impl Former {
    fn block(&self, reason: BlockReason) -> Block {
        Block { reason, id: self.id, uid: self.uid.clone() }
    }

    /// It works on the same servers: by the cluster's old name, or by its new one, the successor's.
    fn touches(&self, begin: &BeginRecovery) -> bool {
        self.failed == begin.failed
            || self.cluster == begin.cluster
            || self.promoted(&begin.failed)
            || self.successor.as_ref().is_some_and(|successor| successor.to_string() == begin.cluster)
    }

    fn promoted(&self, key: &InstanceKey) -> bool {
        self.successor.as_ref() == Some(key)
    }
}

impl dyn Backend + '_ {
    /// The first thing in the way of `begin`; unfinished recoveries before all others.
    pub(super) fn find_block(&mut self, begin: &BeginRecovery) -> Result<Option<Block>, BackendError> {
        let formers = self.formers(begin)?;
        if let Some(former) = formers.iter().find(|former| !former.is_finished && former.touches(begin)) {
            return Ok(Some(former.block(BlockReason::Unfinished)));
        }
        if begin.forced {
            return Ok(None);
        }
        if self.recoveries_disabled()? {
            return Ok(Some(without_recovery(BlockReason::Disabled)));
        }
        if self.is_downtimed(begin)? {
            return Ok(Some(without_recovery(BlockReason::Downtimed)));
        }
        let mut active = formers.iter().filter(|former| former.is_active);
        Ok(active.find_map(|former| match former {
            former if former.promoted(&begin.failed) => Some(former.block(BlockReason::SuccessorOfActive)),
            former if former.cluster == begin.cluster || former.failed == begin.failed => {
                Some(former.block(BlockReason::ActivePeriod))
            }
            _ => None,
        }))
    }

    fn formers(&mut self, begin: &BeginRecovery) -> Result<Vec<Former>, BackendError> {
        let sql = "select r.recovery_id, r.uid, r.hostname, r.port, r.cluster_name, r.start_active_period, \
                   p.recovery_uid is null, coalesce(p.successor_hostname, r.successor_hostname), \
                   coalesce(p.successor_port, r.successor_port) from topology_recovery r \
                   left join orchestrator_recovery_progress p on p.recovery_uid = r.uid \
                   where r.in_active_period = 1 order by r.recovery_id";
        let read = |mut row: Row| Former {
            id: row.int(),
            uid: row.text(),
            failed: row.key(),
            cluster: row.text(),
            is_active: row.time().unwrap_or_default() >= begin.active_since,
            is_finished: row.truth(),
            successor: row.maybe_key(),
        };
        Ok(self.query(sql, &[])?.into_iter().map(read).collect())
    }

    fn is_downtimed(&mut self, begin: &BeginRecovery) -> Result<bool, BackendError> {
        let [hostname, port] = key_values(&begin.failed);
        let sql = "select count(*) from database_instance_downtime \
                   where downtime_active = 1 and hostname = ? and port = ? and end_timestamp > ?";
        Ok(self.query_int(sql, &[hostname, port, begin.at.into()])? > 0)
    }

    /// Shown under `blocked-recoveries` until it is purged or the other one is acknowledged.
    pub(super) fn note_block(&mut self, begin: &BeginRecovery, block: &Block) -> Result<(), BackendError> {
        let [hostname, port] = key_values(&begin.failed);
        let row = vec![
            ("hostname", hostname),
            ("port", port),
            ("cluster_name", (&begin.cluster).into()),
            ("analysis", (&begin.analysis).into()),
            ("last_blocked_timestamp", begin.at.into()),
            ("blocking_recovery_id", block.id.into()),
        ];
        self.insert("blocked_topology_recovery", OnConflict::Update(&["hostname", "port"]), row)
    }
}

fn without_recovery(reason: BlockReason) -> Block {
    Block { reason, id: 0, uid: String::new() }
}
