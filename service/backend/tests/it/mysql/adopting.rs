//! A database that the original wrote, before several of its columns existed.

use orchestrator_backend::{Backend, BeginRecovery, MySqlOptions, RecoveryFilter};

use super::open;
use crate::servers::Flavor;
use crate::support::{accepted, after, begin, end, key};

/// As the original makes them, of a version before regions, semi-sync details and group replication.
const TABLES: [&str; 6] = [
    "CREATE TABLE database_instance (
      hostname varchar(128) CHARACTER SET ascii NOT NULL, port smallint(5) unsigned NOT NULL,
      last_checked timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, last_seen timestamp NULL DEFAULT NULL,
      server_id int(10) unsigned NOT NULL, version varchar(128) CHARACTER SET ascii NOT NULL,
      binlog_format varchar(16) CHARACTER SET ascii NOT NULL, log_bin tinyint(3) unsigned NOT NULL,
      log_slave_updates tinyint(3) unsigned NOT NULL, binary_log_file varchar(128) CHARACTER SET ascii NOT NULL,
      binary_log_pos bigint(20) unsigned NOT NULL, master_host varchar(128) CHARACTER SET ascii NOT NULL,
      master_port smallint(5) unsigned NOT NULL, slave_sql_running tinyint(3) unsigned NOT NULL,
      slave_io_running tinyint(3) unsigned NOT NULL, master_log_file varchar(128) CHARACTER SET ascii NOT NULL,
      read_master_log_pos bigint(20) unsigned NOT NULL,
      relay_master_log_file varchar(128) CHARACTER SET ascii NOT NULL,
      exec_master_log_pos bigint(20) unsigned NOT NULL, seconds_behind_master bigint(20) unsigned DEFAULT NULL,
      slave_lag_seconds bigint(20) unsigned DEFAULT NULL, num_slave_hosts int(10) unsigned NOT NULL,
      slave_hosts text CHARACTER SET ascii NOT NULL, cluster_name varchar(128) CHARACTER SET ascii NOT NULL,
      provider_type varchar(20) CHARACTER SET ascii DEFAULT 'mysql', PRIMARY KEY (hostname, port),
      KEY cluster_name_idx_database_instance (cluster_name)) ENGINE=InnoDB DEFAULT CHARSET=ascii",
    "CREATE TABLE topology_recovery (
      recovery_id bigint unsigned not null auto_increment, hostname varchar(128) NOT NULL,
      port smallint unsigned NOT NULL, in_active_period tinyint unsigned NOT NULL DEFAULT 0,
      start_active_period timestamp not null default current_timestamp,
      end_active_period_unixtime int unsigned, end_recovery timestamp NULL DEFAULT NULL,
      processing_node_hostname varchar(128) CHARACTER SET ascii NOT NULL,
      processcing_node_token varchar(128) NOT NULL, is_successful TINYINT UNSIGNED NOT NULL DEFAULT 0,
      successor_hostname varchar(128) DEFAULT NULL, successor_port smallint unsigned DEFAULT NULL,
      analysis varchar(128) CHARACTER SET ascii NOT NULL, cluster_name varchar(128) NOT NULL,
      acknowledged TINYINT UNSIGNED NOT NULL DEFAULT 0, acknowledged_at TIMESTAMP NULL,
      uid varchar(128) CHARACTER SET ascii NOT NULL, PRIMARY KEY (recovery_id),
      UNIQUE KEY hostname_port_active_period_uidx_topology_recovery
        (hostname, port, in_active_period, end_active_period_unixtime)) ENGINE=InnoDB DEFAULT CHARSET=ascii",
    "CREATE TABLE node_health (
      hostname varchar(128) CHARACTER SET ascii NOT NULL, token varchar(128) NOT NULL,
      last_seen_active timestamp not null default current_timestamp, PRIMARY KEY (hostname, token))
      ENGINE=InnoDB DEFAULT CHARSET=ascii",
    "CREATE TABLE cluster_alias (
      cluster_name varchar(128) CHARACTER SET ascii NOT NULL, alias varchar(128) NOT NULL,
      PRIMARY KEY (cluster_name)) ENGINE=InnoDB DEFAULT CHARSET=ascii",
    "CREATE TABLE orchestrator_db_deployments (
      deployed_version varchar(128) CHARACTER SET ascii NOT NULL, deployed_timestamp timestamp NOT NULL
      DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (deployed_version))
      ENGINE=InnoDB DEFAULT CHARSET=ascii",
    "CREATE TABLE somebody_elses (x text, must varchar(9) not null)",
];

const ROWS: [&str; 7] = [
    "INSERT INTO database_instance VALUES ('db1', 3306, '2026-01-02 03:04:05', NULL, 1, '8.0.36', 'ROW', 1, 1,
     'bin.000007', 1234, 'db0', 3306, 1, 1, 'bin.1', 4, 'bin.1', 4, 0, 0, 1,
     '[{\"Hostname\":\"db2\",\"Port\":3306}]', 'db0:3306', 'mysql')",
    "INSERT INTO topology_recovery VALUES
     (7, 'db1', 3306, 1, '2026-01-02 03:00:00', 0, '2026-01-02 03:01:00', 'old', 'tok', 1, 'db2', 3306,
      'DeadMaster', 'db1:3306', 0, '0000-00-00 00:00:00', '1:aa'),
     (8, 'db9', 3306, 1, '2026-01-02 03:00:00', 0, '0000-00-00 00:00:00', 'old', 'tok', 0, '', 0,
      'DeadMaster', 'db9:3306', 0, NULL, '2:bb')",
    "INSERT INTO node_health VALUES ('old', 'tok', now() - interval 1 hour)",
    "INSERT INTO cluster_alias VALUES ('a:1', 'x'), ('b:1', 'x')",
    "INSERT INTO orchestrator_db_deployments VALUES ('3.2.6', '2025-01-01 00:00:00')",
    "INSERT INTO somebody_elses VALUES ('keep', 'it')",
    "SELECT 1",
];

