//! Who a raft node is to others: its number and the names under which it is reached.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a raft node, bound for ever to one data directory. Never reused; starts at 1.
pub type NodeId = u64;

/// The port of a raft address that names none.
pub const DEFAULT_RAFT_PORT: u16 = 10008;

/// The name of a node's raft port: `host:port`, lower case, IPv6 in brackets.
///
/// A name, not an address: it is resolved anew at each connection, and never compared with where
/// a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerName(String);

impl PeerName {
    /// Reads `host`, `host:port`, `::1`, `[::1]` or `[::1]:port`; a missing port is 10008.
    ///
    /// `None` if the host is empty, the port is no number of 1 to 65535, or a bracket is missing.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = split_port(text.trim())?;
        let plain = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "[]/@".contains(c));
        if !plain || port == 0 {
            return None;
        }
        let host = host.to_ascii_lowercase();
        Some(Self(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }))
    }

    /// `host:port`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without brackets.
    pub fn host(&self) -> &str {
        let host = self.0.rsplit_once(':').map_or(self.0.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

fn split_port(text: &str) -> Option<(&str, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']')?;
        return match tail.strip_prefix(':') {
            Some(port) => Some((host, port.parse().ok()?)),
            None => tail.is_empty().then_some((host, DEFAULT_RAFT_PORT)),
        };
    }
    match text.split_once(':') {
        // A second colon outside brackets makes it a bare IPv6 address.
        Some((_, tail)) if tail.contains(':') => Some((text, DEFAULT_RAFT_PORT)),
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((text, DEFAULT_RAFT_PORT)),
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a node tells others about itself; replicated with the membership.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberInfo {
    /// Where its raft port is: `host:port`.
    pub(crate) raft_addr: String,
    /// Where its HTTP API is: `scheme://host:port`, no path. Followers forward requests there.
    pub(crate) http_uri: String,
    /// The host name of its machine.
    pub(crate) hostname: String,
}

/// One node of the raft group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number.
    pub node_id: NodeId,
    /// Its raft address, a name: `host:port`.
    pub raft_addr: String,
    /// Its HTTP address: `scheme://host:port`, no path.
    pub http_uri: String,
    /// The host name of its machine.
    pub hostname: String,
}

impl Member {
    pub(crate) fn new(node_id: NodeId, info: &MemberInfo) -> Self {
        let MemberInfo { raft_addr, http_uri, hostname } = info.clone();
        Self { node_id, raft_addr, http_uri, hostname }
    }
}

#[cfg(test)]
mod tests {
    use super::PeerName;

    fn parsed(text: &str) -> Option<String> {
        PeerName::parse(text).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn a_missing_port_is_10008_and_case_does_not_matter() {
        assert_eq!(parsed("Node-1").as_deref(), Some("node-1:10008"));
        assert_eq!(parsed("10.0.0.1:9").as_deref(), Some("10.0.0.1:9"));
    }

    #[test]
    fn ipv6_is_read_with_and_without_brackets() {
        for text in ["::1", "[::1]", "[::1]:10008"] {
            assert_eq!(parsed(text).as_deref(), Some("[::1]:10008"), "{text}");
        }
        assert_eq!(PeerName::parse("[fe80::2]:7").map(|n| n.host().to_owned()).as_deref(), Some("fe80::2"));
    }

    #[test]
    fn nonsense_is_no_name() {
        for text in ["", ":1", "a:", "a:0", "a:65536", "a:b", "[::1", "[::1]x", "a b:1", "http://a:1"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
