//! The topology as last probed, plus what people declared: the input to everything that decides.
//!
//! A view is a value. The shell keeps one per node, folds observations into it, and hands out cheap
//! immutable copies. Nothing here is ever replicated: each node has its own view.

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{
    instance::{Instance, PromotionRule},
    key::InstanceKey,
    observation::{Failure, Observation, Outcome, Part, Reading, Unread},
    time::Timestamp,
};

/// How far one observation may overtake another on the way from its probe to the view. What seems to be older by more
/// comes after a clock was set back, and is the newest that there is.
const OVERTAKES_WITHIN: Duration = Duration::from_secs(2);

/// The newest observation of every instance, and what was declared about them.
#[derive(Debug, Clone, Default)]
pub struct TopologyView {
    records: BTreeMap<InstanceKey, Arc<InstanceRecord>>,
    /// Other names of instances (as probed, as replicas spell their source) to the name they go by.
    aliases: BTreeMap<InstanceKey, InstanceKey>,
    /// What people and recoveries declared; the same on every node. Set by [`TopologyView::declare`].
    pub declared: Arc<Declared>,
}

/// One instance with the history of looking at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRecord {
    /// As last read. Attributes survive failed probes.
    pub instance: Instance,
    /// When and how well it was looked at.
    pub checks: Checks,
    /// Parts that the last successful probe could not read.
    pub unread: Vec<Unread>,
    /// When its receiving thread last showed a sign of life from its source; `None` = never seen to.
    pub source_contact_at: Option<Timestamp>,
}

/// When and how well an instance was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checks {
    /// When a probe last began.
    pub last_attempted: Timestamp,
    /// When a probe last ended, well or not.
    pub last_checked: Timestamp,
    /// When a probe last ended well; `None` = never.
    pub last_seen: Option<Timestamp>,
    /// The last probe was at least let in and told who answers.
    pub partial_success: bool,
    /// Why the last probe failed; `None` when it did not.
    pub failure: Option<Failure>,
    /// How long the last probe took.
    pub latency: Duration,
}

impl Checks {
    /// The last probe ended well.
    pub fn is_valid(&self) -> bool {
        self.failure.is_none() && self.last_seen.is_some_and(|seen| self.last_checked <= seen)
    }
}

/// What people, candidates' detection and recoveries declared. Replicated state, as values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Downtimes, also ended ones that were not cleared yet.
    pub downtimes: BTreeMap<InstanceKey, Downtime>,
    /// Promotion rules, also expired ones that were not cleared yet.
    pub candidates: BTreeMap<InstanceKey, Candidate>,
    /// Instances locked by a refactoring, and until when.
    pub maintenance: BTreeMap<InstanceKey, Timestamp>,
    /// Automatic recoveries are switched off everywhere.
    pub recoveries_disabled: bool,
    /// Aliases of clusters by cluster name: written by people or by a recovery; they win over suggestions.
    pub cluster_aliases: BTreeMap<String, String>,
    /// Recoveries that block others: running, or within their block period and not acknowledged.
    pub active_recoveries: Vec<ActiveRecovery>,
}

/// An agreed pause during which recovery stays away from an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downtime {
    /// Who declared it.
    pub owner: String,
    /// Why. `lost-in-recovery` is written by recoveries and renewed as long as it is true.
    pub reason: String,
    /// From when.
    pub begins_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
}

/// Reason of downtimes that recoveries declare over what they left behind.
pub const LOST_IN_RECOVERY: &str = "lost-in-recovery";

/// A declared promotion rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The rule.
    pub rule: PromotionRule,
    /// When it was last declared; it expires.
    pub declared_at: Timestamp,
}

