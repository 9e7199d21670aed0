//! Whether what a node must not lose is still on its disk.
//!
//! What was removed under a running node goes on working: it votes and acknowledges, and its next start knows nothing
//! of it. Looking costs three questions to the file system.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orchestrator_backend::{FileLost, HeldFile};
use tokio::time::timeout;

use crate::identity::Identity;
use crate::log::OpenLog;
use crate::node::RaftNode;

/// The files of one data directory that were there when the node started.
#[derive(Debug, Clone)]
pub(crate) struct OwnFiles {
    log: Vec<HeldFile>,
    /// Replaced by renaming, so that it only has to be there.
    identity: PathBuf,
}

impl OwnFiles {
    pub(crate) fn of(dir: &Path, log: &OpenLog) -> Self {
        // A log that is not on a disk cannot be lost from one.
        let log = log.files().iter().filter_map(|file| HeldFile::of(file).ok()).collect();
        Self { log, identity: Identity::path(dir) }
    }

    /// Asks the file system; `bound` says that this node has an identity.
    fn check(&self, bound: bool) -> Result<(), FileLost> {
        self.log.iter().try_for_each(HeldFile::check)?;
        match HeldFile::of(&self.identity) {
            Err(error) if bound && error.kind() == io::ErrorKind::NotFound => {
                Err(FileLost::Removed { path: self.identity.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl RaftNode {
    /// Asks whether the log and the identity are still in `RaftDataDir`. Report what is lost by
    /// [`report_backend`](RaftNode::report_backend): what this node promises from now on, nobody could hold it to.
    ///
    /// # Errors
    /// What became of them; also when the disk does not answer within `limit`.
    pub async fn check_files(&self, limit: Duration) -> Result<(), FileLost> {
        let (files, bound) = (self.inner.files.clone(), self.inner.local.identity().is_some());
        let path = files.identity.clone();
        let asked = timeout(limit, tokio::task::spawn_blocking(move || files.check(bound))).await;
        let silent = |source| Err(FileLost::Unknown { path, source });
        match asked {
            Ok(Ok(checked)) => checked,
            Ok(Err(error)) => silent(io::Error::other(error)),
            Err(_) => silent(io::ErrorKind::TimedOut.into()),
        }
    }
}
