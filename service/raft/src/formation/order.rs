//! What somebody outside ordered: a group to form, and the token that tells this order from every other one.
//!
//! It is written before it is carried out, so that the same order is known again for ever, also after a restart half way,
//! and another one is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Plan;
use crate::error::StartError;
use crate::identity::{Identity, write_durably};
use crate::member::{NodeId, PeerName};

const FILE: &str = "bootstrap.json";

/// The one order that a data directory was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Order {
    /// SHA-256 of the token, hexadecimal: it is compared and never needed again.
    #[serde(rename = "TokenSHA256")]
    token: String,
    #[serde(rename = "ClusterID")]
    pub(crate) cluster_id: String,
    members: BTreeMap<PeerName, NodeId>,
}

impl Order {
    pub(crate) fn new(token: &str, cluster_id: &str, members: BTreeMap<PeerName, NodeId>) -> Self {
        use std::fmt::Write as _;
        let mut digest = String::with_capacity(64);
        for byte in Sha256::digest(token) {
            write!(digest, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Self { token: digest, cluster_id: cluster_id.to_owned(), members }
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan { cluster_id: Some(self.cluster_id.clone()), numbers: self.members.clone() }
    }

    /// What tells `other` from this one, in a few words; `None` if it is the same order.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.cluster_id != other.cluster_id {
            Some("the group's id differs")
        } else if self.members != other.members {
            Some("the members differ")
        } else {
            (self.token != other.token).then_some("the token differs")
        }
    }

    /// The order that `dir` was given, if any.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, StartError> {
        let file = path(dir);
        match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| StartError::Corrupt { file, what: error.to_string() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StartError::DataDir { dir: dir.to_owned(), source }),
        }
    }

    /// Writes it down, durably.
    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        write_durably(&path(dir), &text)
    }

    /// Whether a node that was killed half way goes on with it unasked: it may have voted in that group, so nobody can
    /// give it to another one.
    pub(crate) fn is_under_way(&self, identity: Option<&Identity>) -> bool {
        identity.is_some_and(|held| held.epoch > 0 && held.cluster_id == self.cluster_id)
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(token: &str, group: &str, members: &[(&str, NodeId)]) -> Order {
        let named = members.iter().map(|(name, id)| (PeerName::parse(name).expect("a name"), *id));
        Order::new(token, group, named.collect())
    }

    #[test]
    fn an_order_is_known_again_after_a_restart_and_told_from_every_other_one() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Order::load(dir.path()).expect("nothing is there"), None);
        let first = order("t", "g", &[("a", 1), ("b", 2)]);
        first.store(dir.path()).expect("it can be written");
        let kept = Order::load(dir.path()).expect("it can be read").expect("it is there");
        assert_eq!(kept.difference(&first), None);
        let others = [
            (order("t", "h", &[("a", 1), ("b", 2)]), "the group's id differs"),
            (order("t", "g", &[("a", 1)]), "the members differ"),
            (order("t", "g", &[("a", 2), ("b", 1)]), "the members differ"),
            (order("u", "g", &[("a", 1), ("b", 2)]), "the token differs"),
        ];
        for (other, difference) in others {
            assert_eq!(kept.difference(&other), Some(difference));
        }
    }

    #[test]
    fn the_token_itself_is_not_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        order("hush", "g", &[("a", 1)]).store(dir.path()).expect("it can be written");
        let text = fs::read_to_string(path(dir.path())).expect("it can be read");
        assert!(!text.contains("hush") && text.contains("\"ClusterID\": \"g\""), "{text}");
    }

    #[test]
    fn only_a_node_that_may_have_voted_in_the_group_goes_on_unasked() {
        let identity =
            |cluster: &str, epoch| Identity { cluster_id: cluster.into(), node_id: 1, epoch, joins: None };
        let order = order("t", "g", &[("a", 1)]);
        assert!(order.is_under_way(Some(&identity("g", 1))));
        assert!(!order.is_under_way(Some(&identity("g", 0))), "only assigned");
        assert!(!order.is_under_way(Some(&identity("h", 1))), "in another group");
        assert!(!order.is_under_way(None));
    }

    #[test]
    fn a_damaged_record_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(path(dir.path()), "{").expect("a file");
        assert!(matches!(Order::load(dir.path()), Err(StartError::Corrupt { .. })));
    }
}
