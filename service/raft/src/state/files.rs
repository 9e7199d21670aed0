//! Raft snapshots on disk: one current file, described by `current.json` beside it.
//!
//! Invariant: `current.json` names a file that was synced before, with its length and checksum. The
//! log is purged only behind it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::identity::{sync_dir, write_durably};
use crate::types::{LogId, SnapshotMeta, StoredMembership};

const DIR: &str = "snapshots";
const CURRENT: &str = "current.json";
/// The newest format of `current.json` and of the transfer that this version reads.
pub(crate) const SNAPSHOT_FORMAT: u32 = 1;

/// One complete raft snapshot on disk.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// SHA-256 of the content, hexadecimal.
    pub(crate) sha256: String,
}

/// The last applied entry and the membership in force after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl Mark {
    pub(crate) fn of(meta: &SnapshotMeta) -> Self {
        Self { applied: meta.last_log_id, membership: meta.last_membership.clone() }
    }

    /// Index of the last applied entry, 0 before the first.
    pub(crate) fn index(&self) -> u64 {
        self.applied.map_or(0, |id| id.index)
    }

    pub(crate) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }

    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::other)
    }

    pub(crate) fn decode(bytes: &[u8]) -> io::Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| io::Error::other(format!("the state's mark cannot be read: {error}")))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Current {
    format: u32,
    mark: Mark,
    file: String,
    bytes: u64,
    sha256: String,
}

/// The directory of raft snapshots; clones share the counter of temporary names.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotDir {
    dir: PathBuf,
    serial: Arc<AtomicU64>,
}

impl SnapshotDir {
    /// Opens the directory under `data_dir` and removes what an earlier process left unfinished.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let dir = data_dir.join(DIR);
        fs::create_dir_all(&dir)?;
        let this = Self { dir, serial: Arc::default() };
        let keep = this.read_current()?.map(|current| current.file);
        this.remove_others(keep.as_deref())?;
        Ok(this)
    }

    /// A name for a file that is being written; it does not exist yet.
    pub(crate) fn temporary(&self) -> PathBuf {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{serial}.part"))
    }

    /// The current raft snapshot, if there is one.
    pub(crate) fn current(&self) -> io::Result<Option<(Mark, SnapshotFile)>> {
        let Some(Current { mark, file, bytes, sha256, .. }) = self.read_current()? else { return Ok(None) };
        Ok(Some((mark, SnapshotFile { path: self.dir.join(file), bytes, sha256 })))
    }

    /// Makes `file` (complete, anywhere in this directory) the current one, durably.
    pub(crate) fn adopt(&self, mark: &Mark, file: &SnapshotFile) -> io::Result<SnapshotFile> {
        File::open(&file.path)?.sync_all()?;
        let (term, index) = mark.applied.map_or((0, 0), |id| (id.leader_id.term, id.index));
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let name = format!("{term}-{index}-{}-{serial}.snapshot", &file.sha256[..8.min(file.sha256.len())]);
        let path = self.dir.join(&name);
        fs::rename(&file.path, &path)?;
        sync_dir(&self.dir)?;
        let current = Current {
            format: SNAPSHOT_FORMAT,
            mark: mark.clone(),
            file: name.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
        };
        let text = serde_json::to_vec_pretty(&current).map_err(io::Error::other)?;
        write_durably(&self.dir.join(CURRENT), &text)?;
        self.remove_others_but_parts(&name)?;
        Ok(SnapshotFile { path, ..file.clone() })
    }

    fn read_current(&self) -> io::Result<Option<Current>> {
        let path = self.dir.join(CURRENT);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let current: Current = serde_json::from_slice(&text)
            .map_err(|error| io::Error::other(format!("{} is damaged: {error}", path.display())))?;
        if current.format > SNAPSHOT_FORMAT {
            return Err(io::Error::other(format!(
                "{} has format {}, this version reads up to {SNAPSHOT_FORMAT}",
                path.display(),
                current.format
            )));
        }
        Ok(Some(current))
    }

    fn remove_others(&self, keep: Option<&str>) -> io::Result<()> {
        self.remove_if(|name| Some(name) != keep)
    }

    fn remove_others_but_parts(&self, keep: &str) -> io::Result<()> {
        self.remove_if(|name| name != keep && name.ends_with(".snapshot"))
    }

    fn remove_if(&self, unwanted: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Folders are the original's, whose raft snapshots lie here: whoever returns to it needs them.
            if name != CURRENT && unwanted(&name) && !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl SnapshotFile {
    /// Measures and checksums the file at `path`.
    pub(crate) fn measure(path: PathBuf) -> io::Result<Self> {
        let mut reader = BufReader::new(File::open(&path)?);
        let mut hash = Hash::default();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
        let (bytes, sha256) = hash.finish();
        Ok(Self { path, bytes, sha256 })
    }
}

/// Length and SHA-256 of what passes by.
#[derive(Default)]
pub(crate) struct Hash {
    bytes: u64,
    sha256: Sha256,
}

impl Hash {
    pub(crate) fn update(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.sha256.update(chunk);
    }

    /// Length, and the sum in hexadecimal.
    pub(crate) fn finish(self) -> (u64, String) {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in self.sha256.finalize() {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        (self.bytes, text)
    }
}

/// Creates the file of a raft snapshot that arrives in chunks.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    File::create_new(path)
}

/// Writes one chunk; kept here so that all file access of raft snapshots is in one place.
pub(crate) fn write_chunk(file: &mut File, chunk: &[u8]) -> io::Result<()> {
    file.write_all(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_removes_what_was_left_unfinished_and_no_folder_of_the_original() {
        let data = tempfile::tempdir().expect("a folder");
        let theirs = data.path().join(DIR).join("2-5-1700000000000");
        let (state, part) = (theirs.join("state.bin"), data.path().join(DIR).join("0.part"));
        fs::create_dir_all(&theirs).expect("a folder");
        fs::write(&state, "theirs").expect("a file");
        fs::write(&part, "ours").expect("a file");
        SnapshotDir::open(data.path()).expect("their folders are no obstacle");
        assert!(state.exists() && !part.exists());
    }
}
