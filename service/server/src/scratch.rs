//! A folder for one life of this process: gone at its end, and, when it was killed, at the next start of one of us.
//!
//! Whoever lives holds a lock on its folder, and the system takes that lock back however a process ends. So a folder
//! without a lock belongs to nobody, whatever process ids were used again since.

use std::{fs::File, io, path::Path};

use tempfile::TempDir;
use tracing::{debug, info};

/// Also the mark by which a later process knows such folders.
const PREFIX: &str = "orchestrator-log-";
/// A folder is free of a lock only between its creation and the next line, and lost then only to a process that
/// starts at the same moment; so often in a row means that something else is wrong.
const ATTEMPTS: usize = 8;

/// The folder; it goes when this value is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes a folder in the system's place for temporary files, and takes away what killed processes left there.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn new() -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    fn new_in(place: &Path) -> io::Result<Self> {
        sweep(place);
        for _ in 0..ATTEMPTS {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
            if let Some(lock) = lock(folder.path())
                && folder.path().is_dir()
            {
                return Ok(Self { folder, _lock: lock });
            }
        }
        Err(io::Error::other("each new folder was taken away at once"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The lock on a folder that nobody holds; `None` if somebody does, or it is gone, or not ours to open.
fn lock(folder: &Path) -> Option<File> {
    let handle = File::open(folder).ok()?;
    handle.try_lock().ok()?;
    Some(handle)
}

/// Removes folders that nobody holds. What cannot be removed stays: it is another user's.
fn sweep(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    let ours = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    // A link is none of ours, wherever it leads.
    let folders = ours.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    for folder in folders.map(|entry| entry.path()) {
        let Some(_lock) = lock(&folder) else { continue };
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => info!(folder = %folder.display(), "removed what a killed process left"),
            Err(error) => debug!(folder = %folder.display(), %error, "cannot remove what a process left"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(place: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(place).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_folder_goes_with_its_owner() {
        let place = tempfile::tempdir().unwrap();
        let scratch = Scratch::new_in(place.path()).unwrap();
        std::fs::write(scratch.path().join("raft.db"), b"log").unwrap();
        drop(scratch);
        assert!(names(place.path()).is_empty());
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_in_use_or_not_ours_stays() {
        let place = tempfile::tempdir().unwrap();
        let lives = Scratch::new_in(place.path()).unwrap();
        let left = place.path().join(format!("{PREFIX}left"));
        let elsewhere = place.path().join("orchestrator-other");
        for folder in [&left, &elsewhere] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("raft.db"), b"log").unwrap();
        }
        let link = place.path().join(format!("{PREFIX}link"));
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();

        let next = Scratch::new_in(place.path()).unwrap();
        assert!(!left.exists(), "nobody holds it");
        for kept in [lives.path(), next.path(), &link, &elsewhere.join("raft.db")] {
            assert!(kept.exists(), "{}", kept.display());
        }
    }
}
