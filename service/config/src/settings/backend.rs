//! Where state is kept.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, Unit, optional_path, secret};
use super::topology::TlsFiles;
use crate::adjust::is_sqlite;
use crate::keys::File;
use crate::obsolete::nearest;
use crate::secret::Secret;

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendSettings {
    /// Embedded SQLite.
    Sqlite {
        /// Created if absent; a value with `:memory:` in it lives in memory only.
        file: PathBuf,
    },
    /// A MySQL server.
    Mysql(Box<MysqlBackend>),
}

/// A MySQL server as a backend; never shared between nodes of a raft group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlBackend {
    /// Host name or address; may be empty, as by default.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Schema, created if missing; may be empty, as by default.
    pub database: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: Secret<String>,
    /// Open connections, at most.
    pub connections_max: usize,
    /// Deadline of connecting.
    pub connect_timeout: Duration,
    /// Deadline of an answer.
    pub read_timeout: Duration,
    /// After this time a pooled connection is replaced; `None` for never.
    pub connection_lifetime: Option<Duration>,
    /// Whether a read-only server counts as a broken connection.
    pub reject_read_only: bool,
    /// Largest packet in bytes; -1 the driver's default, 0 the server's.
    pub max_allowed_packet: i32,
    /// Always TLS.
    pub use_tls: bool,
    /// Files and checks of TLS.
    pub tls: TlsFiles,
}

/// What is done about a schema that is not this version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaSettings {
    /// Missing tables, columns and indexes are added; otherwise a schema that lacks something is refused.
    pub complete: bool,
    /// A schema that was deployed by other versions only is refused; an empty database is not.
    pub only_own: bool,
}

pub(super) fn build_schema(file: &File) -> SchemaSettings {
    SchemaSettings {
        complete: !*file.SkipOrchestratorDatabaseUpdate,
        only_own: *file.PanicIfDifferentDatabaseDeploy,
    }
}

/// Connections to one backend, at most: beyond it a server's own limits are the matter.
const CONNECTIONS_MAX: usize = 100_000;

pub(super) fn build(check: &mut Check<'_>) -> BackendSettings {
    let file = check.file;
    let field = &file.BackendDB;
    match field.to_ascii_lowercase().as_str() {
        _ if is_sqlite(file) => {
            if file.SQLite3DataFile.is_empty() {
                check.missing(&file.SQLite3DataFile, field, "SQLite needs a file; write its path");
            }
            BackendSettings::Sqlite { file: PathBuf::from(file.SQLite3DataFile.as_str()) }
        }
        word => {
            if !matches!(word, "" | "mysql") {
                let near = nearest(word, ["sqlite", "mysql"]).map_or_else(
                    || "write sqlite or mysql".to_owned(),
                    |near| format!("did you mean {near}?"),
                );
                check.error(field, format!("{word:?} is no backend; {near}"));
            }
            BackendSettings::Mysql(Box::new(build_mysql(check)))
        }
    }
}

fn build_mysql(check: &mut Check<'_>) -> MysqlBackend {
    let file = check.file;
    MysqlBackend {
        host: file.MySQLOrchestratorHost.value.clone(),
        port: check.port(&file.MySQLOrchestratorPort),
        database: file.MySQLOrchestratorDatabase.value.clone(),
        user: file.MySQLOrchestratorUser.value.clone(),
        password: secret(&file.MySQLOrchestratorPassword),
        connections_max: check.count(&file.MySQLOrchestratorMaxPoolConnections, CONNECTIONS_MAX),
        connect_timeout: check.deadline(&file.MySQLConnectTimeoutSeconds),
        read_timeout: check.deadline(&file.MySQLOrchestratorReadTimeoutSeconds),
        connection_lifetime: check.optional_duration(&file.MySQLConnectionLifetimeSeconds, Unit::Seconds),
        reject_read_only: *file.MySQLOrchestratorRejectReadOnly,
        max_allowed_packet: *file.MySQLOrchestratorMaxAllowedPacket,
        use_tls: *file.MySQLOrchestratorUseMutualTLS,
        tls: TlsFiles {
            skip_verify: *file.MySQLOrchestratorSSLSkipVerify,
            private_key: optional_path(&file.MySQLOrchestratorSSLPrivateKeyFile),
            certificate: optional_path(&file.MySQLOrchestratorSSLCertFile),
            authority: optional_path(&file.MySQLOrchestratorSSLCAFile),
        },
    }
}
