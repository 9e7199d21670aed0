//! How servers and clusters are named and sorted.

use std::time::Duration;

use super::check::{Check, Unit, optional};
use crate::filter::{ClusterAliases, HostPattern, InstanceFilter};

/// How servers and clusters are named and sorted.
///
/// Every query answers one row of one value; `None` where the file gives none.
#[derive(Debug, Clone)]
pub struct ClassificationSettings {
    /// Lag in seconds; a negative answer means 0.
    pub lag_query: Option<String>,
    /// Alias of the cluster, asked while no one has set another.
    pub cluster_alias_query: Option<String>,
    /// Domain name of the cluster; asked of primaries only.
    pub cluster_domain_query: Option<String>,
    /// Aliases by cluster name, used where the query gives nothing.
    pub cluster_aliases: ClusterAliases,
    /// Name of the instance for people.
    pub instance_alias_query: Option<String>,
    /// Promotion rule; each answer renews the instance's registration as a candidate.
    pub promotion_rule_query: Option<String>,
    /// Data centre; wins over the pattern.
    pub data_center_query: Option<String>,
    /// Data centre in the host name.
    pub data_center_pattern: Option<HostPattern>,
    /// Region; wins over the pattern.
    pub region_query: Option<String>,
    /// Region in the host name.
    pub region_pattern: Option<HostPattern>,
    /// Physical environment; wins over the pattern.
    pub environment_query: Option<String>,
    /// Physical environment in the host name.
    pub environment_pattern: Option<HostPattern>,
    /// Semi-sync priority, 0 for an asynchronous replica.
    pub semi_sync_query: Option<String>,
    /// How long a registered promotion rule holds.
    pub candidate_expiry: Duration,
    /// How long a submitted pool membership holds.
    pub pool_expiry: Duration,
    /// Pools may name hosts by a part of their name.
    pub fuzzy_pool_hosts: bool,
    /// Instances left out of `problems`.
    pub problem_ignore: InstanceFilter,
    /// Instances left out of the replicas for online schema changes.
    pub osc_ignore: InstanceFilter,
}

pub(super) fn build(check: &mut Check<'_>) -> ClassificationSettings {
    let file = check.file;
    ClassificationSettings {
        lag_query: optional(&file.ReplicationLagQuery),
        cluster_alias_query: optional(&file.DetectClusterAliasQuery),
        cluster_domain_query: optional(&file.DetectClusterDomainQuery),
        cluster_aliases: check.compile(&file.ClusterNameToAlias, |c, map| c.aliases(&map.0)),
        instance_alias_query: optional(&file.DetectInstanceAliasQuery),
        promotion_rule_query: optional(&file.DetectPromotionRuleQuery),
        data_center_query: optional(&file.DetectDataCenterQuery),
        data_center_pattern: check.compile(&file.DataCenterPattern, |c, text| c.host_pattern(text)),
        region_query: optional(&file.DetectRegionQuery),
        region_pattern: check.compile(&file.RegionPattern, |c, text| c.host_pattern(text)),
        environment_query: optional(&file.DetectPhysicalEnvironmentQuery),
        environment_pattern: check.compile(&file.PhysicalEnvironmentPattern, |c, text| c.host_pattern(text)),
        semi_sync_query: optional(&file.DetectSemiSyncEnforcedQuery),
        candidate_expiry: check.duration(&file.CandidateInstanceExpireMinutes, Unit::Minutes),
        pool_expiry: check.duration(&file.InstancePoolExpiryMinutes, Unit::Minutes),
        fuzzy_pool_hosts: *file.SupportFuzzyPoolHostnames,
        problem_ignore: check.compile(&file.ProblemIgnoreHostnameFilters, |c, list| c.instances(list)),
        osc_ignore: check.compile(&file.OSCIgnoreHostnameFilters, |c, list| c.instances(list)),
    }
}
