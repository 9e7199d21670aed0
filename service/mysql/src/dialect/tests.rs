//! Golden statements of each version.

use expect_test::{Expect, expect};

use super::*;
use crate::settings::Secret;

fn of(version: &str) -> Dialect {
    Dialect::of_version(version)
}

/// Every statement of a version, one a line.
fn statements(version: &str) -> String {
    let dialect = of(version);
    let to = InstanceKey::new("db'2", 3307);
    let account = Credentials { user: "repl".into(), password: Secret::new("p\\w'd") };
    let at = Place::At(BinlogCoordinates { file: "bin.000007".into(), position: 4 });
    [
        dialect.replica_status().into(),
        dialect.binary_log_status().into(),
        dialect.replicas().into(),
        dialect.dump_threads().into(),
        dialect.start(Threads::Both),
        dialect.stop(Threads::Receiver),
        dialect.stop(Threads::Applier),
        dialect.reset_all(),
        dialect.change_source(&to, &Place::Unnamed, None),
        dialect.change_source(&to, &Place::Gtid, Some(&account)),
        dialect.change_source(&to, &Place::GtidAfterOwnWrites, None),
        dialect.change_source(&to, &at, None),
        dialect.wait_for_gtid("x", 1.5),
    ]
    .join("\n")
}

fn golden(version: &str, expected: Expect) {
    expected.assert_eq(&statements(version));
}

