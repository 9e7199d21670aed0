//! Why the database cannot be opened or used, named by what the reader does next.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use crate::held::FileLost;

pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why a database cannot be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory that should hold the file does not exist.
    #[error("directory {} does not exist: create it, or correct SQLite3DataFile", path.display())]
    DirectoryMissing {
        /// The directory.
        path: PathBuf,
    },
    /// The file does not exist and cannot be created, or its companions cannot.
    #[error("directory {} is not writable: the database and its -wal and -shm files live there", path.display())]
    DirectoryNotWritable {
        /// The directory.
        path: PathBuf,
    },
    /// The path names a directory, a socket or the like.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file may be read but not written.
    #[error("{} is read-only: give this process the right to write it", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not an SQLite database: move it away or correct SQLite3DataFile", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What the library says.
        #[source]
        source: Cause,
    },
    /// The file is a damaged database.
    #[error("{} is damaged: restore it from a backup, or move it away and let this node catch up", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the library says.
        #[source]
        source: Cause,
    },
    /// Another process holds the file.
    #[error("{} is in use by another process: each node needs a database of its own", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// There is no room to write.
    #[error("no space left for {}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// A process of the original still uses the database.
    #[error("the original orchestrator on {hostname} used this database {age:?} ago: stop it first")]
    OldProcess {
        /// Where it runs.
        hostname: String,
        /// How long ago it was last seen.
        age: Duration,
    },
    /// A newer version wrote this database.
    #[error("the database has layout {found}, this version knows up to {known}: upgrade this node")]
    Newer {
        /// The version of the layout in the file.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Something is missing that may not be added.
    #[error(
        "the schema of {} lacks {what}, and SkipOrchestratorDatabaseUpdate is set: start once with \
         -enable-database-update",
        path.display()
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The first table or column.
        what: String,
    },
    /// Another version deployed the schema.
    #[error(
        "the schema of {} was deployed by version {found}, this is {own}, and PanicIfDifferentDatabaseDeploy is set: \
         run that version, or unset it to deploy this one",
        path.display()
    )]
    OtherDeploy {
        /// The file.
        path: PathBuf,
        /// The versions.
        found: String,
        /// This program's.
        own: String,
    },
    /// Anything else.
    #[error("cannot open {}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Cause,
    },
}

/// Why an operation on an open database failed.
///
/// `Full`, `Locked`, `Io` and `Away` may pass; the others do not. Nothing of a failed transaction remains,
/// with one exception: a commit that failed with `Away` may have been carried out. Whoever must know asks the
/// database again.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// There is no room to write.
    #[error("no space left for the database")]
    Full(#[source] Cause),
    /// The file may not be written any more.
    #[error("the database is read-only")]
    ReadOnly(#[source] Cause),
    /// What was read makes no sense.
    #[error("the database is damaged")]
    Corrupt(#[source] Cause),
    /// Another process held it for longer than the busy timeout.
    #[error("the database is locked by another process")]
    Locked(#[source] Cause),
    /// The disk failed.
    #[error("reading or writing the database failed")]
    Io(#[source] Cause),
    /// The database server cannot be reached, did not answer in time, or went away; the next call connects
    /// anew.
    #[error("the database server is away")]
    Away(#[source] Cause),
    /// The file is not at its path any more: the next process would not find what this one writes.
    #[error(transparent)]
    Lost(FileLost),
    /// A row clashes with another or misses a value.
    #[error("a row violates a rule of the schema")]
    Constraint(#[source] Cause),
    /// The statement is not understood: a defect of this program or of the schema.
    #[error("a statement failed")]
    Statement(#[source] Cause),
}

/// Why a snapshot cannot be written or installed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The snapshot file cannot be read or written.
    #[error("cannot {action} the snapshot file")]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Written by a newer version.
    #[error("the snapshot has version {found}, this node knows up to {known}: upgrade this node")]
    Newer {
        /// Its version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// It is no snapshot, is cut short, or its checksum differs.
    #[error("the snapshot is damaged: {reason}")]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
    /// The database failed.
    #[error("the database failed")]
    Backend(#[from] BackendError),
}

/// Why a call to the thread that owns the database has no result.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// The deadline passed. A call that had not begun is dropped; one that had may still take effect.
    #[error("the database did not answer within {waited:?}")]
    Timeout {
        /// How long was waited.
        waited: Duration,
    },
    /// The thread has ended.
    #[error("the database is closed")]
    Closed,
    /// The operation itself failed: its own words, since those who show only the first line must not hide them.
    #[error(transparent)]
    Failed(#[from] BackendError),
}
