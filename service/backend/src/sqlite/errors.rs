//! What the library's error codes mean to us.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{BackendError, OpenError};

/// The meaning of an error of an open database.
pub(super) fn runtime_error(error: rusqlite::Error) -> BackendError {
    let code = error.sqlite_error_code();
    let cause = Box::new(error);
    match code {
        Some(ErrorCode::DiskFull) => BackendError::Full(cause),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => BackendError::ReadOnly(cause),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => BackendError::Corrupt(cause),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BackendError::Locked(cause),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::FileLockingProtocolFailed) => {
            BackendError::Io(cause)
        }
        Some(ErrorCode::ConstraintViolation) => BackendError::Constraint(cause),
        _ => BackendError::Statement(cause),
    }
}

/// The meaning of an error while opening the file at `path`.
pub(super) fn open_error(path: &Path, error: rusqlite::Error) -> OpenError {
    let not_a_database = error.sqlite_error_code() == Some(ErrorCode::NotADatabase);
    match runtime_error(error) {
        BackendError::Corrupt(source) if not_a_database => {
            OpenError::NotADatabase { path: path.into(), source }
        }
        other => opening_failed(path, other),
    }
}

/// The same for an error that was sorted already.
pub(super) fn opening_failed(path: &Path, error: BackendError) -> OpenError {
    let path = path.to_owned();
    match error {
        BackendError::Full(_) => OpenError::Full { path },
        BackendError::ReadOnly(_) => OpenError::ReadOnly { path },
        BackendError::Locked(_) => OpenError::Locked { path },
        BackendError::Corrupt(source) => OpenError::Corrupt { path, source },
        other => OpenError::Failed { path, source: Box::new(other) },
    }
}
