//! What is probed, and when.

use std::time::Duration;

use regex::Regex;

use super::check::{Check, Unit};
use crate::address::HostPort;
use crate::filter::{InstanceFilter, Patterns};

/// What is probed, and when.
#[derive(Debug, Clone)]
pub struct DiscoverySettings {
    /// From one probe of an instance to the next.
    pub poll_interval: Duration,
    /// A probe counts as fresh until the poll interval and this have passed.
    pub check_slack: Duration,
    /// By this factor the interval of an unreachable instance grows with each failure; 1 or more.
    pub dead_poll_factor: f64,
    /// The interval of an unreachable instance, at most.
    pub dead_poll_max: Duration,
    /// Workers for unreachable instances alone; `None` if they share those of all.
    pub dead_concurrency: Option<usize>,
    /// Log each probe of an unreachable instance.
    pub dead_logs: bool,
    /// Probes at the same time, at most.
    pub concurrency_max: usize,
    /// Instances to begin with: host and port.
    pub initial_instances: Vec<(String, u16)>,
    /// Ask for replicas by `SHOW REPLICAS` first, and by the process list only if that yields none.
    pub by_show_replicas: bool,
    /// Never probe these.
    pub ignore: InstanceFilter,
    /// Do not follow an instance to these replicas.
    pub ignore_replicas: InstanceFilter,
    /// Do not follow an instance to these sources.
    pub ignore_sources: InstanceFilter,
    /// Skip instances whose replication user matches.
    pub ignore_replication_users: Patterns,
    /// Log what the previous filter skips.
    pub filter_logs: bool,
    /// An instance not seen for that long is forgotten.
    pub forget_after: Duration,
    /// From one stored picture of all topologies to the next; `None` for none.
    pub topology_snapshot_interval: Option<Duration>,
    /// Moves of replicas at the same time, at most.
    pub replica_operations_max: usize,
    /// Wait for each instance when many replicas are stopped.
    pub bulk_operation_timeout: Duration,
    /// How host names are resolved.
    pub hostname_resolve: HostnameResolve,
    /// Which name a server itself is known by.
    pub instance_naming: InstanceNaming,
    /// How long a resolved name is kept.
    pub resolve_expiry: Duration,
    /// A resolved name that matches is thrown away.
    pub reject_resolved: Option<Regex>,
    /// One node probes for all.
    pub shared_probing: bool,
}

/// How host names are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostnameResolve {
    /// Names stay as they are, and nothing is remembered about them.
    None,
    /// Names stay as they are.
    Keep,
    /// A name becomes its canonical name in DNS.
    Cname,
    /// A name becomes its address.
    Ip,
}

/// Which name a server itself is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceNaming {
    /// Its `@@hostname`.
    Hostname,
    /// Its `@@report_host`; an empty one is a finding.
    ReportHost,
    /// The name under which it was reached.
    AsConnected,
}

/// Workers, at most: each holds a connection, and a process has no more descriptors than that.
const CONCURRENCY_MAX: usize = 100_000;

pub(super) fn build(check: &mut Check<'_>) -> DiscoverySettings {
    let file = check.file;
    let dead_concurrency = match *file.DeadInstanceDiscoveryMaxConcurrency {
        0 => None,
        _ => Some(check.count(&file.DeadInstanceDiscoveryMaxConcurrency, CONCURRENCY_MAX)),
    };
    DiscoverySettings {
        poll_interval: check.positive_duration(&file.InstancePollSeconds, Unit::Seconds),
        check_slack: check.duration(&file.ReasonableInstanceCheckSeconds, Unit::Seconds),
        dead_poll_factor: *file.DeadInstancePollSecondsMultiplyFactor,
        dead_poll_max: check.duration(&file.DeadInstancePollSecondsMax, Unit::Seconds),
        dead_concurrency,
        dead_logs: *file.DeadInstanceDiscoveryLogsEnabled,
        concurrency_max: check.count(&file.DiscoveryMaxConcurrency, CONCURRENCY_MAX),
        initial_instances: initial_instances(check),
        by_show_replicas: *file.DiscoverByShowSlaveHosts,
        ignore: check.compile(&file.DiscoveryIgnoreHostnameFilters, |c, list| c.instances(list)),
        ignore_replicas: check
            .compile(&file.DiscoveryIgnoreReplicaHostnameFilters, |c, list| c.instances(list)),
        ignore_sources: check
            .compile(&file.DiscoveryIgnoreMasterHostnameFilters, |c, list| c.instances(list)),
        ignore_replication_users: check
            .compile(&file.DiscoveryIgnoreReplicationUsernameFilters, |c, list| c.patterns(list)),
        filter_logs: *file.EnableDiscoveryFiltersLogs,
        forget_after: check.duration(&file.UnseenInstanceForgetHours, Unit::Hours),
        topology_snapshot_interval: check
            .optional_duration(&file.SnapshotTopologiesIntervalHours, Unit::Hours),
        replica_operations_max: check.count(&file.MaxConcurrentReplicaOperations, CONCURRENCY_MAX),
        bulk_operation_timeout: check.duration(&file.InstanceBulkOperationsWaitTimeoutSeconds, Unit::Seconds),
        hostname_resolve: hostname_resolve(&file.HostnameResolveMethod),
        instance_naming: instance_naming(&file.MySQLHostnameResolveMethod),
        resolve_expiry: check.duration(&file.ExpiryHostnameResolvesMinutes, Unit::Minutes),
        reject_resolved: check.compile(&file.RejectHostnameResolvePattern, |c, text| c.pattern(text)),
        shared_probing: *file.SharedProbing,
    }
}

fn initial_instances(check: &mut Check<'_>) -> Vec<(String, u16)> {
    let field = &check.file.DiscoverySeeds;
    let default_port = u16::try_from(*check.file.DefaultInstancePort).unwrap_or_default();
    let mut instances = Vec::new();
    for text in &field.value {
        match HostPort::parse(text, default_port) {
            Ok(HostPort { host, port }) => instances.push((host, port)),
            Err(text) => check.error(field, text),
        }
    }
    instances
}

/// Words that the original does not know keep the name.
fn hostname_resolve(word: &str) -> HostnameResolve {
    match word.to_ascii_lowercase().as_str() {
        "none" => HostnameResolve::None,
        "cname" => HostnameResolve::Cname,
        "ip" => HostnameResolve::Ip,
        _ => HostnameResolve::Keep,
    }
}

/// Words that the original does not know keep the name used to connect.
fn instance_naming(word: &str) -> InstanceNaming {
    match word.to_ascii_lowercase().as_str() {
        "default" | "hostname" | "@@hostname" => InstanceNaming::Hostname,
        "report_host" | "@@report_host" => InstanceNaming::ReportHost,
        _ => InstanceNaming::AsConnected,
    }
}
