//! One reading of one instance over one connection: part by part, so that what the server will not tell
//! costs that part only.
//!
//! A steady probe of a replica takes four to six statements; what cannot change without the connection
//! breaking (uptime, names of variables, words) is asked once per connection.

use std::sync::Arc;

use mysql_async::{Row, ServerError};
use orchestrator_core::{
    Instance, InstanceKey,
    observation::{Failure, FailureKind, Part, Reading, Unread},
};
use tokio::time::Instant;

use crate::{
    cells::{number_of, text_of},
    dialect::{Dialect, Wording},
    failure::failure,
    fleet::{Config, Slot, Who},
    session::{NO_SUCH_TABLE, QueryError, SYNTAX_ERROR, Server, Session, UNKNOWN_TABLE, UNKNOWN_VARIABLE},
    settings::HostnameSource,
    variables::{Known, Variables, learn_statement},
};

/// How fresh labels must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabelsFrom {
    /// Those of an earlier probe will do, if they are not too old.
    Memory,
    /// Ask.
    Server,
}

/// A reading in progress.
pub(crate) struct Reader<'a> {
    pub(crate) config: &'a Config,
    pub(crate) slot: &'a Slot,
    pub(crate) session: &'a mut Session,
    pub(crate) server: Arc<Server>,
    pub(crate) deadline: Instant,
    pub(crate) instance: Instance,
    pub(crate) unread: Vec<Unread>,
}

/// Reads everything of the instance that was asked for as `key`.
pub(crate) async fn read(
    config: &Config,
    slot: &Slot,
    key: &InstanceKey,
    session: &mut Session,
    deadline: Instant,
    labels: LabelsFrom,
) -> Result<Reading, Failure> {
    let (server, variables) = variables(session, slot, deadline).await?;
    check_identity(slot, &variables)?;
    let uptime_seconds = server.uptime_seconds + server.asked_at.elapsed().as_secs();
    let mut instance = Instance::unread(name(config.settings.hostname_from, key, &variables));
    instance.identity = variables.identity;
    instance.identity.uptime_seconds = uptime_seconds;
    instance.settings = variables.settings;
    instance.gtid = variables.gtid;
    instance.semi_sync = variables.semi_sync;
    let group = (variables.group_name, variables.group_single_primary);
    let mut reader = Reader { config, slot, session, server, deadline, instance, unread: Vec::new() };
    reader.parts(group, labels).await.map_err(|failure| Failure { partial: true, ..failure })?;
    Ok(Reading { instance: reader.instance, unread: reader.unread })
}

/// Learns about the server if this connection did not yet, and reads its variables.
async fn variables(
    session: &mut Session,
    slot: &Slot,
    deadline: Instant,
) -> Result<(Arc<Server>, Variables), Failure> {
    // Twice at most: a plugin that went away takes its variables along.
    for last in [false, true] {
        let server = learn(session, slot, deadline).await?;
        match session.first(&server.known.statement, deadline).await {
            Ok(Some(row)) => {
                let variables = Variables::from_row(&row, &server.known);
                return Ok((server, variables));
            }
            Ok(None) => return Err(failure(FailureKind::Nonsense, "no row of variables")),
            Err(QueryError::Server(error)) if error.code == UNKNOWN_VARIABLE && !last => {
                session.server = None;
            }
            Err(error) => return Err(error.into_failure()),
        }
    }
    unreachable!("the second round returns")
}

/// What this connection knows of its server; asks when that is nothing yet.
pub(crate) async fn learn(
    session: &mut Session,
    slot: &Slot,
    deadline: Instant,
) -> Result<Arc<Server>, Failure> {
    if let Some(server) = &session.server {
        return Ok(server.clone());
    }
    let (known, version) = match session.query(&learn_statement(), deadline).await {
        Ok(rows) => (Known::from_rows(&rows), Known::version(&rows)),
        Err(QueryError::Server(_)) => (Known::least(), String::new()),
        Err(QueryError::Failure(failure)) => return Err(failure),
    };
    let uptime = session.first("SHOW GLOBAL STATUS LIKE 'Uptime'", deadline).await;
    let uptime_seconds = match uptime {
        Ok(row) => row.as_ref().and_then(|row| row.as_ref(1)).and_then(number_of).unwrap_or(0),
        Err(QueryError::Server(_)) => 0,
        Err(QueryError::Failure(failure)) => return Err(failure),
    };
    let found_out = slot.memory().dialect.clone().filter(|(of, _)| *of == version);
    let dialect = found_out.map_or_else(|| Dialect::of_version(&version), |(_, dialect)| dialect);
    let server = Arc::new(Server {
        dialect,
        known,
        version,
        uptime_seconds,
        asked_at: Instant::now(),
        queue_timestamps: true,
    });
    session.server = Some(server.clone());
    slot.memory().server = Some(server.clone());
    Ok(server)
}

