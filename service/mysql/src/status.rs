//! Replication status: from a row of many dialects to [`Replication`].

use std::{collections::BTreeMap, sync::Arc};

use mysql_async::Row;
use orchestrator_core::{
    InstanceKey,
    instance::{BinlogCoordinates, Replication, ReplicationGtid, SourceContact, ThreadState},
};

use crate::{cells::Cells, variables::without_white_space};

/// Names of a replication channel: MySQL's, MariaDB's.
const CHANNEL: &[&str] = &["Channel_Name", "Connection_name"];

/// Any of these set means that some events are not applied.
const FILTERS: [&[&str]; 6] = [
    &["Replicate_Do_DB"],
    &["Replicate_Ignore_DB"],
    &["Replicate_Do_Table"],
    &["Replicate_Ignore_Table"],
    &["Replicate_Wild_Do_Table"],
    &["Replicate_Wild_Ignore_Table"],
];

/// Options of the connection to the source: their clause, and the columns that show them.
const TRANSPORT: [(&str, &[&str]); 12] = [
    ("SSL", &["Source_SSL_Allowed", "Master_SSL_Allowed"]),
    ("SSL_CA", &["Source_SSL_CA_File", "Master_SSL_CA_File"]),
    ("SSL_CAPATH", &["Source_SSL_CA_Path", "Master_SSL_CA_Path"]),
    ("SSL_CERT", &["Source_SSL_Cert", "Master_SSL_Cert"]),
    ("SSL_CIPHER", &["Source_SSL_Cipher", "Master_SSL_Cipher"]),
    ("SSL_KEY", &["Source_SSL_Key", "Master_SSL_Key"]),
    ("SSL_VERIFY_SERVER_CERT", &["Source_SSL_Verify_Server_Cert", "Master_SSL_Verify_Server_Cert"]),
    ("SSL_CRL", &["Source_SSL_Crl", "Master_SSL_Crl"]),
    ("SSL_CRLPATH", &["Source_SSL_Crlpath", "Master_SSL_Crlpath"]),
    ("TLS_VERSION", &["Source_TLS_Version", "Master_TLS_Version"]),
    ("PUBLIC_KEY_PATH", &["Source_public_key_path", "Master_public_key_path"]),
    ("GET_SOURCE_PUBLIC_KEY", &["Get_Source_public_key", "Get_master_public_key"]),
];

/// The channel that counts: the nameless one, else the first. Also how many others there are.
pub(crate) fn default_channel(rows: &[Row]) -> Option<(&Row, usize)> {
    let nameless = rows.iter().find(|row| Cells::new(row).string(CHANNEL).is_empty());
    Some((nameless.or(rows.first())?, rows.len() - 1))
}

/// Reads one channel. A channel without a source is no replication.
pub(crate) fn replication(row: &Row) -> Option<Replication> {
    let cells = Cells::new(row);
    let host: Arc<str> = cells.string(&["Source_Host", "Master_Host"]).into();
    if host.is_empty() {
        return None;
    }
    let user = cells.string(&["Source_User", "Master_User"]);
    let port = cells.number(&["Source_Port", "Master_Port"]).and_then(|port| u16::try_from(port).ok());
    let read_file = cells.string(&["Source_Log_File", "Master_Log_File"]);
    let read = place(&cells, read_file, &["Read_Source_Log_Pos", "Read_Master_Log_Pos"]);
    let relay_file = cells.string(&["Relay_Log_File"]);
    let relay = place(&cells, relay_file, &["Relay_Log_Pos"]);
    let executed_file = cells.string(&["Relay_Source_Log_File", "Relay_Master_Log_File"]);
    let io_thread = thread(&cells, &["Replica_IO_Running", "Slave_IO_Running"]);
    let sql_thread = thread(&cells, &["Replica_SQL_Running", "Slave_SQL_Running"]);
    let has_filters = FILTERS.iter().any(|names| cells.text(names).is_some_and(|text| !text.is_empty()));
    let executed = place(&cells, executed_file, &["Exec_Source_Log_Pos", "Exec_Master_Log_Pos"]);
    Some(Replication {
        source: InstanceKey::new(host, port.unwrap_or(0)),
        user,
        io_thread,
        sql_thread,
        read,
        relay,
        executed,
        has_filters,
        seconds_behind: cells.number(&["Seconds_Behind_Source", "Seconds_Behind_Master"]),
        io_errno: cells.small(&["Last_IO_Errno"]),
        io_error: cells.string(&["Last_IO_Error"]),
        sql_errno: cells.small(&["Last_SQL_Errno"]),
        sql_error: cells.string(&["Last_SQL_Error"]),
        source_uuid: cells.string(&["Source_UUID", "Master_UUID"]),
        sql_delay_seconds: cells.small(&["SQL_Delay"]),
        gtid: gtid(&cells),
        received_gtid: without_white_space(cells.string(&["Retrieved_Gtid_Set", "Gtid_IO_Pos"])),
        contact: SourceContact {
            age_millis: None,
            heartbeats: cells.number(&["Slave_received_heartbeats"]),
            heartbeat_period_millis: cells.millis_of_seconds(&["Slave_heartbeat_period"]),
        },
        transport_options: transport_options(&cells),
    })
}

