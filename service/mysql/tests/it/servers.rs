//! Servers as the fakes play them: what MySQL 9.7 and MariaDB 10.11 answer to a prober.

use crate::fake::Answer;

/// One row.
pub fn row(cells: &[(&str, &str)]) -> Answer {
    let columns = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
    Answer::Rows(columns, vec![cells.iter().map(|(_, value)| Some((*value).to_owned())).collect()])
}

/// No row.
pub fn nothing() -> Answer {
    Answer::Rows(vec!["nothing".into()], Vec::new())
}

const MYSQL: &[(&str, &str)] = &[
    ("server_id", "12"),
    ("server_uuid", "00000012-0000-0000-0000-000000000000"),
    ("version", "9.7.4-2"),
    ("version_comment", "(Debian)"),
    ("hostname", "db2"),
    ("report_host", ""),
    ("read_only", "1"),
    ("super_read_only", "1"),
    ("log_bin", "1"),
    ("log_replica_updates", "1"),
    ("binlog_format", "ROW"),
    ("gtid_mode", "ON"),
    ("replica_net_timeout", "4"),
    ("gtid_executed", "00000011-0000-0000-0000-000000000000:1-9"),
    ("performance_schema", "ON"),
];

const MARIADB: &[(&str, &str)] = &[
    ("server_id", "22"),
    ("version", "10.11.18-MariaDB-0+deb12u1-log"),
    ("hostname", "db2"),
    ("read_only", "1"),
    ("log_bin", "1"),
    ("gtid_current_pos", "0-21-9"),
    ("rpl_semi_sync_master_enabled", "0"),
    ("rpl_semi_sync_slave_enabled", "0"),
    ("performance_schema", "OFF"),
];

/// A replica of `db1:3306` on MySQL 9.7, all received applied.
pub fn mysql(sql: &str) -> Answer {
    mysql_with(sql, &[])
}

/// The same with some cells of its replication status otherwise.
pub fn mysql_with(sql: &str, changed: &[(&str, &str)]) -> Answer {
    let status = [
        ("Source_Host", "db1"),
        ("Source_User", "repl"),
        ("Source_Port", "3306"),
        ("Source_Log_File", "bin.000001"),
        ("Read_Source_Log_Pos", "500"),
        ("Relay_Source_Log_File", "bin.000001"),
        ("Replica_IO_Running", "Yes"),
        ("Replica_SQL_Running", "Yes"),
        ("Exec_Source_Log_Pos", "500"),
        ("Seconds_Behind_Source", "0"),
        ("Last_SQL_Errno", "0"),
        ("Last_SQL_Error", ""),
        ("Retrieved_Gtid_Set", "00000011-0000-0000-0000-000000000000:1-9"),
        ("Auto_Position", "1"),
        ("Channel_Name", ""),
    ];
    match sql {
        "SHOW REPLICA STATUS" => row(&status.map(|(name, value)| (name, pick(changed, name, value)))),
        "SHOW BINARY LOG STATUS" => row(&[("File", "bin.000007"), ("Position", "157")]),
        "SHOW REPLICAS" => row(&[("Server_Id", "13"), ("Host", "db3"), ("Port", "3306")]),
        sql if sql.contains("performance_schema.processlist") => nothing(),
        sql if sql.contains("replication_connection_status") => {
            row(&[("age", "12345"), ("heartbeats", "7"), ("period", "2.000")])
        }
        sql if sql.contains("slave_master_info") => row(&[("available", "1")]),
        sql => any(sql, MYSQL, changed),
    }
}

/// A replica of `db1:3306` on MariaDB 10.11, all received applied.
pub fn mariadb(sql: &str) -> Answer {
    mariadb_with(sql, &[])
}

/// The same with some cells of its replication status otherwise.
pub fn mariadb_with(sql: &str, changed: &[(&str, &str)]) -> Answer {
    let status = [
        ("Connection_name", ""),
        ("Master_Host", "db1"),
        ("Master_Port", "3306"),
        ("Slave_IO_Running", "Yes"),
        ("Slave_SQL_Running", "Yes"),
        ("Using_Gtid", "Slave_Pos"),
        ("Gtid_IO_Pos", "0-21-9"),
        ("Slave_received_heartbeats", "3"),
        ("Slave_heartbeat_period", "2.000"),
    ];
    match sql {
        "SHOW ALL SLAVES STATUS" => row(&status.map(|(name, value)| (name, pick(changed, name, value)))),
        "SHOW MASTER STATUS" => row(&[("File", "bin.000007"), ("Position", "157")]),
        sql if sql.contains("information_schema.processlist") => nothing(),
        sql if sql.contains("REPLICATION SOURCE")
            || sql.contains("super_read_only") && sql.starts_with("SET") =>
        {
            Answer::Error(1064, "You have an error in your SQL syntax")
        }
        sql => any(sql, MARIADB, changed),
    }
}

fn pick<'a>(changed: &[(&str, &'a str)], name: &str, value: &'a str) -> &'a str {
    changed.iter().find(|(other, _)| *other == name).map_or(value, |(_, value)| value)
}

/// What all servers answer alike, from their variables.
fn any(sql: &str, variables: &[(&str, &str)], changed: &[(&str, &str)]) -> Answer {
    if sql.starts_with("SHOW GLOBAL VARIABLES") {
        let rows = variables
            .iter()
            .map(|(name, value)| vec![Some((*name).to_owned()), Some(pick(changed, name, value).to_owned())]);
        return Answer::Rows(vec!["Variable_name".into(), "Value".into()], rows.collect());
    }
    if sql.starts_with("SHOW GLOBAL STATUS LIKE 'Uptime'") {
        return row(&[("Variable_name", "Uptime"), ("Value", "1000")]);
    }
    if sql.starts_with("SELECT SLEEP") {
        return row(&[("slept", "0"), ("read_only", "1")]);
    }
    if sql == "SHOW GRANTS" {
        return row(&[("Grants for o@%", "GRANT ALL PRIVILEGES ON *.* TO `o`@`%`")]);
    }
    if sql.starts_with("SELECT @@") {
        return select(sql, variables, changed);
    }
    if sql.starts_with("SELECT") { nothing() } else { Answer::Done }
}

/// `SELECT @@global.a AS x, …`.
fn select(sql: &str, variables: &[(&str, &str)], changed: &[(&str, &str)]) -> Answer {
    let mut cells = Vec::new();
    for item in sql.trim_start_matches("SELECT ").split(", ") {
        let (variable, alias) = item.split_once(" AS ").expect("every column has an alias");
        let name = variable.trim_start_matches("@@").trim_start_matches("global.");
        match variables.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => cells.push((alias, pick(changed, name, value))),
            None => return Answer::Error(1193, "Unknown system variable"),
        }
    }
    row(&cells)
}
