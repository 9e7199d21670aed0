//! The reports that people run on the tables: each must give the known answer on the known fixture.
//!
//! The numbers are those of the list in the documentation of the original's tables. The fixture is written
//! by this crate where it has an operation, else by hand.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use orchestrator_backend::{
    AckSelector, AuditRow, Backend, BeginOutcome, BeginRecovery, BlockReason, CandidateRow, ClusterRow,
    DetectionRow, DowntimeRow, EndRecovery, InstanceRow, KeyValueRow, NodeHealthRow, RecoveryFilter,
};
use orchestrator_core::Timestamp;
use orchestrator_core::instance::{
    BinlogCoordinates, BinlogFormat, PromotionRule, Replication, ReplicationGtid, SourceContact, ThreadState,
};

use crate::servers;
use crate::support::{accepted, begin, detection, end, in_memory, instance_row, key, node};

/// The queries compare with the database's clock, so the fixture lives around the present: one moment, however
/// long writing it takes.
fn now() -> Timestamp {
    static NOW: OnceLock<Timestamp> = OnceLock::new();
    *NOW.get_or_init(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    })
}

fn ago(seconds: u64) -> Timestamp {
    now() - Duration::from_secs(seconds)
}

fn server(host: &str, change: impl FnOnce(&mut InstanceRow)) -> InstanceRow {
    let mut row = instance_row(host, now());
    let instance = &mut Arc::make_mut(&mut row.record).instance;
    instance.identity.version = "8.0.36".into();
    instance.settings.binlog_format = Some(BinlogFormat::Row);
    instance.settings.log_bin = true;
    instance.settings.log_replica_updates = true;
    instance.settings.read_only = true;
    change(&mut row);
    row
}

fn of(row: &mut InstanceRow) -> &mut orchestrator_core::Instance {
    &mut Arc::make_mut(&mut row.record).instance
}

fn below(row: &mut InstanceRow, source: &str) {
    let none = BinlogCoordinates::default();
    row.cluster = key(source).to_string();
    row.depth = 1;
    of(row).lag_seconds = Some(0);
    of(row).replication = Some(Replication {
        source: key(source),
        user: "repl".into(),
        source_uuid: String::new(),
        io_thread: ThreadState::Running,
        sql_thread: ThreadState::Running,
        read: none.clone(),
        executed: none.clone(),
        relay: none,
        gtid: ReplicationGtid::Oracle,
        received_gtid: String::new(),
        io_errno: 0,
        io_error: String::new(),
        sql_errno: 0,
        sql_error: String::new(),
        seconds_behind: Some(0),
        sql_delay_seconds: 0,
        has_filters: false,
        contact: SourceContact::default(),
        transport_options: Default::default(),
    });
}

fn servers() -> Vec<InstanceRow> {
    vec![
        server("db1", |row| Arc::make_mut(&mut row.record).checks.last_seen = Some(ago(600))),
        server("db2", |row| {
            of(row).settings.read_only = false;
            of(row).replicas = [key("db3"), key("db4"), key("db5")].into();
        }),
        server("db3", |row| below(row, "db2")),
        server("db4", |row| {
            below(row, "db2");
            of(row).lag_seconds = Some(120);
            row.errant_gtid = "aaaaaaaa-0000-0000-0000-000000000001:1-3".into();
        }),
        server("db5", |row| {
            below(row, "db2");
            of(row).identity.version = "5.7.44".into();
            of(row).settings.log_replica_updates = false;
            of(row).lag_seconds = None;
            let replication = of(row).replication.as_mut().unwrap();
            replication.sql_thread = ThreadState::Stopped;
            replication.seconds_behind = None;
            replication.sql_error = "Error 1062".into();
        }),
        server("x1", |row| {
            of(row).settings.read_only = false;
            let semi_sync = &mut of(row).semi_sync;
            semi_sync.source_enabled = true;
            semi_sync.wait_for_replica_count = 2;
            semi_sync.source_clients = 1;
        }),
        server("y1", |row| below(row, "y9")),
    ]
}

