//! One connection, and the small runtime on which it lives.
//!
//! Invariant: a connection whose statement did not come to its end is never used again. The driver would
//! hand the late answer to the next statement.

use std::io;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Opts, ServerError};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::error::{BackendError, Cause};
use crate::value::{Row, Value};

use super::errors::ends_the_connection;
use super::values::{read_row, to_params};

/// Why a statement brought no result.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The server refused it; the connection goes on.
    Refused(ServerError),
    /// The connection is gone, or was never made.
    Lost(Cause),
}

/// A connection that may be open or not.
#[derive(Debug)]
pub(super) struct Link {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    conn: Option<Conn>,
    /// How long a statement may keep silent.
    patience: Duration,
    last_used: Instant,
    opened_at: Instant,
}

impl Link {
    /// A connection that is not open yet.
    pub(super) fn new(patience: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            runtime: Some(runtime),
            conn: None,
            patience,
            last_used: Instant::now(),
            opened_at: Instant::now(),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.conn.is_some()
    }

    /// How long ago the server last answered.
    pub(super) fn idle(&self) -> Duration {
        self.last_used.elapsed()
    }

    /// How long ago the connection was made.
    pub(super) fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    /// The server's number of this connection.
    pub(super) fn id(&self) -> Option<u32> {
        self.conn.as_ref().map(Conn::id)
    }

    /// Connects and logs in, in place of what was open before.
    pub(super) fn dial(&mut self, opts: Opts, patience: Duration) -> Result<(), LinkError> {
        self.destroy();
        let dialed = self.runtime().block_on(async { timeout(patience, guarded(Conn::new(opts))).await });
        self.conn = Some(match dialed {
            Ok(Ok(conn)) => conn,
            Ok(Err(Error::Server(error))) => return Err(LinkError::Refused(error)),
            Ok(Err(error)) => return Err(LinkError::Lost(Box::new(error))),
            Err(_) => return Err(LinkError::Lost(format!("no connection within {patience:?}").into())),
        });
        self.last_used = Instant::now();
        self.opened_at = self.last_used;
        Ok(())
    }

    /// The server still answers.
    pub(super) fn ping(&mut self) -> Result<(), LinkError> {
        self.drive(async |conn, patience| within(patience, conn.ping()).await)
    }

    /// Runs one statement without values, as it is.
    pub(super) fn run(&mut self, sql: &str) -> Result<(), LinkError> {
        self.drive(async |conn, patience| within(patience, conn.query_drop(sql)).await)
    }

    /// Runs one prepared statement; how many rows it met.
    pub(super) fn execute(&mut self, sql: &str, values: &[&Value]) -> Result<u64, LinkError> {
        let params = to_params(values.iter().copied());
        self.drive(async |conn, patience| {
            within(patience, conn.exec_drop(sql, params)).await?;
            Ok(conn.affected_rows())
        })
    }

    /// Runs one prepared query and hands over each row. What the receiver says ends it, not the connection.
    pub(super) fn query_each(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(Row) -> Result<(), BackendError>,
    ) -> Result<Result<(), BackendError>, LinkError> {
        let params = to_params(values);
        self.drive(async |conn, patience| {
            let mut rows = within(patience, conn.exec_iter(sql, params)).await?;
            let mut verdict = Ok(());
            while let Some(row) = within(patience, rows.next()).await? {
                if verdict.is_ok() {
                    verdict = each(read_row(row));
                }
            }
            Ok(verdict)
        })
    }

    /// All rows of a query.
    pub(super) fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, LinkError> {
        let mut rows = Vec::new();
        let collected = self.query_each(sql, values, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        debug_assert!(collected.is_ok(), "collecting cannot fail");
        Ok(rows)
    }

    /// The first value of a query's first row, as a number; 0 when there is none.
    pub(super) fn query_int(&mut self, sql: &str, values: &[Value]) -> Result<i64, LinkError> {
        Ok(self.query(sql, values)?.into_iter().next().map_or(0, |mut row| row.int()))
    }

    /// Drives one statement to its end, or gives the connection up.
    fn drive<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut Conn, Duration) -> Result<T, Error>,
    ) -> Result<T, LinkError> {
        let Some(mut conn) = self.conn.take() else { return Err(LinkError::Lost("not connected".into())) };
        let patience = self.patience;
        let result = self.runtime().block_on(guarded(statement(&mut conn, patience)));
        self.conn = Some(conn);
        self.settle(result)
    }

    fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, LinkError> {
        match result {
            Ok(value) => {
                self.last_used = Instant::now();
                Ok(value)
            }
            Err(Error::Server(error)) if !ends_the_connection(error.code) => Err(LinkError::Refused(error)),
            Err(error) => {
                self.destroy();
                Err(LinkError::Lost(Box::new(error)))
            }
        }
    }

    /// Ends the connection now, whatever state it is in, and waits for nobody.
    pub(super) fn destroy(&mut self) {
        if let Some(conn) = self.conn.take() {
            let _entered = self.runtime().enter();
            // Polled once: says goodbye when the socket takes it. Left to its own drop the driver would read
            // pending rows in a task without an end, on a frozen server for ever.
            let _ = guarded(conn.disconnect()).now_or_never();
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is taken only when the link is dropped")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.destroy();
        // Its own drop waits, which is forbidden inside an asynchronous task.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A statement, or a row of its answer, that comes within the time; else an error that ends the connection.
async fn within<T>(patience: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match timeout(patience, answer).await {
        Ok(result) => result,
        Err(_) => {
            let silent = format!("no answer within {patience:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, silent).into())
        }
    }
}

/// The driver indexes into packets without looking: its panic is an answer that could not be read, not the end
/// of the thread that owns the database. Needs a build that unwinds.
async fn guarded<T>(driver: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match AssertUnwindSafe(driver).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(Error::Other("the driver could not read a packet".into())),
    }
}
