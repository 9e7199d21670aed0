//! The owner of the log file: it drains its queue into one transaction per commit. A thread; in a simulation a task.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use openraft::storage::IOFlushed;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::file::{LogFile, meta};
use super::tail::Tail;
use crate::fatal::Fatal;
use crate::own_loop::before_others;
use crate::types::{LogId, TypeConfig, Vote};
use crate::work::{Access, Disk, Fate, Work};

/// Operations that may wait for the disk; a full queue makes the raft core wait, which is right.
const QUEUE: usize = 1024;
/// The most operations of one transaction, so that the first of them is not kept waiting for long.
const BATCH: usize = 256;

type Done<T> = oneshot::Sender<io::Result<T>>;

pub(super) enum Op {
    Append {
        rows: Vec<(u64, Vec<u8>)>,
        last: LogId,
        flushed: IOFlushed<TypeConfig>,
    },
    SaveVote {
        vote: Vote,
        bytes: Vec<u8>,
        done: Done<()>,
    },
    /// Ends the thread and closes the file, behind everything that was queued before.
    Close,
    SetOwner {
        bytes: Vec<u8>,
        done: Done<()>,
    },
    Truncate {
        first: u64,
        done: Done<()>,
    },
    Purge {
        upto: u64,
        bytes: Vec<u8>,
        done: Done<()>,
    },
    Read {
        first: u64,
        end: u64,
        done: Done<Vec<Vec<u8>>>,
    },
}

/// What to tell whom once the transaction is durable.
enum After {
    Appended(LogId, IOFlushed<TypeConfig>),
    Voted(Vote, Done<()>),
    Done(Done<()>),
    Rows(Vec<Vec<u8>>, Done<Vec<Vec<u8>>>),
}

/// Who writes; dropping it ends a task at once, and leaves a thread to its queue.
pub(super) enum Running {
    Thread(JoinHandle<()>),
    Task(JoinSet<()>),
}

/// The queue to the writer. Dropping every clone ends the thread, which closes the file.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Op>,
}

impl Writer {
    /// Starts to write `file`.
    pub(super) fn start(
        file: LogFile,
        tail: Arc<Mutex<Tail>>,
        fatal: Fatal,
        work: &Work,
    ) -> io::Result<(Self, Running)> {
        let (queue, ops) = mpsc::channel(QUEUE);
        let running = match work {
            Work::Threads => {
                let thread = std::thread::Builder::new().name("raft-log".into()).spawn(move || {
                    before_others();
                    if let Err(error) = run(&file, &tail, ops) {
                        fatal.fail(error.to_string());
                    }
                })?;
                Running::Thread(thread)
            }
            Work::Inline(disk) => {
                let mut task = JoinSet::new();
                let disk = disk.clone();
                task.spawn(work.clone().paced(async move {
                    if let Err(error) = run_inline(file, &tail, ops, disk).await {
                        fatal.fail(error.to_string());
                    }
                }));
                Running::Task(task)
            }
        };
        Ok((Self { queue }, running))
    }

    pub(super) async fn send(&self, op: Op) -> io::Result<()> {
        self.queue.send(op).await.map_err(|_| stopped())
    }

    /// Sends the operation that `op` makes and waits until it is durable.
    pub(super) async fn call<T>(&self, op: impl FnOnce(Done<T>) -> Op) -> io::Result<T> {
        let (done, answer) = oneshot::channel();
        self.send(op(done)).await?;
        answer.await.map_err(|_| stopped())?
    }
}

fn stopped() -> io::Error {
    io::Error::other("the raft log's writer has stopped")
}

fn run(file: &LogFile, tail: &Mutex<Tail>, mut ops: mpsc::Receiver<Op>) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while ops.blocking_recv_many(&mut batch, BATCH) > 0 {
        let (open, after) = write(file, batch.drain(..), Ok(Fate::Kept))?;
        settle(tail, after);
        if !open {
            break;
        }
    }
    Ok(())
}