fn declare(backend: &mut dyn Backend) {
    for (host, owner, reason, seconds) in
        [("db1", "orc", "lost-in-recovery", 365 * 86400), ("db4", "dba", "disk", 3600)]
    {
        let (owner, reason) = (owner.into(), reason.into());
        let ends_at = now() + Duration::from_secs(seconds);
        let downtime = DowntimeRow { key: key(host), owner, reason, begins_at: now(), ends_at };
        backend.begin_downtime(&downtime).unwrap();
    }
    for (host, rule) in [("db3", PromotionRule::MustNot), ("db4", PromotionRule::Prefer)] {
        backend.register_candidate(&CandidateRow { key: key(host), rule, declared_at: now() }).unwrap();
    }
    for (name, value) in [("main", "db2:3306"), ("x", "x9:3306")] {
        let pair = KeyValueRow { key: format!("mysql/master/{name}"), value: value.into() };
        backend.put_key_value(&pair, now()).unwrap();
    }
    let cluster = |cluster: &str, alias: &str, domain: &str| ClusterRow {
        cluster: cluster.into(),
        alias: alias.into(),
        domain: domain.into(),
    };
    let clusters = [cluster("db2:3306", "main", "main.db.example"), cluster("x1:3306", "x", "")];
    backend.write_clusters(&clusters, now()).unwrap();
}

fn recover(backend: &mut dyn Backend) {
    let found = DetectionRow { cluster: "db1:3306".into(), ..detection("db1", ago(600)) };
    backend.register_detection(&found, ago(1200)).unwrap();
    let recovery = BeginRecovery { forced: true, ..begin("1:aa", "db1", ago(600)) };
    accepted(&backend.begin_recovery(&recovery).unwrap());
    let steps = [600, 590, 570].map(|seconds| (ago(seconds), format!("step {seconds}"))).to_vec();
    let end = EndRecovery { steps, ..end("1:aa", 0, "db2", ago(570)) };
    backend.end_recovery(&end).unwrap();
    let unreachable = DetectionRow { analysis: "UnreachableMaster".into(), ..detection("x1", now()) };
    backend.register_detection(&unreachable, ago(60)).unwrap();
    match backend.begin_recovery(&begin("2:bb", "db2", now())).unwrap() {
        BeginOutcome::Blocked(block) => assert_eq!(block.reason, BlockReason::SuccessorOfActive),
        BeginOutcome::Accepted { id } => panic!("accepted as {id}"),
    }
}

fn keep_records(backend: &mut dyn Backend) {
    for code in ["NoProblem", "UnreachableMaster", "NoProblem", "UnreachableMaster"] {
        backend.note_analysis(&key("x1"), code, now()).unwrap();
    }
    for kind in ["begin-downtime", "begin-downtime", "forget"] {
        let (key, cluster, message) = (Some(key("db4")), "db2:3306".into(), "m".into());
        backend.add_audit(&AuditRow { id: 0, at: now(), kind: kind.into(), key, cluster, message }).unwrap();
    }
    let health = NodeHealthRow {
        node: node("t"),
        version: "1.0".into(),
        mode: "HttpMode".into(),
        command: String::new(),
        database: ":memory:".into(),
        first_seen: now(),
        last_seen: now(),
    };
    backend.write_node_health(&health).unwrap();
}

/// Tables without operations yet.
const BY_HAND: [&str; 5] = [
    "insert into database_instance_tags values ('db3', 3306, 'role', 'backup', datetime('now'))",
    "insert into database_instance_pool values ('db3', 3306, 'ro', datetime('now'))",
    "insert into database_instance_pool values ('db4', 3306, 'ro', datetime('now'))",
    "insert into database_instance_pool values ('gone', 3306, 'ro', datetime('now'))",
    "insert into database_instance_maintenance (hostname, port, maintenance_active, begin_timestamp, end_timestamp, \
     owner, reason) values ('db5', 3306, 1, datetime('now'), datetime('now', '+10 minute'), 'dba', 'move up')",
];

