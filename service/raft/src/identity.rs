//! The identity file: which group and which number this data directory is bound to, for ever.
//!
//! It is written and synced before the first vote. A directory without it never takes a number that
//! was used before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::StartError;
use crate::member::NodeId;

const FILE: &str = "identity.json";

/// The content of the identity file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Identity {
    /// The group, 32 hexadecimal digits.
    #[serde(rename = "ClusterID")]
    pub(crate) cluster_id: String,
    /// This directory's number in it.
    #[serde(rename = "NodeID")]
    pub(crate) node_id: NodeId,
    /// 0: only assigned, may be assigned anew. From 1 on: the epoch of the group, and the log beside it
    /// may have voted. `force-new-cluster` begins a new epoch.
    pub(crate) epoch: u64,
    /// The epoch of the running group that gave the number; `None` for a number of a group that forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) joins: Option<u64>,
}

impl Identity {
    /// The epoch of the group, also while the number is only assigned.
    pub(crate) fn group_epoch(&self) -> u64 {
        if self.epoch > 0 { self.epoch } else { self.joins.unwrap_or(1) }
    }

    /// This identity from the first vote on.
    pub(crate) fn bound(&self) -> Self {
        Self { epoch: self.group_epoch(), ..self.clone() }
    }

    /// The file's path in `dir`.
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Reads the identity of `dir`; `None` if there is none yet.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, StartError> {
        let file = Self::path(dir);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StartError::DataDir { dir: dir.to_owned(), source }),
        };
        let corrupt = |what: String| StartError::Corrupt { file: file.clone(), what };
        let identity: Self = serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
        if identity.cluster_id.is_empty() || identity.node_id == 0 {
            return Err(corrupt("ClusterID or NodeID is empty".to_owned()));
        }
        Ok(Some(identity))
    }

    /// Writes the file so that after a power failure either the old or the new content is there.
    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        write_durably(&Self::path(dir), &text)
    }
}

/// Replaces `file` by `content`: temporary file, sync, rename, sync of the directory.
pub(crate) fn write_durably(file: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = file.with_extension("tmp");
    let mut out = File::create(&temporary)?;
    out.write_all(content)?;
    out.sync_all()?;
    fs::rename(&temporary, file)?;
    sync_dir(file.parent().unwrap_or(Path::new(".")))
}

/// Makes renames and new names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Identity::load(dir.path()).unwrap(), None);
        let identity = Identity { cluster_id: "c0ffee".into(), node_id: 3, epoch: 1, joins: None };
        identity.store(dir.path()).unwrap();
        assert_eq!(Identity::load(dir.path()).unwrap(), Some(identity));
        let text = fs::read_to_string(Identity::path(dir.path())).unwrap();
        for key in ["ClusterID", "NodeID", "Epoch"] {
            assert!(text.contains(key), "{text}");
        }
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"ClusterID":"","NodeID":1,"Epoch":1}"#] {
            fs::write(Identity::path(dir.path()), text).unwrap();
            let error = Identity::load(dir.path()).unwrap_err();
            assert!(matches!(error, StartError::Corrupt { .. }), "{text}: {error}");
        }
    }
}
