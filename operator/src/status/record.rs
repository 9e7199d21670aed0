//! What must be written down before or after something is done, and what the next pass remembers of it.

use jiff::Timestamp;
use orchestrator_crds::{BootstrapStatus, MembershipEntry, OrchestratorClusterStatus};

use super::time;
use crate::{observation::Memory, plan::Action};

/// The status with what `action` writes down, for an update that is guarded by the object's version; `None` for an
/// action that writes nothing down. Nothing else ever sets the group's id or the fence of its bootstrap.
#[must_use]
pub fn record(
    previous: &OrchestratorClusterStatus,
    action: &Action,
    now: Timestamp,
) -> Option<OrchestratorClusterStatus> {
    let mut next = previous.clone();
    match action {
        Action::RecordBootstrap { token, cluster_id, members } => {
            let entry = |(id, address): (&u64, &String)| MembershipEntry {
                node_id: number(*id),
                address: address.clone(),
            };
            next.bootstrap = Some(BootstrapStatus {
                token: token.clone(),
                cluster_id: cluster_id.clone(),
                members: members.iter().map(entry).collect(),
                started_at: time(now),
                completed_at: None,
            });
        }
        Action::RecordGroup { cluster_id, adopted } => {
            next.cluster_id = Some(cluster_id.clone());
            // A record of another group's bootstrap tells nothing about this one.
            next.bootstrap = next.bootstrap.filter(|record| !adopted && record.cluster_id == *cluster_id);
            if let Some(record) = &mut next.bootstrap {
                record.completed_at = Some(time(now));
            }
        }
        Action::ForgetGroup => {
            next.cluster_id = None;
            next.bootstrap = None;
            next.membership = None;
            next.leader = None;
            next.last_quorum_loss = None;
        }
        _ => return None,
    }
    Some(next)
}

/// What the next pass remembers.
#[must_use]
pub fn memory(previous: &OrchestratorClusterStatus) -> Memory {
    let leader = previous.leader.as_ref().and_then(|leader| {
        Some((u64::try_from(leader.node_id).ok()?, u64::try_from(leader.term).ok()?, leader.since.0))
    });
    let open = previous.last_quorum_loss.as_ref().filter(|loss| loss.until.is_none());
    Memory {
        cluster_id: previous.cluster_id.clone(),
        bootstrap: previous.bootstrap.clone(),
        operation: previous.operation.clone(),
        leader,
        quorum_lost_since: open.map(|loss| loss.since.0),
    }
}

/// Numbers of Kubernetes are signed; those of nodes are far below the limit.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