/// The clocks and joints of SQL that databases spell differently: SQLite, then the servers.
const WORDS: [(&str, &str); 9] = [
    ("strftime('%s','now')", "unix_timestamp()"),
    ("strftime('%s', ", "unix_timestamp("),
    ("datetime('now','-7 day')", "(now() - interval 7 day)"),
    ("datetime('now','-1 day')", "(now() - interval 1 day)"),
    ("datetime('now', '+10 minute')", "(now() + interval 10 minute)"),
    ("datetime('now')", "now()"),
    (") / 100", ") div 100"),
    ("'mysql/master/' || a.alias", "concat('mysql/master/', a.alias)"),
    ("di.hostname || ':' || di.port", "concat(di.hostname, ':', di.port)"),
];

/// A backend with the words of its SQL.
struct Dialect {
    make: fn() -> Box<dyn Backend>,
    is_server: bool,
}

const SQLITE: Dialect = Dialect { make: in_memory, is_server: false };
const MYSQL: Dialect = Dialect { make: servers::mysql, is_server: true };
const MARIADB: Dialect = Dialect { make: servers::mariadb, is_server: true };

impl Dialect {
    fn words(&self, sql: &str) -> String {
        let mut sql = sql.to_owned();
        for (sqlite, server) in WORDS.iter().filter(|_| self.is_server) {
            sql = sql.replace(sqlite, server);
        }
        sql
    }
}

fn fixture(dialect: &Dialect) -> Box<dyn Backend> {
    let mut backend = (dialect.make)();
    backend.write_instances(&servers()).unwrap();
    declare(&mut *backend);
    recover(&mut *backend);
    keep_records(&mut *backend);
    for sql in BY_HAND {
        backend.execute(&dialect.words(sql), &[]).unwrap();
    }
    backend
}

