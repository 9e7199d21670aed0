//! What the API is told at its start.

use std::{path::PathBuf, sync::Arc};

use orchestrator_config::{HttpAuth, ListenSettings, MessageIdentity};
use orchestrator_wire::Limits;

use crate::{
    auth::{Auth, InvalidAuth},
    tls::Tls,
};

/// Settings of the API. The server makes them from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: Listen,
    /// Where probes are answered besides, plain and without a password, in the notation of [`Listen::Tcp`]
    /// (`ProbeListenAddress`); `None` = nowhere else.
    pub probes: Option<String>,
    /// HTTPS, and how the leader is connected to. Its owner calls [`Tls::reload`] and [`Tls::watch_files`].
    pub tls: Arc<Tls>,
    /// Prefix of every route, as configured; see [`Settings::prefix`].
    pub url_prefix: String,
    /// Path of the status check. The default is `/api/status` below the prefix; any other is taken verbatim.
    pub status_endpoint: String,
    /// Who is let in, at first: see [`Api::readmit`](crate::Api::readmit).
    pub auth: Auth,
    /// Nobody may change anything, at first: likewise.
    pub read_only: bool,
    /// Holds the token by which an operator changes the group, read at each use (`OperatorTokenFile`); `None` =
    /// no operator is let in.
    pub operator_token_file: Option<PathBuf>,
    /// Who this node is.
    pub identity: Identity,
    /// Said before each message, as in `Orchestrator db-ops-1 says: `; empty = nothing.
    pub message_prefix: String,
    /// Port of instances that are named without one.
    pub default_instance_port: u16,
    /// Thresholds that show in answers.
    pub limits: Limits,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `host:port`, `[v6]:port`, or `:port` for all addresses.
    Tcp(String),
    /// A unix socket; a stale one of that name is replaced.
    Unix(PathBuf),
}

/// Who this node is, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Host name of the machine.
    pub hostname: String,
    /// Token of this process: 64 hexadecimal digits.
    pub token: String,
    /// `RaftAdvertise` as configured; empty without raft.
    pub raft_advertise: String,
    /// Where peers find this node's API, `scheme://host:port`; to see that the leader is this node.
    pub own_uri: String,
}

/// The status check of the original.
pub const DEFAULT_STATUS_ENDPOINT: &str = "/api/status";

/// Instances that are named without a port are there.
const MYSQL_PORT: u16 = 3306;

impl Default for Settings {
    /// The configuration's defaults.
    fn default() -> Self {
        Self {
            listen: Listen::Tcp(":3000".into()),
            probes: None,
            tls: Tls::off(),
            url_prefix: String::new(),
            status_endpoint: DEFAULT_STATUS_ENDPOINT.into(),
            auth: Auth::None,
            read_only: false,
            operator_token_file: None,
            identity: Identity::default(),
            message_prefix: String::new(),
            default_instance_port: MYSQL_PORT,
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// From the configuration, and what only the node knows. TLS and the store of tokens are added by
    /// struct update.
    ///
    /// # Errors
    /// The authentication method is not complete.
    pub fn new(
        listen: &ListenSettings,
        auth: &HttpAuth,
        identity: Identity,
        limits: Limits,
    ) -> Result<Self, InvalidAuth> {
        let ListenSettings {
            address,
            socket,
            probes,
            url_prefix,
            status_endpoint,
            read_only,
            operator_token_file,
            message_identity,
            custom_identity,
        } = listen;
        Ok(Self {
            listen: socket.clone().map_or_else(|| Listen::Tcp(address.clone()), Listen::Unix),
            probes: probes.clone(),
            url_prefix: url_prefix.clone(),
            status_endpoint: status_endpoint.clone(),
            auth: Auth::new(auth)?,
            read_only: *read_only,
            operator_token_file: operator_token_file.clone(),
            message_prefix: message_prefix(*message_identity, &identity.hostname, custom_identity),
            identity,
            limits,
            ..Self::default()
        })
    }

    /// The prefix with one slash in front and none behind; empty = none.
    pub fn prefix(&self) -> String {
        match self.url_prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("/{prefix}"),
        }
    }
}

/// What each message begins with. A name that is not known is stood in for by the text of the file.
fn message_prefix(wanted: Option<MessageIdentity>, hostname: &str, custom: &str) -> String {
    let name = match wanted {
        None => return String::new(),
        Some(MessageIdentity::Custom) => custom,
        Some(MessageIdentity::Fqdn | MessageIdentity::Hostname) if hostname.is_empty() => custom,
        Some(MessageIdentity::Fqdn | MessageIdentity::Hostname) => hostname,
    };
    format!("Orchestrator {name} says: ")
}
