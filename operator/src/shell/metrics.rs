//! Numbers for Prometheus. Series of an object go with it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use orchestrator_crds::{OrchestratorClusterStatus, Phase};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::index::Key;

/// Upper bounds of a pass: most ask three members, some wait for one that hangs.
const PASS_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassResult {
    /// Nothing was changed.
    Steady,
    /// Something was.
    Changed,
    /// Something could not be done.
    Failed,
}

impl PassResult {
    fn label(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Changed => "changed",
            Self::Failed => "failed",
        }
    }
}

/// All numbers of the operator.
pub struct Metrics {
    registry: Registry,
    passes: IntCounterVec,
    pass_seconds: HistogramVec,
    errors: IntCounterVec,
    queue_depth: IntGauge,
    is_leader: IntGauge,
    member_errors: IntCounterVec,
    watch_errors: IntCounterVec,
    api_requests: IntCounterVec,
    writes: IntCounter,
    clusters: IntGaugeVec,
    voters: IntGaugeVec,
    healthy_voters: IntGaugeVec,
    quorum: IntGaugeVec,
    leader_changes: IntCounterVec,
    operation_seconds: IntGaugeVec,
    operations: IntCounterVec,
    conditions: IntGaugeVec,
    crd_version_mismatch: IntGauge,
    seen: Mutex<HashMap<Key, Seen>>,
}

/// What the series of one object hold, so that they can be changed and taken away.
#[derive(Debug, Clone, Default)]
struct Seen {
    phase: Option<Phase>,
    leader: Option<(i64, i64)>,
    operations: Vec<(String, String)>,
    operation: Option<(String, String)>,
    /// Types and reasons of conditions that are not as they should be.
    conditions: Vec<(String, String)>,
}

/// Names are constants, so a clash is a mistake in this file.
struct Registrar(Registry);

impl Registrar {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names and labels of metrics are valid");
        self.0.register(Box::new(collector.clone())).expect("names of metrics are distinct");
        collector
    }

    fn options(name: &str, help: &str) -> Opts {
        Opts::new(format!("orchestrator_operator_{name}"), help)
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::with_opts(Self::options(name, help)))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Self::options(name, help), labels))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Self::options(name, help), labels))
    }
}

/// Labels of what is said of one object.
const OBJECT: [&str; 2] = ["namespace", "name"];

impl Default for Metrics {
    fn default() -> Self {
        let registrar = Registrar(Registry::new());
        #[cfg(target_os = "linux")]
        registrar
            .0
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("the process is registered once");
        let r = &registrar;
        let seconds = HistogramOpts::new(
            "orchestrator_operator_reconcile_duration_seconds",
            "Time of a pass over an object",
        );
        Self {
            passes: r.counters("reconcile_total", "Passes over objects by how they ended", &["result"]),
            pass_seconds: r.add(HistogramVec::new(seconds.buckets(PASS_SECONDS.to_vec()), &["result"])),
            errors: r.counters("reconcile_errors_total", "What could not be done, by reason", &["reason"]),
            queue_depth: r.gauge("queue_depth", "Objects that are due and not looked at yet"),
            is_leader: r.gauge("is_leader", "1 while this operator holds the lease"),
            member_errors: r.counters(
                "member_request_errors_total",
                "Calls of members that failed, by reason",
                &["reason"],
            ),
            watch_errors: r.counters("watch_errors_total", "Watches that were interrupted", &["kind"]),
            api_requests: r.counters(
                "api_request_total",
                "Changes asked of the Kubernetes API",
                &["verb", "kind"],
            ),
            writes: r.add(IntCounter::with_opts(Registrar::options(
                "api_writes_total",
                "Changes of objects, the lease left out",
            ))),
            clusters: r.gauges("clusters", "Objects by phase", &["phase"]),
            voters: r.gauges("cluster_voters", "Members that vote", &OBJECT),
            healthy_voters: r.gauges(
                "cluster_healthy_voters",
                "Members that vote and hear the leader",
                &OBJECT,
            ),
            quorum: r.gauges("cluster_quorum", "1 while the group has a quorum", &OBJECT),
            leader_changes: r.counters(
                "cluster_leader_changes_total",
                "Changes of the leader that were seen",
                &OBJECT,
            ),
            operation_seconds: r.gauges(
                "cluster_operation_seconds",
                "For how long an operation is under way",
                &["namespace", "name", "type"],
            ),
            operations: r.counters(
                "cluster_operation_total",
                "Operations that ended",
                &["namespace", "name", "type", "result"],
            ),
            conditions: r.gauges(
                "cluster_condition",
                "1 for each condition that is not as it should be",
                &["namespace", "name", "type", "reason"],
            ),
            crd_version_mismatch: r.gauge(
                "crd_version_mismatch",
                "1 while the definition is of another version than this operator",
            ),
            registry: registrar.0,
            seen: Mutex::default(),
        }
    }
}