/// Number, query, answer: columns joined by a space, rows by a comma.
const QUERIES: [(u32, &str, &str); 23] = [
    (
        1,
        "SELECT hostname, replication_depth, read_only FROM database_instance ORDER BY cluster_name, replication_depth, hostname, port",
        "db1 0 1,db2 0 0,db3 1 1,db4 1 1,db5 1 1,x1 0 0,y1 1 1",
    ),
    (
        2,
        "SELECT di.hostname, a.alias, di.read_only FROM database_instance di LEFT JOIN cluster_alias a ON a.cluster_name = di.cluster_name WHERE (di.replication_depth = 0 OR di.is_co_master = 1) AND di.last_checked <= di.last_seen ORDER BY di.hostname",
        "db2 main 0,x1 x 0",
    ),
    (
        3,
        "SELECT hostname, (strftime('%s','now') - strftime('%s', last_seen)) / 100 FROM database_instance WHERE last_seen IS NULL OR last_seen < last_checked",
        "db1 6",
    ),
    (
        4,
        "SELECT hostname, slave_lag_seconds, sql_delay FROM database_instance WHERE slave_lag_seconds > sql_delay + 60",
        "db4 120 0",
    ),
    (
        5,
        "SELECT hostname, replication_io_thread_state, replication_sql_thread_state, last_io_error, last_sql_error FROM database_instance WHERE master_host <> '' AND (replication_io_thread_state NOT IN (-1, 1) OR replication_sql_thread_state NOT IN (-1, 1))",
        "db5 1 0  \"Error 1062\"",
    ),
    (6, "SELECT cluster_name, hostname FROM database_instance WHERE gtid_errant <> ''", "db2:3306 db4"),
    (
        7,
        "SELECT major_version, COUNT(*) FROM database_instance GROUP BY major_version ORDER BY major_version",
        "5.7 1,8.0 6",
    ),
    (
        8,
        "SELECT di.cluster_name, COUNT(*), MIN(a.alias), MIN(d.domain_name) FROM database_instance di LEFT JOIN cluster_alias a ON a.cluster_name = di.cluster_name LEFT JOIN cluster_domain_name d ON d.cluster_name = di.cluster_name GROUP BY di.cluster_name ORDER BY di.cluster_name",
        "db1:3306 1  ,db2:3306 4 main main.db.example,x1:3306 1 x ,y9:3306 1  ",
    ),
    (
        9,
        "SELECT hostname FROM database_instance WHERE replication_depth > 0 AND (log_bin = 0 OR log_slave_updates = 0)",
        "db5",
    ),
    (
        10,
        "SELECT hostname, owner, reason FROM database_instance_downtime WHERE downtime_active = 1 AND end_timestamp > datetime('now') ORDER BY hostname",
        "db1 orc lost-in-recovery,db4 dba disk",
    ),
    (
        11,
        "SELECT hostname, promotion_rule FROM candidate_database_instance WHERE promotion_rule <> 'neutral' ORDER BY hostname",
        "db3 must_not,db4 prefer",
    ),
    (
        12,
        "SELECT uid, analysis, successor_hostname, is_successful, strftime('%s', end_recovery) - strftime('%s', start_active_period) FROM topology_recovery WHERE start_active_period > datetime('now','-7 day') AND end_recovery IS NOT NULL ORDER BY recovery_id DESC",
        "1:aa DeadMaster db2 1 30",
    ),
    (
        13,
        "SELECT recovery_id, hostname FROM topology_recovery WHERE acknowledged = 0 AND in_active_period = 1",
        "1 db1",
    ),
    (
        14,
        "SELECT s.message FROM topology_recovery_steps s JOIN topology_recovery r ON r.uid = s.recovery_uid WHERE r.recovery_id = (SELECT MAX(recovery_id) FROM topology_recovery) ORDER BY s.recovery_step_id",
        "step 600,step 590,step 570",
    ),
    (
        15,
        "SELECT d.detection_id, d.analysis, d.hostname FROM topology_failure_detection d LEFT JOIN topology_recovery r ON r.last_detection_id = d.detection_id WHERE r.recovery_id IS NULL",
        "2 UnreachableMaster x1",
    ),
    (
        16,
        "SELECT b.hostname, b.analysis, r.uid FROM blocked_topology_recovery b LEFT JOIN topology_recovery r ON r.recovery_id = b.blocking_recovery_id",
        "db2 DeadMaster 1:aa",
    ),
    (
        17,
        "SELECT hostname, COUNT(*) FROM database_instance_analysis_changelog WHERE analysis_timestamp > datetime('now','-1 day') GROUP BY hostname, port HAVING COUNT(*) > 2",
        "x1 3",
    ),
    (
        18,
        "SELECT a.alias, k.store_value, di.hostname FROM cluster_alias a JOIN kv_store k ON k.store_key = 'mysql/master/' || a.alias LEFT JOIN database_instance di ON di.cluster_name = a.cluster_name AND di.replication_depth = 0 AND di.read_only = 0 WHERE di.hostname IS NULL OR k.store_value <> di.hostname || ':' || di.port",
        "x x9:3306 x1",
    ),
    (
        19,
        "SELECT t.tag_value, di.hostname FROM database_instance_tags t JOIN database_instance di ON di.hostname = t.hostname AND di.port = t.port WHERE t.tag_name = 'role'",
        "backup db3",
    ),
    (
        20,
        "SELECT p.pool, COUNT(*), SUM(CASE WHEN di.last_checked <= di.last_seen THEN 1 ELSE 0 END) FROM database_instance_pool p LEFT JOIN database_instance di ON di.hostname = p.hostname AND di.port = p.port GROUP BY p.pool",
        "ro 3 2",
    ),
    (
        21,
        "SELECT hostname, semi_sync_master_clients, semi_sync_master_wait_for_slave_count FROM database_instance WHERE semi_sync_master_enabled = 1 AND semi_sync_master_clients < semi_sync_master_wait_for_slave_count",
        "x1 1 2",
    ),
    (
        22,
        "SELECT r.hostname, r.master_host FROM database_instance r LEFT JOIN hostname_resolve h ON h.hostname = r.master_host LEFT JOIN database_instance m ON m.hostname = COALESCE(h.resolved_hostname, r.master_host) AND m.port = r.master_port WHERE r.master_host NOT IN ('', '_') AND r.master_host NOT LIKE '//%' AND m.hostname IS NULL",
        "y1 y9",
    ),
    (
        24,
        "SELECT audit_type, COUNT(*) FROM audit WHERE audit_timestamp > datetime('now','-1 day') GROUP BY audit_type ORDER BY audit_type",
        "begin-downtime 2,forget 1",
    ),
];