/// As [`run`], on a disk that takes its time, fails, and lies.
async fn run_inline(
    file: LogFile,
    tail: &Mutex<Tail>,
    mut ops: mpsc::Receiver<Op>,
    disk: Arc<dyn Disk>,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while ops.recv_many(&mut batch, BATCH).await > 0 {
        let vote = batch.iter().any(|op| matches!(op, Op::SaveVote { .. }));
        // First the time that it takes: a node that dies in it has written nothing.
        let fate = disk.access(Access::Log { vote }).await;
        let (open, after) = write(&file, batch.drain(..), fate)?;
        disk.access(Access::Acknowledge).await?;
        settle(tail, after);
        if !open {
            break;
        }
    }
    Ok(())
}

/// One batch in one transaction: whether the file stays open, and whom to tell when.
///
/// A failed write leaves the file in doubt. Everything that is not told reports an error to its caller, which stops
/// the node.
fn write(
    file: &LogFile,
    ops: impl Iterator<Item = Op>,
    fate: io::Result<Fate>,
) -> io::Result<(bool, Vec<After>)> {
    let mut after = Vec::new();
    match fate.and_then(|fate| commit(file, ops, &mut after, fate)) {
        Ok(open) => Ok((open, after)),
        Err(error) => {
            let error = io::Error::new(error.kind(), format!("cannot write the raft log: {error}"));
            fail(after, &error);
            Err(error)
        }
    }
}

/// `false` if the file is to be closed.
fn commit(
    file: &LogFile,
    ops: impl Iterator<Item = Op>,
    after: &mut Vec<After>,
    fate: Fate,
) -> io::Result<bool> {
    file.begin()?;
    let mut open = true;
    for op in ops {
        match op {
            Op::Close => open = false,
            Op::Append { rows, last, flushed } => {
                let result = file.append(&rows);
                after.push(After::Appended(last, flushed));
                result?;
            }
            Op::SaveVote { vote, bytes, done } => {
                let result = file.set_meta(meta::VOTE, &bytes);
                after.push(After::Voted(vote, done));
                result?;
            }
            Op::SetOwner { bytes, done } => {
                let result = file.set_meta(meta::OWNER, &bytes);
                after.push(After::Done(done));
                result?;
            }
            Op::Truncate { first, done } => {
                let result = file.truncate_from(first);
                after.push(After::Done(done));
                result?;
            }
            Op::Purge { upto, bytes, done } => {
                let result = file.set_meta(meta::PURGED, &bytes).and_then(|()| file.purge_upto(upto));
                after.push(After::Done(done));
                result?;
            }
            Op::Read { first, end, done } => after.push(After::Rows(file.read(first, end)?, done)),
        }
    }
    match fate {
        Fate::Kept => file.commit()?,
        Fate::Lost => file.roll_back()?,
    }
    Ok(open)
}

fn settle(tail: &Mutex<Tail>, after: Vec<After>) {
    for item in after {
        match item {
            After::Appended(last, flushed) => {
                super::lock(tail).flushed(last);
                flushed.io_completed(Ok(()));
            }
            After::Voted(vote, done) => {
                super::lock(tail).durable_vote = Some(vote);
                answer(done, Ok(()));
            }
            After::Done(done) => answer(done, Ok(())),
            After::Rows(rows, done) => answer(done, Ok(rows)),
        }
    }
}

fn fail(after: Vec<After>, error: &io::Error) {
    let again = || io::Error::new(error.kind(), error.to_string());
    for item in after {
        match item {
            After::Appended(_, flushed) => flushed.io_completed(Err(again())),
            After::Voted(_, done) | After::Done(done) => answer(done, Err(again())),
            After::Rows(_, done) => answer(done, Err(again())),
        }
    }
}

/// The asker may be gone; then nobody needs the answer.
fn answer<T>(done: Done<T>, result: io::Result<T>) {
    drop(done.send(result));
}
