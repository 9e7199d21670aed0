//! What the server's error numbers mean to us.

use std::time::Duration;

use mysql_async::{Error, ServerError};

use crate::error::{BackendError, Cause};

use super::link::LinkError;

/// Why a database on a server cannot be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MySqlOpenError {
    /// Nobody answers there: unknown name, refused, cut off, silent, or no agreement on encryption.
    #[error(
        "cannot reach the backend server {place}: correct MySQLOrchestratorHost and MySQLOrchestratorPort, or start it"
    )]
    Unreachable {
        /// `host:port/database`.
        place: String,
        /// What the network or the driver says.
        #[source]
        source: Cause,
    },
    /// The account or its password is wrong, or may not come from here.
    #[error(
        "the backend server {place} refuses {user}: correct MySQLOrchestratorUser and MySQLOrchestratorPassword, or create the account"
    )]
    AccessDenied {
        /// `host:port/database`.
        place: String,
        /// The account.
        user: String,
        /// What the server says.
        #[source]
        source: Cause,
    },
    /// The database does not exist and may not be created, or this account may not use it.
    #[error(
        "{user} may neither use nor create the database of {place}: create it and grant all privileges on it"
    )]
    NoDatabase {
        /// `host:port/database`.
        place: String,
        /// The account.
        user: String,
        /// What the server says.
        #[source]
        source: Cause,
    },
    /// The account lacks a privilege that the service needs.
    #[error("{user} lacks a privilege on {place}: grant all privileges on the database")]
    MissingPrivilege {
        /// `host:port/database`.
        place: String,
        /// The account.
        user: String,
        /// What the server says: which privilege, on which table.
        #[source]
        source: Cause,
    },
    /// The server is older than any that this program knows.
    #[error(
        "the backend server {place} has version {found}: MySQL 5.7 or MariaDB 10.5 is the oldest that serves"
    )]
    TooOld {
        /// `host:port/database`.
        place: String,
        /// Its version.
        found: String,
    },
    /// The server may not be written.
    #[error("the backend server {place} is read-only: each node needs a server of its own that it may write")]
    ReadOnly {
        /// `host:port/database`.
        place: String,
        /// What the server says.
        #[source]
        source: Cause,
    },
    /// Another process of ours holds the database.
    #[error("{place} is in use by another process: each node needs a database of its own")]
    InUse {
        /// `host:port/database`.
        place: String,
        /// Who, as far as it is known.
        #[source]
        source: Cause,
    },
    /// A process of the original still uses the database.
    #[error("the original orchestrator on {hostname} used this database {age:?} ago: stop it first")]
    OldProcess {
        /// Where it runs.
        hostname: String,
        /// How long ago it was last seen, by the server's clock.
        age: Duration,
    },
    /// A newer version wrote this database.
    #[error("the database has layout {found}, this version knows up to {known}: upgrade this node")]
    Newer {
        /// The version of the layout in the database.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Something is missing that may not be added.
    #[error(
        "the schema of {place} lacks {what}, and SkipOrchestratorDatabaseUpdate is set: start once with \
         -enable-database-update"
    )]
    Incomplete {
        /// `host:port/database`.
        place: String,
        /// The first table or column.
        what: String,
    },
    /// Another version deployed the schema.
    #[error(
        "the schema of {place} was deployed by version {found}, this is {own}, and PanicIfDifferentDatabaseDeploy is \
         set: run that version, or unset it to deploy this one"
    )]
    OtherDeploy {
        /// `host:port/database`.
        place: String,
        /// The versions.
        found: String,
        /// This program's.
        own: String,
    },
    /// Anything else.
    #[error("cannot open the backend {place}")]
    Failed {
        /// `host:port/database`.
        place: String,
        /// What went wrong.
        #[source]
        source: Cause,
    },
}

/// `ER_BAD_DB_ERROR`.
pub(super) const UNKNOWN_DATABASE: u16 = 1049;
/// `ER_DBACCESS_DENIED_ERROR`: also what an account without rights hears of a database that does not exist.
pub(super) const DATABASE_DENIED: u16 = 1044;
/// `ER_NO_SUCH_THREAD`.
pub(super) const NO_SUCH_THREAD: u16 = 1094;

