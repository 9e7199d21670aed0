//! The API's listener and who may use it.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, Unit, optional_path, secret};
use crate::address::parse_port;
use crate::obsolete::nearest;
use crate::secret::Secret;

/// Where and how the API is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSettings {
    /// `host:port` or `:port` for all addresses; port 0 lets the system choose.
    pub address: String,
    /// A unix socket, served *instead of* `address`.
    pub socket: Option<PathBuf>,
    /// `host:port` or `:port` where probes are answered besides, plain and without a password; `None` = nowhere.
    pub probes: Option<String>,
    /// Prefix of every route: empty, or `/` and a text without a slash at its end.
    pub url_prefix: String,
    /// Path of the status check; `/api/status` or one that is served verbatim, without the prefix.
    pub status_endpoint: String,
    /// Refuse all calls that write; automatic recovery is not affected.
    pub read_only: bool,
    /// Holds the token by which an operator changes the group, to be read at each use; `None` = no operator.
    pub operator_token_file: Option<PathBuf>,
    /// The name by which this node begins its messages; `None` for plain messages.
    pub message_identity: Option<MessageIdentity>,
    /// The text of [`MessageIdentity::Custom`], and what stands in for a name that is not known.
    pub custom_identity: String,
}

/// HTTPS of the API, and how the leader's is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListenTls {
    /// HTTPS on `address`; a certificate and a key are there. A socket stays plain.
    pub serve: bool,
    /// Certificate and its chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub private_key: Option<PathBuf>,
    /// Authorities of clients and of the leader, PEM; `None` = the system's.
    pub authority: Option<PathBuf>,
    /// Believe any certificate of the leader.
    pub skip_verify: bool,
    /// Admit only clients with a certificate of a valid unit, and show one's own to the leader.
    pub client_certificates: bool,
    /// Units (`OU`) that are admitted.
    pub valid_units: Vec<String>,
    /// The status check needs a certificate, too.
    pub status_needs_certificate: bool,
}

/// The name by which a node begins its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageIdentity {
    /// Its name with the domain; its host name if there is none.
    Fqdn,
    /// Its host name.
    Hostname,
    /// A text of the file.
    Custom,
}

/// Who may use the API.
///
/// A server that does not implement a method must refuse writing calls, never allow them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAuth {
    /// Everybody may write.
    None,
    /// One user, who may write.
    Basic {
        /// User name; may be empty, as with the original.
        user: String,
        /// Password.
        password: Secret<String>,
    },
    /// As basic; besides, the user `readonly` may read with any password.
    Multi {
        /// User name, not empty.
        user: String,
        /// Password.
        password: Secret<String>,
    },
    /// A proxy in front names the user.
    Proxy {
        /// The header with the user's name.
        user_header: String,
        /// Users who may write; `*` is everybody.
        power_users: Vec<String>,
        /// Unix groups of this host whose members may write.
        power_groups: Vec<String>,
    },
    /// A cookie from a token lets its owner write.
    Token {
        /// Time to redeem an issued token.
        redeem_within: Duration,
        /// Life of a redeemed token.
        lifetime: Duration,
    },
}

const METHODS: [&str; 4] = ["basic", "multi", "proxy", "token"];

pub(super) fn build(check: &mut Check<'_>) -> ListenSettings {
    let file = check.file;
    let socket = optional_path(&file.ListenSocket);
    if socket.is_none()
        && let Err(text) = listen_port(&file.ListenAddress)
    {
        check.error(&file.ListenAddress, text);
    }
    let probes = Some(file.ProbeListenAddress.value.clone()).filter(|address| !address.is_empty());
    if let Some(Err(text)) = probes.as_deref().map(listen_port) {
        check.error(&file.ProbeListenAddress, text);
    }
    ListenSettings {
        probes,
        address: file.ListenAddress.value.clone(),
        socket,
        url_prefix: file.URLPrefix.value.clone(),
        status_endpoint: status_endpoint(check),
        read_only: *file.ReadOnly,
        operator_token_file: optional_path(&file.OperatorTokenFile),
        message_identity: message_identity(check),
        custom_identity: file.CustomOrcIdentity.value.clone(),
    }
}

