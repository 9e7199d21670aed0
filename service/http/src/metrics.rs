//! Numbers for Prometheus. Labels are closed sets; there is never one series per instance.

use std::time::Duration;

use orchestrator_core::analysis::{AnalysisCode, Finding};
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::ports::{HealthView, Role};

/// All numbers of a node. Whoever knows one sets it here; the page shows them.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    /// Probes begun.
    pub discoveries_attempted: IntCounter,
    /// Probes that failed.
    pub discoveries_failed: IntCounter,
    /// Probes that took longer than the poll interval.
    pub discoveries_slow: IntCounter,
    /// Probes that wait for a worker.
    pub discovery_queue_length: IntGauge,
    /// How long probes take.
    pub discovery_seconds: Histogram,
    /// Instances known.
    pub instances: IntGauge,
    /// Recoveries of dead primaries begun.
    pub primary_recoveries_started: IntCounter,
    /// Those that promoted somebody.
    pub primary_recoveries_succeeded: IntCounter,
    /// Those that did not.
    pub primary_recoveries_failed: IntCounter,
    /// Recoveries that run.
    pub recoveries_pending: IntGauge,
    /// Seconds from the beginning of a recovery to its promotion.
    pub promotion_seconds: Histogram,
    /// Audited operations written.
    pub audit_written: IntCounter,
    /// Rows of instances written to the backend.
    pub instances_written: IntCounter,
    /// Last index of the raft log that was applied.
    pub raft_applied_index: IntGauge,
    /// Raft term.
    pub raft_term: IntGauge,
    /// Voting members.
    pub raft_voters: IntGauge,
    findings: IntGaugeVec,
    roles: IntGaugeVec,
    is_leader: IntGauge,
    raft_healthy: IntGauge,
    backend_healthy: IntGauge,
    ready: IntGauge,
    certificate_expires: IntGauge,
    started: Gauge,
}

/// Upper bounds of a request's time: health answers are far below a millisecond, recoveries take seconds.
const REQUEST_SECONDS: &[f64] = &[0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];
/// Upper bounds of a probe's time.
const PROBE_SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];
/// Upper bounds of a promotion's time.
const PROMOTION_SECONDS: &[f64] = &[0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 2.0, 5.0, 15.0, 60.0];

/// A registry that says what is wrong at once: names are constants, so a clash is a mistake in this file.
struct Registrar(Registry);

