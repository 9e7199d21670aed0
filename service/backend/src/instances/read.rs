//! From a row of `database_instance` back to an instance.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::Instance;
use orchestrator_core::instance::{
    BinlogCoordinates, BinlogFormat, GroupMember, Replication, ReplicationGtid, SourceContact, ThreadState,
};
use orchestrator_core::view::{Checks, InstanceRecord};

use crate::rows::InstanceRow;
use crate::text::{keys_from_json, unquote};
use crate::value::Row;

/// Columns in the order in which [`instance`] reads them. Derived ones are left out.
pub(super) const COLUMN_LIST: &str = "hostname, port, \
    cluster_name, replication_depth, is_co_master, ancestry_uuid, gtid_errant, \
    last_attempted_check, last_checked, last_seen, last_check_partial_success, last_discovery_latency, \
    server_id, server_uuid, version, version_comment, uptime, \
    read_only, log_bin, log_slave_updates, binlog_format, binlog_row_image, gtid_mode, \
    binary_log_file, binary_log_pos, executed_gtid_set, gtid_purged, slave_hosts, slave_lag_seconds, \
    semi_sync_available, semi_sync_master_enabled, semi_sync_replica_enabled, semi_sync_master_timeout, \
    semi_sync_master_wait_for_slave_count, semi_sync_master_status, semi_sync_master_clients, \
    semi_sync_replica_status, \
    instance_alias, data_center, region, physical_environment, suggested_cluster_alias, semi_sync_enforced, \
    replication_credentials_available, \
    master_host, master_port, master_uuid, replication_io_thread_state, replication_sql_thread_state, \
    master_log_file, read_master_log_pos, relay_master_log_file, exec_master_log_pos, \
    relay_log_file, relay_log_pos, oracle_gtid, mariadb_gtid, last_io_error, last_sql_error, \
    seconds_behind_master, sql_delay, has_replication_filters, \
    replication_group_name, replication_group_is_single_primary_mode, replication_group_member_state, \
    replication_group_member_role, replication_group_members, replication_group_primary_host, \
    replication_group_primary_port";

pub(super) fn instance(mut row: Row) -> InstanceRow {
    let row = &mut row;
    let mut instance = Instance::unread(row.key());
    let place = (row.text(), row.unsigned(), row.truth(), row.text(), compact(&row.text()));
    let checks = checks(row);
    identity(&mut instance, row);
    settings(&mut instance, row);
    instance.binary_log = Some(coordinates(row)).filter(|at| !at.file.is_empty());
    instance.gtid.executed = compact(&row.text());
    instance.gtid.purged = compact(&row.text());
    instance.replicas = keys_from_json(&row.text());
    instance.lag_seconds = row.maybe_int().and_then(|lag| u64::try_from(lag).ok());
    semi_sync(&mut instance, row);
    labels(&mut instance, row);
    instance.replication = replication(row);
    instance.group = group(row);
    let record = InstanceRecord { instance, checks, unread: Vec::new(), source_contact_at: None };
    let (cluster, depth, is_co_primary, ancestry_uuid, errant_gtid) = place;
    InstanceRow { record: Arc::new(record), cluster, depth, is_co_primary, ancestry_uuid, errant_gtid }
}

fn compact(gtid_set: &str) -> String {
    gtid_set.split_whitespace().collect()
}

fn checks(row: &mut Row) -> Checks {
    Checks {
        last_attempted: row.time().unwrap_or_default(),
        last_checked: row.time().unwrap_or_default(),
        last_seen: row.time(),
        partial_success: row.truth(),
        failure: None,
        latency: Duration::from_nanos(row.unsigned()),
    }
}

fn identity(instance: &mut Instance, row: &mut Row) {
    let identity = &mut instance.identity;
    identity.server_id = row.unsigned();
    identity.server_uuid = row.text();
    identity.version = row.text();
    if identity.version == "Unknown" {
        identity.version.clear();
    }
    identity.version_comment = row.text();
    identity.uptime_seconds = row.unsigned();
}

fn settings(instance: &mut Instance, row: &mut Row) {
    let settings = &mut instance.settings;
    settings.read_only = row.truth();
    settings.log_bin = row.truth();
    settings.log_replica_updates = row.truth();
    settings.binlog_format = BinlogFormat::parse(&row.text());
    settings.binlog_row_image = row.text();
    settings.gtid_mode = row.text();
}

fn semi_sync(instance: &mut Instance, row: &mut Row) {
    let semi_sync = &mut instance.semi_sync;
    semi_sync.available = row.truth();
    semi_sync.source_enabled = row.truth();
    semi_sync.replica_enabled = row.truth();
    semi_sync.source_timeout_millis = row.unsigned();
    semi_sync.wait_for_replica_count = row.unsigned();
    semi_sync.source_status = row.truth();
    semi_sync.source_clients = row.unsigned();
    semi_sync.replica_status = row.truth();
}

fn labels(instance: &mut Instance, row: &mut Row) {
    let labels = &mut instance.labels;
    labels.alias = row.text();
    labels.data_center = row.text();
    labels.region = row.text();
    labels.environment = row.text();
    labels.cluster_alias = row.text();
    labels.semi_sync_priority = row.unsigned();
    labels.replication_credentials_available = row.truth();
}

fn coordinates(row: &mut Row) -> BinlogCoordinates {
    BinlogCoordinates { file: row.text(), position: row.unsigned() }
}

fn thread_state(row: &mut Row) -> ThreadState {
    match row.int() {
        1 => ThreadState::Running,
        2 => ThreadState::Other,
        _ => ThreadState::Stopped,
    }
}

/// Reads all columns of replication also when there is none, so that the next ones are in place.
fn replication(row: &mut Row) -> Option<Replication> {
    let replication = Replication {
        source: row.key(),
        user: String::new(),
        source_uuid: row.text(),
        io_thread: thread_state(row),
        sql_thread: thread_state(row),
        read: coordinates(row),
        executed: coordinates(row),
        relay: coordinates(row),
        gtid: match (row.truth(), row.truth()) {
            (true, _) => ReplicationGtid::Oracle,
            (false, true) => ReplicationGtid::MariaDb,
            (false, false) => ReplicationGtid::None,
        },
        received_gtid: String::new(),
        io_errno: 0,
        io_error: unquote(&row.text()),
        sql_errno: 0,
        sql_error: unquote(&row.text()),
        seconds_behind: row.maybe_int().and_then(|seconds| u64::try_from(seconds).ok()),
        sql_delay_seconds: row.unsigned(),
        has_filters: row.truth(),
        contact: SourceContact::default(),
        transport_options: Default::default(),
    };
    (!replication.source.hostname.is_empty()).then_some(replication)
}

fn group(row: &mut Row) -> Option<GroupMember> {
    let group = GroupMember {
        name: row.text(),
        single_primary: row.truth(),
        state: row.text(),
        role: row.text(),
        members: keys_from_json(&row.text()),
        primary: row.maybe_key(),
    };
    (!group.name.is_empty()).then_some(group)
}
