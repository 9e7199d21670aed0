//! Puts the caller's [`Machine`] under the raft library: batches, marks and raft snapshots.
//!
//! Invariant: a mark is stored in the same transaction as the state that it describes. The machine's
//! store need not be synced at each commit: the log is purged only behind a durable raft snapshot,
//! and a machine that fell behind that one gets it installed again at the start.

mod files;
mod founding;
mod host;
#[cfg(test)]
pub(crate) mod memory;

use std::io;
use std::path::{Path, PathBuf};

use futures::{FutureExt, Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};

use self::files::Mark;
pub(crate) use self::files::{Hash, SNAPSHOT_FORMAT, SnapshotDir, SnapshotFile, create, write_chunk};
pub(crate) use self::founding::{FoundingState, Part};
pub(crate) use self::host::{MachineHost, MachineThread};
use crate::command::Reply;
use crate::error::StartError;
use crate::fatal::Fatal;
use crate::port::{Copier, Machine, MachineError};
use crate::types::{LogId, SnapshotMeta, StoredMembership, TypeConfig};
use crate::work::Work;

/// The most entries of one transaction of the machine, so that the first answer is not kept waiting.
const BATCH: usize = 256;

type RaftSnapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>;

/// The raft library's view of the machine.
pub(crate) struct StateMachine {
    host: MachineHost,
    dir: SnapshotDir,
    mark: Mark,
}

impl StateMachine {
    /// Reads the machine's mark, repairs it from the current raft snapshot, and starts its thread.
    pub(crate) fn open(
        data_dir: &Path,
        mut machine: Box<dyn Machine>,
        log_end: Option<LogId>,
        fatal: Fatal,
        work: &Work,
    ) -> Result<(Self, MachineThread), StartError> {
        let failed = |source| StartError::DataDir { dir: data_dir.to_owned(), source };
        let dir = SnapshotDir::open(data_dir).map_err(failed)?;
        let mark = recover(machine.as_mut(), &dir).map_err(failed)?;
        cover(machine.as_mut(), &dir, &mark, log_end).map_err(failed)?;
        let (host, thread) = MachineHost::start(machine, mark.index(), fatal, work).map_err(failed)?;
        Ok((Self { host, dir, mark }, thread))
    }

    /// The machine's thread, to close it at the end.
    pub(crate) fn host(&self) -> MachineHost {
        self.host.clone()
    }

    /// The state is kept; what it says of a log is about another one, whose entries must not pass for applied ones of
    /// the log that begins now.
    pub(crate) async fn forget_log(&mut self) -> io::Result<()> {
        if self.mark.applied.is_none() {
            return Ok(());
        }
        self.mark = Mark::default();
        let mark = self.mark.encode()?;
        self.host.run(move |machine| machine.apply(&mark, &[]).map(drop).map_err(failed)).await?;
        self.host.set_applied(self.mark.index());
        Ok(())
    }

    /// The state is that of nobody any more: the log of the group that this node joins is applied from its start.
    pub(crate) async fn begin_empty(&mut self) -> io::Result<()> {
        self.mark = Mark::default();
        let (mark, path) = (self.mark.encode()?, self.dir.temporary());
        self.host
            .run(move |machine| {
                machine.write_empty(&path).map_err(failed)?;
                machine.install_snapshot(&path, &mark).map_err(failed)?;
                std::fs::remove_file(&path)
            })
            .await?;
        self.host.set_applied(self.mark.index());
        Ok(())
    }