fn of_the_original(flavor: Flavor) -> MySqlOptions {
    let server = flavor.server();
    let options = server.options("t");
    let (create, select) =
        (format!("create database {}", options.database), format!("use {}", options.database));
    let mut statements = vec![&*create, &*select, "set time_zone = '+00:00'", "set sql_mode = ''"];
    statements.extend(TABLES);
    statements.extend(ROWS);
    server.admin(&statements);
    options
}

fn texts(backend: &mut dyn Backend, sql: &str) -> Vec<String> {
    backend.query(sql, &[]).unwrap().into_iter().map(|mut row| row.text()).collect()
}

const COLUMNS: &str = "select concat(table_name, '.', column_name) from information_schema.columns \
                       where table_schema = database() order by 1";
const KEYS: &str = "select distinct concat(table_name, '.', index_name) from information_schema.statistics \
                    where table_schema = database() order by 1";

#[test]
fn everything_that_was_there_is_still_there() {
    for flavor in Flavor::ALL {
        let mut backend = open(&of_the_original(flavor));
        let instance = backend.instances().unwrap().remove(0);
        let found = (instance.record.instance.key.clone(), &*instance.cluster);
        assert_eq!(found, (key("db1"), "db0:3306"), "{flavor:?}");
        assert_eq!(instance.record.instance.source(), Some(&key("db0")));
        assert_eq!(instance.record.instance.replicas, [key("db2")].into());
        assert!(!instance.record.checks.is_valid(), "never seen is never valid");
        assert_eq!(texts(&mut *backend, "select x from somebody_elses"), ["keep"]);
        assert_eq!(texts(&mut *backend, "select provider_type from database_instance"), ["mysql"]);
        let versions = "select concat(deployed_version, ' ', deployed_timestamp) from orchestrator_db_deployments order by 1";
        let expected = ["1.0 2026-01-02 03:04:05", "3.2.6 2025-01-01 00:00:00"];
        assert_eq!(texts(&mut *backend, versions), expected, "{flavor:?}");
    }
}

#[test]
fn a_recovery_that_the_original_left_behind_is_closed() {
    for flavor in Flavor::ALL {
        let mut backend = open(&of_the_original(flavor));
        let ended = backend.recoveries(&RecoveryFilter::Id(7), false, 0).unwrap().remove(0);
        assert!(ended.is_active && ended.is_successful && ended.acknowledged_at.is_none(), "{flavor:?}");
        let orphan = backend.recoveries(&RecoveryFilter::Id(8), false, 0).unwrap().remove(0);
        assert!(orphan.is_acknowledged && !orphan.is_active, "{flavor:?}");
        assert_eq!((orphan.ended_at, &*orphan.acknowledged_by), (Some(after(0)), "orchestrator"));
        let next = BeginRecovery { at_least_id: 9, ..begin("3:cc", "db9", after(1)) };
        assert_eq!(accepted(&backend.begin_recovery(&next).unwrap()), 9);
    }
}

#[test]
fn missing_tables_columns_and_keys_appear_and_nothing_else() {
    for flavor in Flavor::ALL {
        let mut backend = open(&of_the_original(flavor));
        let mut fresh = open(&flavor.server().options("t"));
        for (list, foreign, broken) in [
            (
                COLUMNS,
                &["database_instance.provider_type", "somebody_elses.must", "somebody_elses.x"][..],
                None,
            ),
            // The unique one, which the rows of this database break.
            (KEYS, &[], Some("cluster_alias.alias_uidx")),
        ] {
            let mut expected = texts(&mut *fresh, list);
            expected.retain(|name| Some(&**name) != broken);
            expected.extend(foreign.iter().map(ToString::to_string));
            expected.sort();
            let mut found = texts(&mut *backend, list);
            found.sort();
            assert_eq!(found, expected, "{flavor:?}");
        }
    }
}

#[test]
fn opening_again_changes_nothing() {
    for flavor in Flavor::ALL {
        let options = of_the_original(flavor);
        let definitions = "select concat(table_name, '.', column_name, ' ', column_type, coalesce(column_default, '-')) \
                           from information_schema.columns where table_schema = database() order by 1";
        let state = |backend: &mut dyn Backend| {
            let recoveries =
                "select concat(recovery_id, coalesce(end_recovery, '-')) from topology_recovery order by 1";
            (texts(backend, definitions), texts(backend, KEYS), texts(backend, recoveries))
        };
        let mut first = open(&options);
        // An unfinished recovery of ours is no orphan.
        first.begin_recovery(&begin("4:dd", "z", after(0))).unwrap();
        let before = state(&mut *first);
        drop(first);
        let mut second = open(&options);
        assert_eq!(state(&mut *second), before, "{flavor:?}");
        assert_eq!(second.unfinished_recoveries().unwrap().len(), 1);
        second.end_recovery(&end("4:dd", 0, "b", after(1))).unwrap();
    }
}

#[test]
fn a_seed_fits_into_tables_without_defaults() {
    for flavor in Flavor::ALL {
        let mut backend = open(&of_the_original(flavor));
        backend.add_unread_instance(&key("seed"), after(0)).unwrap();
        backend.add_unread_instance(&key("db1"), after(9)).unwrap();
        let versions = texts(&mut *backend, "select version from database_instance order by hostname");
        assert_eq!(versions, ["8.0.36", "Unknown"], "{flavor:?}");
    }
}
