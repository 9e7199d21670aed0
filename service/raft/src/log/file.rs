//! The log's SQLite file: opening, schema, and the statements of one batch.
//!
//! `synchronous=FULL`: a vote or an entry that was acknowledged must outlive a power failure. The
//! exclusive lock keeps a second process away for as long as the file is open.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::error::StartError;

/// The newest format that this version reads, kept in `user_version`.
const FORMAT: i64 = 1;
/// How long to wait for a lock: a predecessor that was just told to stop may still be closing.
const LOCK_WAIT: Duration = Duration::from_millis(500);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS raft_log (idx INTEGER PRIMARY KEY, entry BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS raft_meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
";

/// The names in `raft_meta`.
pub(super) mod meta {
    pub(in crate::log) const VOTE: &str = "vote";
    pub(in crate::log) const PURGED: &str = "purged";
    pub(in crate::log) const OWNER: &str = "owner";
}

pub(super) struct LogFile {
    connection: Connection,
}

impl LogFile {
    /// Opens or creates `path`, takes its lock and checks it.
    pub(super) fn open(path: &Path) -> Result<Self, StartError> {
        let file = path.to_owned();
        let connection = Connection::open(path).map_err(|error| start_error(&file, error))?;
        prepare(&connection).map_err(|error| start_error(&file, error))?;
        let found: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| start_error(&file, error))?;
        if found > FORMAT {
            return Err(StartError::TooNew { file, found, known: FORMAT });
        }
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| start_error(&file, error))?;
        if verdict != "ok" {
            return Err(StartError::Corrupt { file, what: verdict });
        }
        connection.execute_batch(SCHEMA).map_err(|error| start_error(&file, error))?;
        connection.pragma_update(None, "user_version", FORMAT).map_err(|error| start_error(&file, error))?;
        Ok(Self { connection })
    }

    pub(super) fn begin(&self) -> io::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(io::Error::other)
    }

    pub(super) fn commit(&self) -> io::Result<()> {
        self.connection.execute_batch("COMMIT").map_err(io::Error::other)
    }

    pub(super) fn roll_back(&self) -> io::Result<()> {
        self.connection.execute_batch("ROLLBACK").map_err(io::Error::other)
    }

    pub(super) fn meta(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let mut query = self.prepared("SELECT value FROM raft_meta WHERE name = ?1")?;
        query.query_row([name], |row| row.get(0)).optional().map_err(io::Error::other)
    }

    pub(super) fn set_meta(&self, name: &str, value: &[u8]) -> io::Result<()> {
        let mut statement = self.prepared("REPLACE INTO raft_meta (name, value) VALUES (?1, ?2)")?;
        statement.execute(params![name, value]).map(drop).map_err(io::Error::other)
    }

    pub(super) fn append(&self, rows: &[(u64, Vec<u8>)]) -> io::Result<()> {
        let mut statement = self.prepared("INSERT INTO raft_log (idx, entry) VALUES (?1, ?2)")?;
        for (index, entry) in rows {
            statement.execute(params![sql(*index), entry]).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Deletes the entries from `first` on.
    pub(super) fn truncate_from(&self, first: u64) -> io::Result<()> {
        let mut statement = self.prepared("DELETE FROM raft_log WHERE idx >= ?1")?;
        statement.execute([sql(first)]).map(drop).map_err(io::Error::other)
    }

    /// Deletes the entries up to and including `last`.
    pub(super) fn purge_upto(&self, last: u64) -> io::Result<()> {
        let mut statement = self.prepared("DELETE FROM raft_log WHERE idx <= ?1")?;
        statement.execute([sql(last)]).map(drop).map_err(io::Error::other)
    }

    /// The entries `first..end`, in order.
    pub(super) fn read(&self, first: u64, end: u64) -> io::Result<Vec<Vec<u8>>> {
        let mut query =
            self.prepared("SELECT entry FROM raft_log WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")?;
        let rows = query.query_map([sql(first), sql(end)], |row| row.get(0)).map_err(io::Error::other)?;
        rows.collect::<Result<_, _>>().map_err(io::Error::other)
    }

    /// The newest `count` entries, oldest first.
    pub(super) fn newest(&self, count: u64) -> io::Result<Vec<Vec<u8>>> {
        let last: Option<i64> = self
            .connection
            .query_row("SELECT max(idx) FROM raft_log", [], |row| row.get(0))
            .map_err(io::Error::other)?;
        let Some(last) = last.and_then(|last| u64::try_from(last).ok()) else { return Ok(Vec::new()) };
        self.read((last + 1).saturating_sub(count), last + 1)
    }

    fn prepared(&self, text: &str) -> io::Result<rusqlite::CachedStatement<'_>> {
        self.connection.prepare_cached(text).map_err(io::Error::other)
    }
}

/// SQLite has no unsigned integers; a log index never reaches the sign bit.
fn sql(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_WAIT)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // In exclusive mode the lock is taken by the first access and kept.
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")
}

fn start_error(file: &Path, error: rusqlite::Error) -> StartError {
    let file: PathBuf = file.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StartError::Locked { file },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StartError::Corrupt { file, what: error.to_string() }
        }
        _ => StartError::Log { file, source: error },
    }
}
