//! How a view looks on the wire at a given time: the words that need a clock and a threshold.

use std::time::Duration;

use orchestrator_core::{
    InstanceKey, Timestamp, TopologyView, analysis,
    instance::PromotionRule,
    policy::AnalysisPolicy,
    topology::Topology,
    view::{Downtime, InstanceRecord},
};

use crate::instance::Instance;

/// Lag above which the ASCII topology names it: `ReasonableMaintenanceReplicationLagSeconds` by default.
const MAINTENANCE_LAG: Duration = Duration::from_secs(20);

/// Thresholds of the configuration that show in JSON and text.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Poll interval, reasonable lag, expiry of promotion rules.
    pub analysis: AnalysisPolicy,
    /// Lag above this is named in the ASCII topology.
    pub maintenance_lag: Duration,
}

impl Default for Limits {
    /// The configuration's defaults.
    fn default() -> Self {
        Self { analysis: AnalysisPolicy::default(), maintenance_lag: MAINTENANCE_LAG }
    }
}

/// A check older than so many poll intervals is not recent.
const RECENT_POLLS: u32 = 5;

/// A view and what derives from it, looked at from the wire.
#[derive(Clone, Copy)]
pub struct Lens<'a> {
    /// The newest observations.
    pub view: &'a TopologyView,
    /// Where each instance stands.
    pub topology: &'a Topology,
    /// Thresholds.
    pub limits: &'a Limits,
    /// When it is looked at.
    pub now: Timestamp,
}

impl<'a> Lens<'a> {
    /// One instance under any of its names; `None` when it is not known.
    pub fn get(&self, key: &InstanceKey) -> Option<Instance> {
        self.view.get(key).map(|record| self.instance(record))
    }

    /// Several instances in the given order; unknown ones are left out.
    pub fn list<'k>(&self, keys: impl IntoIterator<Item = &'k InstanceKey>) -> Vec<Instance> {
        keys.into_iter().filter_map(|key| self.get(key)).collect()
    }

    /// The downtime in force for an instance.
    pub fn downtime(&self, key: &InstanceKey) -> Option<&'a Downtime> {
        let downtime = self.view.declared.downtimes.get(key)?;
        (downtime.ends_at > self.now).then_some(downtime)
    }

    /// How willing we are to promote an instance: declared, else as its labels say.
    pub fn promotion_rule(&self, record: &InstanceRecord) -> PromotionRule {
        let declared = self.view.declared.candidates.get(&record.instance.key);
        declared
            .filter(|candidate| candidate.declared_at + self.limits.analysis.candidate_expiry > self.now)
            .map(|candidate| candidate.rule)
            .or(record.instance.labels.promotion_rule)
            .unwrap_or_default()
    }

    /// Checked within one poll interval.
    pub fn is_up_to_date(&self, record: &InstanceRecord) -> bool {
        self.now.since(record.checks.last_checked) <= self.limits.analysis.poll_interval
    }

    /// Checked within five poll intervals.
    pub fn is_recently_checked(&self, record: &InstanceRecord) -> bool {
        self.now.since(record.checks.last_checked) <= self.limits.analysis.poll_interval * RECENT_POLLS
    }

    /// Transactions that an instance has and its source has not; empty = none, or no telling.
    pub fn errant(&self, key: &InstanceKey) -> String {
        orchestrator_core::gtid::errant(self.view, self.topology, key)
            .map_or_else(String::new, |gtids| gtids.to_string())
    }

    /// What is wrong with an instance. First the words that clients know; then what they have no word for,
    /// as `reason: sentence`.
    pub(crate) fn problems(&self, record: &InstanceRecord) -> Vec<String> {
        let Self { view, topology, limits, now } = *self;
        let problems = analysis::problems(view, topology, record, &limits.analysis, now);
        let concerns = analysis::concerns(view, topology, record);
        let known = problems.iter().map(|problem| problem.as_str().into());
        known.chain(concerns.iter().map(|concern| format!("{}: {concern}", concern.reason()))).collect()
    }
}
