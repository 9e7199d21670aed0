//! The two forms in which an instance is named: `host:port` on the command line, two segments in a path.

use std::net::Ipv6Addr;

use crate::failure::Failure;

/// An instance as the user wrote it, with the default port where none was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceName {
    /// A name or an address; IPv6 without its brackets.
    pub(crate) host: String,
    /// Kept as text: whether it is a port is the server's to say.
    pub(crate) port: String,
}

impl InstanceName {
    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
    ///
    /// # Errors
    /// An empty host or an empty port: a variable that was not set must not turn into the default port.
    pub(crate) fn parse(label: &str, text: &str, default_port: &str) -> Result<Self, Failure> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, default_port),
            Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or_default()),
            None if text.parse::<Ipv6Addr>().is_ok() => (text, default_port),
            None => text.rsplit_once(':').unwrap_or((text, default_port)),
        };
        if host.is_empty() || port.is_empty() {
            return Err(Failure::plain(format!("Invalid {label}: {text}")));
        }
        Ok(Self { host: host.to_owned(), port: port.to_owned() })
    }

    /// `host:port` as the API's own keys are printed.
    pub(crate) fn display(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_told_apart() {
        let cases = [
            ("db1", "db1 3306"),
            ("db1:3307", "db1 3307"),
            ("[fe80::1]:3307", "fe80::1 3307"),
            ("[fe80::1]", "fe80::1 3306"),
            ("fe80::1", "fe80::1 3306"),
            ("db1:no-port", "db1 no-port"),
        ];
        for (text, expected) in cases {
            let name = InstanceName::parse("instance", text, "3306").unwrap();
            assert_eq!(format!("{} {}", name.host, name.port), expected);
        }
    }

    #[test]
    fn an_empty_half_is_refused() {
        for text in ["db1:", ":3306", ":", "[::1]x", "[]"] {
            assert!(InstanceName::parse("instance", text, "3306").is_err(), "{text}");
        }
    }
}