    async fn apply_batch(&mut self, batch: Vec<EntryResponder<TypeConfig>>) -> io::Result<()> {
        let mut commands = Vec::new();
        let mut answers = Vec::new();
        for (entry, responder) in batch {
            self.mark.applied = Some(entry.log_id);
            let command = match entry.payload {
                EntryPayload::Blank => None,
                EntryPayload::Normal(command) => Some((entry.log_id.index, command)),
                EntryPayload::Membership(membership) => {
                    self.mark.membership = StoredMembership::new(Some(entry.log_id), membership);
                    None
                }
            };
            answers.push((responder, command.is_some()));
            commands.extend(command);
        }
        let mark = self.mark.encode()?;
        let replies = self
            .host
            .run(move |machine| {
                let borrowed: Vec<_> = commands.iter().map(|(index, command)| (*index, command)).collect();
                let replies = machine.apply(&mark, &borrowed).map_err(failed)?;
                assert_eq!(replies.len(), borrowed.len(), "the machine answers each command once");
                Ok(replies)
            })
            .await?;
        self.host.set_applied(self.mark.index());
        let mut replies = replies.into_iter();
        for (responder, is_command) in answers {
            let reply = if is_command { replies.next().unwrap_or_default() } else { Reply::default() };
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }
}

fn recover(machine: &mut dyn Machine, dir: &SnapshotDir) -> io::Result<Mark> {
    let mark = match machine.applied().map_err(failed)? {
        Some(bytes) => Mark::decode(&bytes)?,
        None => Mark::default(),
    };
    match dir.current()? {
        Some((newer, file)) if newer.applied > mark.applied => {
            let found = SnapshotFile::measure(file.path.clone())?;
            if found.sha256 != file.sha256 {
                return Err(io::Error::other(format!("{} is damaged", file.path.display())));
            }
            machine.install_snapshot(&file.path, &newer.encode()?).map_err(failed)?;
            Ok(newer)
        }
        _ => Ok(mark),
    }
}

/// Sees to it that the current raft snapshot, if there is one, reaches to where the log will begin.
///
/// Entries are applied when a quorum has them, and may never reach this node's own log if it is killed then. The raft
/// library lets such a log go up to what was applied, and whoever needs an older entry gets the raft snapshot.
fn cover(
    machine: &mut dyn Machine,
    dir: &SnapshotDir,
    mark: &Mark,
    log_end: Option<LogId>,
) -> io::Result<()> {
    let is_short = mark.applied > log_end;
    if is_short && dir.current()?.is_some_and(|(older, _)| older.applied < mark.applied) {
        write_current(machine, dir)?;
    }
    Ok(())
}

/// Makes a raft snapshot of what the machine holds.
fn write_current(machine: &mut dyn Machine, dir: &SnapshotDir) -> io::Result<(Mark, SnapshotFile)> {
    let mark = machine.applied().map_err(failed)?;
    let mark = mark.map(|bytes| Mark::decode(&bytes)).transpose()?.unwrap_or_default();
    let path = dir.temporary();
    machine.write_snapshot(&path).map_err(failed)?;
    let file = dir.adopt(&mark, &SnapshotFile::measure(path)?)?;
    Ok((mark, file))
}

/// Has the state written, and synced: what is left to do with the file takes no time.
fn copy(copier: Copier, path: PathBuf) -> io::Result<(Mark, SnapshotFile)> {
    let mark = copier(&path).map_err(failed)?;
    let mark = mark.map(|bytes| Mark::decode(&bytes)).transpose()?.unwrap_or_default();
    std::fs::File::open(&path)?.sync_all()?;
    Ok((mark, SnapshotFile::measure(path)?))
}

/// Makes `file` the current raft snapshot, unless one arrived meanwhile that reaches further: the log may begin behind
/// that one.
fn adopt_newer(dir: &SnapshotDir, mark: Mark, file: &SnapshotFile) -> io::Result<(Mark, SnapshotFile)> {
    match dir.current()? {
        Some((newer, current)) if newer.applied > mark.applied => {
            std::fs::remove_file(&file.path)?;
            Ok((newer, current))
        }
        _ => {
            let file = dir.adopt(&mark, file)?;
            Ok((mark, file))
        }
    }
}

/// The chain of the machine's error in one line, since the raft library keeps only text.
fn failed(error: MachineError) -> io::Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    io::Error::other(text)
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.mark.applied, self.mark.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some(first) = entries.next().await {
            let mut batch = vec![first?];
            // Take what is ready, so that one transaction serves all of it.
            while batch.len() < BATCH
                && let Some(Some(next)) = entries.next().now_or_never()
            {
                batch.push(next?);
            }
            self.apply_batch(batch).await?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { host: self.host.clone(), dir: self.dir.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, file: SnapshotFile) -> io::Result<()> {
        let (dir, mark) = (self.dir.clone(), Mark::of(meta));
        self.mark = mark.clone();
        self.host
            .run(move |machine| {
                // Adopted first: if this node dies in between, the start installs it.
                let file = dir.adopt(&mark, &file)?;
                machine.install_snapshot(&file.path, &mark.encode()?).map_err(failed)
            })
            .await?;
        self.host.set_applied(self.mark.index());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        let current = self.dir.current()?;
        Ok(current.map(|(mark, snapshot)| Snapshot { meta: mark.meta(), snapshot }))
    }
}

/// Builds a raft snapshot: beside the machine where that can be, else on its thread, between two batches.
pub(crate) struct SnapshotBuilder {
    host: MachineHost,
    dir: SnapshotDir,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        let dir = self.dir.clone();
        let copier = self.host.run(|machine| machine.copier().map_err(failed)).await?;
        let (mark, snapshot) = match copier {
            None => self.host.run(move |machine| write_current(machine, &dir)).await?,
            Some(copier) => {
                let path = self.dir.temporary();
                let (mark, file) = self.host.beside(move || copy(copier, path)).await?;
                // On the machine's thread, as whatever else is made current: after its end nothing is.
                self.host.run(move |_| adopt_newer(&dir, mark, &file)).await?
            }
        };
        Ok(Snapshot { meta: mark.meta(), snapshot })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::memory::MemoryMachine;
    use super::*;
    use crate::command::Command;
    use crate::types::Entry;

    fn at(index: u64) -> Mark {
        Mark { applied: Some(LogId::new_term_index(1, index)), ..Mark::default() }
    }

