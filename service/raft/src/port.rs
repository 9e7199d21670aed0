//! What this crate asks of its caller: a state machine and somebody who answers peers.
//!
//! The machine is synchronous. In production it lives on one thread of its own; a simulator calls it
//! inline. It never sees the raft library's types: the *mark* is opaque bytes.

use std::path::Path;

use futures::future::BoxFuture;

use crate::command::{Command, Reply};
use crate::member::Member;

/// The replicated state: whatever the commands of the log add up to.
///
/// An error from any method but [`check_snapshot`](Self::check_snapshot) stops the node (see
/// [`crate::RaftNode::fatal`]); the process should exit and be restarted, since its state may not be what the log says.
pub trait Machine: Send + 'static {
    /// The mark of the last successful [`apply`](Self::apply) or [`install_snapshot`](Self::install_snapshot).
    ///
    /// `None` for a state that nothing was ever applied to. The store need not be synced at each
    /// commit: what a power failure takes back is applied again from the log.
    fn applied(&mut self) -> Result<Option<Vec<u8>>, MachineError>;

    /// Applies `commands` (log index and command, in order) and stores `mark`, in one transaction.
    ///
    /// Answers one [`Reply`] per command. `commands` may be empty: then only the mark changes.
    /// Deterministic: it may read the state and its arguments, nothing else.
    fn apply(&mut self, mark: &[u8], commands: &[(u64, &Command)]) -> Result<Vec<Reply>, MachineError>;

    /// Writes the whole replicated state, as of the present mark, to a new file at `file`.
    ///
    /// Intent only, with a format version of the machine's own. Syncing is the caller's business.
    fn write_snapshot(&mut self, file: &Path) -> Result<(), MachineError>;

    /// Who writes the state to a file while commands go on being applied to it.
    ///
    /// `None`, unless the machine knows better: then [`write_snapshot`](Self::write_snapshot) is called, and commands wait.
    fn copier(&mut self) -> Result<Option<Copier>, MachineError> {
        Ok(None)
    }

    /// Writes to a new file at `file` what [`write_snapshot`](Self::write_snapshot) writes of a state that no command
    /// was ever applied to.
    ///
    /// A node that joins a running group begins with it: the group's log is applied from its start, and what is left
    /// of another life, or of another group, must not shine through.
    fn write_empty(&mut self, file: &Path) -> Result<(), MachineError>;

    /// Whether [`install_snapshot`](Self::install_snapshot) could read `file`, which a peer sent. Changes nothing.
    ///
    /// An error refuses that file and does not stop the node.
    fn check_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
        let _ = file;
        Ok(())
    }

    /// Replaces the replicated state by that of `file` and stores `mark`, in one transaction.
    ///
    /// What is not replicated (a node's own observations) stays.
    fn install_snapshot(&mut self, file: &Path, mark: &[u8]) -> Result<(), MachineError>;
}

/// Writes what [`Machine::write_snapshot`] would, as of one moment after it was made, to a new file; answers the mark of
/// that moment. Called on a thread of its own, which may block.
pub type Copier = Box<dyn FnOnce(&Path) -> Result<Option<Vec<u8>>, MachineError> + Send>;

/// Why the machine could not do what the log asks.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct MachineError {
    /// What was tried: lower case, no full stop.
    pub what: String,
    /// The cause, if there is one below.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl MachineError {
    /// An error without a cause below it.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// An error caused by `source`.
    pub fn caused_by(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }
}

/// Answers the questions of peers ([`crate::RaftNode::ask`]).
///
/// Called for each question on the connection's own task; a question may arrive twice when a
/// connection broke in between, so answering must change nothing.
pub trait Answerer: Send + Sync + 'static {
    /// The answer to `question`, asked by `from`.
    fn answer(&self, from: Member, question: Vec<u8>) -> BoxFuture<'static, Vec<u8>>;
}