/// The login failed: wrong password, unknown account, host not allowed, encryption required.
pub(super) fn denies_access(code: u16) -> bool {
    matches!(code, 1045 | 1130 | 1698 | 3118 | 3159 | 4151)
}

/// A privilege on a table, a column or the server is missing.
pub(super) fn lacks_privilege(code: u16) -> bool {
    matches!(code, DATABASE_DENIED | 1142 | 1143 | 1227 | 1370)
}

/// The server, or this connection, only reads.
pub(super) fn only_reads(code: u16) -> bool {
    matches!(code, 1290 | 1792 | 1836 | 3100)
}

/// The last words of a connection: the server stops, killed it, or found it idle.
pub(super) fn ends_the_connection(code: u16) -> bool {
    matches!(code, 1053 | 1152 | 1153 | 1156..=1161 | 1927 | 3169 | 4031)
}

/// The whole transaction is gone, or may be, depending on a setting: it must not go on.
pub(super) fn ends_the_transaction(code: u16) -> bool {
    matches!(code, 1020 | 1205 | 1206 | 1213)
}

/// A value is too long, too large, or of characters that the column does not have; or a column of somebody
/// else's has no default.
pub(super) fn does_not_fit(code: u16) -> bool {
    matches!(code, 1264 | 1265 | 1292 | 1364 | 1366 | 1406) || is_about_letters(code)
}

/// `ER_CANT_AGGREGATE_2COLLATIONS` of MariaDB, `ER_IMPOSSIBLE_STRING_CONVERSION` of MySQL: a text with letters
/// beyond `ascii` meets a column without them, in a statement or in a question.
pub(super) fn is_about_letters(code: u16) -> bool {
    matches!(code, 1267 | 3988)
}

/// The meaning of an error of an open database.
pub(super) fn runtime_error(error: LinkError) -> BackendError {
    match error {
        LinkError::Lost(cause) => BackendError::Away(cause),
        LinkError::Refused(error) => of_server(error),
    }
}

fn of_server(error: ServerError) -> BackendError {
    let code = error.code;
    let cause = said(error);
    match code {
        1021 | 1114 | 1878 => BackendError::Full(cause),
        code if only_reads(code) || lacks_privilege(code) => BackendError::ReadOnly(cause),
        1020 | 1205 | 1206 | 1213 | 1223 | 3572 => BackendError::Locked(cause),
        1034 | 1035 | 1194 | 1195 | 1712 | 1877 => BackendError::Corrupt(cause),
        3 | 1026 | 1030 | 1317 | 1969 | 3024 => BackendError::Io(cause),
        // Too many connections, too many of this account, shutting down: not a matter of the statement.
        1040 | 1203 | 1226 => BackendError::Away(cause),
        code if denies_access(code) => BackendError::Away(cause),
        1048 | 1062 | 1169 | 1451 | 1452 | 1586 | 3819 | 4025 => BackendError::Constraint(cause),
        code if does_not_fit(code) => BackendError::Constraint(cause),
        _ => BackendError::Statement(cause),
    }
}

/// The server's own words.
pub(super) fn said(error: ServerError) -> Cause {
    Box::new(Error::Server(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(code: u16) -> BackendError {
        let error = ServerError { code, message: "words".into(), state: "HY000".into() };
        runtime_error(LinkError::Refused(error))
    }

    #[test]
    fn error_numbers_have_the_meaning_that_callers_act_upon() {
        assert!(matches!(meaning(1114), BackendError::Full(_)));
        assert!(matches!(meaning(1290), BackendError::ReadOnly(_)));
        assert!(matches!(meaning(1205), BackendError::Locked(_)));
        assert!(matches!(meaning(1062), BackendError::Constraint(_)));
        assert!(matches!(meaning(1040), BackendError::Away(_)));
        assert!(matches!(meaning(1146), BackendError::Statement(_)));
        assert!(matches!(runtime_error(LinkError::Lost("gone".into())), BackendError::Away(_)));
    }
}