fn place(cells: &Cells<'_>, file: String, position: &[&str]) -> BinlogCoordinates {
    BinlogCoordinates { file, position: cells.number(position).unwrap_or(0) }
}

fn thread(cells: &Cells<'_>, names: &[&str]) -> ThreadState {
    match cells.text(names).as_deref() {
        Some("Yes") => ThreadState::Running,
        Some("No") | None => ThreadState::Stopped,
        Some(_) => ThreadState::Other,
    }
}

fn gtid(cells: &Cells<'_>) -> ReplicationGtid {
    if cells.truth(&["Auto_Position"]) == Some(true) {
        return ReplicationGtid::Oracle;
    }
    match cells.text(&["Using_Gtid"]).as_deref() {
        None | Some("" | "No") => ReplicationGtid::None,
        Some(_) => ReplicationGtid::MariaDb,
    }
}

fn transport_options(cells: &Cells<'_>) -> BTreeMap<String, String> {
    let is_set = |value: &str| !matches!(value, "" | "No" | "0");
    TRANSPORT
        .iter()
        .filter_map(|(clause, names)| {
            let value = cells.text(names).filter(|value| is_set(value))?;
            Some(((*clause).to_owned(), value.into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::tests::row;

    #[test]
    fn a_mysql_replica_is_read_by_its_new_names() {
        let row = row(&[
            ("Replica_IO_State", Some("Waiting for source to send event")),
            ("Source_Host", Some("db1")),
            ("Source_User", Some("repl")),
            ("Source_Port", Some("3306")),
            ("Source_Log_File", Some("bin.000002")),
            ("Read_Source_Log_Pos", Some("900")),
            ("Relay_Source_Log_File", Some("bin.000002")),
            ("Replica_IO_Running", Some("Connecting")),
            ("Replica_SQL_Running", Some("Yes")),
            ("Exec_Source_Log_Pos", Some("700")),
            ("Source_SSL_Allowed", Some("Yes")),
            ("Source_SSL_CA_File", Some("")),
            ("Seconds_Behind_Source", None),
            ("Last_IO_Errno", Some("2003")),
            ("Retrieved_Gtid_Set", Some("u:1-5,\nv:1")),
            ("Auto_Position", Some("1")),
            ("Channel_Name", Some("")),
            ("Column_of_the_future", Some("?")),
        ]);
        let read = replication(&row).unwrap();
        assert_eq!(read.source, InstanceKey::new("db1", 3306));
        assert_eq!((read.io_thread, read.sql_thread), (ThreadState::Other, ThreadState::Running));
        assert_eq!((read.read.position, read.executed.position), (900, 700));
        assert_eq!((read.seconds_behind, read.io_errno), (None, 2003));
        assert_eq!((read.gtid, read.received_gtid.as_str()), (ReplicationGtid::Oracle, "u:1-5,v:1"));
        assert_eq!(read.transport_options, BTreeMap::from([("SSL".into(), "Yes".into())]));
    }

    #[test]
    fn a_mariadb_replica_tells_its_heartbeats() {
        let row = row(&[
            ("Connection_name", Some("")),
            ("Master_Host", Some("//db1")),
            ("Master_Port", Some("3306")),
            ("Slave_IO_Running", Some("No")),
            ("Replicate_Do_DB", Some("app")),
            ("Using_Gtid", Some("Slave_Pos")),
            ("Gtid_IO_Pos", Some("0-1-5")),
            ("Slave_received_heartbeats", Some("12")),
            ("Slave_heartbeat_period", Some("2.000")),
        ]);
        let read = replication(&row).unwrap();
        assert!(read.source.is_detached() && read.has_filters);
        assert_eq!(read.gtid, ReplicationGtid::MariaDb);
        assert_eq!((read.contact.heartbeats, read.contact.heartbeat_period_millis), (Some(12), Some(2000)));
        assert_eq!(read.sql_thread, ThreadState::Stopped);
    }

    #[test]
    fn the_nameless_channel_wins() {
        let named = row(&[("Channel_Name", Some("other")), ("Source_Host", Some("x"))]);
        let nameless = row(&[("Channel_Name", Some("")), ("Source_Host", Some("y"))]);
        let rows = [named, nameless];
        let (row, others) = default_channel(&rows).unwrap();
        assert_eq!((&*replication(row).unwrap().source.hostname, others), ("y", 1));
        assert_eq!(&*replication(default_channel(&rows[..1]).unwrap().0).unwrap().source.hostname, "x");
        assert!(default_channel(&[]).is_none());
    }
}
