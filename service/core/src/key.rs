//! The name of one MySQL server.

use alloc::{string::String, sync::Arc};
use core::fmt;

/// Names one instance: host name and port.
///
/// Shape: `host:port`, IPv6 literals in brackets. Ordered by host name, then port, so that lists of
/// keys read the same on every node. Cloning is cheap: the host name is shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    /// Host name or address, as the fleet spells it. A leading `//` marks a detached source.
    pub hostname: Arc<str>,
    /// TCP port, never 0 in a valid key.
    pub port: u16,
}

/// Why a text does not name an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Nothing before the colon.
    #[error("no host name in {0:?}")]
    NoHost(String),
    /// The part after the last colon is not a port between 1 and 65535.
    #[error("invalid port in {0:?}: expected a number between 1 and 65535")]
    BadPort(String),
}

impl InstanceKey {
    /// Makes a key without checking it; see [`InstanceKey::is_valid`].
    pub fn new(hostname: impl Into<Arc<str>>, port: u16) -> Self {
        Self { hostname: hostname.into(), port }
    }

    /// Reads `host:port`, `[v6]:port`, or `host` alone with `default_port`.
    ///
    /// # Errors
    /// The text has no host name, or what follows its last colon is not a port.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, InvalidKey> {
        let text = text.trim();
        let (host, port) = split_host_port(text);
        if host.is_empty() {
            return Err(InvalidKey::NoHost(text.into()));
        }
        let port = match port {
            None => default_port,
            Some(port) => {
                port.parse().ok().filter(|port| *port > 0).ok_or(InvalidKey::BadPort(text.into()))?
            }
        };
        Ok(Self::new(host, port))
    }

    /// Can be probed: has a host name that is not a placeholder, is not detached, and a port.
    pub fn is_valid(&self) -> bool {
        !self.hostname.is_empty() && &*self.hostname != "_" && !self.is_detached() && self.port > 0
    }

    /// The host name was deliberately spoiled with `//`, so that replication cannot start by accident.
    pub fn is_detached(&self) -> bool {
        self.hostname.starts_with("//")
    }

    /// The name before it was spoiled; a name that was not is itself.
    #[must_use]
    pub fn attached(&self) -> Self {
        Self::new(self.hostname.trim_start_matches('/'), self.port)
    }
}

/// Splits off the port; a bare IPv6 literal has none.
fn split_host_port(text: &str) -> (&str, Option<&str>) {
    if let Some(rest) = text.strip_prefix('[')
        && let Some((host, tail)) = rest.split_once(']')
    {
        return (host, tail.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hostname, port } = self;
        if hostname.contains(':') { write!(f, "[{hostname}]:{port}") } else { write!(f, "{hostname}:{port}") }
    }
}

impl fmt::Debug for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_key_reads_back_what_it_prints() {
        for text in ["db1:3306", "10.0.0.1:3307", "[::1]:3306", "[2001:db8::7]:1"] {
            assert_eq!(InstanceKey::parse(text, 3306).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bare_host_gets_the_default_port() {
        assert_eq!(InstanceKey::parse("db1", 3306).unwrap(), InstanceKey::new("db1", 3306));
        assert_eq!(InstanceKey::parse("::1", 3306).unwrap(), InstanceKey::new("::1", 3306));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", ":3306", "db1:", "db1:0", "db1:70000", "db1:x"] {
            assert!(InstanceKey::parse(text, 3306).is_err(), "{text}");
        }
    }
}
