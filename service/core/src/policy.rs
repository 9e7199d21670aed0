//! Thresholds and switches, each given to the part that needs it. Built by the shell from the
//! configuration; nothing here is global.

use core::time::Duration;

use crate::key::InstanceKey;

/// When analysis calls something wrong.
#[derive(Debug, Clone)]
pub struct AnalysisPolicy {
    /// Wanted time between probes of one instance.
    pub poll_interval: Duration,
    /// How much longer than that a check may be under way before the instance counts as not seen.
    pub reasonable_check: Duration,
    /// Lag above this is a problem.
    pub reasonable_lag: Duration,
    /// How long a semi-synchronous primary may wait for acknowledgements before it counts as locked.
    pub reasonable_locked_semi_sync: Duration,
    /// `EnforceExactSemiSyncReplicas`.
    pub enforce_exact_semi_sync_replicas: bool,
    /// `RecoverNonWriteableMaster`.
    pub recover_non_writeable_primary: bool,
    /// Leave out instances that are well, have no replicas and reach their source.
    pub reduce_analysis_count: bool,
    /// How long a declared promotion rule holds.
    pub candidate_expiry: Duration,
}

impl Default for AnalysisPolicy {
    /// The configuration's defaults.
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(5),
            reasonable_check: Duration::from_secs(1),
            reasonable_lag: Duration::from_secs(10),
            reasonable_locked_semi_sync: Duration::from_secs(10),
            enforce_exact_semi_sync_replicas: false,
            recover_non_writeable_primary: false,
            reduce_analysis_count: true,
            candidate_expiry: Duration::from_secs(3600),
        }
    }
}

/// What the configuration's filters say. Patterns are matched by the shell, decisions are made here.
pub trait Filters {
    /// Dead primaries of this cluster are replaced without being asked.
    fn recovers_primaries(&self, cluster: &str, alias: &str) -> bool;
    /// Dead intermediate primaries of this cluster are replaced without being asked.
    fn recovers_intermediate_primaries(&self, cluster: &str, alias: &str) -> bool;
    /// This instance is never promoted.
    fn bans_promotion(&self, key: &InstanceKey) -> bool;
    /// This instance is left out of analysis.
    fn ignores_in_analysis(&self, key: &InstanceKey) -> bool;
    /// This instance is left out of the list of problems.
    fn ignores_problems(&self, key: &InstanceKey) -> bool;
    /// This instance's lag holds up no online schema change.
    fn ignores_for_osc(&self, key: &InstanceKey) -> bool;
}

/// Filters of an empty configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFilters;

impl Filters for NoFilters {
    fn recovers_primaries(&self, _: &str, _: &str) -> bool {
        false
    }
    fn recovers_intermediate_primaries(&self, _: &str, _: &str) -> bool {
        false
    }
    fn bans_promotion(&self, _: &InstanceKey) -> bool {
        false
    }
    fn ignores_in_analysis(&self, _: &InstanceKey) -> bool {
        false
    }
    fn ignores_problems(&self, _: &InstanceKey) -> bool {
        false
    }
    fn ignores_for_osc(&self, _: &InstanceKey) -> bool {
        false
    }
}
