//! The raft log, the vote and what was purged, in `raft.db` under the data directory.
//!
//! Invariants: nothing is acknowledged before it is synced; votes and entries reach the disk in the
//! order in which they were handed over; entries are readable as soon as they are appended.
//! What is *not* here: the committed index. The machine keeps what it applied, and learns the rest
//! from the leader.

mod file;
#[cfg(test)]
mod suite;
mod tail;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{OptionalSend, entry::RaftEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::file::{LogFile, meta};
use self::tail::{KEEP_ENTRIES, Tail};
use self::writer::{Op, Running, Writer};
use crate::error::StartError;
use crate::fatal::Fatal;
use crate::identity::Identity;
use crate::types::{Entry, LogId, TypeConfig, Vote};
use crate::work::Work;

/// Not the name that the original uses, whose file has another format.
const FILE: &str = "raft.db";

/// Handle of the log; clones share it.
#[derive(Clone)]
pub(crate) struct LogStore {
    writer: Writer,
    tail: Arc<Mutex<Tail>>,
}

/// Waits for the log's file to be closed.
pub(crate) struct LogThread(Running);

impl LogThread {
    /// Waits until the last handle is gone and the file is closed.
    pub(crate) async fn join(self) {
        let panicked = match self.0 {
            Running::Thread(thread) => {
                let joined = tokio::task::spawn_blocking(|| thread.join().is_err()).await;
                joined.unwrap_or(true)
            }
            Running::Task(mut task) => task.join_next().await.is_some_and(|joined| joined.is_err()),
        };
        if panicked {
            tracing::error!("the raft log's thread panicked");
        }
    }
}

/// Which identity a log was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    cluster_id: String,
    node_id: u64,
    epoch: u64,
}

/// An opened log file that no thread serves yet.
pub(crate) struct OpenLog {
    path: PathBuf,
    file: LogFile,
}

impl OpenLog {
    /// Opens, creates if need be, locks and checks the log of `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, StartError> {
        let path = dir.join(FILE);
        let file = LogFile::open(&path)?;
        Ok(Self { path, file })
    }

    /// The log and its journal.
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        [self.path.clone(), self.path.with_extension("db-wal")]
    }

    /// The last entry that is there, or that was before it was let go.
    pub(crate) fn end(&self) -> Result<Option<LogId>, StartError> {
        let newest = self.file.newest(1).map_err(|error| self.corrupt(&error))?;
        match newest.last() {
            Some(bytes) => {
                let entry: Entry = decode(bytes).map_err(|error| self.corrupt(&error))?;
                Ok(Some(entry.log_id))
            }
            None => self.read(meta::PURGED),
        }
    }

    /// Refuses a log that is not the one `identity` voted with.
    pub(crate) fn check_owner(&self, identity: Option<&Identity>) -> Result<(), StartError> {
        let owner: Option<Owner> = self.read(meta::OWNER)?;
        let file = || self.path.clone();
        match (owner, identity) {
            // Never voted: whatever the log says, it is empty, and is bound anew before the first vote.
            (_, Some(identity)) if identity.epoch == 0 => Ok(()),
            (None, Some(identity)) => Err(StartError::LogLost { file: file(), node_id: identity.node_id }),
            (None, None) => Ok(()),
            (Some(owner), None) => Err(StartError::Corrupt {
                file: file(),
                what: format!("it is the log of node {}, whose identity.json is missing", owner.node_id),
            }),
            (Some(owner), Some(identity)) if owner.cluster_id != identity.cluster_id => {
                Err(StartError::ForeignLog {
                    file: file(),
                    expected: identity.cluster_id.clone(),
                    found: owner.cluster_id,
                })
            }
            (Some(owner), Some(identity)) if owner.node_id != identity.node_id => {
                Err(StartError::LogLost { file: file(), node_id: identity.node_id })
            }
            (Some(_), Some(_)) => Ok(()),
        }
    }

    /// Starts whoever serves the log.
    pub(crate) fn serve(self, fatal: Fatal, work: &Work) -> Result<(LogStore, LogThread), StartError> {
        let entries = self.file.newest(KEEP_ENTRIES as u64).map_err(|error| self.corrupt(&error))?;
        let entries = entries
            .iter()
            .map(|bytes| decode(bytes))
            .collect::<io::Result<Vec<Entry>>>()
            .map_err(|error| self.corrupt(&error))?;
        let tail = Tail::loaded(entries, self.read(meta::PURGED)?, self.read(meta::VOTE)?);
        let tail = Arc::new(Mutex::new(tail));
        let (writer, thread) = Writer::start(self.file, tail.clone(), fatal, work)
            .map_err(|source| StartError::DataDir { dir: self.path.clone(), source })?;
        Ok((LogStore { writer, tail }, LogThread(thread)))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StartError> {
        let bytes = self.file.meta(name).map_err(|error| self.corrupt(&error))?;
        bytes.map(|bytes| decode(&bytes)).transpose().map_err(|error| self.corrupt(&error))
    }

    fn corrupt(&self, error: &io::Error) -> StartError {
        StartError::Corrupt { file: self.path.clone(), what: error.to_string() }
    }
}

