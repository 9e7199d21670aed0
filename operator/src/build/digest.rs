//! Hashes by which the operator knows what a member has read: the same as the member computes.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a member reports as `ConfigHash` once it has read these files, in the order in which it reads them: the
/// immutable one, then the live one. The same as `cat FILES | sha256sum`.
#[must_use]
pub fn config_hash(texts: &[&str]) -> String {
    digest(texts.concat().as_bytes())
}

/// What a member reports as `RaftNodesHash` once its `RaftNodes` are these. Each has its port; the order is of no
/// importance.
#[must_use]
pub fn peers_hash(peers: &[String]) -> String {
    let mut sorted: Vec<String> = peers.iter().map(|peer| peer.to_ascii_lowercase()).collect();
    sorted.sort();
    digest(sorted.join("\n").as_bytes())
}

/// `RaftNodes` of a live configuration, in its order; none when the text is not one.
#[must_use]
pub fn peers_of(live: &str) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<Value>(live) else { return Vec::new() };
    let peers = document["RaftNodes"].as_array();
    peers.into_iter().flatten().filter_map(|peer| peer.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'a-0.a-raft.n.svc:10008\na-1.a-raft.n.svc:10008' | sha256sum`, and `printf '{}{}' | sha256sum`: what
    /// the service's own tests pin as well.
    #[test]
    fn hashes_are_those_of_the_members() {
        let peers = ["a-1.a-raft.n.svc:10008", "a-0.a-raft.n.svc:10008"].map(str::to_owned);
        assert_eq!(peers_hash(&peers), "833b7e8d004eca3f6be40d435b9d074042fd42dd821e34a9d176ae7c367b8762");
        assert_eq!(
            config_hash(&["{}", "{}"]),
            "b51f08b698d88d8027a935d9db649774949f5fb41a0c559bfee6a9a13225c72d"
        );
        // What a real member reported of this list.
        let reported = "9ed69717bb53e2a24fd314b5440b623ec5c3c6163af46b6e65228ee58572a1c9";
        assert_eq!(peers_hash(&["main-0.main-raft.db.svc:41008".to_owned()]), reported);
        assert_eq!(config_hash(&["{}{}"]), config_hash(&["{}", "{}"]));
    }

    #[test]
    fn peers_are_read_as_they_were_written() {
        assert_eq!(peers_of(r#"{"RaftNodes": ["b:1", "a:1"]}"#), ["b:1", "a:1"]);
        assert!(peers_of("").is_empty() && peers_of("[]").is_empty());
    }
}