impl Registrar {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names and labels of metrics are valid");
        self.0.register(Box::new(collector.clone())).expect("names of metrics are distinct");
        collector
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(format!("orchestrator_{name}"), help))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(format!("orchestrator_{name}"), help))
    }

    fn labelled(&self, name: &str, help: &str, label: &str) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(format!("orchestrator_{name}"), help), &[label]))
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let options = HistogramOpts::new(format!("orchestrator_{name}"), help).buckets(bounds.to_vec());
        self.add(Histogram::with_opts(options))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All numbers at zero, with a registry of their own.
    pub fn new() -> Self {
        let registrar = Registrar(Registry::new());
        #[cfg(target_os = "linux")]
        registrar
            .0
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("the process is registered once");
        let r = &registrar;
        let request_seconds =
            HistogramOpts::new("orchestrator_http_request_seconds", "Time to answer a request")
                .buckets(REQUEST_SECONDS.to_vec());
        let requests =
            Opts::new("orchestrator_http_requests_total", "Requests by class of route and of status");
        let metrics = Self {
            requests: r.add(IntCounterVec::new(requests, &["class", "status"])),
            request_seconds: r.add(HistogramVec::new(request_seconds, &["class"])),
            discoveries_attempted: r.counter("discoveries_attempt_total", "Probes begun"),
            discoveries_failed: r.counter("discoveries_fail_total", "Probes that failed"),
            discoveries_slow: r.counter(
                "discoveries_instance_poll_seconds_exceeded_total",
                "Probes that took longer than the poll interval",
            ),
            discovery_queue_length: r.gauge("discoveries_queue_length", "Probes that wait for a worker"),
            discovery_seconds: r.histogram("discovery_seconds", "Time of one probe", PROBE_SECONDS),
            instances: r.gauge("instances", "Instances known"),
            primary_recoveries_started: r.counter("recover_dead_master_start_total", "Recoveries begun"),
            primary_recoveries_succeeded: r
                .counter("recover_dead_master_success_total", "Recoveries that promoted somebody"),
            primary_recoveries_failed: r
                .counter("recover_dead_master_fail_total", "Recoveries that promoted nobody"),
            recoveries_pending: r.gauge("recover_pending", "Recoveries that run"),
            promotion_seconds: r.histogram(
                "promotion_seconds",
                "Time from the beginning of a recovery to the promotion",
                PROMOTION_SECONDS,
            ),
            audit_written: r.counter("audit_write_total", "Audited operations written"),
            instances_written: r.counter("instance_write_total", "Rows of instances written to the backend"),
            raft_applied_index: r.gauge("raft_applied_index", "Last applied index of the raft log"),
            raft_term: r.gauge("raft_term", "Raft term"),
            raft_voters: r.gauge("raft_voters", "Voting members of the raft group"),
            findings: r.labelled("findings", "Instances with a problem, by analysis code", "analysis"),
            roles: r.labelled("raft_role", "1 for the present role in the raft group", "role"),
            is_leader: r.gauge("raft_is_leader", "This node leads"),
            raft_healthy: r.gauge("raft_is_healthy", "raft-health is 200"),
            backend_healthy: r.gauge("health_is_healthy", "The backend takes writes"),
            ready: r.gauge("ready", "This node may be sent requests"),
            certificate_expires: r.gauge(
                "tls_certificate_expiry_timestamp_seconds",
                "When the certificate of the API expires; 0 without one",
            ),
            started: r.add(Gauge::new("orchestrator_start_time_seconds", "When this process began")),
            registry: registrar.0,
        };
        metrics.started.set(since_epoch());
        metrics
    }

    /// Counts the present findings by code.
    pub fn set_findings(&self, findings: &[Finding]) {
        for code in AnalysisCode::all().filter(|code| *code != AnalysisCode::NoProblem) {
            let count = findings.iter().filter(|finding| finding.code == code).count();
            self.findings.with_label_values(&[code.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The certificate of the API, by its end in seconds since 1970.
    pub(crate) fn set_certificate(&self, expires_at: Option<i64>) {
        self.certificate_expires.set(expires_at.unwrap_or(0));
    }

    /// Takes over the newest health. Called for each page, so that nobody need remember to.
    pub(crate) fn set_health(&self, health: &HealthView) {
        for role in Role::ALL {
            self.roles.with_label_values(&[role.as_str()]).set(i64::from(role == health.role));
        }
        self.is_leader.set(i64::from(health.is_leader));
        self.raft_healthy.set(i64::from(health.healthy));
        self.backend_healthy.set(i64::from(health.backend_writable));
        self.ready.set(i64::from(health.ready));
    }

    /// Counts one request.
    pub(crate) fn observe_request(&self, class: RequestClass, status: u16, elapsed: Duration) {
        let status = match status / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.requests.with_label_values(&[class.as_str(), status]).inc();
        self.request_seconds.with_label_values(&[class.as_str()]).observe(elapsed.as_secs_f64());
    }

    /// The page, in the text format of Prometheus.
    ///
    /// # Errors
    /// A collector answered nonsense.
    pub(crate) fn page(&self) -> prometheus::Result<Vec<u8>> {
        let mut page = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        Ok(page)
    }
}

/// Where a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// Answered here.
    Local,
    /// Answered by the leader.
    Forwarded,
    /// There is no such route.
    Unknown,
}

impl RequestClass {
    fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Forwarded => "forwarded",
            Self::Unknown => "unknown",
        }
    }
}

fn since_epoch() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
