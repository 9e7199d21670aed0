//! One connection to one instance, with what was learned about the server behind it.
//!
//! Invariant: a connection whose statement did not come to its end is never used again. The driver would
//! hand the late answer to the next statement.

use std::sync::Arc;

use futures::FutureExt as _;
use mysql_async::{Conn, Error, Row, prelude::Queryable as _};
use orchestrator_core::observation::{Failure, FailureKind};
use tokio::time::{Instant, timeout_at};

use crate::{
    dialect::Dialect,
    failure::{classify, failure, guarded},
    variables::Known,
};

/// `ER_PARSE_ERROR`.
pub(crate) const SYNTAX_ERROR: u16 = 1064;
/// `ER_UNKNOWN_SYSTEM_VARIABLE`.
pub(crate) const UNKNOWN_VARIABLE: u16 = 1193;
/// `ER_BAD_FIELD_ERROR`.
pub(crate) const UNKNOWN_COLUMN: u16 = 1054;
/// `ER_NO_SUCH_TABLE`.
pub(crate) const NO_SUCH_TABLE: u16 = 1146;
/// `ER_UNKNOWN_TABLE`: how `information_schema` and `performance_schema` say it.
pub(crate) const UNKNOWN_TABLE: u16 = 1109;

/// Why a statement brought no result.
#[derive(Debug)]
pub(crate) enum QueryError {
    /// The server refused it; the connection goes on.
    Server(mysql_async::ServerError),
    /// The connection is gone.
    Failure(Failure),
}

impl QueryError {
    /// What it says about the server.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Server(error) => classify(&Error::Server(error)),
            Self::Failure(failure) => failure,
        }
    }
}

/// A logged-in connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` once it failed.
    conn: Option<Conn>,
    /// The server sent an error that ended the connection: it is not the network that failed.
    last_words: bool,
    /// What the server behind it is; `None` until asked.
    pub(crate) server: Option<Arc<Server>>,
}

/// What was learned about a server when the connection was made. A restart breaks the connection, so none of
/// this grows old.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Its words, as mended by experience.
    pub(crate) dialect: Dialect,
    /// Its variables.
    pub(crate) known: Known,
    /// `@@version`; empty when it would not tell.
    pub(crate) version: String,
    /// Its uptime when it was asked.
    pub(crate) uptime_seconds: u64,
    /// When that was.
    pub(crate) asked_at: Instant,
    /// `performance_schema.replication_connection_status` has the columns that came with MySQL 8.0.
    pub(crate) queue_timestamps: bool,
}

impl Session {
    pub(crate) fn new(conn: Conn) -> Self {
        Self { conn: Some(conn), last_words: false, server: None }
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.conn.is_some()
    }

    /// The server itself ended the connection, and said so.
    pub(crate) fn had_last_words(&self) -> bool {
        self.last_words
    }

    /// Runs one statement and collects its rows.
    pub(crate) async fn query(&mut self, sql: &str, deadline: Instant) -> Result<Vec<Row>, QueryError> {
        let conn = self.conn.as_mut().ok_or_else(gone)?;
        let result = timeout_at(deadline, guarded(conn.query(sql))).await;
        self.settle(result, sql)
    }

    /// Runs one statement and keeps its first row, however many there are.
    pub(crate) async fn first(&mut self, sql: &str, deadline: Instant) -> Result<Option<Row>, QueryError> {
        let conn = self.conn.as_mut().ok_or_else(gone)?;
        let result = timeout_at(deadline, guarded(conn.query_first(sql))).await;
        self.settle(result, sql)
    }

    /// Runs one statement for its effect.
    pub(crate) async fn run(&mut self, sql: &str, deadline: Instant) -> Result<(), QueryError> {
        let conn = self.conn.as_mut().ok_or_else(gone)?;
        let result = timeout_at(deadline, guarded(conn.query_drop(sql))).await;
        self.settle(result, "a change")
    }

    /// Runs one statement without a deadline: for waits that the caller bounds by dropping this session.
    pub(crate) async fn wait(&mut self, sql: &str) -> Result<Option<Row>, QueryError> {
        let conn = self.conn.as_mut().ok_or_else(gone)?;
        let result = guarded(conn.query_first(sql)).await;
        self.settle(Ok(result), sql)
    }

    fn settle<T>(
        &mut self,
        result: Result<Result<T, Error>, tokio::time::error::Elapsed>,
        sql: &str,
    ) -> Result<T, QueryError> {
        let failure = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(Error::Server(error))) if classify_server(&error).kind.proves_alive() => {
                return Err(QueryError::Server(error));
            }
            Ok(Err(error)) => {
                self.last_words = matches!(error, Error::Server(_));
                classify(&error)
            }
            Err(_) => failure(FailureKind::Silent, format!("no answer in time to: {sql}")),
        };
        self.destroy();
        Err(QueryError::Failure(failure))
    }

    /// Ends the connection now, whatever state it is in, and waits for nobody.
    pub(crate) fn destroy(&mut self) {
        if let Some(conn) = self.conn.take() {
            // Polled once: says goodbye when the socket takes it. Left to its own drop the driver would read
            // pending rows in a task without an end, on a frozen server for ever.
            let _ = guarded(conn.disconnect()).now_or_never();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.destroy();
    }
}

fn classify_server(error: &mysql_async::ServerError) -> Failure {
    classify(&Error::Server(error.clone()))
}

fn gone() -> QueryError {
    QueryError::Failure(failure(FailureKind::Broken, "the connection is closed"))
}
