//! Names of instances in JSON.

use orchestrator_core::InstanceKey;
use serde::{Deserialize, Serialize};

/// One instance. *Shape*: `{"Hostname":"db1","Port":3306}`; none is `{"Hostname":"","Port":0}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Key {
    /// Host name; empty = none, `_` = placeholder, prefix `//` = detached.
    pub hostname: String,
    /// TCP port; 0 = none.
    pub port: u16,
}

impl Key {
    /// The key of an instance that may not exist.
    pub fn or_none(key: Option<&InstanceKey>) -> Self {
        key.map(Self::from).unwrap_or_default()
    }
}

impl From<&InstanceKey> for Key {
    fn from(key: &InstanceKey) -> Self {
        let InstanceKey { hostname, port } = key;
        Self { hostname: hostname.as_ref().into(), port: *port }
    }
}

/// Keys in the order of host name, then port.
pub fn sorted<'k>(keys: impl IntoIterator<Item = &'k InstanceKey>) -> Vec<Key> {
    let mut keys: Vec<_> = keys.into_iter().map(Key::from).collect();
    keys.sort();
    keys
}
