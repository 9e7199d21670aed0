//! How a server is reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use orchestrator_core::Timestamp;

use crate::adopt::SchemaPolicy;
use crate::rows::NodeIdentity;

/// How long a predecessor may still hold the database: a process that ends lets go within a second.
const TAKEOVER_PATIENCE: Duration = Duration::from_secs(5);

/// The text that proves who we are; never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the driver.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How the connection is encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MySqlTls {
    /// Accept any certificate. The self-made ones of MySQL carry no name and are accepted only so.
    pub skip_verify: bool,
    /// Trusted issuers, PEM; without it the public ones.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, PEM; needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// Its key, PEM.
    pub key_file: Option<PathBuf>,
}

/// How a server of MySQL or MariaDB is opened.
#[derive(Debug, Clone)]
pub struct MySqlOptions {
    /// Name or address of the server.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// The database: this node's alone. Created when it does not exist.
    pub database: String,
    /// The account, with all privileges on that database.
    pub user: String,
    /// Its password.
    pub password: Password,
    /// `None`: not encrypted.
    pub tls: Option<MySqlTls>,
    /// Name resolution, TCP, TLS and login together.
    pub connect_timeout: Duration,
    /// How long a statement may keep silent. A connection that keeps silent for longer is given up.
    pub read_timeout: Duration,
    /// How long a predecessor that is just ending may still hold the database.
    pub takeover_patience: Duration,
    /// Connections that may be open: one writes; one reads, where two are allowed; one writes snapshots out now and
    /// then, where three are. More are never needed.
    pub max_connections: usize,
    /// A connection that is older is made anew before its next use, so that a name that moved is followed;
    /// `None`: never.
    pub connection_lifetime: Option<Duration>,
    /// Largest packet sent, bytes; `None` asks the server.
    pub max_allowed_packet: Option<usize>,
    /// A server that turned read-only is given up, so that the next call connects anew: for addresses behind
    /// which servers change.
    pub reject_read_only: bool,
    /// This process.
    pub node: NodeIdentity,
    /// Its version, as it is noted in `orchestrator_db_deployments`.
    pub version: String,
    /// The time now, as it is noted in what is closed and deployed at opening.
    pub now: Timestamp,
    /// What is done about a schema that is not this version's.
    pub schema: SchemaPolicy,
}

impl MySqlOptions {
    /// Options with the usual limits: 2 s to connect, 30 s for a statement, 5 s for a predecessor to end, three
    /// connections, no encryption.
    pub fn new(
        (host, port): (impl Into<String>, u16),
        database: impl Into<String>,
        (user, password): (impl Into<String>, Password),
        (node, version, now): (NodeIdentity, impl Into<String>, Timestamp),
    ) -> Self {
        Self {
            host: host.into(),
            port,
            database: database.into(),
            user: user.into(),
            password,
            tls: None,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(30),
            takeover_patience: TAKEOVER_PATIENCE,
            max_connections: 3,
            connection_lifetime: None,
            max_allowed_packet: None,
            reject_read_only: false,
            node,
            version: version.into(),
            now,
            schema: SchemaPolicy::default(),
        }
    }

    /// `host:port/database`, for people.
    pub(super) fn place(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.database)
    }
}
