//! The parts of a reading that have statements of their own.

use mysql_async::Row;
use orchestrator_core::{
    InstanceKey,
    instance::{GroupMember, Labels, PromotionRule},
    observation::{Failure, Part},
};
use tokio::time::Instant;

use crate::{
    cells::{Cells, text_of},
    dialect::{Dialect, Wording},
    reader::{LabelsFrom, Reader},
    session::{QueryError, UNKNOWN_COLUMN},
    status::{default_channel, replication},
};

/// Age of the last sign of life from the source, by the replica's own clock; heartbeats; their period.
/// A heartbeat is sent only when nothing else was, so the newer of both counts.
const CONTACT: &str = "SELECT TIMESTAMPDIFF(MICROSECOND, \
     GREATEST(s.LAST_HEARTBEAT_TIMESTAMP, s.LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP), NOW(6)) AS age, \
     s.COUNT_RECEIVED_HEARTBEATS AS heartbeats, c.HEARTBEAT_INTERVAL AS period \
     FROM performance_schema.replication_connection_status s \
     JOIN performance_schema.replication_connection_configuration c USING (CHANNEL_NAME) \
     WHERE s.CHANNEL_NAME = ''";

/// The same before MySQL 8.0, which does not know when it queued.
const CONTACT_BY_HEARTBEAT: &str = "SELECT \
     TIMESTAMPDIFF(MICROSECOND, s.LAST_HEARTBEAT_TIMESTAMP, NOW(6)) AS age, \
     s.COUNT_RECEIVED_HEARTBEATS AS heartbeats, c.HEARTBEAT_INTERVAL AS period \
     FROM performance_schema.replication_connection_status s \
     JOIN performance_schema.replication_connection_configuration c USING (CHANNEL_NAME) \
     WHERE s.CHANNEL_NAME = ''";

const GROUP_MEMBERS: &str = "SELECT MEMBER_ID AS id, MEMBER_HOST AS host, MEMBER_PORT AS port, \
     MEMBER_STATE AS state, MEMBER_ROLE AS role \
     FROM performance_schema.replication_group_members WHERE MEMBER_STATE <> 'OFFLINE'";

const SEMI_SYNC_STATUS: &str = "SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync\\_%'";

const CREDENTIALS_AVAILABLE: &str =
    "SELECT COUNT(*) > 0 AND MAX(User_name) <> '' FROM mysql.slave_master_info";