impl Metrics {
    /// A pass ended.
    pub fn pass(&self, result: PassResult, took: Duration) {
        self.passes.with_label_values(&[result.label()]).inc();
        self.pass_seconds.with_label_values(&[result.label()]).observe(took.as_secs_f64());
    }

    /// Something could not be done; `reason` of a closed list.
    pub fn error(&self, reason: &'static str) {
        self.errors.with_label_values(&[reason]).inc();
    }

    /// A call of a member failed.
    pub fn member_error(&self, reason: &'static str) {
        self.member_errors.with_label_values(&[reason]).inc();
    }

    /// A watch of objects of this kind was interrupted.
    pub fn watch_error(&self, kind: &str) {
        self.watch_errors.with_label_values(&[kind]).inc();
    }

    /// A change was asked of the API.
    pub fn write(&self, verb: &'static str, kind: &str) {
        self.api_requests.with_label_values(&[verb, kind]).inc();
        self.writes.inc();
    }

    /// How many changes were asked for until now.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes.get()
    }

    /// Objects that wait.
    pub fn set_queue_depth(&self, depth: usize) {
        self.queue_depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Whether this operator works.
    pub fn set_leader(&self, is: bool) {
        self.is_leader.set(is.into());
    }

    /// Whether the definition is of another version.
    pub fn set_crd_mismatch(&self, is: bool) {
        self.crd_version_mismatch.set(is.into());
    }

    /// What an object's status says. `now` is in seconds since the epoch.
    pub fn status(&self, key: &Key, status: &OrchestratorClusterStatus, now: i64) {
        let object: [&str; 2] = [&key.namespace, &key.name];
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.entry(key.clone()).or_default();
        let set = |gauge: &IntGaugeVec, value: Option<i32>| {
            gauge.with_label_values(&object).set(value.unwrap_or(0).into());
        };
        set(&self.voters, status.voters);
        set(&self.healthy_voters, status.healthy_voters);
        let lost = status.conditions.iter().any(|of| of.type_ == "QuorumLost" && of.status == "True");
        let leads = status.leader.is_some();
        set(&self.quorum, Some((leads && !lost).into()));
        self.count_phase(before.phase, status.phase);
        before.phase = status.phase;
        let leader = status.leader.as_ref().map(|leader| (leader.node_id, leader.term));
        let changes = self.leader_changes.with_label_values(&object);
        if leader.is_some() && before.leader.is_some() && leader != before.leader {
            changes.inc();
        }
        before.leader = leader.or(before.leader);
        self.operation(key, before, status, now);
        self.bad_conditions(key, before, status);
    }

    fn bad_conditions(&self, key: &Key, before: &mut Seen, status: &OrchestratorClusterStatus) {
        let (namespace, name): (&str, &str) = (&key.namespace, &key.name);
        let bad = status.conditions.iter().filter(|condition| is_bad(&condition.type_, &condition.status));
        let bad: Vec<_> = bad.map(|condition| (condition.type_.clone(), condition.reason.clone())).collect();
        for (kind, reason) in before.conditions.iter().filter(|one| !bad.contains(one)) {
            let _ = self.conditions.remove_label_values(&[namespace, name, kind, reason]);
        }
        for (kind, reason) in &bad {
            self.conditions.with_label_values(&[namespace, name, kind, reason]).set(1);
        }
        before.conditions = bad;
    }

    fn operation(&self, key: &Key, before: &mut Seen, status: &OrchestratorClusterStatus, now: i64) {
        let (namespace, name): (&str, &str) = (&key.namespace, &key.name);
        let operation = status.operation.as_ref();
        let current = operation.map(|of| (of.operation_type.as_str().to_owned(), of.id.clone()));
        if before.operation != current
            && let Some((kind, _)) = before.operation.take()
        {
            let _ = self.operation_seconds.remove_label_values(&[namespace, name, &kind]);
            // It ended because all is as wished, or because something else goes before it.
            let result = if current.is_none() { "done" } else { "replaced" };
            self.operations.with_label_values(&[namespace, name, &kind, result]).inc();
            let series = (kind, result.to_owned());
            if !before.operations.contains(&series) {
                before.operations.push(series);
            }
        }
        if let Some(of) = operation {
            let seconds = (now - of.started_at.0.as_second()).max(0);
            let kind = of.operation_type.as_str();
            self.operation_seconds.with_label_values(&[namespace, name, kind]).set(seconds);
        }
        before.operation = current;
    }

    fn count_phase(&self, before: Option<Phase>, now: Option<Phase>) {
        if before == now {
            return;
        }
        if let Some(before) = before {
            self.clusters.with_label_values(&[before.as_str()]).dec();
        }
        if let Some(now) = now {
            self.clusters.with_label_values(&[now.as_str()]).inc();
        }
    }

    /// An object is gone.
    pub fn forget(&self, key: &Key) {
        let Some(seen) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(key) else { return };
        self.count_phase(seen.phase, None);
        let (namespace, name): (&str, &str) = (&key.namespace, &key.name);
        for gauge in [&self.voters, &self.healthy_voters, &self.quorum] {
            let _ = gauge.remove_label_values(&[namespace, name]);
        }
        let _ = self.leader_changes.remove_label_values(&[namespace, name]);
        if let Some((kind, _)) = seen.operation {
            let _ = self.operation_seconds.remove_label_values(&[namespace, name, &kind]);
        }
        for (kind, reason) in &seen.conditions {
            let _ = self.conditions.remove_label_values(&[namespace, name, kind, reason]);
        }
        for (kind, result) in seen.operations {
            let _ = self.operations.remove_label_values(&[namespace, name, &kind, &result]);
        }
    }

    /// The page that Prometheus reads.
    #[must_use]
    pub fn page(&self) -> Vec<u8> {
        let mut page = Vec::new();
        let families = self.registry.gather();
        TextEncoder::new().encode(&families, &mut page).expect("writing into memory does not fail");
        page
    }
}

