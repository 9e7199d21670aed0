//! How the monitored servers are reached.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, Unit, optional, optional_path, secret};
use crate::secret::Secret;

/// How the monitored servers are reached: the same account on every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyAccess {
    /// User; empty by default.
    pub user: String,
    /// Password.
    pub password: Secret<String>,
    /// Deadline of connecting.
    pub connect_timeout: Duration,
    /// Deadline of an answer while probing.
    pub discovery_read_timeout: Duration,
    /// Deadline of an answer to anything else.
    pub operation_read_timeout: Duration,
    /// After this time a pooled connection is replaced; `None` for never.
    pub connection_lifetime: Option<Duration>,
    /// When TLS is used.
    pub tls_mode: TlsMode,
    /// Files and checks of TLS.
    pub tls: TlsFiles,
    /// Largest packet in bytes; -1 the driver's default, 0 the server's.
    pub max_allowed_packet: i32,
    /// Port of an instance that is named without one.
    pub default_port: u16,
    /// Query for the replication account, to let an old primary replicate: one row of user, password
    /// and up to three TLS values.
    pub replication_credentials_query: Option<String>,
    /// Set and clear `super_read_only` together with `read_only`.
    pub use_super_read_only: bool,
}

/// When TLS is used towards monitored servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Off,
    /// With servers that refuse a plain connection (the default).
    WhereRequired,
    /// Always.
    Always,
}

/// Files and checks of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Do not verify the server; no client certificate is sent then.
    pub skip_verify: bool,
    /// Key of the client certificate.
    pub private_key: Option<PathBuf>,
    /// Client certificate.
    pub certificate: Option<PathBuf>,
    /// Certificates that may sign the server's; `None` for the system's.
    pub authority: Option<PathBuf>,
}

pub(super) fn build(check: &mut Check<'_>) -> TopologyAccess {
    let file = check.file;
    TopologyAccess {
        user: file.MySQLTopologyUser.value.clone(),
        password: secret(&file.MySQLTopologyPassword),
        connect_timeout: check.deadline(&file.MySQLConnectTimeoutSeconds),
        discovery_read_timeout: check.deadline(&file.MySQLDiscoveryReadTimeoutSeconds),
        operation_read_timeout: check.deadline(&file.MySQLTopologyReadTimeoutSeconds),
        connection_lifetime: check.optional_duration(&file.MySQLConnectionLifetimeSeconds, Unit::Seconds),
        tls_mode: match (*file.MySQLTopologyUseMutualTLS, *file.MySQLTopologyUseMixedTLS) {
            (true, _) => TlsMode::Always,
            (false, true) => TlsMode::WhereRequired,
            (false, false) => TlsMode::Off,
        },
        tls: TlsFiles {
            skip_verify: *file.MySQLTopologySSLSkipVerify,
            private_key: optional_path(&file.MySQLTopologySSLPrivateKeyFile),
            certificate: optional_path(&file.MySQLTopologySSLCertFile),
            authority: optional_path(&file.MySQLTopologySSLCAFile),
        },
        max_allowed_packet: *file.MySQLTopologyMaxAllowedPacket,
        default_port: check.port(&file.DefaultInstancePort),
        replication_credentials_query: optional(&file.ReplicationCredentialsQuery),
        use_super_read_only: *file.UseSuperReadOnly,
    }
}
