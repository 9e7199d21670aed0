//! The state with which a group begins: the former's, whatever states the other nodes bring.
//!
//! Invariant: it is put in place before the raft core of its node starts, so no entry was applied to what it replaces.

use std::io;

use super::files::Mark;
use super::{MachineHost, SnapshotDir, SnapshotFile, StateMachine, failed};

/// Reads and replaces the state of a node that is in no group yet.
#[derive(Clone)]
pub(crate) struct FoundingState {
    host: MachineHost,
    dir: SnapshotDir,
}

/// A file that is removed with its value.
pub(crate) struct Part(pub(crate) SnapshotFile);

impl Drop for Part {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        drop(std::fs::remove_file(&self.0.path));
    }
}

impl StateMachine {
    pub(crate) fn founding(&self) -> FoundingState {
        FoundingState { host: self.host.clone(), dir: self.dir.clone() }
    }
}

impl FoundingState {
    /// Where raft snapshots that arrive are put together.
    pub(crate) fn dir(&self) -> SnapshotDir {
        self.dir.clone()
    }

    /// The state of this node, written to a file.
    pub(crate) async fn write(&self) -> io::Result<Part> {
        let path = self.dir.temporary();
        self.host
            .run(move |machine| {
                machine.write_snapshot(&path).map_err(failed)?;
                Ok(Part(SnapshotFile::measure(path)?))
            })
            .await
    }

    /// Whether a file that a peer sent holds a state at all.
    pub(crate) async fn check(&self, file: &SnapshotFile) -> io::Result<()> {
        let path = file.path.clone();
        self.host.run(move |machine| Ok(machine.check_snapshot(&path).map_err(failed))).await?
    }

    /// Replaces the state of this node. No entry of any log counts as applied to it.
    pub(crate) async fn install(&self, part: Part) -> io::Result<()> {
        let mark = Mark::default().encode()?;
        self.host.run(move |machine| machine.install_snapshot(&part.0.path, &mark).map_err(failed)).await
    }
}