/// These are bad when they are so; of all others that they are not, or that nobody can tell.
const BAD_WHEN_TRUE: [&str; 2] = ["Degraded", "QuorumLost"];
/// Nothing is wrong, whichever they are.
const NEITHER: [&str; 2] = ["Progressing", "Paused"];

fn is_bad(condition: &str, status: &str) -> bool {
    !NEITHER.contains(&condition) && (status == "True") == BAD_WHEN_TRUE.contains(&condition)
}

#[cfg(test)]
mod tests {
    use orchestrator_crds::LeaderStatus;

    use super::*;

    fn page(metrics: &Metrics) -> String {
        String::from_utf8(metrics.page()).expect("it is text")
    }

    fn led_by(node_id: i64) -> OrchestratorClusterStatus {
        let since = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
        let leader = LeaderStatus { pod: None, node_id, term: node_id, since };
        OrchestratorClusterStatus {
            phase: Some(Phase::Running),
            voters: Some(3),
            leader: Some(leader),
            ..OrchestratorClusterStatus::default()
        }
    }

    #[test]
    fn series_of_an_object_come_and_go_with_it() {
        let metrics = Metrics::default();
        let key = Key::new("a", "main");
        metrics.status(&key, &led_by(1), 0);
        metrics.status(&key, &led_by(2), 0);
        let text = page(&metrics);
        assert!(text.contains(r#"cluster_voters{name="main",namespace="a"} 3"#), "{text}");
        assert!(text.contains(r#"cluster_leader_changes_total{name="main",namespace="a"} 1"#), "{text}");
        assert!(text.contains(r#"clusters{phase="Running"} 1"#), "{text}");
        metrics.forget(&key);
        let text = page(&metrics);
        assert!(!text.contains(r#"name="main""#), "{text}");
        assert!(text.contains(r#"clusters{phase="Running"} 0"#), "{text}");
    }
}
