//! From the configuration's settings to what each component is started with.

use std::{sync::Arc, time::Duration};

use orchestrator_config::{
    BehindPolicy, ClassificationSettings, DetectionSettings, DiscoverySettings, InstanceNaming, ListenTls,
    RecoverySettings, Settings, TlsMode,
};
use orchestrator_core::{
    InstanceKey,
    grace::Graces,
    policy::{AnalysisPolicy, Filters},
    recovery::RecoveryPolicy,
};
use orchestrator_http::{Tls, TlsError, TlsSettings};
use orchestrator_mysql::{DetectionQueries, HostnameSource, Pace, ProbeSettings, Secret};
use orchestrator_raft::{Bootstrap, MembershipSource, Policy, RaftSettings, Timings};

use crate::discovery::{DiscoveryFilters, Schedule};

/// How to reach the fleet and what to ask it.
pub(crate) fn probe_settings(settings: &Settings) -> ProbeSettings {
    let access = &settings.topology;
    ProbeSettings {
        user: access.user.clone(),
        password: Secret::new(access.password.reveal().clone()),
        connect_timeout: access.connect_timeout,
        read_timeout: access.discovery_read_timeout,
        operation_timeout: access.operation_read_timeout,
        hostname_from: match settings.discovery.instance_naming {
            InstanceNaming::Hostname => HostnameSource::HostnameVariable,
            InstanceNaming::ReportHost => HostnameSource::ReportHost,
            InstanceNaming::AsConnected => HostnameSource::AsAsked,
        },
        discover_by_show_replicas: settings.discovery.by_show_replicas,
        use_super_read_only: access.use_super_read_only,
        tls: tls(settings),
        queries: queries(&settings.classification, access.replication_credentials_query.clone()),
        labels_interval: settings.discovery.poll_interval,
        ..ProbeSettings::default()
    }
}

fn tls(settings: &Settings) -> orchestrator_mysql::TlsMode {
    use orchestrator_mysql::TlsMode as Fleet;
    let files = settings.topology.tls.clone();
    let options = orchestrator_mysql::TlsOptions {
        skip_verify: files.skip_verify,
        ca_file: files.authority,
        cert_file: files.certificate,
        key_file: files.private_key,
    };
    match settings.topology.tls_mode {
        TlsMode::Off => Fleet::Off,
        TlsMode::WhereRequired => Fleet::WhenDemanded(options),
        TlsMode::Always => Fleet::Always(options),
    }
}

fn queries(settings: &ClassificationSettings, replication_credentials: Option<String>) -> DetectionQueries {
    DetectionQueries {
        lag: settings.lag_query.clone(),
        data_center: settings.data_center_query.clone(),
        region: settings.region_query.clone(),
        environment: settings.environment_query.clone(),
        alias: settings.instance_alias_query.clone(),
        cluster_alias: settings.cluster_alias_query.clone(),
        cluster_domain: settings.cluster_domain_query.clone(),
        promotion_rule: settings.promotion_rule_query.clone(),
        semi_sync: settings.semi_sync_query.clone(),
        replication_credentials,
    }
}

/// When to probe.
pub(crate) fn schedule(settings: &DiscoverySettings) -> Schedule {
    Schedule {
        poll_interval: settings.poll_interval,
        concurrency: settings.concurrency_max,
        dead_factor: settings.dead_poll_factor,
        dead_interval_max: settings.dead_poll_max,
    }
}

/// How to hold the pulse of primaries.
pub(crate) fn pace(settings: &Settings) -> Pace {
    let detection = &settings.detection;
    Pace { pulse: detection.pulse_interval, deadline: detection.pulse_timeout }
}

/// How long a primary that went away may take to come back.
pub(crate) fn graces(settings: &DetectionSettings) -> Graces {
    Graces { crash: settings.crash_grace, clean_shutdown: settings.clean_shutdown_grace }
}

/// When analysis calls something wrong.
pub(crate) fn analysis_policy(settings: &Settings) -> AnalysisPolicy {
    let (discovery, detection) = (&settings.discovery, &settings.detection);
    AnalysisPolicy {
        poll_interval: discovery.poll_interval,
        reasonable_check: discovery.check_slack,
        reasonable_lag: detection.reasonable_lag,
        reasonable_locked_semi_sync: detection.locked_semi_sync_after,
        enforce_exact_semi_sync_replicas: detection.exact_semi_sync,
        recover_non_writeable_primary: detection.read_only_primary_is_failure,
        reduce_analysis_count: detection.reduce_analysis,
        candidate_expiry: settings.classification.candidate_expiry,
    }
}

