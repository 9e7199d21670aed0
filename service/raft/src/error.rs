//! One error enum per call, its variants named by what the caller does next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::member::Member;
use crate::transport::TlsError;

/// Why a node cannot start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The setting is empty.
    #[error("RaftDataDir is not set: raft needs a directory of its own for identity, log and snapshots")]
    NoDataDir,
    /// A name that is no `host[:port]`.
    #[error("{setting}: {value:?} is no host[:port]")]
    BadName {
        /// The key in the configuration.
        setting: &'static str,
        /// What it says.
        value: String,
    },
    /// The list names a node twice.
    #[error("RaftNodes names {node} twice: remove one of the two")]
    DuplicateNode {
        /// The name, normalized.
        node: String,
    },
    /// The list is too long.
    #[error("RaftNodes names {nodes} nodes, the limit is {limit}: use 3 or 5")]
    TooManyNodes {
        /// How many it names.
        nodes: usize,
        /// How many it may.
        limit: usize,
    },
    /// The list does not name this node.
    #[error("this node is {node}, which RaftNodes ({nodes}) does not name: add it, or set RaftAdvertise")]
    NotInNodes {
        /// This node's name.
        node: String,
        /// The list.
        nodes: String,
    },
    /// The data directory cannot be made, read or written.
    #[error("cannot use RaftDataDir {}: make it writable for this user", dir.display())]
    DataDir {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process has the log open.
    #[error("{} is locked: another orchestrator runs on this data directory", file.display())]
    Locked {
        /// The log file.
        file: PathBuf,
    },
    /// A file in the data directory cannot be read as what it should be.
    #[error("{} is damaged ({what}): move RaftDataDir away to join the group as a new node", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The log is older than the identity beside it, or missing.
    #[error(
        "{} is not the log that node {node_id} voted with: a node without its log must not vote; restore it, or \
         move RaftDataDir away to join the group as a new node",
        file.display()
    )]
    LogLost {
        /// The log file.
        file: PathBuf,
        /// Whose log is missing.
        node_id: u64,
    },
    /// The log file holds another group's log than the identity beside it says.
    #[error(
        "{} belongs to group {found}, identity.json to group {expected}: the directory was put together from two \
         nodes; move RaftDataDir away to join as a new node",
        file.display()
    )]
    ForeignLog {
        /// The log file.
        file: PathBuf,
        /// The group of the identity file.
        expected: String,
        /// The group of the log.
        found: String,
    },
    /// A file was written by a newer version.
    #[error("{} has format {found}, this version reads up to {known}: run the newer version", file.display())]
    TooNew {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: i64,
        /// The newest known format.
        known: i64,
    },
    /// The log cannot be opened for another reason.
    #[error("cannot open {}", file.display())]
    Log {
        /// The log file.
        file: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The raft port cannot be listened on.
    #[error(
        "cannot listen on RaftBind {bind}: is another process using the port, or is the address not local?"
    )]
    Listen {
        /// Where to.
        bind: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The files for TLS between nodes cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Clocks that do not fit together.
    #[error("raft timings do not fit together: {what}")]
    Timings {
        /// Which and why.
        what: String,
    },
}

/// Why a command was not, or perhaps not, applied.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProposeError {
    /// Ask the leader; the command was not accepted here.
    #[error("not leader")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<Member>,
    },
    /// Outcome unknown: it may be applied later. Repeat only what is idempotent.
    #[error("not confirmed by a quorum within {waited:?}")]
    Unconfirmed {
        /// How long was waited.
        waited: Duration,
    },
    /// The command is larger than the log takes.
    #[error("command of {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// This node is stopping or has stopped.
    #[error("raft is stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}

/// Why a peer did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// It did not answer in time.
    #[error("no answer within {waited:?}")]
    Timeout {
        /// How long was waited.
        waited: Duration,
    },
    /// No connection could be made, or it broke.
    #[error("unreachable: {reason}")]
    Unreachable {
        /// What the system says.
        reason: String,
    },
    /// It answers, and refuses to talk to us.
    #[error("refused: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
    /// No such peer, or the group is not formed yet.
    #[error("no such peer")]
    UnknownPeer,
}

/// Why leadership was not handed over.
#[derive(Debug, Clone, thiserror::Error)]
pub enum YieldError {
    /// Only a leader can.
    #[error("not leader")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<Member>,
    },
    /// The name is no other voter's.
    #[error("{name} is no other voter of this group")]
    UnknownNode {
        /// The name that was asked for.
        name: String,
    },
    /// There is nobody to hand over to.
    #[error("no follower is reachable")]
    NoFollower,
    /// Nobody took over in time; this node may lead on.
    #[error("nobody took over within {waited:?}")]
    Timeout {
        /// How long was waited.
        waited: Duration,
    },
    /// This node is stopping or has stopped.
    #[error("raft is stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}
