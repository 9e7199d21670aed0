//! Ctrl-C: an interrupted `make up` or `make demo` leaves nothing.
//!
//! The work is done by a child in a process group of its own, which the terminal's signal does not reach: it can be
//! ended at any instant, with all that it waits for, and what it left is found by name.

use std::process::ExitCode;

use anyhow::{Context, Result};
use orchestrator_e2e::sql::block_on;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::stand;

/// Set for the child that does the work.
const WORKER: &str = "ORCHESTRATOR_LAB_WORKER";
/// What shells say of a command that Ctrl-C ended.
const EXIT_INTERRUPTED: u8 = 130;

/// Whether this process is the one that does the work.
pub(crate) fn is_worker() -> bool {
    std::env::var_os(WORKER).is_some()
}

/// Lets a child do `word`; ends it and takes everything down when a signal asks for the end.
pub(crate) fn guarded(word: &str) -> Result<ExitCode> {
    block_on(async {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(word)
            .env(WORKER, "1")
            .process_group(0)
            .spawn()
            .context("start the worker")?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::select! {
            biased;
            ended = child.wait() => {
                let code = ended?.code().and_then(|code| u8::try_from(code).ok());
                return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        println!("\ninterrupted: taking down what was started …");
        end(&mut child).await?;
        stand::down()?;
        Ok(ExitCode::from(EXIT_INTERRUPTED))
    })
}

/// Kills the worker's whole group: the tools that it waits for too.
async fn end(child: &mut Child) -> Result<()> {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        kill_process_group(group, Signal::KILL).context("end the worker")?;
    }
    child.wait().await?;
    Ok(())
}