/// Limits and switches of recoveries.
pub(crate) fn recovery_policy(settings: &RecoverySettings, candidate_expiry: Duration) -> RecoveryPolicy {
    RecoveryPolicy {
        candidate_expiry,
        prevent_cross_data_center: settings.prevent_cross_data_center,
        prevent_cross_region: settings.prevent_cross_region,
        refuse_lag: settings.promotion_lag_max,
        refuse_if_not_applied: settings.behind == BehindPolicy::Fail,
        open_successor: settings.apply_promotion,
        detach_lost_replicas: settings.detach_lost_replicas,
        ..RecoveryPolicy::default()
    }
}

/// How long a process waits before it acts on an instance that it never saw alive: as the original, three rounds
/// of probes.
pub(crate) fn settle_time(settings: &Settings) -> Duration {
    settings.discovery.poll_interval * 3
}

/// The configuration's filters, by instance and cluster.
#[derive(Debug)]
pub(crate) struct ConfiguredFilters {
    pub(crate) settings: Settings,
}

impl Filters for ConfiguredFilters {
    fn recovers_primaries(&self, cluster: &str, alias: &str) -> bool {
        self.settings.recovery.primary_clusters.matches(cluster, alias)
    }
    fn recovers_intermediate_primaries(&self, cluster: &str, alias: &str) -> bool {
        self.settings.recovery.intermediate_clusters.matches(cluster, alias)
    }
    fn bans_promotion(&self, key: &InstanceKey) -> bool {
        self.settings.recovery.promotion_ignore.matches(&key.hostname, key.port)
    }
    fn ignores_in_analysis(&self, key: &InstanceKey) -> bool {
        self.settings.detection.ignore_hosts.matches(&key.hostname)
    }
    fn ignores_problems(&self, key: &InstanceKey) -> bool {
        self.settings.classification.problem_ignore.matches(&key.hostname, key.port)
    }
    fn ignores_for_osc(&self, key: &InstanceKey) -> bool {
        self.settings.classification.osc_ignore.matches(&key.hostname, key.port)
    }
}

impl DiscoveryFilters for ConfiguredFilters {
    fn ignores(&self, key: &InstanceKey) -> bool {
        self.settings.discovery.ignore.matches(&key.hostname, key.port)
    }
    fn ignores_replica(&self, key: &InstanceKey) -> bool {
        self.settings.discovery.ignore_replicas.matches(&key.hostname, key.port)
    }
    fn ignores_source(&self, key: &InstanceKey) -> bool {
        self.settings.discovery.ignore_sources.matches(&key.hostname, key.port)
    }
}

/// HTTPS of the API as the configuration wants it.
///
/// # Errors
/// A file cannot be used; the text names it.
pub(crate) async fn api_tls(settings: &ListenTls) -> Result<Arc<Tls>, TlsError> {
    Tls::load(TlsSettings {
        serve: settings.serve,
        certificate: settings.certificate.clone(),
        private_key: settings.private_key.clone(),
        authority: settings.authority.clone(),
        skip_verify: settings.skip_verify,
        client_certificates: settings.client_certificates,
        valid_units: settings.valid_units.clone(),
        status_needs_certificate: settings.status_needs_certificate,
    })
    .await
}

/// Who decides on the members of the group.
pub(crate) fn raft_policy(settings: &orchestrator_config::RaftSettings) -> Policy {
    Policy {
        bootstrap: match settings.bootstrap {
            orchestrator_config::Bootstrap::Auto => Bootstrap::Auto,
            orchestrator_config::Bootstrap::External => Bootstrap::External,
        },
        membership: match settings.membership_source {
            orchestrator_config::MembershipSource::Config => MembershipSource::Config,
            orchestrator_config::MembershipSource::Api => MembershipSource::Api,
        },
    }
}

/// How this node takes part in the group.
pub(crate) fn raft_settings(settings: &orchestrator_config::RaftSettings, hostname: &str) -> RaftSettings {
    RaftSettings {
        data_dir: settings.data_dir.clone(),
        bind: settings.bind.clone(),
        advertise: settings.advertise.clone(),
        nodes: settings.nodes.clone(),
        http_uri: settings.http_advertise.clone(),
        hostname: hostname.into(),
        timings: Timings::default(),
    }
}

/// The files of a group whose members show each other certificates.
pub(crate) fn raft_tls(
    settings: &orchestrator_config::RaftSettings,
) -> Option<orchestrator_raft::TlsSettings> {
    settings.tls.clone().map(|tls| orchestrator_raft::TlsSettings {
        certificate: tls.certificate,
        private_key: tls.private_key,
        authority: tls.authority,
    })
}