    /// The mark of the current raft snapshot after a start with a machine that applied up to 136, a raft snapshot of
    /// 107, and a log that ends at `log_end`.
    fn current_after_start(log_end: u64) -> Option<u64> {
        let data = tempfile::tempdir().expect("a folder");
        let dir = SnapshotDir::open(data.path()).expect("a folder");
        let mut machine = MemoryMachine::default();
        for mark in [at(107), at(136)] {
            machine.apply(&mark.encode().expect("JSON"), &[]).expect("memory");
            if mark == at(107) {
                write_current(&mut machine, &dir).expect("a raft snapshot");
            }
        }
        let log_end = at(log_end).applied;
        StateMachine::open(data.path(), Box::new(machine), log_end, Fatal::of("n"), &Work::Threads)
            .expect("it starts");
        dir.current().expect("it can be read").map(|(mark, _)| mark.index())
    }

    /// A machine that is copied when it is told to be.
    struct Copied {
        machine: MemoryMachine,
        begun: Option<oneshot::Sender<()>>,
        go_on: Option<mpsc::Receiver<()>>,
    }

    impl Machine for Copied {
        fn applied(&mut self) -> Result<Option<Vec<u8>>, MachineError> {
            self.machine.applied()
        }

        fn apply(&mut self, mark: &[u8], commands: &[(u64, &Command)]) -> Result<Vec<Reply>, MachineError> {
            self.machine.apply(mark, commands)
        }

        fn write_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
            self.machine.write_snapshot(file)
        }

        fn copier(&mut self) -> Result<Option<Copier>, MachineError> {
            let (begun, go_on) = (self.begun.take(), self.go_on.take());
            let (begun, go_on) = (begun.expect("asked once"), go_on.expect("asked once"));
            let mark = self.machine.applied()?;
            Ok(Some(Box::new(move |file| {
                begun.send(()).expect("somebody waits for it");
                go_on.recv().expect("it is let go");
                std::fs::write(file, "").expect("a file");
                Ok(mark)
            })))
        }

        fn write_empty(&mut self, file: &Path) -> Result<(), MachineError> {
            self.machine.write_empty(file)
        }

        fn install_snapshot(&mut self, file: &Path, mark: &[u8]) -> Result<(), MachineError> {
            self.machine.install_snapshot(file, mark)
        }
    }

    /// A machine at 7 that is being copied, and what lets the copy be finished.
    async fn being_copied(
        data: &Path,
    ) -> (StateMachine, mpsc::SyncSender<()>, tokio::task::JoinHandle<io::Result<RaftSnapshot>>) {
        let (begun, begins) = oneshot::channel();
        let (let_go, go_on) = mpsc::sync_channel(1);
        let mut machine =
            Copied { machine: MemoryMachine::default(), begun: Some(begun), go_on: Some(go_on) };
        machine.apply(&at(7).encode().expect("JSON"), &[]).expect("memory");
        let opened =
            StateMachine::open(data, Box::new(machine), at(7).applied, Fatal::of("n"), &Work::Threads);
        let (mut state, _thread) = opened.expect("it starts");
        let mut builder = state.get_snapshot_builder().await;
        let building = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(builder.build_snapshot())
        });
        begins.await.expect("it begins");
        (state, let_go, building)
    }

    #[tokio::test]
    async fn commands_are_applied_while_a_raft_snapshot_is_built() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut state, let_go, building) = being_copied(data.path()).await;
        let entry = Entry { log_id: LogId::new_term_index(1, 8), payload: EntryPayload::Blank };
        let applied = state.apply(futures::stream::iter([Ok((entry, None))])).await;
        applied.expect("it does not wait for the copy");
        assert_eq!(state.host().applied(), 8);
        let_go.send(()).expect("the copy waits");
        let built = building.await.expect("no panic").expect("a raft snapshot");
        assert_eq!(built.meta.last_log_id, at(7).applied, "what came meanwhile is not in it");
        let (current, file) = state.dir.current().expect("it can be read").expect("there is one");
        assert_eq!((current, file.path), (at(7), built.snapshot.path));
    }

    #[tokio::test]
    async fn a_raft_snapshot_that_was_built_slowly_does_not_replace_a_newer_one() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut state, let_go, building) = being_copied(data.path()).await;
        let arrived = state.dir.temporary();
        std::fs::write(&arrived, "of the leader").expect("a file");
        let arrived = SnapshotFile::measure(arrived).expect("it is there");
        state.install_snapshot(&at(20).meta(), arrived).await.expect("it does not wait for the copy");
        let_go.send(()).expect("the copy waits");
        let built = building.await.expect("no panic").expect("a raft snapshot");
        assert_eq!(built.meta.last_log_id, at(20).applied);
        let (current, file) = state.dir.current().expect("it can be read").expect("there is one");
        assert_eq!((current, file.path), (at(20), built.snapshot.path));
        let parts = std::fs::read_dir(data.path().join("snapshots")).expect("the folder");
        assert_eq!(parts.count(), 2, "the current one and its description");
    }

    #[test]
    fn a_machine_ahead_of_its_log_leaves_no_hole_behind_the_raft_snapshot() {
        assert_eq!(current_after_start(120), Some(136));
        assert_eq!(current_after_start(140), Some(107), "nothing is written where the log is whole");
    }
}
