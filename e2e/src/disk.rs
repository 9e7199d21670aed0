//! Small disks that can be full or read-only, for one node alone.
//!
//! A disk is a tmpfs in a mount namespace that lives as long as the process that holds it: nothing is mounted on the
//! machine, and nothing stays behind, however the story ends.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Process;
use crate::until::until;

/// A namespace and a mount take milliseconds.
const MOUNTED_WITHIN: Duration = Duration::from_secs(10);
/// What a tmpfs gives out at a time.
const PAGE: [u8; 4096] = [0; 4096];

/// A small disk.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Process,
    at: PathBuf,
}

impl SmallDisk {
    /// Puts an empty disk of `kib` KiB over the folder `at`, for those who enter its namespace.
    ///
    /// # Errors
    /// Without root.
    pub fn over(at: &Path, kib: u32) -> Result<Self> {
        std::fs::create_dir_all(at)?;
        let log = at.with_extension("disk.log");
        let mount = format!("mount -t tmpfs -o size={kib}k none {} && exec sleep infinity", at.display());
        let holder = Process::spawn(&["unshare", "--mount", "sh", "-ec", &mount], &[], &log)?;
        let disk = Self { holder, at: at.to_owned() };
        let mounts = format!("/proc/{}/mounts", disk.holder.pid());
        until("a small disk (it needs root)", MOUNTED_WITHIN, || {
            let there = std::fs::read_to_string(&mounts).unwrap_or_default();
            let ours = there.contains(&format!(" {} tmpfs ", at.display()));
            if ours { Ok(()) } else { Err(std::fs::read_to_string(&log).unwrap_or_default()) }
        })?;
        Ok(disk)
    }

    /// The mount namespace, as `nsenter` wants it.
    #[must_use]
    pub fn namespace(&self) -> String {
        format!("/proc/{}/ns/mnt", self.holder.pid())
    }

    /// Where `file` of the disk is for those outside of the namespace.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        let inside = self.at.strip_prefix("/").unwrap_or(&self.at);
        PathBuf::from(format!("/proc/{}/root", self.holder.pid())).join(inside).join(file)
    }

    /// Leaves no byte free.
    ///
    /// # Errors
    /// When the disk fails in another way than by being full.
    pub fn fill(&self) -> Result<()> {
        let mut filler = File::create(self.path("filler"))?;
        loop {
            match filler.write_all(&PAGE) {
                Ok(()) => {}
                Err(full) if full.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(other) => return Err(other).context("fill a disk"),
            }
        }
    }

    /// Takes back what [`SmallDisk::fill`] wrote.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn free(&self) -> Result<()> {
        std::fs::remove_file(self.path("filler")).context("empty a disk")
    }

    /// Makes all of it read-only, as a kernel does with a disk that fails.
    ///
    /// # Errors
    /// While somebody has a file open for writing.
    pub fn make_read_only(&self) -> Result<()> {
        let namespace = format!("--mount={}", self.namespace());
        let out = Command::new("nsenter")
            .args([&namespace, "mount", "-o", "remount,ro"])
            .arg(&self.at)
            .output()
            .context("nsenter")?;
        if !out.status.success() {
            bail!("remount: {}", String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(())
    }
}