/// A name behind which another server answers than before is reported once; then that one is it.
fn check_identity(slot: &Slot, variables: &Variables) -> Result<(), Failure> {
    let identity = &variables.identity;
    let who = Who { server_uuid: identity.server_uuid.clone(), server_id: identity.server_id };
    let before = slot.memory().who.replace(who.clone());
    match before {
        Some(before) if !before.is_same(&who) => {
            slot.memory().labels = None;
            let error = format!("expected {before}, found {who}");
            Err(Failure { partial: true, ..failure(FailureKind::IdentityChanged, error) })
        }
        _ => Ok(()),
    }
}

fn name(from: HostnameSource, asked: &InstanceKey, variables: &Variables) -> InstanceKey {
    let told = match from {
        HostnameSource::HostnameVariable => &variables.identity.hostname,
        HostnameSource::ReportHost => &variables.identity.report_host,
        HostnameSource::AsAsked => "",
    };
    if told.is_empty() { asked.clone() } else { InstanceKey::new(told, asked.port) }
}

impl Reader<'_> {
    async fn parts(&mut self, group: (String, bool), labels: LabelsFrom) -> Result<(), Failure> {
        self.replication().await?;
        self.source_contact().await?;
        self.binary_log().await?;
        self.semi_sync_status().await?;
        self.replicas().await?;
        self.group(group).await?;
        self.lag().await?;
        self.labels(labels).await?;
        self.privileges(labels).await
    }

    /// Notes that a part cannot be read.
    pub(crate) fn cannot(&mut self, part: Part, error: impl Into<String>) {
        self.unread.push(Unread { part, error: error.into() });
    }

    /// Rows of a statement; `None` when the server would not, which is noted.
    pub(crate) async fn ask(&mut self, part: Part, sql: &str) -> Result<Option<Vec<Row>>, Failure> {
        match self.session.query(sql, self.deadline).await {
            Ok(rows) => Ok(Some(rows)),
            Err(QueryError::Server(error)) => {
                self.cannot(part, error.to_string());
                Ok(None)
            }
            Err(QueryError::Failure(failure)) => Err(failure),
        }
    }

    /// Rows of a statement with two wordings. What the server understands is remembered.
    pub(crate) async fn ask_in_words(
        &mut self,
        wording: Wording,
        sql: fn(Dialect) -> &'static str,
    ) -> Result<Result<Vec<Row>, ServerError>, Failure> {
        let dialect = self.server.dialect;
        let first = self.session.query(sql(dialect), self.deadline).await;
        let refused = match first {
            Ok(rows) => return Ok(Ok(rows)),
            Err(QueryError::Failure(failure)) => return Err(failure),
            Err(QueryError::Server(error)) if !is_misworded(&error) => return Ok(Err(error)),
            Err(QueryError::Server(error)) => error,
        };
        let other = dialect.without(wording);
        match self.session.query(sql(other), self.deadline).await {
            Ok(rows) => {
                self.speak(other);
                Ok(Ok(rows))
            }
            Err(QueryError::Failure(failure)) => Err(failure),
            Err(QueryError::Server(error)) if is_misworded(&error) => Ok(Err(refused)),
            Err(QueryError::Server(error)) => {
                self.speak(other);
                Ok(Err(error))
            }
        }
    }

    /// Uses this dialect from now on, also on later connections to this server.
    fn speak(&mut self, dialect: Dialect) {
        self.slot.memory().dialect = Some((self.server.version.clone(), dialect));
        self.learned(|server| server.dialect = dialect);
    }

    pub(crate) fn learned(&mut self, change: impl FnOnce(&mut Server)) {
        let mut server = (*self.server).clone();
        change(&mut server);
        self.server = Arc::new(server);
        self.session.server = Some(self.server.clone());
        self.slot.memory().server = Some(self.server.clone());
    }

    /// First cell of the first row of a detection query.
    pub(crate) async fn one_value(
        &mut self,
        sql: &str,
    ) -> Result<Result<Option<String>, ServerError>, Failure> {
        match self.session.first(sql, self.deadline).await {
            Ok(row) => {
                let value = row.as_ref().and_then(|row| row.as_ref(0));
                Ok(Ok(value.map(|value| text_of(value).into_owned())))
            }
            Err(QueryError::Server(error)) => Ok(Err(error)),
            Err(QueryError::Failure(failure)) => Err(failure),
        }
    }
}

/// The server did not understand the words, or has no such table.
pub(crate) fn is_misworded(error: &ServerError) -> bool {
    matches!(error.code, SYNTAX_ERROR | NO_SUCH_TABLE | UNKNOWN_TABLE)
}
