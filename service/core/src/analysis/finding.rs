//! From a view to findings.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::cmp::Reverse;

use super::{AnalysisCode, Facts, StaleCoordinates, StructureWarning, gather, rules::classify};
use crate::{
    key::InstanceKey,
    policy::{AnalysisPolicy, Filters},
    time::Timestamp,
    topology::{Place, Topology},
    view::{Downtime, InstanceRecord, TopologyView},
};

/// What is analysed, by which measure, and when.
#[derive(Clone, Copy)]
pub struct Subject<'s> {
    /// What is known.
    pub view: &'s TopologyView,
    /// The places of that view.
    pub topology: &'s Topology,
    /// When something is wrong.
    pub policy: &'s AnalysisPolicy,
    /// What is left out, and what may be repaired.
    pub filters: &'s dyn Filters,
    /// Since when binary logs stand still.
    pub stale: &'s StaleCoordinates,
    /// The present.
    pub now: Timestamp,
}

/// What analysis says about one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The instance.
    pub key: InstanceKey,
    /// Its source, also a detached one; `None` for a primary.
    pub source: Option<InstanceKey>,
    /// Its cluster.
    pub cluster: Arc<str>,
    /// What people call its cluster; the name when they call it nothing else.
    pub alias: String,
    /// Domain name of its cluster; empty = none.
    pub domain: String,
    /// Its data center.
    pub data_center: String,
    /// Its region.
    pub region: String,
    /// Its physical environment.
    pub environment: String,
    /// Its direct replicas, in the order of their names.
    pub replicas: Vec<InstanceKey>,
    /// What is wrong.
    pub code: AnalysisCode,
    /// Weaknesses, whatever the code.
    pub structure: Vec<StructureWarning>,
    /// What the code was told from; see [`super::explain`].
    pub facts: Facts,
    /// All its replicas are downtimed, and that silences this code.
    pub replicas_downtimed: bool,
    /// The configuration lets dead primaries of this cluster be replaced without being asked.
    pub recovers_primaries: bool,
    /// The same for dead intermediate primaries.
    pub recovers_intermediates: bool,
}

/// What kind of instance a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceType {
    /// One of two that replicate from one another.
    CoPrimary,
    /// A member of a replication group.
    GroupMember,
    /// On top of its cluster.
    Primary,
    /// Below another one.
    Intermediate,
}

impl InstanceType {
    /// As hooks and the wire spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CoPrimary => "co-master",
            Self::GroupMember => "group-member",
            Self::Primary => "master",
            Self::Intermediate => "intermediate-master",
        }
    }
}

impl Finding {
    /// What kind of instance it is about.
    pub fn instance_type(&self) -> InstanceType {
        match &self.facts {
            facts if facts.co_primary => InstanceType::CoPrimary,
            facts if facts.group_member => InstanceType::GroupMember,
            facts if facts.primary => InstanceType::Primary,
            _ => InstanceType::Intermediate,
        }
    }

    /// Somebody agreed that recovery stays away.
    pub fn is_skippable(&self) -> bool {
        self.facts.downtimed || self.replicas_downtimed
    }

    /// Calls for a recovery, and nobody agreed that it stays away. Whether one may run is another question:
    /// cluster filters, block periods and the verdict of the group answer it.
    pub fn is_actionable(&self) -> bool {
        self.code.response().is_recovery() && !self.is_skippable()
    }

    /// Seconds for which the instance stays downtimed, 0 when it is not.
    /// (The original gives them as a negative number.)
    pub fn downtime_remaining_seconds(&self) -> i64 {
        i64::try_from(self.facts.downtime_remaining.as_secs()).unwrap_or(i64::MAX)
    }
}

/// What is wrong in a view: at most one finding per instance, the weightiest first.
///
/// Left out are instances under maintenance, those that a filter names, those without code or structure
/// warning, and, if the policy reduces the count, valid instances without replicas that reach their source.
/// Downtimed instances are there; see [`Finding::is_skippable`].
/// Order: primaries, then those that name their cluster, then more replicas, then by name.
pub fn analyze(
    view: &TopologyView,
    topology: &Topology,
    policy: &AnalysisPolicy,
    filters: &dyn Filters,
    stale: &StaleCoordinates,
    now: Timestamp,
) -> Vec<Finding> {
    let subject = Subject { view, topology, policy, filters, stale, now };
    let mut findings: Vec<_> = view
        .records()
        .filter_map(|(key, record)| Some((record, topology.place(key)?)))
        .filter(|(record, place)| subject.is_of_interest(record, place))
        .map(|(record, place)| subject.finding(record, place))
        .filter(|finding| finding.code != AnalysisCode::NoProblem || !finding.structure.is_empty())
        .collect();
    findings.sort_by_cached_key(|finding| {
        let Facts { primary, cluster_head, replicas, .. } = &finding.facts;
        (Reverse(*primary), Reverse(*cluster_head), Reverse(replicas.all), finding.key.clone())
    });
    findings
}

/// What is to be said of one instance, also when nothing is wrong with it; `None` when it is not known.
/// Filters and maintenance do not hide it.
pub fn analyze_instance(subject: &Subject<'_>, key: &InstanceKey) -> Option<Finding> {
    let record = subject.view.get(key)?;
    Some(subject.finding(record, subject.topology.place(&record.instance.key)?))
}

impl<'s> Subject<'s> {
    pub(super) fn downtime_of(&self, key: &InstanceKey) -> Option<&'s Downtime> {
        self.view.declared.downtime_of(key, self.now)
    }

    fn is_of_interest(&self, record: &InstanceRecord, place: &Place) -> bool {
        let key = &record.instance.key;
        let maintained = self.view.declared.is_under_maintenance(key, self.now);
        if maintained || self.filters.ignores_in_analysis(key) {
            return false;
        }
        !self.policy.reduce_analysis_count
            || !place.replicas.is_empty()
            || !gather::is_well_alone(self, record)
    }

    fn finding(&self, record: &InstanceRecord, place: &Place) -> Finding {
        let facts = gather::facts(self, record, place);
        let code = classify(&facts);
        let labels = &record.instance.labels;
        let alias = self.topology.alias(&place.cluster).unwrap_or(&place.cluster);
        let all_downtimed = facts.replicas.all == facts.replicas.downtimed;
        Finding {
            key: record.instance.key.clone(),
            source: place.source.clone().or_else(|| record.instance.source().cloned()),
            cluster: place.cluster.clone(),
            domain: self.topology.domain(&place.cluster).into(),
            data_center: labels.data_center.clone(),
            region: labels.region.clone(),
            environment: labels.environment.clone(),
            replicas: place.replicas.clone(),
            code,
            structure: StructureWarning::of(&facts),
            replicas_downtimed: all_downtimed && code.is_silenced_by_downtimed_replicas(),
            recovers_primaries: self.filters.recovers_primaries(&place.cluster, alias),
            recovers_intermediates: self.filters.recovers_intermediate_primaries(&place.cluster, alias),
            alias: alias.into(),
            facts,
        }
    }
}
