//! The columns of `database_instance` and where their values come from.

use orchestrator_core::Instance;
use orchestrator_core::instance::{
    BinlogCoordinates, BinlogFormat, Flavor, Replication, ReplicationGtid, ThreadState,
};

use crate::rows::InstanceRow;
use crate::text::{keys_to_json, quote};
use crate::value::Value;

type Column = (&'static str, fn(&InstanceRow) -> Value);

/// Every column that is written. Those of later versions and of other products keep their defaults.
#[rustfmt::skip]
pub(super) const COLUMNS: [Column; 78] = [
    ("hostname", |row| (&*instance(row).key.hostname).into()),
    ("port", |row| instance(row).key.port.into()),
    ("last_checked", |row| row.record.checks.last_checked.into()),
    ("last_attempted_check", |row| row.record.checks.last_attempted.into()),
    ("last_check_partial_success", |row| row.record.checks.partial_success.into()),
    ("last_seen", |row| row.record.checks.last_seen.into()),
    ("uptime", |row| instance(row).identity.uptime_seconds.into()),
    ("server_id", |row| instance(row).identity.server_id.into()),
    ("server_uuid", |row| (&instance(row).identity.server_uuid).into()),
    ("version", |row| version(instance(row)).into()),
    ("binlog_server", |row| instance(row).is_binlog_server().into()),
    ("read_only", |row| instance(row).settings.read_only.into()),
    ("binlog_format", |row| instance(row).settings.binlog_format.map_or("", BinlogFormat::as_str).into()),
    ("log_bin", |row| instance(row).settings.log_bin.into()),
    ("log_slave_updates", |row| instance(row).settings.log_replica_updates.into()),
    ("binary_log_file", |row| file(instance(row).binary_log.as_ref())),
    ("binary_log_pos", |row| position(instance(row).binary_log.as_ref())),
    ("master_host", |row| replication(row).map_or("".into(), |of| (&*of.source.hostname).into())),
    ("master_port", |row| replication(row).map_or(0_i64.into(), |of| of.source.port.into())),
    ("slave_sql_running", |row| replication(row).is_some_and(|of| of.sql_thread == ThreadState::Running).into()),
    ("slave_io_running", |row| replication(row).is_some_and(|of| of.io_thread == ThreadState::Running).into()),
    ("replication_sql_thread_state", |row| thread_state(replication(row).map(|of| of.sql_thread))),
    ("replication_io_thread_state", |row| thread_state(replication(row).map(|of| of.io_thread))),
    ("has_replication_filters", |row| replication(row).is_some_and(|of| of.has_filters).into()),
    ("oracle_gtid", |row| replication(row).is_some_and(|of| of.gtid == ReplicationGtid::Oracle).into()),
    ("master_uuid", |row| replication(row).map_or("".into(), |of| (&of.source_uuid).into())),
    ("ancestry_uuid", |row| (&row.ancestry_uuid).into()),
    ("executed_gtid_set", |row| gtid_set(oracle_set(row, |instance| &instance.gtid.executed))),
    ("gtid_purged", |row| gtid_set(oracle_set(row, |instance| &instance.gtid.purged))),
    ("gtid_errant", |row| gtid_set(&row.errant_gtid)),
    ("supports_oracle_gtid", |row| (!matches!(&*instance(row).settings.gtid_mode, "" | "OFF")).into()),
    ("mariadb_gtid", |row| replication(row).is_some_and(|of| of.gtid == ReplicationGtid::MariaDb).into()),
    ("pseudo_gtid", |_| false.into()),
    ("master_log_file", |row| file(replication(row).map(|of| &of.read))),
    ("read_master_log_pos", |row| position(replication(row).map(|of| &of.read))),
    ("relay_master_log_file", |row| file(replication(row).map(|of| &of.executed))),
    ("exec_master_log_pos", |row| position(replication(row).map(|of| &of.executed))),
    ("relay_log_file", |row| file(replication(row).map(|of| &of.relay))),
    ("relay_log_pos", |row| position(replication(row).map(|of| &of.relay))),
    ("last_sql_error", |row| replication(row).map_or("".into(), |of| quote(&of.sql_error).into())),
    ("last_io_error", |row| replication(row).map_or("".into(), |of| quote(&of.io_error).into())),
    ("seconds_behind_master", |row| replication(row).and_then(|of| of.seconds_behind).into()),
    ("slave_lag_seconds", |row| instance(row).lag_seconds.into()),
    ("sql_delay", |row| replication(row).map_or(0_i64.into(), |of| of.sql_delay_seconds.into())),
    ("allow_tls", |row| replication(row).is_some_and(allows_tls).into()),
    ("num_slave_hosts", |row| (instance(row).replicas.len() as u64).into()),
    ("slave_hosts", |row| keys_to_json(&instance(row).replicas).into()),
    ("cluster_name", |row| (&row.cluster).into()),
    ("suggested_cluster_alias", |row| (&instance(row).labels.cluster_alias).into()),
    ("data_center", |row| (&instance(row).labels.data_center).into()),
    ("region", |row| (&instance(row).labels.region).into()),
    ("physical_environment", |row| (&instance(row).labels.environment).into()),
    ("instance_alias", |row| (&instance(row).labels.alias).into()),
    ("semi_sync_enforced", |row| instance(row).labels.semi_sync_priority.into()),
    ("semi_sync_available", |row| instance(row).semi_sync.available.into()),
    ("replication_depth", |row| row.depth.into()),
    ("is_co_master", |row| row.is_co_primary.into()),
    ("replication_credentials_available", |row| instance(row).labels.replication_credentials_available.into()),
    ("has_replication_credentials", |row| replication(row).is_some_and(|of| !of.user.is_empty()).into()),
    ("version_comment", |row| (&instance(row).identity.version_comment).into()),
    ("major_version", |row| major_version(instance(row)).into()),
    ("binlog_row_image", |row| (&instance(row).settings.binlog_row_image).into()),
    ("last_discovery_latency", |row| u64::try_from(row.record.checks.latency.as_nanos()).unwrap_or(u64::MAX).into()),
    ("semi_sync_master_enabled", |row| instance(row).semi_sync.source_enabled.into()),
    ("semi_sync_master_timeout", |row| instance(row).semi_sync.source_timeout_millis.into()),
    ("semi_sync_master_wait_for_slave_count", |row| instance(row).semi_sync.wait_for_replica_count.into()),
    ("semi_sync_master_status", |row| instance(row).semi_sync.source_status.into()),
    ("semi_sync_master_clients", |row| instance(row).semi_sync.source_clients.into()),
    ("semi_sync_replica_status", |row| instance(row).semi_sync.replica_status.into()),
    ("semi_sync_replica_enabled", |row| instance(row).semi_sync.replica_enabled.into()),
    ("gtid_mode", |row| (&instance(row).settings.gtid_mode).into()),
    ("replication_group_name", |row| group(row, |group| (&group.name).into(), "")),
    ("replication_group_is_single_primary_mode", |row| group(row, |group| group.single_primary.into(), 0_i64)),
    ("replication_group_member_state", |row| group(row, |group| (&group.state).into(), "")),
    ("replication_group_member_role", |row| group(row, |group| (&group.role).into(), "")),
    ("replication_group_members", |row| group(row, |group| keys_to_json(&group.members).into(), "[]")),
    ("replication_group_primary_host", |row| group(row, |group| primary_host(group).into(), "")),
    ("replication_group_primary_port", |row| group(row, |group| primary_port(group).into(), 0_i64)),
];

fn instance(row: &InstanceRow) -> &Instance {
    &row.record.instance
}

fn replication(row: &InstanceRow) -> Option<&Replication> {
    instance(row).replication.as_ref()
}

/// An instance that was never read has the version that the original gives to seeds.
fn version(instance: &Instance) -> &str {
    if instance.identity.version.is_empty() { "Unknown" } else { &instance.identity.version }
}

fn major_version(instance: &Instance) -> String {
    let (major, minor) = instance.identity.major_version();
    format!("{major}.{minor}")
}

fn file(at: Option<&BinlogCoordinates>) -> Value {
    at.map_or("", |at| &at.file).into()
}

fn position(at: Option<&BinlogCoordinates>) -> Value {
    at.map_or(0, |at| at.position).into()
}

fn thread_state(state: Option<ThreadState>) -> Value {
    Value::Int(match state {
        None => -1,
        Some(ThreadState::Stopped) => 0,
        Some(ThreadState::Running) => 1,
        Some(ThreadState::Other) => 2,
    })
}

/// The GTID columns belong to MySQL: the original leaves them empty for MariaDB.
fn oracle_set(row: &InstanceRow, set: fn(&Instance) -> &String) -> &str {
    if instance(row).identity.flavor() == Flavor::MariaDb { "" } else { set(instance(row)) }
}

/// The server's form: each UUID on a line of its own.
fn gtid_set(compact: &str) -> Value {
    compact.replace(',', ",\n").into()
}

fn allows_tls(replication: &Replication) -> bool {
    replication
        .transport_options
        .get("SSL")
        .is_some_and(|value| ["1", "yes"].iter().any(|truth| value.eq_ignore_ascii_case(truth)))
}

type Group = orchestrator_core::instance::GroupMember;

fn group(row: &InstanceRow, value: fn(&Group) -> Value, otherwise: impl Into<Value>) -> Value {
    instance(row).group.as_ref().map_or_else(|| otherwise.into(), value)
}

fn primary_host(group: &Group) -> &str {
    group.primary.as_ref().map_or("", |key| &key.hostname)
}

fn primary_port(group: &Group) -> u16 {
    group.primary.as_ref().map_or(0, |key| key.port)
}
