//! A task that panics in a real process: the node says so and ends, where it would have looked alive.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{Group, GroupPlan, until};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Threads for files end when they had nothing to do for ten seconds.
const IDLE_WITHIN: Duration = Duration::from_secs(60);
/// From the panic to the end of the process.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// Less than a new thread takes, and enough for whoever only wants memory.
const LEFT_BYTES: u64 = 1024 * 1024;

/// The threads of a process that are called `name`.
fn threads(pid: u32, name: &str) -> Result<usize> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))?;
    let comm = |task: std::io::Result<std::fs::DirEntry>| {
        // One that ends meanwhile is none.
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    };
    Ok(tasks.filter_map(comm).filter(|comm| comm.trim_end() == name).count())
}

/// Leaves a process no room for another thread.
fn take_threads(pid: u32) -> Result<()> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).context("no VmSize")?;
    let bytes = size.trim().trim_end_matches(" kB").parse::<u64>()? * 1024;
    let pid = Pid::from_raw(i32::try_from(pid)?).context("not a pid")?;
    let limit = Rlimit { current: Some(bytes + LEFT_BYTES), maximum: None };
    prlimit(Some(pid), Resource::As, limit).context("prlimit")?;
    Ok(())
}

/// The raft library builds a raft snapshot in a task of its own, which asks the runtime for a thread; where there is
/// none to be had, the runtime panics.
#[test]
fn a_task_of_raft_that_panics_ends_its_process_with_a_last_line_and_the_others_go_on() -> Result<()> {
    let mut group = Group::prepare("falling", &GroupPlan::new(3))?;
    for node in &mut group.nodes {
        // A stack that is kept for the next thread would be room for one.
        node.env.push(("GLIBC_TUNABLES".into(), "glibc.pthread.stack_cache_size=0".into()));
    }
    group.start_all()?;
    let falls = group.leader()?;
    let pid = group.nodes[falls].pid()?;
    until("the event loop of raft alone", IDLE_WITHIN, || match threads(pid, "raft") {
        Ok(2) => Ok(()),
        other => Err(format!("{other:?} threads")),
    })?;
    take_threads(pid)?;
    // Its answer may be cut off by the end.
    let answer = group.nodes[falls].api.get("raft-snapshot");
    let status = group.nodes[falls].wait_end(ENDED_WITHIN).with_context(|| format!("answered {answer:?}"))?;
    let said = group.nodes[falls].said();
    ensure!(!status.success(), "it ended as if all were well: {said}");
    let last = said.lines().last().unwrap_or_default();
    ensure!(last.contains("a task panicked: OS can't spawn worker thread"), "{last}");
    ensure!(said.contains("panic: OS can't spawn worker thread"), "the panic has no line of its own: {said}");

    group.leader()?;
    group.wait_healthy()?;
    group.nodes[falls].start()?;
    group.wait_healthy()?;
    group.done();
    Ok(())
}
