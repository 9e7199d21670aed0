//! Whether a file that this process holds open is still the one that others find at its path.
//!
//! A file that was removed goes on working for whoever holds it, and is gone for whoever comes next: that is how a node
//! could serve for days what its restart would lose.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file as it was when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// What became of a file that is in use.
#[derive(Debug, thiserror::Error)]
pub enum FileLost {
    /// Nothing is at its path.
    #[error("{} was removed while it is in use", path.display())]
    Removed {
        /// Where it was.
        path: PathBuf,
    },
    /// Something else is at its path: a restart would use that.
    #[error("{} is another file than the one in use", path.display())]
    Replaced {
        /// Where it was.
        path: PathBuf,
    },
    /// Nobody can tell.
    #[error("{} cannot be looked at", path.display())]
    Unknown {
        /// Where it was.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl HeldFile {
    /// The file at `path`, which this process has just opened and keeps open.
    ///
    /// # Errors
    /// There is none.
    pub fn of(path: &Path) -> io::Result<Self> {
        let now = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: now.dev(), inode: now.ino() })
    }

    /// Asks the file system whether it is still there. As long as it is open, no other file gets its number.
    ///
    /// # Errors
    /// What became of it.
    pub fn check(&self) -> Result<(), FileLost> {
        let path = || self.path.clone();
        match fs::metadata(&self.path) {
            Ok(now) if (now.dev(), now.ino()) == (self.device, self.inode) => Ok(()),
            Ok(_) => Err(FileLost::Replaced { path: path() }),
            Err(error) if is_absent(&error) => Err(FileLost::Removed { path: path() }),
            Err(source) => Err(FileLost::Unknown { path: path(), source }),
        }
    }
}

/// A folder above it may have become something else.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_removed_moved_or_replaced_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("f"), dir.path().join("g"));
        fs::write(&path, "mine").unwrap();
        let _open = fs::File::open(&path).unwrap();
        let held = HeldFile::of(&path).unwrap();
        held.check().unwrap();

        fs::write(&path, "changed in place").unwrap();
        held.check().unwrap();

        fs::rename(&path, &aside).unwrap();
        assert!(matches!(held.check(), Err(FileLost::Removed { .. })));
        fs::write(&path, "another").unwrap();
        assert!(matches!(held.check(), Err(FileLost::Replaced { .. })));
        fs::rename(&aside, &path).unwrap();
        held.check().unwrap();

        fs::remove_file(&path).unwrap();
        let said = held.check().unwrap_err().to_string();
        assert!(said.ends_with("/f was removed while it is in use"), "{said}");
    }

    #[test]
    fn a_file_that_never_was_cannot_be_held() {
        let dir = tempfile::tempdir().unwrap();
        assert!(HeldFile::of(&dir.path().join("none")).is_err());
    }
}
