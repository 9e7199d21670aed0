//! Lists of the past, read from this node's backend.

use futures::FutureExt;
use orchestrator_backend as backend;
use orchestrator_core::InstanceKey;
use orchestrator_http::ports::{Answer, DetectionFilter, History, Page, PoolMember, RecoveryFilter};
use orchestrator_wire::{
    Acknowledgement, AuditRecord, BlockedRecord, CaseRecord, ChangelogRecord, DetectionRecord,
    ProcessingNode, RecoveryRecord, StepRecord,
};

use super::{LIST_DEADLINE, NodeApi, failed};

impl History for NodeApi {
    fn audit(&self, instance: Option<InstanceKey>, page: Page) -> Answer<'_, Vec<AuditRecord>> {
        async move {
            let read =
                move |backend: &mut dyn backend::Backend| backend.audit(instance.as_ref(), number(page));
            let rows = self.backend.read(LIST_DEADLINE, read).await.map_err(|error| failed(&error))?;
            Ok(rows.into_iter().map(audit_record).collect())
        }
        .boxed()
    }

    fn detections(&self, filter: DetectionFilter, page: Page) -> Answer<'_, Vec<DetectionRecord>> {
        async move {
            let filter = match filter {
                DetectionFilter::All => backend::DetectionFilter::All,
                DetectionFilter::Id(id) => backend::DetectionFilter::Id(id),
                DetectionFilter::Alias(alias) => backend::DetectionFilter::Alias(alias),
            };
            let read = move |backend: &mut dyn backend::Backend| backend.detections(&filter, number(page));
            let rows = self.backend.read(LIST_DEADLINE, read).await.map_err(|error| failed(&error))?;
            Ok(rows.into_iter().map(detection_record).collect())
        }
        .boxed()
    }

    fn recoveries(
        &self,
        filter: RecoveryFilter,
        unacknowledged: bool,
        page: Page,
    ) -> Answer<'_, Vec<RecoveryRecord>> {
        async move {
            let filter = match filter {
                RecoveryFilter::All => backend::RecoveryFilter::All,
                RecoveryFilter::Id(id) => backend::RecoveryFilter::Id(id),
                RecoveryFilter::Uid(uid) => backend::RecoveryFilter::Uid(uid),
                RecoveryFilter::Cluster(cluster) => backend::RecoveryFilter::Cluster(cluster),
                RecoveryFilter::Alias(alias) => backend::RecoveryFilter::Alias(alias),
            };
            let read = move |backend: &mut dyn backend::Backend| {
                backend.recoveries(&filter, unacknowledged, number(page))
            };
            let rows = self.backend.read(LIST_DEADLINE, read).await.map_err(|error| failed(&error))?;
            Ok(rows.into_iter().map(recovery_record).collect())
        }
        .boxed()
    }

    fn steps(&self, recovery_uid: String) -> Answer<'_, Vec<StepRecord>> {
        async move {
            let read = move |backend: &mut dyn backend::Backend| backend.recovery_steps(&recovery_uid);
            let rows = self.backend.read(LIST_DEADLINE, read).await.map_err(|error| failed(&error))?;
            let record = |row: backend::RecoveryStepRow| StepRecord {
                id: row.id,
                recovery_uid: row.uid,
                at: row.at,
                message: row.message,
            };
            Ok(rows.into_iter().map(record).collect())
        }
        .boxed()
    }

    fn changelog(&self) -> Answer<'_, Vec<ChangelogRecord>> {
        async move {
            let read = |backend: &mut dyn backend::Backend| backend.analysis_changelog();
            let changes = self.backend.read(LIST_DEADLINE, read).await.map_err(|error| failed(&error))?;
            Ok(changes.into_iter().map(|(instance, changes)| ChangelogRecord { instance, changes }).collect())
        }
        .boxed()
    }

    fn blocked(&self, cluster: Option<String>) -> Answer<'_, Vec<BlockedRecord>> {
        async move {
            let read =
                move |backend: &mut dyn backend::Backend| backend.blocked_recoveries(cluster.as_deref());
            let rows = self.backend.read(LIST_DEADLINE, read).await.map_err(|error| failed(&error))?;
            let record = |row: backend::BlockedRecoveryRow| BlockedRecord {
                failed: row.key,
                cluster: row.cluster,
                analysis: row.analysis,
                last_blocked_at: row.blocked_at,
                blocking_recovery_id: row.blocking_id,
            };
            Ok(rows.into_iter().map(record).collect())
        }
        .boxed()
    }

    fn pool_members(&self, pool: Option<String>) -> Answer<'_, Vec<PoolMember>> {
        async move {
            let read = move |backend: &mut dyn backend::Backend| backend.pool_members(pool.as_deref());
            let rows = self.backend.read(LIST_DEADLINE, read).await.map_err(|error| failed(&error))?;
            let member = |row: backend::PoolMemberRow| PoolMember { pool: row.pool, key: row.key };
            Ok(rows.into_iter().map(member).collect())
        }
        .boxed()
    }
}

/// Pages of the backend and of the API have the same size.
fn number(page: Page) -> u32 {
    u32::try_from(page.number).unwrap_or(u32::MAX)
}

fn audit_record(row: backend::AuditRow) -> AuditRecord {
    AuditRecord { id: row.id, at: row.at, kind: row.kind, instance: row.key, message: row.message }
}

fn processing_node(node: backend::NodeIdentity) -> ProcessingNode {
    ProcessingNode { hostname: node.hostname, token: node.token }
}

fn detection_record(row: backend::DetectionRow) -> DetectionRecord {
    DetectionRecord {
        id: row.id,
        case: CaseRecord {
            failed: row.key,
            analysis: row.analysis,
            cluster: row.cluster,
            alias: row.cluster_alias,
            count_replicas: row.replica_count.into(),
            replicas: row.replicas,
        },
        is_active: row.is_active,
        detected_at: row.started_at,
        processing_node: processing_node(row.node),
        related_recovery_id: row.recovery_id,
    }
}

fn recovery_record(row: backend::RecoveryRow) -> RecoveryRecord {
    let acknowledged = row.acknowledged_at.filter(|_| row.is_acknowledged);
    RecoveryRecord {
        id: row.id,
        uid: row.uid,
        case: CaseRecord {
            failed: row.failed,
            analysis: row.analysis,
            cluster: row.cluster,
            alias: row.cluster_alias,
            count_replicas: row.replica_count.into(),
            replicas: row.replicas,
        },
        successor: row.successor,
        successor_alias: row.successor_alias,
        is_active: row.is_active,
        is_successful: row.is_successful,
        lost_replicas: row.lost_replicas,
        participants: row.participants,
        errors: row.errors,
        started_at: row.started_at,
        ended_at: row.ended_at,
        processing_node: processing_node(row.node),
        acknowledged: acknowledged.map(|at| Acknowledgement {
            at,
            by: row.acknowledged_by,
            comment: row.acknowledge_comment,
        }),
        last_detection_id: row.last_detection_id,
    }
}
