//! Processes by pid *and* start time, so that a recycled pid is never signalled.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::until::until;

/// How long a signalled process may take to disappear before we call it stuck.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// State letter and start time (clock ticks since boot) of a process, from `/proc`.
#[must_use]
pub fn proc_stat(pid: u32) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may contain blanks and parentheses: count fields after the last one.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(19)?.parse().ok()?))
}

/// Whether the process that began at `start` still runs (a zombie does not).
#[must_use]
pub fn alive(pid: u32, start: u64) -> bool {
    proc_stat(pid).is_some_and(|(state, began)| began == start && !matches!(state, 'Z' | 'X'))
}

/// Sends `signal` to the process that began at `start`, and to no other.
///
/// # Errors
/// When that process is gone, or may not be signalled.
pub fn signal(pid: u32, start: u64, signal: Signal) -> Result<()> {
    if !alive(pid, start) {
        bail!("process {pid} is gone");
    }
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).context("not a pid")?;
    kill_process(raw, signal).with_context(|| format!("signal {signal:?} to {pid}"))
}

/// Waits until that process is gone.
///
/// # Errors
/// When it is still there after ten seconds.
pub fn wait_gone(pid: u32, start: u64) -> Result<()> {
    until(&format!("process {pid} gone"), GONE_WITHIN, || {
        if alive(pid, start) { Err(format!("{:?}", proc_stat(pid))) } else { Ok(()) }
    })
}

/// Kilobytes of resident memory and clock ticks of CPU used so far.
#[must_use]
pub fn usage(pid: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rss =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some((rss, ticks))
}

/// A child process that dies with the thread that started it, and at the latest when this value is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    start: u64,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    ///
    /// The command is wrapped in `setpriv --pdeathsig KILL`, so that a test that is killed leaves nothing behind.
    ///
    /// # Errors
    /// When the log cannot be opened or the command not started.
    pub fn spawn(command: &[&str], env: &[(String, String)], log: &Path) -> Result<Self> {
        let out =
            File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args(command)
            .envs(env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let start = proc_stat(child.id()).map_or(0, |(_, start)| start);
        Ok(Self { child, start })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn signal(&self, which: Signal) -> Result<()> {
        signal(self.pid(), self.start, which)
    }

    /// Waits for the end and says how it came and how long it took.
    ///
    /// # Errors
    /// When it has not ended after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<(ExitStatus, Duration)> {
        let began = Instant::now();
        let pid = self.pid();
        let status = until(&format!("end of process {pid}"), limit, || self.ended().ok_or("still runs"))?;
        Ok((status, began.elapsed()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has already ended, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_alive_and_only_with_its_own_start_time() {
        let pid = std::process::id();
        let (_, start) = proc_stat(pid).expect("we run");
        assert!(alive(pid, start));
        assert!(!alive(pid, start + 1));
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let process = Process::spawn(&["sleep", "600"], &[], log.path()).expect("sleep exists");
        let (pid, start) = (process.pid(), process.start);
        assert!(alive(pid, start));
        drop(process);
        assert!(!alive(pid, start));
    }
}
