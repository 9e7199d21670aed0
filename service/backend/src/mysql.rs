//! A server of MySQL or MariaDB: one database for each node.
//!
//! Few connections, each with a runtime of its own on the thread that uses it: the writing one, which holds the
//! named lock that makes the database ours, one that only reads, and for the time of a long read another one. A
//! connection that is lost is made anew at the next call; what was lost with it is never repeated here, but for
//! `start transaction`.

mod catalogue;
mod errors;
mod link;
mod open;
mod options;
mod session;
mod upgrade;
mod values;
mod wanted;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::ServerError;

use crate::error::BackendError;
use crate::port::{Backend, Insert};
use crate::value::{Row, Value};

use errors::runtime_error;
use link::{Link, LinkError};
use session::Role;

pub use errors::MySqlOpenError;
pub use options::{MySqlOptions, MySqlTls, Password};

/// A connection that was silent for this long is tried before it is used: a server that was restarted
/// meanwhile then costs a new connection, not the statement.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Bytes of one statement, so that a batch neither exceeds what a server takes nor holds others up.
const MAX_STATEMENT_BYTES: usize = 4 * 1024 * 1024;

/// The same thing that does not fit is told once in this time, not with each batch.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// An open database on a server.
#[derive(Debug)]
pub struct MySqlBackend {
    options: Arc<MySqlOptions>,
    link: Link,
    role: Role,
    transaction: Transaction,
    /// Largest packet that the server takes, bytes; known while connected.
    max_packet: usize,
    complained_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    /// The server has taken it back, or nobody knows: nothing more may happen under its name.
    Lost,
}

impl MySqlBackend {
    /// Connects, creates or completes the database as needed, and makes it ours.
    ///
    /// Blocks, for about the sum of both timeouts at most; may be called anywhere. The methods of what it
    /// answers panic inside an asynchronous task: give it to a [`crate::BackendHandle`].
    ///
    /// # Errors
    /// Each variant of [`MySqlOpenError`] says what is wrong and what to do. Nothing that was in the database
    /// is ever lost by opening it.
    pub fn open(options: &MySqlOptions) -> Result<Self, MySqlOpenError> {
        // A thread of its own: the caller may live on a runtime, where ours could not be driven.
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| open::open(options));
            opening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn disconnected(options: Arc<MySqlOptions>, role: Role) -> io::Result<Self> {
        let link = Link::new(options.read_timeout)?;
        let transaction = Transaction::None;
        Ok(Self { options, link, role, transaction, max_packet: 0, complained_at: None })
    }

    /// Makes sure that there is a connection on which the next statement means what its caller means.
    fn ready(&mut self) -> Result<(), BackendError> {
        match self.transaction {
            Transaction::Lost => {
                return Err(BackendError::Away("the transaction was lost with its connection".into()));
            }
            Transaction::Open => return Ok(()),
            Transaction::None if matches!(self.role, Role::Opens) => return Ok(()),
            Transaction::None => {}
        }
        let outlived = self.options.connection_lifetime.is_some_and(|lifetime| self.link.age() > lifetime);
        if outlived || (self.link.is_open() && self.link.idle() > TRUSTED_FOR && self.link.ping().is_err()) {
            self.link.destroy();
        }
        if self.link.is_open() { Ok(()) } else { self.reconnect() }
    }

    fn reconnect(&mut self) -> Result<(), BackendError> {
        let opts = session::connect_options(&self.options, Some(&self.options.database));
        self.link.dial(opts, self.options.connect_timeout).map_err(runtime_error)?;
        let prepared = session::prepare(&mut self.link, &mut self.role, &self.options);
        if prepared.is_err() {
            self.link.destroy();
        }
        self.max_packet = prepared?.max_packet;
        Ok(())
    }

