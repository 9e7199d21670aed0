//! A file that the original wrote, under raft, before several of its columns existed.

use std::path::Path;

use orchestrator_backend::{Backend, RecoveryFilter, SqliteBackend};
use rusqlite::Connection;

use crate::support::{accepted, after, begin, end, key, options};

/// As the original makes them, of a version before regions, semi-sync details and group replication.
const TABLES: &str = "
CREATE TABLE database_instance (
  hostname varchar(128) NOT NULL, port smallint NOT NULL, last_checked timestamp not null default '',
  last_seen timestamp NULL DEFAULT NULL, server_id int NOT NULL, version varchar(128) NOT NULL,
  binlog_format varchar(16) NOT NULL, log_bin tinyint NOT NULL, log_slave_updates tinyint NOT NULL,
  binary_log_file varchar(128) NOT NULL, binary_log_pos bigint NOT NULL, master_host varchar(128) NOT NULL,
  master_port smallint NOT NULL, slave_sql_running tinyint NOT NULL, slave_io_running tinyint NOT NULL,
  master_log_file varchar(128) NOT NULL, read_master_log_pos bigint NOT NULL,
  relay_master_log_file varchar(128) NOT NULL, exec_master_log_pos bigint NOT NULL,
  seconds_behind_master bigint DEFAULT NULL, slave_lag_seconds bigint DEFAULT NULL, num_slave_hosts int NOT NULL,
  slave_hosts text NOT NULL, cluster_name varchar(128) NOT NULL, provider_type varchar(20) default 'mysql',
  PRIMARY KEY (hostname, port));
CREATE INDEX cluster_name_idx_database_instance ON database_instance(cluster_name);
CREATE TABLE database_instance_downtime (
  hostname varchar(128) NOT NULL, port smallint NOT NULL, downtime_active tinyint(4) DEFAULT NULL,
  begin_timestamp timestamp DEFAULT '', end_timestamp timestamp NULL DEFAULT NULL, owner varchar(128) NOT NULL,
  reason text NOT NULL, PRIMARY KEY (hostname, port));
CREATE TABLE topology_recovery (
  recovery_id integer, hostname varchar(128) NOT NULL, port smallint NOT NULL,
  in_active_period tinyint NOT NULL DEFAULT 0, start_active_period timestamp not null default '',
  end_active_period_unixtime int, end_recovery timestamp NULL DEFAULT NULL,
  processing_node_hostname varchar(128) NOT NULL, processcing_node_token varchar(128) NOT NULL,
  is_successful tinyint NOT NULL DEFAULT 0, successor_hostname varchar(128) DEFAULT NULL,
  successor_port smallint DEFAULT NULL, analysis varchar(128) not null default '',
  cluster_name varchar(128) not null default '', cluster_alias varchar(128) not null default '',
  count_affected_slaves int not null default 0, slave_hosts text not null default '',
  participating_instances text not null default '', lost_slaves text not null default '',
  all_errors text not null default '', acknowledged TINYINT NOT NULL DEFAULT 0,
  acknowledged_at TIMESTAMP NULL, acknowledged_by varchar(128) not null default '',
  acknowledge_comment text not null default '', last_detection_id bigint not null default 0,
  successor_alias varchar(128) DEFAULT NULL, uid varchar(128) not null default '', PRIMARY KEY (recovery_id));
CREATE TABLE node_health (
  hostname varchar(128) NOT NULL, token varchar(128) NOT NULL, last_seen_active timestamp not null default '',
  PRIMARY KEY (hostname, token));
CREATE TABLE orchestrator_db_deployments (
  deployed_version varchar(128) NOT NULL, deployed_timestamp timestamp NOT NULL, PRIMARY KEY (deployed_version));
CREATE TABLE somebody_elses (x text);
";

/// Rows as a restart of a raft node leaves them: times with T and Z, empty text for NULL.
const ROWS: &str = r#"
INSERT INTO database_instance VALUES ('db1', 3306, '2026-01-02 03:04:05', NULL, 1, '8.0.36', 'ROW', 1, 1,
  'bin.000007', 1234, 'db0', 3306, 1, 1, 'bin.1', 4, 'bin.1', 4, 0, 0, 1,
  '[{"Hostname":"db2","Port":3306}]', 'db0:3306', 'mysql');
INSERT INTO database_instance_downtime VALUES
  ('db1', 3306, 1, '2026-01-02T03:00:00Z', '2026-01-02T09:00:00Z', 'dba', 'disk');
INSERT INTO topology_recovery (recovery_id, hostname, port, in_active_period, start_active_period,
  end_active_period_unixtime, end_recovery, processing_node_hostname, processcing_node_token, is_successful,
  successor_hostname, successor_port, analysis, cluster_name, acknowledged_at, uid) VALUES
  (7, 'db1', 3306, 1, '2026-01-02T03:00:00Z', 0, '2026-01-02T03:01:00Z', 'old', 'tok', 1, 'db2', 3306,
   'DeadMaster', 'db1:3306', '', '1:aa'),
  (8, 'db9', 3306, 1, '2026-01-02T03:00:00Z', 0, '0001-01-01T00:00:00Z', 'old', 'tok', 0, '', '',
   'DeadMaster', 'db9:3306', '', '2:bb');
