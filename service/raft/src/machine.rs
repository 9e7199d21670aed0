//! The replicated state on a backend: commands become rows, and rows become news for this node.
//!
//! State and mark change in one transaction. What a node does about a command (probe, forget, go on with a
//! recovery) happens outside and after the commit, by [`Effect`].

mod apply;
mod effects;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orchestrator_backend::{
    Backend, BackendError, BackendHandle, NodeIdentity, SnapshotError, SqliteBackend, SqliteOptions,
};
use orchestrator_core::Timestamp;
use orchestrator_core::view::Declared;
use tokio::sync::watch;

use crate::command::{Command, Reply};
use crate::port::{Copier, Machine, MachineError};

pub use apply::apply;
pub use effects::{Effect, EffectReceiver};

use effects::EffectQueue;

/// How long a server that went away is waited for before the node gives up. As the original: a backend that takes
/// no writes for half a minute ends the process.
const BACKEND_PATIENCE: Duration = Duration::from_secs(30);

/// A [`Machine`] over a backend.
#[derive(Debug)]
pub struct BackendMachine {
    access: Access,
    effects: EffectQueue,
    declared: watch::Sender<Arc<Declared>>,
}

/// What a node learns from its machine.
#[derive(Debug)]
pub struct MachineNews {
    /// What is to be done about applied commands, in their order.
    pub effects: EffectReceiver,
    /// Everything that is declared, as of the last commit.
    pub declared: watch::Receiver<Arc<Declared>>,
}

/// How the machine reaches its backend.
enum Access {
    /// It is ours alone: simulations and tests.
    Own(Box<dyn Backend>),
    /// A thread owns it, and others write to it too.
    Shared(BackendHandle),
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Own(_)) { "Own" } else { "Shared" })
    }
}

impl Access {
    fn run<T: Send + 'static, E: Into<MachineError> + Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, E> + Send + 'static,
    ) -> Result<T, MachineError> {
        match self {
            Self::Own(backend) => work(&mut **backend).map_err(Into::into),
            Self::Shared(handle) => match handle.call_blocking(work) {
                Ok(result) => result.map_err(Into::into),
                Err(error) => Err(MachineError::caused_by("cannot reach the backend", error)),
            },
        }
    }
}

impl From<BackendError> for MachineError {
    fn from(error: BackendError) -> Self {
        Self::caused_by("the backend failed", error)
    }
}

impl From<SnapshotError> for MachineError {
    fn from(error: SnapshotError) -> Self {
        Self::caused_by("the raft snapshot cannot be used", error)
    }
}

impl BackendMachine {
    /// A machine over a backend that others write to as well.
    ///
    /// Its methods block; call them from a thread that may, never inside an asynchronous task.
    pub fn shared(handle: BackendHandle) -> Result<(Self, MachineNews), MachineError> {
        Self::over(Access::Shared(handle))
    }

    /// A machine with a backend of its own.
    pub fn owning(backend: Box<dyn Backend>) -> Result<(Self, MachineNews), MachineError> {
        Self::over(Access::Own(backend))
    }

    fn over(mut access: Access) -> Result<(Self, MachineNews), MachineError> {
        let now = access.run(|backend| backend.declared())?;
        let (declared, watched) = watch::channel(Arc::new(now));
        let (effects, receiver) = effects::queue();
        Ok((Self { access, effects, declared }, MachineNews { effects: receiver, declared: watched }))
    }

    fn publish(&mut self, declared: Option<Declared>, effects: Vec<Effect>) {
        // First what is declared: whoever is woken by an effect reads the state that caused it.
        if let Some(declared) = declared {
            self.declared.send_replace(Arc::new(declared));
        }
        self.effects.push(effects);
    }
}

impl Machine for BackendMachine {
    fn applied(&mut self) -> Result<Option<Vec<u8>>, MachineError> {
        self.access.run(|backend| backend.applied_mark())
    }

    fn apply(&mut self, mark: &[u8], commands: &[(u64, &Command)]) -> Result<Vec<Reply>, MachineError> {
        let mark = mark.to_vec();
        let commands: Vec<(u64, Command)> =
            commands.iter().map(|(index, command)| (*index, (*command).clone())).collect();
        let (replies, effects, declared) =
            self.access.run(move |backend| apply_batch(backend, &mark, &commands))?;
        self.publish(declared, effects);
        Ok(replies)
    }

    fn write_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
        let file: PathBuf = file.into();
        self.access.run(move |backend| write(backend, &file).map(drop))
    }

    fn copier(&mut self) -> Result<Option<Copier>, MachineError> {
        let Access::Shared(handle) = &self.access else { return Ok(None) };
        let reader = handle.long_reader();
        let reader = reader.map_err(|error| MachineError::caused_by("cannot reach the backend", error))?;
        Ok(reader.map(|mut backend| -> Copier { Box::new(move |file| Ok(write(&mut *backend, file)?)) }))
    }

    fn write_empty(&mut self, file: &Path) -> Result<(), MachineError> {
        let nobody = NodeIdentity { hostname: String::new(), token: String::new() };
        let options = SqliteOptions::new(nobody, "", Timestamp::from_millis(0));
        let empty = SqliteBackend::open(Path::new(":memory:"), &options);
        let mut empty =
            empty.map_err(|error| MachineError::caused_by("cannot make an empty state", error))?;
        let empty: &mut dyn Backend = &mut empty;
        empty.write_snapshot(file)?;
        Ok(())
    }

    fn check_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
        match orchestrator_backend::check_snapshot(file) {
            // A node that meets what it does not know stops, and says what to do.
            Err(SnapshotError::Newer { .. }) => Ok(()),
            other => Ok(other?),
        }
    }

    fn install_snapshot(&mut self, file: &Path, mark: &[u8]) -> Result<(), MachineError> {
        let (file, mark): (PathBuf, Vec<u8>) = (file.into(), mark.to_vec());
        let declared = self.access.run(move |backend| {
            backend.outlast(BACKEND_PATIENCE, |backend| {
                backend.install_snapshot(&file, &mark)?;
                Ok(backend.declared()?)
            })
        })?;
        self.publish(Some(declared), vec![Effect::Everything]);
        Ok(())
    }
}

/// Writes a raft snapshot, and answers the mark of its state.
fn write(backend: &mut dyn Backend, file: &Path) -> Result<Option<Vec<u8>>, SnapshotError> {
    backend.outlast(BACKEND_PATIENCE, |backend| {
        let written = backend.write_snapshot(file);
        if written.is_err() {
            // Whatever goes wrong with that, the next attempt tells.
            let _ = std::fs::remove_file(file);
        }
        written
    })
}

type Applied = (Vec<Reply>, Vec<Effect>, Option<Declared>);

fn apply_batch(
    backend: &mut dyn Backend,
    mark: &[u8],
    commands: &[(u64, Command)],
) -> Result<Applied, BackendError> {
    backend.apply_with_mark(mark, BACKEND_PATIENCE, |backend| {
        let mut replies = Vec::with_capacity(commands.len());
        let mut effects = Vec::new();
        for (_, command) in commands {
            let (reply, caused) = apply(backend, command)?;
            replies.push(reply);
            effects.extend(caused);
        }
        // Read before the commit, so that nothing can fail after it.
        let changed = effects.iter().any(Effect::changes_declared);
        let declared = if changed { Some(backend.declared()?) } else { None };
        Ok((replies, effects, declared))
    })
}

#[cfg(test)]
mod tests;
