//! `host:port` as people write it, and as everybody compares it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A host and its port, in lower case: a member's identity, never resolved here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for HostPort {
    /// `host:port`, an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl HostPort {
    /// Reads `host`, `host:port`, `v4`, `v4:port`, `v6`, `[v6]` or `[v6]:port`.
    ///
    /// A missing port becomes `default_port`; 0 stands for none, so that the port must be there.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let (host, port) = split(text)?;
        let port = match port {
            None if default_port == 0 => return Err(format!("{text:?} has no port; write host:port")),
            None => default_port,
            Some(port) => parse_port(port).map_err(|_| {
                format!("{text:?} has no valid port; write host:port, a port from 1 to 65535")
            })?,
        };
        if !is_host(host) {
            return Err(format!(
                "{text:?} is no host; write a host name or an IP address, and :port if needed"
            ));
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }

    /// The address itself if the host is one; `localhost` counts as one, other names do not.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self.host.as_str() {
            "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            host => host.parse().ok(),
        }
    }

    /// Whether the host means "every address of this machine".
    pub(crate) fn is_wildcard(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }
}

fn split(text: &str) -> Result<(&str, Option<&str>), String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    let Some(bracketed) = text.strip_prefix('[') else {
        return Ok(match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        });
    };
    match bracketed.split_once(']') {
        Some((host, "")) => Ok((host, None)),
        Some((host, rest)) if rest.starts_with(':') => Ok((host, Some(&rest[1..]))),
        _ => Err(format!("{text:?} is no address; write [v6]:port")),
    }
}

/// A port that can be connected to, from 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(format!("{text:?} is no port; write a number from 1 to 65535")),
    }
}

/// Names as resolvers take them: an underscore is common inside, though no standard allows it.
fn is_host(host: &str) -> bool {
    let is_name = |host: &str| {
        !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    host.parse::<IpAddr>().is_ok() || is_name(host)
}
