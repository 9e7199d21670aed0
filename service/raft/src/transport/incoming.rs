//! A raft snapshot that arrives in chunks on one connection.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::network::SnapshotBegin;
use crate::state::{Hash, SNAPSHOT_FORMAT, SnapshotDir, SnapshotFile, create, write_chunk};

/// The file under construction; removed if the transfer does not finish.
pub(super) struct Incoming {
    pub(super) begin: SnapshotBegin,
    path: PathBuf,
    file: Option<File>,
    hash: Hash,
    arrived: u64,
    complete: bool,
}

impl Incoming {
    pub(super) fn begin(dir: &SnapshotDir, begin: SnapshotBegin) -> io::Result<Self> {
        if begin.format > SNAPSHOT_FORMAT {
            let text = format!(
                "raft snapshot of format {}, this version reads up to {SNAPSHOT_FORMAT}",
                begin.format
            );
            return Err(io::Error::other(text));
        }
        let path = dir.temporary();
        let file = Some(create(&path)?);
        Ok(Self { begin, path, file, hash: Hash::default(), arrived: 0, complete: false })
    }

    /// Appends one chunk; gives itself back, so that it can visit a thread for blocking work.
    pub(super) fn chunk(mut self, chunk: &[u8]) -> io::Result<Self> {
        self.arrived += chunk.len() as u64;
        if self.arrived > self.begin.bytes {
            return Err(io::Error::other("the raft snapshot is longer than announced"));
        }
        self.hash.update(chunk);
        let file = self.file.as_mut().expect("the file is open until the last chunk");
        write_chunk(file, chunk)?;
        Ok(self)
    }

    /// Checks length and checksum.
    pub(super) fn finish(mut self) -> io::Result<(SnapshotBegin, SnapshotFile)> {
        self.file = None;
        let (bytes, sha256) = std::mem::take(&mut self.hash).finish();
        if bytes != self.begin.bytes || sha256 != self.begin.sha256 {
            return Err(io::Error::other("the raft snapshot was damaged on its way: its checksum differs"));
        }
        self.complete = true;
        let file = SnapshotFile { path: self.path.clone(), bytes, sha256 };
        let begin = SnapshotBegin {
            format: self.begin.format,
            vote: self.begin.vote,
            last_log: self.begin.last_log,
            membership: self.begin.membership.clone(),
            bytes,
            sha256: file.sha256.clone(),
        };
        Ok((begin, file))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.complete {
            // What cannot be removed now is removed at the next start.
            drop(std::fs::remove_file(&self.path));
        }
    }
}