    /// What the outcome of a statement means for the transaction and the connection.
    fn settle<T>(&mut self, result: Result<T, LinkError>) -> Result<T, BackendError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let code = if let LinkError::Refused(refusal) = &error { Some(refusal.code) } else { None };
        if code.is_none_or(errors::ends_the_transaction) && self.transaction == Transaction::Open {
            self.transaction = Transaction::Lost;
        }
        if self.options.reject_read_only && self.role.writes() && code.is_some_and(errors::only_reads) {
            self.link.destroy();
        }
        Err(runtime_error(error))
    }

    fn write(&mut self, sql: &str, values: &[&Value]) -> Result<u64, BackendError> {
        self.check_size(values)?;
        let result = self.execute_fitting(sql, values);
        self.settle(result)
    }

    /// Runs a statement; one whose values do not fit is repeated with those that do.
    ///
    /// SQLite takes what these tables cannot hold, and commands are the same for both: refusing one would
    /// stop this node and no other. What was cut is told.
    fn execute_fitting(&mut self, sql: &str, values: &[&Value]) -> Result<u64, LinkError> {
        match self.link.execute(sql, values) {
            Err(LinkError::Refused(error)) if errors::does_not_fit(error.code) => {
                self.complain(&error, sql);
                self.link.run(session::LENIENT)?;
                let mut result = self.link.execute(sql, values);
                if has_foreign_letters(&result) {
                    let plain: Vec<Value> = values.iter().map(|value| values::in_ascii(value)).collect();
                    result = self.link.execute(sql, &plain.iter().collect::<Vec<_>>());
                }
                self.link.run(session::STRICT)?;
                result
            }
            result => result,
        }
    }

    fn complain(&mut self, error: &ServerError, sql: &str) {
        if self.complained_at.is_none_or(|at| at.elapsed() > COMPLAINT_INTERVAL) {
            self.complained_at = Some(Instant::now());
            let statement: String = sql.chars().take(60).collect();
            tracing::warn!(%error, statement, "a value does not fit its column: stored as far as it does");
        }
    }

    /// Bytes that one packet to this server may have.
    fn packet(&self) -> usize {
        self.options.max_allowed_packet.unwrap_or(usize::MAX).min(self.max_packet)
    }

    /// Values that no packet holds are told here: the server would end the connection instead.
    fn check_size(&self, values: &[&Value]) -> Result<(), BackendError> {
        let bytes = values::bytes(values.iter().copied());
        if bytes <= self.packet() {
            return Ok(());
        }
        let limit = self.packet();
        Err(BackendError::Constraint(format!("{bytes} bytes exceed max_allowed_packet, {limit}").into()))
    }
}

/// A value has letters that the column it meets cannot have.
fn has_foreign_letters<T>(result: &Result<T, LinkError>) -> bool {
    matches!(result, Err(LinkError::Refused(error)) if errors::is_about_letters(error.code))
}

impl Backend for MySqlBackend {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, BackendError> {
        self.ready()?;
        self.write(sql, &values.iter().collect::<Vec<_>>())
    }

    fn query_each(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(Row) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        self.ready()?;
        let mut result = self.link.query_each(sql, values, each);
        if has_foreign_letters(&result) {
            // As it would be stored; the server refuses the question, before any row.
            let plain: Vec<Value> = values.iter().map(values::in_ascii).collect();
            result = self.link.query_each(sql, &plain, each);
        }
        self.settle(result)?
    }

    fn insert_all(&mut self, insert: &Insert<'_>, rows: &[Vec<Value>]) -> Result<(), BackendError> {
        self.ready()?;
        let most = self.packet().min(MAX_STATEMENT_BYTES) / 2;
        for portion in values::portions(rows, insert.columns.len(), most) {
            let sql = values::insert_sql(insert, portion.len());
            self.write(&sql, &portion.iter().flatten().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), BackendError> {
        if self.transaction != Transaction::None {
            return Err(BackendError::Statement("a transaction is open".into()));
        }
        self.ready()?;
        if let Err(LinkError::Lost(_)) = self.link.run(session::BEGIN) {
            // Nothing was begun, so nothing was lost.
            self.ready()?;
            let result = self.link.run(session::BEGIN);
            self.settle(result)?;
        }
        self.transaction = Transaction::Open;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), BackendError> {
        if self.transaction == Transaction::Lost {
            return self.ready();
        }
        let result = self.link.run("commit");
        self.settle(result)?;
        self.transaction = Transaction::None;
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), BackendError> {
        let was = std::mem::replace(&mut self.transaction, Transaction::None);
        if was != Transaction::None && self.link.is_open() && self.link.run("rollback").is_err() {
            // The server takes back what it hears no more of.
            self.link.destroy();
        }
        Ok(())
    }

    fn is_in_transaction(&self) -> bool {
        self.transaction != Transaction::None
    }

    fn reader(&self) -> Result<Option<Box<dyn Backend>>, BackendError> {
        // Each connection of this database has one of these.
        if Arc::strong_count(&self.options) >= self.options.max_connections {
            return Ok(None);
        }
        // It connects at its first call, on the thread that makes it.
        let reader = Self::disconnected(self.options.clone(), Role::Reads);
        Ok(Some(Box::new(reader.map_err(|error| BackendError::Io(Box::new(error)))?)))
    }
}