/// Number 26, in which SQL itself differs.
const REPLICAS_FROM_JSON: [&str; 2] = [
    "SELECT json_extract(j.value,'$.Hostname') FROM database_instance i, json_each(i.slave_hosts) j WHERE i.hostname = 'db2'",
    "SELECT j.name FROM database_instance i, json_table(i.slave_hosts, '$[*]' columns (name varchar(128) path '$.Hostname')) j WHERE i.hostname = 'db2'",
];

fn answer(backend: &mut dyn Backend, sql: &str) -> String {
    let rows = backend.query(sql, &[]).unwrap();
    let lines = rows.into_iter().map(|row| {
        let values = row.into_values().into_iter();
        values.map(|value| orchestrator_backend::Row::new(vec![value]).text()).collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join(",")
}

fn every_report_gives_its_known_answer(dialect: &Dialect) {
    let mut backend = fixture(dialect);
    for (number, sql, expected) in QUERIES {
        assert_eq!(answer(&mut *backend, &dialect.words(sql)), expected, "query {number}: {sql}");
    }
    let replicas = answer(&mut *backend, REPLICAS_FROM_JSON[usize::from(dialect.is_server)]);
    assert_eq!(replicas, "db3,db4,db5", "query 26");
    let maintenance = "SELECT hostname, owner, reason FROM database_instance_maintenance \
                       WHERE maintenance_active = 1 AND end_timestamp > datetime('now')";
    assert_eq!(answer(&mut *backend, &dialect.words(maintenance)), "db5 dba move up", "query 23");
    assert_eq!(backend.declared().unwrap().maintenance.into_keys().collect::<Vec<_>>(), [key("db5")]);
    let counts = "SELECT (SELECT COUNT(*) FROM global_recovery_disable WHERE disable_recovery = 1), \
                  (SELECT COUNT(*) FROM node_health WHERE extra_info = 'HttpMode'), \
                  (SELECT COUNT(*) FROM orchestrator_db_deployments)";
    assert_eq!(answer(&mut *backend, counts), "0 1 1", "query 25");
}

#[test]
fn every_report_gives_its_known_answer_on_sqlite() {
    every_report_gives_its_known_answer(&SQLITE);
}

#[test]
fn every_report_gives_its_known_answer_on_mysql() {
    every_report_gives_its_known_answer(&MYSQL);
}

#[test]
fn every_report_gives_its_known_answer_on_mariadb() {
    every_report_gives_its_known_answer(&MARIADB);
}

#[test]
fn what_blocks_is_gone_once_acknowledged() {
    let mut backend = fixture(&SQLITE);
    let ack = orchestrator_backend::Acknowledgement {
        selector: AckSelector::All,
        by: "me".into(),
        comment: "seen".into(),
        at: now(),
    };
    backend.acknowledge_recoveries(&ack).unwrap();
    let sql = "SELECT recovery_id FROM topology_recovery WHERE acknowledged = 0 AND in_active_period = 1";
    assert_eq!(answer(&mut *backend, sql), "");
    assert!(backend.recoveries(&RecoveryFilter::All, true, 0).unwrap().is_empty());
}
