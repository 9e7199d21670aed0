use std::sync::Arc;
use std::time::Duration;

use orchestrator_backend::{ClusterRow, InstanceRow};
use orchestrator_core::instance::{
    BinlogCoordinates, BinlogFormat, GroupMember, Instance, Replication, ReplicationGtid, SourceContact,
    ThreadState,
};

use super::Make;
use crate::support::{after, instance_row, key};

fn at(file: &str, position: u64) -> BinlogCoordinates {
    BinlogCoordinates { file: file.into(), position }
}

fn replication() -> Replication {
    Replication {
        source: key("a"),
        user: String::new(),
        source_uuid: "aaaaaaaa-0000-0000-0000-000000000001".into(),
        io_thread: ThreadState::Other,
        sql_thread: ThreadState::Running,
        read: at("bin.000003", 400),
        executed: at("bin.000002", 300),
        relay: at("relay.000001", 200),
        gtid: ReplicationGtid::Oracle,
        received_gtid: String::new(),
        io_errno: 0,
        io_error: "can't \"connect\"\n\u{e9}".into(),
        sql_errno: 0,
        sql_error: String::new(),
        seconds_behind: None,
        sql_delay_seconds: 30,
        has_filters: true,
        contact: SourceContact::default(),
        transport_options: Default::default(),
    }
}

/// A value in every column that can be read back.
fn full() -> InstanceRow {
    let mut row = instance_row("b", after(5));
    let record = Arc::make_mut(&mut row.record);
    record.checks.last_checked = after(9);
    let instance = &mut record.instance;
    instance.identity.server_id = 7;
    instance.identity.server_uuid = "aaaaaaaa-0000-0000-0000-000000000002".into();
    instance.identity.version = "8.0.36".into();
    instance.identity.version_comment = "Percona Server".into();
    instance.identity.uptime_seconds = 99;
    instance.settings.read_only = true;
    instance.settings.log_bin = true;
    instance.settings.log_replica_updates = true;
    instance.settings.binlog_format = Some(BinlogFormat::Row);
    instance.settings.binlog_row_image = "FULL".into();
    instance.settings.gtid_mode = "ON".into();
    instance.binary_log = Some(at("bin.000009", u64::from(u32::MAX) + 5));
    instance.replication = Some(replication());
    instance.gtid.executed = "u1:1-5,u2:1".into();
    instance.gtid.purged = "u1:1".into();
    instance.replicas = [key("d"), key("c")].into();
    instance.lag_seconds = Some(12);
    instance.semi_sync.available = true;
    instance.semi_sync.source_enabled = true;
    instance.semi_sync.source_timeout_millis = 1 << 40;
    instance.semi_sync.wait_for_replica_count = 2;
    instance.semi_sync.source_clients = 1;
    instance.labels.alias = "b1".into();
    instance.labels.data_center = "dc".into();
    instance.labels.region = "r".into();
    instance.labels.environment = "prod".into();
    instance.labels.cluster_alias = "main".into();
    instance.labels.semi_sync_priority = 3;
    instance.labels.replication_credentials_available = true;
    instance.group = Some(GroupMember {
        name: "g".into(),
        single_primary: true,
        state: "ONLINE".into(),
        role: "SECONDARY".into(),
        members: [key("c")].into(),
        primary: Some(key("a")),
    });
    row.cluster = "a:3306".into();
    row.depth = 1;
    row.is_co_primary = true;
    row.ancestry_uuid = "u1,u2".into();
    row.errant_gtid = "u3:1-2,u4:5".into();
    row
}

pub(crate) fn an_instance_reads_back_as_it_was_written(make: Make) {
    let mut backend = make();
    let mut bare = instance_row("a", after(0));
    Arc::make_mut(&mut bare.record).checks.latency = Duration::ZERO;
    let written = [bare, full()];
    backend.write_instances(&written).unwrap();
    assert_eq!(backend.instances().unwrap(), written);
    let sql =
        "select executed_gtid_set, last_io_error, major_version from database_instance where hostname = 'b'";
    let mut row = backend.query_first(sql, &[]).unwrap().unwrap();
    assert_eq!(row.text(), "u1:1-5,\nu2:1", "the server's own form");
    assert_eq!(row.text(), "\"can't \\\"connect\\\"\\n\\u00e9\"", "quoted as the original does");
    assert_eq!(row.text(), "8.0");
}

pub(crate) fn the_newest_value_replaces_the_former(make: Make) {
    let mut backend = make();
    backend.write_instances(&[full(), instance_row("b", after(60))]).unwrap();
    let rows = backend.instances().unwrap();
    assert_eq!(rows, [instance_row("b", after(60))]);
}

pub(crate) fn a_seed_does_not_overwrite_what_is_known(make: Make) {
    let mut backend = make();
    backend.write_instances(&[full()]).unwrap();
    backend.add_unread_instance(&key("b"), after(60)).unwrap();
    backend.add_unread_instance(&key("seed"), after(60)).unwrap();
    let rows = backend.instances().unwrap();
    assert_eq!(rows[0], full());
    assert_eq!(rows[1].record.instance, Instance::unread(key("seed")));
    assert_eq!(rows[1].cluster, "seed:3306");
}

pub(crate) fn an_instance_of_mariadb_has_no_set_of_mysql(make: Make) {
    let mut backend = make();
    let mut row = instance_row("m", after(0));
    let instance = &mut Arc::make_mut(&mut row.record).instance;
    instance.identity.version = "10.11.6-MariaDB-log".into();
    instance.gtid.executed = "0-1-100".into();
    backend.write_instances(&[row]).unwrap();
    let sql = "select executed_gtid_set from database_instance";
    assert_eq!(backend.query_first(sql, &[]).unwrap().unwrap().text(), "");
}

pub(crate) fn one_alias_belongs_to_one_cluster(make: Make) {
    let mut backend = make();
    let cluster =
        |name: &str| ClusterRow { cluster: name.into(), alias: "main".into(), domain: "d.example".into() };
    backend.write_clusters(&[cluster("a:3306")], after(0)).unwrap();
    backend.write_clusters(&[cluster("b:3306"), cluster("b:3306")], after(1)).unwrap();
    let rows = backend.query("select cluster_name from cluster_alias where alias = 'main'", &[]).unwrap();
    assert_eq!(rows.into_iter().map(|mut row| row.text()).collect::<Vec<_>>(), ["b:3306"]);
    let domains = backend.query_int("select count(*) from cluster_domain_name", &[]).unwrap();
    assert_eq!(domains, 2);
}