impl Reader<'_> {
    pub(crate) async fn replication(&mut self) -> Result<(), Failure> {
        let rows = match self.ask_in_words(Wording::Replica, Dialect::replica_status).await? {
            Ok(rows) => rows,
            Err(error) => {
                self.cannot(Part::Replication, error.to_string());
                return Ok(());
            }
        };
        if let Some((row, others)) = default_channel(&rows) {
            self.instance.replication = replication(row);
            if others > 0 {
                tracing::debug!(instance = %self.instance.key, others, "further channels are not followed");
            }
        }
        let seconds_behind = self.instance.replication.as_ref().and_then(|found| found.seconds_behind);
        self.instance.lag_seconds = seconds_behind;
        Ok(())
    }

    /// MariaDB told it with the status already.
    pub(crate) async fn source_contact(&mut self) -> Result<(), Failure> {
        if self.server.dialect.mariadb || self.instance.replication.is_none() {
            return Ok(());
        }
        let sql = if self.server.queue_timestamps { CONTACT } else { CONTACT_BY_HEARTBEAT };
        let rows = match self.session.query(sql, self.deadline).await {
            Err(QueryError::Server(error))
                if error.code == UNKNOWN_COLUMN && self.server.queue_timestamps =>
            {
                self.learned(|server| server.queue_timestamps = false);
                self.ask(Part::SourceContact, CONTACT_BY_HEARTBEAT).await?
            }
            Err(QueryError::Server(error)) => {
                self.cannot(Part::SourceContact, error.to_string());
                None
            }
            Err(QueryError::Failure(failure)) => return Err(failure),
            Ok(rows) => Some(rows),
        };
        let Some(rows) = rows else { return Ok(()) };
        match (rows.first(), &mut self.instance.replication) {
            (Some(row), Some(replication)) => {
                let cells = Cells::new(row);
                let contact = &mut replication.contact;
                contact.age_millis = cells.number(&["age"]).map(|micros| micros / 1000);
                contact.heartbeats = cells.number(&["heartbeats"]);
                contact.heartbeat_period_millis = cells.millis_of_seconds(&["period"]);
            }
            _ => self.cannot(Part::SourceContact, "performance_schema shows no replication channel"),
        }
        Ok(())
    }

    pub(crate) async fn binary_log(&mut self) -> Result<(), Failure> {
        if !self.instance.settings.log_bin {
            return Ok(());
        }
        match self.ask_in_words(Wording::BinaryLog, Dialect::binary_log_status).await? {
            Ok(rows) => self.instance.binary_log = rows.first().map(binlog_coordinates),
            Err(error) => self.cannot(Part::BinaryLog, error.to_string()),
        }
        Ok(())
    }

    pub(crate) async fn semi_sync_status(&mut self) -> Result<(), Failure> {
        let semi_sync = &self.instance.semi_sync;
        if !semi_sync.source_enabled && !semi_sync.replica_enabled {
            return Ok(());
        }
        let Some(rows) = self.ask(Part::SemiSync, SEMI_SYNC_STATUS).await? else { return Ok(()) };
        let status = |names: [&str; 2]| {
            rows.iter().find_map(|row| {
                let name = text_of(row.as_ref(0)?);
                let wanted = names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
                wanted.then(|| row.as_ref(1).map(text_of)).flatten()
            })
        };
        let on = |names| status(names).is_some_and(|value| crate::cells::is_true(&value));
        let count = |names| status(names).and_then(|value| value.parse().ok()).unwrap_or(0);
        let semi_sync = &mut self.instance.semi_sync;
        semi_sync.source_status = on(["Rpl_semi_sync_source_status", "Rpl_semi_sync_master_status"]);
        semi_sync.source_clients = count(["Rpl_semi_sync_source_clients", "Rpl_semi_sync_master_clients"]);
        semi_sync.source_wait_sessions =
            count(["Rpl_semi_sync_source_wait_sessions", "Rpl_semi_sync_master_wait_sessions"]);
        semi_sync.replica_status = on(["Rpl_semi_sync_replica_status", "Rpl_semi_sync_slave_status"]);
        Ok(())
    }

    /// By registration if wanted; by connections that send a binary log if not, or if none is registered.
    pub(crate) async fn replicas(&mut self) -> Result<(), Failure> {
        let mut refused = None;
        if self.config.settings.discover_by_show_replicas {
            match self.ask_in_words(Wording::Replica, Dialect::replicas).await? {
                Ok(rows) => self.instance.replicas = rows.iter().filter_map(registered_replica).collect(),
                Err(error) => refused = Some(error),
            }
        }
        if self.instance.replicas.is_empty() {
            let port = self.instance.key.port;
            match self.ask_in_words(Wording::Processlist, self.dump_threads()).await? {
                Ok(rows) => {
                    self.instance.replicas =
                        rows.iter().filter_map(|row| connected_replica(row, port)).collect();
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let Some(error) = refused.filter(|_| self.instance.replicas.is_empty()) {
            self.cannot(Part::Replicas, error.to_string());
        }
        Ok(())
    }

    /// The newer process list is empty, not absent, when `performance_schema` is off.
    fn dump_threads(&self) -> fn(Dialect) -> &'static str {
        if self.server.known.performance_schema {
            Dialect::dump_threads
        } else {
            |dialect| Dialect { performance_schema_processlist: false, ..dialect }.dump_threads()
        }
    }

    pub(crate) async fn group(&mut self, (name, single_primary): (String, bool)) -> Result<(), Failure> {
        if name.is_empty() {
            return Ok(());
        }
        if let Some(rows) = self.ask(Part::Group, GROUP_MEMBERS).await? {
            let server_uuid = &self.instance.identity.server_uuid;
            self.instance.group = group_member(&rows, server_uuid, name, single_primary);
        }
        Ok(())
    }

    pub(crate) async fn lag(&mut self) -> Result<(), Failure> {
        let Some(sql) = self.config.settings.queries.lag.as_deref() else { return Ok(()) };
        match self.one_value(sql).await? {
            Ok(value) => {
                let seconds = value.and_then(|value| value.trim().parse::<f64>().ok());
                // Casts from float saturate: a negative lag, from skewed clocks, is none.
                self.instance.lag_seconds = seconds.map(|seconds| seconds as u64);
            }
            // What the server itself says stands in.
            Err(error) => tracing::debug!(instance = %self.instance.key, %error, "lag query failed"),
        }
        Ok(())
    }

    pub(crate) async fn labels(&mut self, from: LabelsFrom) -> Result<(), Failure> {
        let remembered = self.slot.memory().labels.clone().filter(|(read_at, ..)| {
            from == LabelsFrom::Memory && read_at.elapsed() < self.config.settings.labels_interval
        });
        let (labels, error) = match remembered {
            Some((_, labels, error)) => (labels, error),
            None => {
                let (labels, error) = self.ask_labels().await?;
                self.slot.memory().labels = Some((Instant::now(), labels.clone(), error.clone()));
                (labels, error)
            }
        };
        self.instance.labels = labels;
        if let Some(error) = error {
            self.cannot(Part::Labels, error);
        }
        Ok(())
    }

    async fn ask_labels(&mut self) -> Result<(Labels, Option<String>), Failure> {
        let queries = &self.config.settings.queries;
        let mut labels = Labels::default();
        let mut refused = None;
        let is_top = self.instance.source().is_none();
        let cluster_domain = if is_top { &queries.cluster_domain } else { &None };
        let texts = [
            (&queries.alias, &mut labels.alias),
            (&queries.data_center, &mut labels.data_center),
            (&queries.region, &mut labels.region),
            (&queries.environment, &mut labels.environment),
            (&queries.cluster_alias, &mut labels.cluster_alias),
            (cluster_domain, &mut labels.cluster_domain),
        ];
        for (sql, label) in texts {
            *label = self.label(sql.as_deref(), &mut refused).await?;
        }
        let rule = self.label(queries.promotion_rule.as_deref(), &mut refused).await?;
        labels.promotion_rule = PromotionRule::parse(&rule).filter(|rule| *rule != PromotionRule::Must);
        let priority = self.label(queries.semi_sync.as_deref(), &mut refused).await?;
        labels.semi_sync_priority = priority.trim().parse().unwrap_or(0);
        labels.replication_credentials_available = self.credentials_available().await?;
        Ok((labels, refused))
    }

    async fn label(&mut self, sql: Option<&str>, refused: &mut Option<String>) -> Result<String, Failure> {
        let Some(sql) = sql else { return Ok(String::new()) };
        match self.one_value(sql).await? {
            Ok(value) => Ok(value.unwrap_or_default()),
            Err(error) => {
                refused.get_or_insert_with(|| error.to_string());
                Ok(String::new())
            }
        }
    }

    /// Not being told is an answer.
    async fn credentials_available(&mut self) -> Result<bool, Failure> {
        if self.config.settings.queries.replication_credentials.is_some() {
            return Ok(true);
        }
        if self.server.dialect.mariadb || self.instance.replication.is_none() {
            return Ok(false);
        }
        Ok(self.one_value(CREDENTIALS_AVAILABLE).await?.ok().flatten().as_deref() == Some("1"))
    }
}

fn binlog_coordinates(row: &Row) -> orchestrator_core::instance::BinlogCoordinates {
    let cells = Cells::new(row);
    let file = cells.string(&["File"]);
    orchestrator_core::instance::BinlogCoordinates {
        file,
        position: cells.number(&["Position"]).unwrap_or(0),
    }
}

/// A registration without a name is of no use: the replica has no `report_host`.
fn registered_replica(row: &Row) -> Option<InstanceKey> {
    let cells = Cells::new(row);
    let host = cells.string(&["Host"]);
    let port = cells.number(&["Port"]).and_then(|port| u16::try_from(port).ok())?;
    Some(InstanceKey::new(host, port)).filter(InstanceKey::is_valid)
}

/// A connection tells its address, not the port on which its server listens: taken to be ours.
fn connected_replica(row: &Row, port: u16) -> Option<InstanceKey> {
    let peer = Cells::new(row).string(&["host"]);
    let host = match peer.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => &peer,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(InstanceKey::new(host, port)).filter(InstanceKey::is_valid)
}

/// Only where all writes go to one member do roles say something.
fn group_member(rows: &[Row], own_uuid: &str, name: String, single_primary: bool) -> Option<GroupMember> {
    let mut member = GroupMember { name, single_primary, ..GroupMember::default() };
    let mut is_in = false;
    for row in rows {
        let cells = Cells::new(row);
        let id = cells.string(&["id"]);
        let key = registered_replica(row);
        let (state, role) = (cells.string(&["state"]), cells.string(&["role"]));
        if single_primary && role == "PRIMARY" {
            member.primary.clone_from(&key);
        }
        if id == own_uuid {
            is_in = true;
            (member.state, member.role) = (state, role);
        } else {
            member.members.extend(key);
        }
    }
    is_in.then_some(member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::tests::row;

    #[test]
    fn peers_of_dump_threads_are_read_in_every_spelling() {
        for (peer, host) in [("10.0.0.1:5000", "10.0.0.1"), ("db1", "db1"), ("fd00::7:5000", "fd00::7")] {
            let row = row(&[("host", Some(peer))]);
            assert_eq!(connected_replica(&row, 3306), Some(InstanceKey::new(host, 3306)), "{peer}");
        }
        assert_eq!(connected_replica(&row(&[("host", Some(""))]), 3306), None);
    }

    #[test]
    fn replicas_without_a_reported_name_are_left_out() {
        let nameless = row(&[("Server_Id", Some("2")), ("Host", Some("")), ("Port", Some("3306"))]);
        let named = row(&[("Server_Id", Some("2")), ("Host", Some("db2")), ("Port", Some("3307"))]);
        assert_eq!(registered_replica(&nameless), None);
        assert_eq!(registered_replica(&named), Some(InstanceKey::new("db2", 3307)));
    }

    #[test]
    fn a_group_member_knows_the_others_and_the_primary() {
        let member = |id, host, role| {
            let cells =
                [("id", Some(id)), ("host", Some(host)), ("port", Some("3306")), ("state", Some("ONLINE"))];
            row(&[cells.as_slice(), &[("role", Some(role))]].concat())
        };
        let rows = [member("u1", "db1", "PRIMARY"), member("u2", "db2", "SECONDARY")];
        let read = group_member(&rows, "u2", "g".into(), true).unwrap();
        assert_eq!(read.primary, Some(InstanceKey::new("db1", 3306)));
        assert_eq!((read.role.as_str(), read.members.len()), ("SECONDARY", 1));
        assert!(group_member(&rows, "u9", "g".into(), true).is_none());
    }
}
