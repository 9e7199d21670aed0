//! What is done about a failure.

use std::time::Duration;

use super::check::{Check, Unit};
use crate::filter::{ClusterFilter, InstanceFilter};

/// What is done about a failure.
#[derive(Debug, Clone)]
pub struct RecoverySettings {
    /// Clusters whose dead primary is replaced without asking.
    pub primary_clusters: ClusterFilter,
    /// Clusters whose dead intermediate primaries are replaced without asking.
    pub intermediate_clusters: ClusterFilter,
    /// Instances that are never promoted.
    pub promotion_ignore: InstanceFilter,
    /// No second automatic recovery of the same cluster within this time.
    pub block_period: Duration,
    /// Make the promoted server independent and writable, and the old one read-only if possible.
    pub apply_promotion: bool,
    /// An old primary that returns is made read-only.
    pub failed_primary_read_only: bool,
    /// Fail rather than promote in another data centre.
    pub prevent_cross_data_center: bool,
    /// Fail rather than promote in another region.
    pub prevent_cross_region: bool,
    /// Only the other co-primary may follow a failed one.
    pub co_primary_only: bool,
    /// Detach replicas that could not be moved.
    pub detach_lost_replicas: bool,
    /// Detach the promoted server from the old primary; pointless with `apply_promotion`.
    pub detach_promoted: bool,
    /// A candidate that lags that much is not promoted; `None` for no limit.
    pub promotion_lag_max: Option<Duration>,
    /// A candidate that has not applied all it received.
    pub behind: BehindPolicy,
    /// Replicas with a longer configured delay are moved after the promotion; `None` for all at once.
    pub postpone_delay: Option<Duration>,
    /// More lag than that forbids a move, and is waited for that long by a takeover.
    pub maintenance_lag: Duration,
    /// Refuse to replicate from a filtering server unless the replica filters, too.
    pub verify_replication_filters: bool,
    /// Allow a replica of a lower version below its source.
    pub allow_lower_version: bool,
    /// Enable semi-sync on replicas where the primary is locked.
    pub unlock_semi_sync: bool,
}

/// What to do with a candidate that has not applied all it received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BehindPolicy {
    /// Nothing special is asked for.
    Allow,
    /// Wait until it has.
    Wait,
    /// Give the recovery up.
    Fail,
}

pub(super) fn build(check: &mut Check<'_>) -> RecoverySettings {
    let file = check.file;
    RecoverySettings {
        primary_clusters: check.compile(&file.RecoverMasterClusterFilters, |c, list| c.clusters(list)),
        intermediate_clusters: check
            .compile(&file.RecoverIntermediateMasterClusterFilters, |c, list| c.clusters(list)),
        promotion_ignore: check.compile(&file.PromotionIgnoreHostnameFilters, |c, list| c.instances(list)),
        block_period: check.duration(&file.RecoveryPeriodBlockSeconds, Unit::Seconds),
        apply_promotion: *file.ApplyMySQLPromotionAfterMasterFailover,
        failed_primary_read_only: *file.FailedPrimaryReadOnly,
        prevent_cross_data_center: *file.PreventCrossDataCenterMasterFailover,
        prevent_cross_region: *file.PreventCrossRegionMasterFailover,
        co_primary_only: *file.CoMasterRecoveryMustPromoteOtherCoMaster,
        detach_lost_replicas: *file.DetachLostReplicasAfterMasterFailover,
        detach_promoted: *file.MasterFailoverDetachReplicaMasterHost,
        promotion_lag_max: check.optional_duration(&file.FailMasterPromotionOnLagMinutes, Unit::Minutes),
        behind: match (
            *file.FailMasterPromotionIfSQLThreadNotUpToDate,
            *file.DelayMasterPromotionIfSQLThreadNotUpToDate,
        ) {
            (true, _) => BehindPolicy::Fail,
            (false, true) => BehindPolicy::Wait,
            (false, false) => BehindPolicy::Allow,
        },
        postpone_delay: check.optional_duration(&file.PostponeReplicaRecoveryOnLagMinutes, Unit::Minutes),
        maintenance_lag: check.duration(&file.ReasonableMaintenanceReplicationLagSeconds, Unit::Seconds),
        verify_replication_filters: *file.VerifyReplicationFilters,
        allow_lower_version: *file.LowerReplicaVersionAllowed,
        unlock_semi_sync: *file.RecoverLockedSemiSyncMaster,
    }
}
