//! Names that lead where a story says, for one group alone, and elsewhere from one moment to the next.
//!
//! The names are a file that those in a mount namespace see as `/etc/hosts`; the namespace lives as long as the
//! process that holds it, and the machine's own file stays as it is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Process;
use crate::until::until;

/// A namespace and a mount take milliseconds.
const MOUNTED_WITHIN: Duration = Duration::from_secs(10);

/// A file of names.
#[derive(Debug)]
pub struct Names {
    holder: Process,
    file: PathBuf,
}

impl Names {
    /// Names kept in a file of the folder `dir`.
    ///
    /// # Errors
    /// Without root.
    pub fn new(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let (file, log) = (dir.join("hosts"), dir.join("hosts.log"));
        std::fs::write(&file, "127.0.0.1 localhost\n")?;
        let mount = format!("mount --bind {} /etc/hosts && exec sleep infinity", file.display());
        let holder = Process::spawn(&["unshare", "--mount", "sh", "-ec", &mount], &[], &log)?;
        let names = Self { holder, file };
        let mounts = format!("/proc/{}/mounts", names.holder.pid());
        until("a file of names (it needs root)", MOUNTED_WITHIN, || {
            let there = std::fs::read_to_string(&mounts).unwrap_or_default().contains(" /etc/hosts ");
            if there { Ok(()) } else { Err(std::fs::read_to_string(&log).unwrap_or_default()) }
        })?;
        Ok(names)
    }

    /// The mount namespace, as `nsenter` wants it.
    #[must_use]
    pub fn namespace(&self) -> String {
        format!("/proc/{}/ns/mnt", self.holder.pid())
    }

    /// From now on exactly these names (name and address) are known.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn point(&self, names: &[(String, String)]) -> Result<()> {
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for (name, address) in names {
            writeln!(text, "{address} {name}")?;
        }
        // In place: the mount follows the file, not its path.
        std::fs::write(&self.file, text).context("write the names")
    }
}