/// A recovery that blocks others of the same cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRecovery {
    /// Its name.
    pub uid: String,
    /// Its number in the audit.
    pub id: i64,
    /// The instance that failed.
    pub failed: InstanceKey,
    /// The cluster by the name it had then.
    pub cluster: String,
    /// Whom it promoted, when it did.
    pub successor: Option<InstanceKey>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` = it still runs or waits to be resumed.
    pub ended_at: Option<Timestamp>,
    /// Replicas that it stopped, the successor among them: the others follow it since, or, without one, the failed
    /// instance again. Empty while it runs.
    pub touched: Vec<InstanceKey>,
}

impl TopologyView {
    /// What is known of `key`, under any of its names.
    pub fn get(&self, key: &InstanceKey) -> Option<&Arc<InstanceRecord>> {
        self.records.get(self.canonical(key))
    }

    /// The name that an instance goes by.
    pub fn canonical<'k>(&'k self, key: &'k InstanceKey) -> &'k InstanceKey {
        self.aliases.get(key).unwrap_or(key)
    }

    /// All instances in the order of their names.
    pub fn records(&self) -> impl ExactSizeIterator<Item = (&InstanceKey, &Arc<InstanceRecord>)> {
        self.records.iter()
    }

    /// How many instances are known.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Puts a record as it is: for loading what was known before a restart.
    pub fn insert(&mut self, record: InstanceRecord) {
        self.records.insert(record.instance.key.clone(), Arc::new(record));
    }

    /// Declares that `other` names the instance `key`.
    pub fn alias(&mut self, other: InstanceKey, key: InstanceKey) {
        if other != key {
            self.records.remove(&other);
            self.aliases.insert(other, key);
        }
    }

    /// Other names of instances, for writing them down.
    pub fn aliases(&self) -> impl Iterator<Item = (&InstanceKey, &InstanceKey)> {
        self.aliases.iter()
    }

    /// Drops an instance and its other names; `false` when it was not known.
    pub fn forget(&mut self, key: &InstanceKey) -> bool {
        let key = self.canonical(key).clone();
        self.aliases.retain(|_, name| *name != key);
        self.records.remove(&key).is_some()
    }

    /// Notes that a probe began and did not end yet, so that a hanging one is seen.
    pub fn attempt(&mut self, key: &InstanceKey, at: Timestamp) {
        let key = self.canonical(key).clone();
        if let Some(record) = self.records.get_mut(&key) {
            Arc::make_mut(record).checks.last_attempted = at;
        }
    }

    /// Folds one observation in and returns the record it made.
    ///
    /// A failed probe erases nothing that an earlier one learned. An observation that was overtaken by what is known
    /// changes nothing.
    pub fn observe(&mut self, observation: &Observation) -> Arc<InstanceRecord> {
        let asked = self.canonical(&observation.key).clone();
        let name = match &observation.outcome {
            Outcome::Read(reading) => reading.instance.key.clone(),
            Outcome::Failed(_) => asked.clone(),
        };
        if name != observation.key {
            self.alias(observation.key.clone(), name.clone());
        }
        let previous = self.records.get(&name).or_else(|| self.records.get(&asked)).cloned();
        if let Some(previous) = &previous
            && was_overtaken(observation, &previous.checks)
        {
            return previous.clone();
        }
        let record = Arc::new(fold(previous.as_deref(), observation, &name));
        self.records.insert(name, record.clone());
        record
    }
}

fn was_overtaken(observation: &Observation, known: &Checks) -> bool {
    let ahead = known.last_checked.since(observation.finished_at);
    !ahead.is_zero() && ahead <= OVERTAKES_WITHIN
}

fn fold(previous: Option<&InstanceRecord>, observation: &Observation, name: &InstanceKey) -> InstanceRecord {
    let mut checks = Checks {
        last_attempted: observation.started_at,
        last_checked: observation.finished_at,
        last_seen: previous.and_then(|previous| previous.checks.last_seen),
        latency: observation.latency(),
        ..Checks::default()
    };
    match &observation.outcome {
        Outcome::Failed(failure) => {
            checks.partial_success = failure.partial;
            checks.failure = Some(failure.clone());
            InstanceRecord {
                instance: previous
                    .map_or_else(|| Instance::unread(name.clone()), |previous| previous.instance.clone()),
                checks,
                unread: previous.map_or_else(Vec::new, |previous| previous.unread.clone()),
                source_contact_at: previous.and_then(|previous| previous.source_contact_at),
            }
        }
        Outcome::Read(reading) => {
            checks.partial_success = true;
            checks.last_seen = Some(observation.finished_at);
            let instance = merge(previous.map(|previous| &previous.instance), reading);
            InstanceRecord {
                source_contact_at: source_contact_at(previous, &instance, observation.finished_at),
                instance,
                checks,
                unread: reading.unread.clone(),
            }
        }
    }
}

/// What was read, with the parts that could not be read taken from what was known.
fn merge(previous: Option<&Instance>, reading: &Reading) -> Instance {
    let mut instance = reading.instance.clone();
    let Some(previous) = previous else { return instance };
    for Unread { part, .. } in &reading.unread {
        match part {
            Part::Settings => instance.settings = previous.settings.clone(),
            Part::BinaryLog => instance.binary_log = previous.binary_log.clone(),
            Part::Replication => instance.replication = previous.replication.clone(),
            Part::SourceContact => {
                if let (Some(now), Some(before)) = (&mut instance.replication, &previous.replication) {
                    now.contact = before.contact.clone();
                }
            }
            Part::Gtid => instance.gtid = previous.gtid.clone(),
            Part::SemiSync => instance.semi_sync = previous.semi_sync.clone(),
            Part::Replicas => instance.replicas = previous.replicas.clone(),
            Part::Group => instance.group = previous.group.clone(),
            Part::Lag => instance.lag_seconds = previous.lag_seconds,
            Part::Labels => instance.labels = previous.labels.clone(),
            Part::Privileges | Part::Promotion => {}
        }
    }
    instance
}

/// When the receiving thread last had a sign of life: told by the server as an age, or seen by us as
/// movement of what it counts and receives.
fn source_contact_at(
    previous: Option<&InstanceRecord>,
    instance: &Instance,
    now: Timestamp,
) -> Option<Timestamp> {
    let replication = instance.replication.as_ref()?;
    let before = previous.and_then(|previous| previous.source_contact_at);
    if let Some(age) = replication.contact.age_millis {
        return Some(now - Duration::from_millis(age));
    }
    replication.contact.heartbeats?;
    let moved = previous.and_then(|previous| previous.instance.replication.as_ref()).is_none_or(|earlier| {
        earlier.source != replication.source
            || earlier.contact.heartbeats != replication.contact.heartbeats
            || earlier.received_gtid != replication.received_gtid
            || earlier.read != replication.read
    });
    if moved { Some(now) } else { before }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::FailureKind;
    use alloc::{boxed::Box, vec};

    fn key(host: &str) -> InstanceKey {
        InstanceKey::new(host, 3306)
    }

    fn read(asked: &str, instance: Instance, at: i64) -> Observation {
        Observation {
            key: key(asked),
            started_at: Timestamp::from_millis(at - 1),
            finished_at: Timestamp::from_millis(at),
            outcome: Outcome::Read(Box::new(Reading { instance, unread: vec![] })),
        }
    }

    fn failed(asked: &str, at: i64) -> Observation {
        let failure = Failure { kind: FailureKind::Refused, error: "refused".into(), partial: false };
        Observation { outcome: Outcome::Failed(failure), ..read(asked, Instance::unread(key(asked)), at) }
    }

    #[test]
    fn a_failed_probe_keeps_what_was_learned() {
        let mut view = TopologyView::default();
        let mut instance = Instance::unread(key("a"));
        instance.identity.server_id = 7;
        view.observe(&read("a", instance, 10));
        let record = view.observe(&failed("a", 20));
        assert_eq!(record.instance.identity.server_id, 7);
        assert!(!record.checks.is_valid());
        assert_eq!(record.checks.last_seen, Some(Timestamp::from_millis(10)));
    }

    #[test]
    fn a_late_answer_does_not_overwrite_newer_news() {
        let mut view = TopologyView::default();
        view.observe(&failed("a", 20));
        let record = view.observe(&read("a", Instance::unread(key("a")), 10));
        assert!(!record.checks.is_valid());
    }

    #[test]
    fn a_clock_that_is_set_back_blinds_nobody() {
        let mut view = TopologyView::default();
        view.observe(&read("a", Instance::unread(key("a")), 3_600_000));
        let record = view.observe(&failed("a", 20));
        assert!(!record.checks.is_valid(), "it is the newest");
        assert_eq!(record.checks.last_checked, Timestamp::from_millis(20));
        assert!(view.observe(&read("a", Instance::unread(key("a")), 30)).checks.is_valid());
    }

    #[test]
    fn an_instance_is_found_under_every_name_it_was_asked_by() {
        let mut view = TopologyView::default();
        view.observe(&failed("db1.internal", 5));
        view.observe(&read("db1.internal", Instance::unread(key("db1")), 10));
        assert_eq!(view.len(), 1);
        assert_eq!(view.get(&key("db1.internal")).unwrap().instance.key, key("db1"));
        view.observe(&failed("db1.internal", 20));
        assert!(!view.get(&key("db1")).unwrap().checks.is_valid());
    }

    #[test]
    fn an_unreadable_part_keeps_its_last_value() {
        let mut view = TopologyView::default();
        let mut instance = Instance::unread(key("a"));
        instance.settings.read_only = true;
        view.observe(&read("a", instance, 10));
        let mut second = read("a", Instance::unread(key("a")), 20);
        if let Outcome::Read(reading) = &mut second.outcome {
            reading.unread.push(Unread { part: Part::Settings, error: "denied".into() });
        }
        let record = view.observe(&second);
        assert!(record.instance.settings.read_only);
        assert_eq!(record.unread.len(), 1);
    }
}