impl LogStore {
    /// Binds the log to `identity`, before its first vote.
    pub(crate) async fn bind(&self, identity: &Identity) -> io::Result<()> {
        let Identity { cluster_id, node_id, epoch, joins: _ } = identity.clone();
        let bytes = encode(&Owner { cluster_id, node_id, epoch })?;
        self.writer.call(|done| Op::SetOwner { bytes, done }).await
    }

    /// The vote and the last entry that outlive a power failure: what peers may be told.
    pub(crate) fn durable(&self) -> (Option<Vote>, Option<LogId>) {
        let tail = lock(&self.tail);
        (tail.durable_vote, tail.durable_last())
    }

    /// Closes the file behind everything that was handed over; later calls fail.
    pub(crate) async fn close(&self) {
        // An error means that it is closed already.
        drop(self.writer.send(Op::Close).await);
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let first = match range.start_bound() {
            Bound::Included(&first) => first,
            Bound::Excluded(&before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last + 1,
            Bound::Excluded(&end) => end,
            Bound::Unbounded => u64::MAX,
        };
        let found = lock(&self.tail).get(first..end);
        match found {
            Ok(entries) => Ok(entries),
            // The writer answers in the order of its queue, so it sees all that was appended before.
            Err(end) => {
                let rows = self.writer.call(|done| Op::Read { first, end, done }).await?;
                rows.iter().map(|bytes| decode(bytes)).collect()
            }
        }
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(lock(&self.tail).vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let tail = lock(&self.tail);
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (vote, bytes) = (*vote, encode(vote)?);
        lock(&self.tail).vote = Some(vote);
        self.writer.call(|done| Op::SaveVote { vote, bytes, done }).await
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut rows = Vec::new();
        let mut last = None;
        {
            let mut tail = lock(&self.tail);
            for entry in entries {
                rows.push((entry.index(), encode(&entry)?));
                last = Some(entry.log_id);
                tail.push(entry);
            }
        }
        match last {
            Some(last) => self.writer.send(Op::Append { rows, last, flushed }).await,
            None => {
                flushed.io_completed(Ok(()));
                Ok(())
            }
        }
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let first = last.map_or(0, |id| id.index + 1);
        lock(&self.tail).truncate_after(last);
        self.writer.call(|done| Op::Truncate { first, done }).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let bytes = encode(&upto)?;
        lock(&self.tail).purge(upto);
        self.writer.call(|done| Op::Purge { upto: upto.index, bytes, done }).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds the lock except a broken invariant, which ends the node anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        io::Error::other(format!("an entry of the raft log cannot be read by this version: {error}"))
    })
}
