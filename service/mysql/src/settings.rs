//! What the owner of a [`crate::Fleet`] decides.

use std::{fmt, path::PathBuf, time::Duration};

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for sending it to whom it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to reach the fleet and what to ask it.
#[derive(Debug, Clone)]
pub struct ProbeSettings {
    /// Account on every instance.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Name resolution, TCP, TLS and login together.
    pub connect_timeout: Duration,
    /// All statements of one probe together.
    pub read_timeout: Duration,
    /// Upper bound of any single change, whatever its caller allows.
    pub operation_timeout: Duration,
    /// By which name an instance goes.
    pub hostname_from: HostnameSource,
    /// Ask an instance for its list of registered replicas before looking at its processes.
    pub discover_by_show_replicas: bool,
    /// Set `super_read_only` together with `read_only`, where it exists.
    pub use_super_read_only: bool,
    /// Encryption towards the fleet.
    pub tls: TlsMode,
    /// Largest packet sent or accepted, bytes.
    pub max_allowed_packet: usize,
    /// Statements of the fleet's owner that classify instances.
    pub queries: DetectionQueries,
    /// Results of `queries` (but lag) are read again after this time; fresh probes read them always.
    pub labels_interval: Duration,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            user: String::new(),
            password: Secret::default(),
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(600),
            hostname_from: HostnameSource::HostnameVariable,
            discover_by_show_replicas: false,
            use_super_read_only: false,
            tls: TlsMode::Off,
            max_allowed_packet: 64 << 20,
            queries: DetectionQueries::default(),
            labels_interval: Duration::from_secs(5),
        }
    }
}

/// By which name an instance goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostnameSource {
    /// `@@hostname`.
    HostnameVariable,
    /// `@@report_host`; the name it was asked by where that is empty.
    ReportHost,
    /// The name it was asked by.
    AsAsked,
}

/// Encryption towards the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsMode {
    /// Never. Passwords of `caching_sha2_password` accounts then travel under the server's RSA key.
    Off,
    /// Only with servers that turn an unencrypted login away: error 3159 or 1045.
    WhenDemanded(TlsOptions),
    /// Always.
    Always(TlsOptions),
}

/// How to encrypt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// Accept any certificate. MySQL's self-made ones carry no name and are accepted only so.
    pub skip_verify: bool,
    /// Trusted issuers, PEM; without it the public ones.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, PEM; needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// Its key, PEM.
    pub key_file: Option<PathBuf>,
}

/// Statements that classify an instance. Each returns one row whose first column counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetectionQueries {
    /// Lag, seconds.
    pub lag: Option<String>,
    /// Data center.
    pub data_center: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Physical environment.
    pub environment: Option<String>,
    /// Name of the instance for people.
    pub alias: Option<String>,
    /// Alias of its cluster.
    pub cluster_alias: Option<String>,
    /// Domain of its cluster; asked of instances without a source only.
    pub cluster_domain: Option<String>,
    /// Promotion rule.
    pub promotion_rule: Option<String>,
    /// Semi-sync priority: 0 = never.
    pub semi_sync: Option<String>,
    /// Replication user and password: two columns.
    pub replication_credentials: Option<String>,
}