#[test]
fn mysql_5_7() {
    golden(
        "5.7.44-log",
        expect![[r#"
        SHOW SLAVE STATUS
        SHOW MASTER STATUS
        SHOW SLAVE HOSTS
        SELECT host AS host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'
        START SLAVE
        STOP SLAVE IO_THREAD
        STOP SLAVE SQL_THREAD
        RESET SLAVE ALL
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_USER='repl', MASTER_PASSWORD='p\\w''d', MASTER_AUTO_POSITION=1
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_AUTO_POSITION=1
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_LOG_FILE='bin.000007', MASTER_LOG_POS=4, MASTER_AUTO_POSITION=0
        SELECT WAIT_FOR_EXECUTED_GTID_SET('x', 1.500) AS result"#]],
    );
}

#[test]
fn mysql_8_0_21() {
    golden(
        "8.0.21",
        expect![[r#"
        SHOW SLAVE STATUS
        SHOW MASTER STATUS
        SHOW SLAVE HOSTS
        SELECT host AS host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'
        START SLAVE
        STOP SLAVE IO_THREAD
        STOP SLAVE SQL_THREAD
        RESET SLAVE ALL
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_USER='repl', MASTER_PASSWORD='p\\w''d', MASTER_AUTO_POSITION=1
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_AUTO_POSITION=1
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_LOG_FILE='bin.000007', MASTER_LOG_POS=4, MASTER_AUTO_POSITION=0
        SELECT WAIT_FOR_EXECUTED_GTID_SET('x', 1.500) AS result"#]],
    );
}

#[test]
fn mysql_8_0_36() {
    golden(
        "8.0.36-28",
        expect![[r#"
        SHOW REPLICA STATUS
        SHOW MASTER STATUS
        SHOW REPLICAS
        SELECT host AS host FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'
        START REPLICA
        STOP REPLICA IO_THREAD
        STOP REPLICA SQL_THREAD
        RESET REPLICA ALL
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_USER='repl', SOURCE_PASSWORD='p\\w''d', SOURCE_AUTO_POSITION=1
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_AUTO_POSITION=1
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_LOG_FILE='bin.000007', SOURCE_LOG_POS=4, SOURCE_AUTO_POSITION=0
        SELECT WAIT_FOR_EXECUTED_GTID_SET('x', 1.500) AS result"#]],
    );
}

#[test]
fn mysql_8_4() {
    golden(
        "8.4.3",
        expect![[r#"
        SHOW REPLICA STATUS
        SHOW BINARY LOG STATUS
        SHOW REPLICAS
        SELECT host AS host FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'
        START REPLICA
        STOP REPLICA IO_THREAD
        STOP REPLICA SQL_THREAD
        RESET REPLICA ALL
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_USER='repl', SOURCE_PASSWORD='p\\w''d', SOURCE_AUTO_POSITION=1
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_AUTO_POSITION=1
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_LOG_FILE='bin.000007', SOURCE_LOG_POS=4, SOURCE_AUTO_POSITION=0
        SELECT WAIT_FOR_EXECUTED_GTID_SET('x', 1.500) AS result"#]],
    );
}

#[test]
fn mysql_9_7() {
    golden(
        "9.7.4-2",
        expect![[r#"
        SHOW REPLICA STATUS
        SHOW BINARY LOG STATUS
        SHOW REPLICAS
        SELECT host AS host FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'
        START REPLICA
        STOP REPLICA IO_THREAD
        STOP REPLICA SQL_THREAD
        RESET REPLICA ALL
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_USER='repl', SOURCE_PASSWORD='p\\w''d', SOURCE_AUTO_POSITION=1
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_AUTO_POSITION=1
        CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''2', SOURCE_PORT=3307, SOURCE_LOG_FILE='bin.000007', SOURCE_LOG_POS=4, SOURCE_AUTO_POSITION=0
        SELECT WAIT_FOR_EXECUTED_GTID_SET('x', 1.500) AS result"#]],
    );
}

#[test]
fn mariadb_10_5() {
    golden(
        "10.5.28-MariaDB-log",
        expect![[r#"
        SHOW ALL SLAVES STATUS
        SHOW MASTER STATUS
        SHOW SLAVE HOSTS
        SELECT host AS host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'
        START SLAVE
        STOP SLAVE IO_THREAD
        STOP SLAVE SQL_THREAD
        RESET SLAVE ALL
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_USER='repl', MASTER_PASSWORD='p\\w''d', MASTER_USE_GTID=slave_pos
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_USE_GTID=current_pos
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_LOG_FILE='bin.000007', MASTER_LOG_POS=4, MASTER_USE_GTID=no
        SELECT MASTER_GTID_WAIT('x', 1.500) AS result"#]],
    );
}

#[test]
fn mariadb_10_11() {
    golden(
        "5.5.5-10.11.18-MariaDB-0+deb12u1-log",
        expect![[r#"
        SHOW ALL SLAVES STATUS
        SHOW MASTER STATUS
        SHOW SLAVE HOSTS
        SELECT host AS host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'
        START SLAVE
        STOP SLAVE IO_THREAD
        STOP SLAVE SQL_THREAD
        RESET SLAVE ALL
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_USER='repl', MASTER_PASSWORD='p\\w''d', MASTER_USE_GTID=slave_pos
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_USE_GTID=current_pos
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_LOG_FILE='bin.000007', MASTER_LOG_POS=4, MASTER_USE_GTID=no
        SELECT MASTER_GTID_WAIT('x', 1.500) AS result"#]],
    );
}

#[test]
fn mariadb_11_8() {
    golden(
        "11.8.6-MariaDB-0+deb13u1 from Debian-log",
        expect![[r#"
        SHOW ALL SLAVES STATUS
        SHOW MASTER STATUS
        SHOW SLAVE HOSTS
        SELECT host AS host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'
        START SLAVE
        STOP SLAVE IO_THREAD
        STOP SLAVE SQL_THREAD
        RESET SLAVE ALL
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_USER='repl', MASTER_PASSWORD='p\\w''d', MASTER_USE_GTID=slave_pos
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_USE_GTID=current_pos
        CHANGE MASTER TO MASTER_HOST='db''2', MASTER_PORT=3307, MASTER_LOG_FILE='bin.000007', MASTER_LOG_POS=4, MASTER_USE_GTID=no
        SELECT MASTER_GTID_WAIT('x', 1.500) AS result"#]],
    );
}

#[test]
fn an_unknown_version_speaks_the_newest_words_it_can_be() {
    assert_eq!(of("27.1.0-future"), of("9.7.4"));
    assert_eq!(of("nonsense").without(Wording::Replica).replica_status(), "SHOW REPLICA STATUS");
}

#[test]
fn the_other_word_is_tried_once_and_can_be_taken_back() {
    let dialect = of("8.0.36");
    for wording in [Wording::Replica, Wording::Source, Wording::BinaryLog, Wording::Processlist] {
        assert_ne!(dialect.without(wording), dialect);
        assert_eq!(dialect.without(wording).without(wording), dialect);
    }
}
