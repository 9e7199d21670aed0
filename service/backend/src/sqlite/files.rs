//! What the file system says about the database file, before the library is asked.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::OpenError;
use crate::held::HeldFile;

/// Pause between two attempts at the lock: a predecessor that is just ending lets go within a few of them.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Checks that a database can live at `path` and makes it ours until the returned file is closed.
/// Waits for a predecessor until `patience` is over.
///
/// The lock is a file of its own: locks on the database file itself belong to the library, and closing any
/// other handle of that file would drop them.
pub(super) fn claim(path: &Path, patience: Duration) -> Result<File, OpenError> {
    check_directory(path)?;
    check_kind(path)?;
    let lock_path = companion(path, "lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
    let lock = lock.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound => {
            OpenError::DirectoryNotWritable { path: directory(path) }
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => OpenError::Full { path: path.into() },
        _ => OpenError::Failed { path: path.into(), source: Box::new(error) },
    })?;
    wait_for(&lock, path, patience)?;
    // Only the owner of the lock may open the file by itself: closing it drops the library's locks.
    check_writable(path)?;
    Ok(lock)
}

/// The database at `path` and its write-ahead log, while both are open.
pub(super) fn held(path: &Path) -> Vec<HeldFile> {
    let files = [path.to_owned(), companion(path, "wal")];
    // A write-ahead log that was never needed does not exist.
    files.iter().filter_map(|file| HeldFile::of(file).ok()).collect()
}

fn wait_for(lock: &File, path: &Path, patience: Duration) -> Result<(), OpenError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < patience => thread::sleep(LOCK_RETRY),
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.into() }),
            Err(TryLockError::Error(error)) => {
                return Err(OpenError::Failed { path: path.into(), source: Box::new(error) });
            }
        }
    }
}

fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-");
    name.push(suffix);
    name.into()
}

fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    }
}

fn check_directory(path: &Path) -> Result<(), OpenError> {
    let directory = directory(path);
    if directory.is_dir() { Ok(()) } else { Err(OpenError::DirectoryMissing { path: directory }) }
}

fn check_kind(path: &Path) -> Result<(), OpenError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OpenError::Failed { path: path.into(), source: Box::new(error) }),
        Ok(metadata) if !metadata.is_file() => Err(OpenError::NotAFile { path: path.into() }),
        Ok(_) => Ok(()),
    }
}

fn check_writable(path: &Path) -> Result<(), OpenError> {
    match File::options().read(true).write(true).open(path).map_err(|error| (error.kind(), error)) {
        Ok(_) | Err((ErrorKind::NotFound, _)) => Ok(()),
        Err((ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem, _)) => {
            Err(OpenError::ReadOnly { path: path.into() })
        }
        Err((_, error)) => Err(OpenError::Failed { path: path.into(), source: Box::new(error) }),
    }
}
