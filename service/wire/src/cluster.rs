//! Clusters and candidates.

use std::collections::BTreeMap;

use orchestrator_core::{
    InstanceKey, Timestamp, policy::Filters, topology::Topology, view::Candidate as DeclaredCandidate,
};
use serde::{Deserialize, Serialize};

use crate::time;

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClusterInfo {
    /// Its name: `host:port` of the instance on top.
    pub cluster_name: String,
    /// What people call it; its name when they call it nothing.
    pub cluster_alias: String,
    /// Domain name, told by its primary.
    pub cluster_domain: String,
    /// Instances in it; 0 inside an analysis.
    pub count_instances: u64,
    /// Always 0.
    pub heuristic_lag: i64,
    /// A dead primary is replaced without being asked.
    #[serde(rename = "HasAutomatedMasterRecovery")]
    pub recovers_primary: bool,
    /// A dead intermediate primary is replaced without being asked.
    #[serde(rename = "HasAutomatedIntermediateMasterRecovery")]
    pub recovers_intermediate_primary: bool,
}

/// Describes clusters: their names, and what the configuration of this node says of them.
#[derive(Clone, Copy)]
pub struct Clusters<'a> {
    /// Where each instance stands.
    pub topology: &'a Topology,
    /// Filters of the configuration.
    pub filters: &'a dyn Filters,
}

impl Clusters<'_> {
    /// One cluster with the number of its instances.
    pub fn info(&self, cluster: &str) -> ClusterInfo {
        let count_instances = self.topology.members(cluster).len() as u64;
        ClusterInfo { count_instances, ..self.details(cluster) }
    }

    /// One cluster as it stands in an analysis: without the number of its instances.
    pub fn details(&self, cluster: &str) -> ClusterInfo {
        let domain = self.topology.domain(cluster).into();
        ClusterInfo {
            cluster_domain: domain,
            ..self.recorded(cluster, self.topology.alias(cluster).unwrap_or(""))
        }
    }

    /// One cluster as it stands in a record: by the name and alias that it had then.
    pub fn recorded(&self, cluster: &str, alias: &str) -> ClusterInfo {
        ClusterInfo {
            cluster_name: cluster.into(),
            cluster_alias: if alias.is_empty() { cluster.into() } else { alias.into() },
            recovers_primary: self.filters.recovers_primaries(cluster, alias),
            recovers_intermediate_primary: self.filters.recovers_intermediate_primaries(cluster, alias),
            ..ClusterInfo::default()
        }
    }
}

/// A declared promotion rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Candidate {
    /// Host name of the instance.
    pub hostname: String,
    /// Its port.
    pub port: u16,
    /// The rule.
    pub promotion_rule: String,
    /// When it was last declared; RFC 3339.
    #[serde(rename = "LastSuggestedString")]
    pub declared_at: String,
    /// When it expires; `YYYY-MM-DD HH:MM:SS`.
    #[serde(rename = "PromotionRuleExpiry")]
    pub expires_at: String,
}

/// Declared promotion rules that still hold, in the order of the instances' names.
pub fn candidates(
    declared: &BTreeMap<InstanceKey, DeclaredCandidate>,
    expiry: std::time::Duration,
    now: Timestamp,
) -> Vec<Candidate> {
    declared
        .iter()
        .filter(|(_, candidate)| candidate.declared_at + expiry > now)
        .map(|(key, DeclaredCandidate { rule, declared_at })| Candidate {
            hostname: key.hostname.as_ref().into(),
            port: key.port,
            promotion_rule: rule.as_str().into(),
            declared_at: time::rfc3339(*declared_at),
            expires_at: time::sql(*declared_at + expiry),
        })
        .collect()
}
