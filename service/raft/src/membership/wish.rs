//! `RaftNodes` as a wish: what this node was told, and what of that was carried out before.
//!
//! Only a *new* wish changes the group. Otherwise a node that was added on demand would be removed again by
//! the next restart of nodes whose files do not name it yet.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::StartError;
use crate::identity::write_durably;
use crate::member::PeerName;

const FILE: &str = "wish.json";

/// This node's `RaftNodes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// As configured or reloaded, sorted.
    pub(crate) list: Vec<PeerName>,
    /// The list that this node began with, or the newest one that the group fitted.
    pub(crate) settled: Vec<PeerName>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stored {
    settled: Vec<PeerName>,
}

impl Wish {
    /// `list`, and what was settled on in `dir`; a directory without a record settles on `list`.
    pub(crate) fn load(dir: &Path, list: Vec<PeerName>) -> Result<Self, StartError> {
        let file = dir.join(FILE);
        let failed = |source| StartError::DataDir { dir: dir.to_owned(), source };
        let settled = match fs::read(&file) {
            Ok(text) => {
                let stored: Stored = serde_json::from_slice(&text)
                    .map_err(|error| StartError::Corrupt { file, what: error.to_string() })?;
                stored.settled
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::store(dir, &list).map_err(failed)?;
                list.clone()
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { list, settled })
    }

    /// Records that the group fits `settled`.
    pub(crate) fn store(dir: &Path, settled: &[PeerName]) -> io::Result<()> {
        let text = serde_json::to_vec(&Stored { settled: settled.to_vec() }).map_err(io::Error::other)?;
        write_durably(&dir.join(FILE), &text)
    }

    /// Whether the list asks for something that was never carried out.
    pub(crate) fn is_new(&self) -> bool {
        self.list != self.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<PeerName> {
        names.iter().map(|name| PeerName::parse(name).unwrap()).collect()
    }

    #[test]
    fn the_first_list_is_no_wish_and_a_changed_one_is_until_it_is_settled() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Wish::load(dir.path(), list(&["a", "b"])).unwrap().is_new());
        assert!(Wish::load(dir.path(), list(&["a", "c"])).unwrap().is_new());
        assert!(!Wish::load(dir.path(), list(&["a", "b"])).unwrap().is_new(), "taken back");
        Wish::store(dir.path(), &list(&["a", "c"])).unwrap();
        assert!(!Wish::load(dir.path(), list(&["a", "c"])).unwrap().is_new());
    }

    #[test]
    fn a_damaged_record_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(matches!(Wish::load(dir.path(), list(&["a"])), Err(StartError::Corrupt { .. })));
    }
}