/// Rule of ours: who asks for encryption must not be served without, so what it needs must be there.
pub(super) fn build_tls(check: &mut Check<'_>) -> ListenTls {
    let file = check.file;
    for (needed_by, wanted) in [(&file.UseSSL, *file.UseSSL), (&file.UseMutualTLS, *file.UseMutualTLS)] {
        for (files, what) in [
            (&file.SSLCertFile, "a certificate; write the path of a PEM file"),
            (&file.SSLPrivateKeyFile, "a private key; write the path of a PEM file"),
        ] {
            if wanted && files.is_empty() {
                check.missing(files, needed_by, &format!("{} needs {what}", needed_by.name));
            }
        }
    }
    ListenTls {
        serve: *file.UseSSL,
        certificate: optional_path(&file.SSLCertFile),
        private_key: optional_path(&file.SSLPrivateKeyFile),
        authority: optional_path(&file.SSLCAFile),
        skip_verify: *file.SSLSkipVerify,
        client_certificates: *file.UseMutualTLS,
        valid_units: file.SSLValidOUs.value.clone(),
        status_needs_certificate: *file.StatusOUVerify,
    }
}

/// The port of `host:port`, `:port` or `[v6]:port`; 0 is allowed.
pub(super) fn listen_port(address: &str) -> Result<u16, String> {
    match address.rsplit_once(':') {
        Some((host, "0")) if !host.contains(':') || host.ends_with(']') => Ok(0),
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => parse_port(port),
        _ => Err(format!("{address:?} has no port; write :port, host:port or [v6]:port")),
    }
}

fn status_endpoint(check: &mut Check<'_>) -> String {
    let field = &check.file.StatusEndpoint;
    if !field.starts_with('/') {
        check.error(field, "write a path that begins with /");
    }
    field.value.clone()
}

fn message_identity(check: &mut Check<'_>) -> Option<MessageIdentity> {
    let field = &check.file.PrependMessagesWithOrcIdentity;
    match field.as_str() {
        "" | "none" => None,
        "FQDN" => Some(MessageIdentity::Fqdn),
        "hostname" => Some(MessageIdentity::Hostname),
        "custom" => Some(MessageIdentity::Custom),
        other => {
            check.warn(
                field,
                format!("{other:?} is not known and means none; write FQDN, hostname or custom"),
            );
            None
        }
    }
}

pub(super) fn build_auth(check: &mut Check<'_>) -> HttpAuth {
    let file = check.file;
    let field = &file.AuthenticationMethod;
    let (user, password) = (file.HTTPAuthUser.value.clone(), secret(&file.HTTPAuthPassword));
    match field.to_ascii_lowercase().as_str() {
        "" | "none" => HttpAuth::None,
        "basic" => {
            if user.is_empty() {
                check.warn(field, "the user is empty; write HTTPAuthUser");
            }
            HttpAuth::Basic { user, password }
        }
        "multi" => {
            if user.is_empty() {
                check.error(field, "needs a user; write HTTPAuthUser");
            }
            HttpAuth::Multi { user, password }
        }
        "proxy" => HttpAuth::Proxy {
            user_header: file.AuthUserHeader.value.clone(),
            power_users: file.PowerAuthUsers.value.clone(),
            power_groups: file.PowerAuthGroups.value.clone(),
        },
        "token" => {
            if file.OperatorTokenFile.is_empty() {
                check.warn(field, "nobody can make tokens; write OperatorTokenFile");
            }
            HttpAuth::Token {
                redeem_within: check.duration(&file.AccessTokenUseExpirySeconds, Unit::Seconds),
                lifetime: check.duration(&file.AccessTokenExpiryMinutes, Unit::Minutes),
            }
        }
        other => {
            check.error(field, unknown_method(other));
            HttpAuth::None
        }
    }
}

/// The original lets everybody write under an unknown word: a typing error must not open the API.
fn unknown_method(word: &str) -> String {
    match (word, nearest(word, METHODS)) {
        ("oauth", _) => "oauth was never implemented; write basic, multi, proxy or token".to_owned(),
        (_, Some(near)) => format!("{word:?} is no method; did you mean {near}?"),
        (_, None) => format!("{word:?} is no method; write basic, multi, proxy, token or nothing"),
    }
}
