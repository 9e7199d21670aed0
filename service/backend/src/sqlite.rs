//! The embedded database: one file beside the node.

mod errors;
mod files;
mod open;
mod upgrade;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orchestrator_core::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, MAIN_DB, OpenFlags, ToSql, params_from_iter};

use crate::adopt::SchemaPolicy;
use crate::error::{BackendError, OpenError};
use crate::held::HeldFile;
use crate::port::{Backend, Insert, OnConflict};
use crate::rows::NodeIdentity;
use crate::value::{Row, Value};

use errors::runtime_error;

/// How long a statement waits for another process that writes the same file. Shorter than the five seconds that
/// callers wait for an answer, so that they are told of the lock instead of a deadline.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);

/// Prepared statements kept per connection: more than this crate has.
const STATEMENT_CACHE: usize = 128;

/// How a file is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// This process.
    pub node: NodeIdentity,
    /// Its version, as it is noted in `orchestrator_db_deployments`.
    pub version: String,
    /// The time now: to tell a living process of the original from a dead one.
    pub now: Timestamp,
    /// How long a statement waits for another process that writes the same file.
    pub busy_timeout: Duration,
    /// What becomes of a commit when the power fails.
    pub durability: Durability,
    /// What is done about a schema that is not this version's.
    pub schema: SchemaPolicy,
}

/// What becomes of a commit when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// It may be taken back: the raft log that survives has it.
    #[default]
    LogBehind,
    /// It stays: there is no log to repeat it from.
    Alone,
}

impl SqliteOptions {
    /// Options with the usual waiting time, for a state with its log behind it.
    pub fn new(node: NodeIdentity, version: impl Into<String>, now: Timestamp) -> Self {
        let (durability, schema) = (Durability::default(), SchemaPolicy::default());
        Self { node, version: version.into(), now, busy_timeout: BUSY_TIMEOUT, durability, schema }
    }
}

/// An open SQLite database.
#[derive(Debug)]
pub struct SqliteBackend {
    connection: Connection,
    /// `None` for a database in memory.
    path: Option<PathBuf>,
    busy_timeout: Duration,
    /// The database and its write-ahead log, as they were opened.
    held: Vec<HeldFile>,
    /// Held as long as the database is open: no second process of ours may use the file.
    _lock: Option<File>,
}

impl SqliteBackend {
    /// Opens `path`, creating or completing it as needed; `:memory:` is a database of this process alone.
    ///
    /// # Errors
    /// Each variant of [`OpenError`] says what is wrong with the file and what to do. Nothing that was in
    /// the file is ever lost by opening it.
    pub fn open(path: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        open::open(path, options)
    }

    fn readonly(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(busy_timeout)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        Ok(Self { connection, path: Some(path.to_owned()), busy_timeout, held: Vec::new(), _lock: None })
    }

    fn batch(&mut self, sql: &str) -> Result<(), BackendError> {
        self.connection.execute_batch(sql).map_err(runtime_error)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        // A number with a fraction is none of ours; as text it reads as zero and is kept by snapshots.
        ValueRef::Real(number) => Value::Text(number.to_string()),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

fn row_of(row: &rusqlite::Row<'_>, width: usize) -> rusqlite::Result<Row> {
    (0..width).map(|column| row.get_ref(column).map(value_of)).collect::<Result<_, _>>().map(Row::new)
}

fn insert_sql(insert: &Insert<'_>) -> String {
    let Insert { table, columns, on_conflict } = insert;
    let verb = if matches!(on_conflict, OnConflict::Ignore) { "insert or ignore" } else { "insert" };
    let marks = vec!["?"; columns.len()].join(", ");
    let mut sql = format!("{verb} into {table} ({}) values ({marks})", columns.join(", "));
    if let OnConflict::Update(keys) = on_conflict {
        let updates: Vec<String> = columns
            .iter()
            .filter(|column| !keys.contains(column))
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        let action =
            if updates.is_empty() { "nothing".into() } else { format!("update set {}", updates.join(", ")) };
        sql.push_str(&format!(" on conflict ({}) do {action}", keys.join(", ")));
    }
    sql
}

impl Backend for SqliteBackend {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, BackendError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(runtime_error)?;
        statement.execute(params_from_iter(values)).map(|rows| rows as u64).map_err(runtime_error)
    }

    fn query_each(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(Row) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(runtime_error)?;
        let width = statement.column_count();
        let mut rows = statement.query(params_from_iter(values)).map_err(runtime_error)?;
        while let Some(row) = rows.next().map_err(runtime_error)? {
            each(row_of(row, width).map_err(runtime_error)?)?;
        }
        Ok(())
    }

    fn insert_all(&mut self, insert: &Insert<'_>, rows: &[Vec<Value>]) -> Result<(), BackendError> {
        let mut statement = self.connection.prepare_cached(&insert_sql(insert)).map_err(runtime_error)?;
        for row in rows {
            statement.execute(params_from_iter(row)).map_err(runtime_error)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), BackendError> {
        // Immediate: a transaction that begins by reading and then has to wait for another writer fails at once.
        // One that only reads is of the moment of its first row, and nobody waits for it.
        let reads = self.connection.is_readonly(MAIN_DB).map_err(runtime_error)?;
        self.batch(if reads { "begin" } else { "begin immediate" })
    }

    fn commit(&mut self) -> Result<(), BackendError> {
        self.batch("commit")
    }

    fn rollback(&mut self) -> Result<(), BackendError> {
        if self.connection.is_autocommit() { Ok(()) } else { self.batch("rollback") }
    }

    fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn check_files(&self) -> Result<(), BackendError> {
        self.held.iter().try_for_each(HeldFile::check).map_err(BackendError::Lost)
    }

    fn reader(&self) -> Result<Option<Box<dyn Backend>>, BackendError> {
        let Some(path) = &self.path else { return Ok(None) };
        let reader = Self::readonly(path, self.busy_timeout).map_err(runtime_error)?;
        Ok(Some(Box::new(reader)))
    }
}