INSERT INTO node_health VALUES ('old', 'tok', '2026-01-01 00:00:00');
INSERT INTO orchestrator_db_deployments VALUES ('3.2.6', '2025-01-01 00:00:00');
INSERT INTO somebody_elses VALUES ('keep');
"#;

fn old_file(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(TABLES).unwrap();
    connection.execute_batch(ROWS).unwrap();
}

fn opened(path: &Path) -> Box<dyn Backend> {
    Box::new(SqliteBackend::open(path, &options("t")).unwrap())
}

fn texts(backend: &mut dyn Backend, sql: &str) -> Vec<String> {
    backend.query(sql, &[]).unwrap().into_iter().map(|mut row| row.text()).collect()
}

#[test]
fn everything_that_was_there_is_still_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.db");
    old_file(&path);
    let mut backend = opened(&path);
    let instance = backend.instances().unwrap().remove(0);
    assert_eq!((instance.record.instance.key.clone(), &*instance.cluster), (key("db1"), "db0:3306"));
    assert_eq!(instance.record.instance.source(), Some(&key("db0")));
    assert_eq!(instance.record.instance.replicas, [key("db2")].into());
    assert!(!instance.record.checks.is_valid(), "never seen is never valid");
    assert_eq!(texts(&mut *backend, "select x from somebody_elses"), ["keep"]);
    assert_eq!(texts(&mut *backend, "select provider_type from database_instance"), ["mysql"]);
    let versions = "select deployed_version from orchestrator_db_deployments order by 1";
    assert_eq!(texts(&mut *backend, versions), ["1.0", "3.2.6"]);
}

#[test]
fn foreign_times_and_empty_nulls_are_normalised() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.db");
    old_file(&path);
    let mut backend = opened(&path);
    let downtime = "select begin_timestamp || '|' || end_timestamp from database_instance_downtime";
    assert_eq!(texts(&mut *backend, downtime), ["2026-01-02 03:00:00|2026-01-02 09:00:00"]);
    let nulls =
        "select count(*) from topology_recovery where acknowledged_at = '' or successor_hostname = ''";
    assert_eq!(backend.query_int(nulls, &[]).unwrap(), 0);
    let recovery = backend.recoveries(&RecoveryFilter::Id(7), false, 0).unwrap().remove(0);
    assert_eq!((recovery.started_at, recovery.ended_at), (after(-245), Some(after(-185))));
    assert!(recovery.is_active && recovery.is_successful);
}

#[test]
fn a_recovery_that_the_original_left_behind_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.db");
    old_file(&path);
    let mut backend = opened(&path);
    let orphan = backend.recoveries(&RecoveryFilter::Id(8), false, 0).unwrap().remove(0);
    assert!(orphan.is_acknowledged && !orphan.is_active);
    assert_eq!((orphan.ended_at, &*orphan.acknowledged_by), (Some(after(0)), "orchestrator"));
    assert_eq!(backend.highest_ids().unwrap(), (8, 0));
    let next = orchestrator_backend::BeginRecovery { at_least_id: 9, ..begin("3:cc", "db9", after(1)) };
    assert_eq!(accepted(&backend.begin_recovery(&next).unwrap()), 9);
}

#[test]
fn missing_tables_columns_and_indexes_appear_and_types_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (path, new) = (dir.path().join("o.db"), dir.path().join("new.db"));
    old_file(&path);
    let (mut backend, mut fresh) = (opened(&path), opened(&new));
    let names = "select type || ' ' || name from sqlite_master where sql is not null order by 1";
    let mut expected = texts(&mut *fresh, names);
    expected.push("table somebody_elses".into());
    expected.sort();
    assert_eq!(texts(&mut *backend, names), expected);
    let columns = "select name || ' ' || type from pragma_table_info('database_instance') order by 1";
    let mut expected = texts(&mut *fresh, columns);
    expected.push("provider_type varchar(20)".into());
    expected.sort();
    assert_eq!(texts(&mut *backend, columns), expected);
    assert_eq!(texts(&mut *backend, "pragma journal_mode"), ["wal"]);
}

#[test]
fn opening_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.db");
    old_file(&path);
    let state = |backend: &mut dyn Backend| {
        (
            texts(backend, "select sql from sqlite_master order by name"),
            texts(backend, "select recovery_id || coalesce(end_recovery, '-') from topology_recovery"),
        )
    };
    let mut first = opened(&path);
    // An unfinished recovery of ours is no orphan.
    first.begin_recovery(&begin("4:dd", "z", after(0))).unwrap();
    let before = state(&mut *first);
    drop(first);
    let mut second = opened(&path);
    assert_eq!(state(&mut *second), before);
    assert_eq!(second.unfinished_recoveries().unwrap().len(), 1);
    second.end_recovery(&end("4:dd", 0, "b", after(1))).unwrap();
}

#[test]
fn an_old_row_that_breaks_a_unique_index_does_not_keep_the_file_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o.db");
    let connection = Connection::open(&path).unwrap();
    let sql = "create table cluster_alias (cluster_name varchar(128) not null, alias varchar(128) not null,
               last_registered timestamp not null default '', primary key (cluster_name));
               insert into cluster_alias values ('a:1', 'x', ''), ('b:1', 'x', '')";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    assert_eq!(
        texts(&mut *opened(&path), "select cluster_name from cluster_alias order by 1"),
        ["a:1", "b:1"]
    );
}
