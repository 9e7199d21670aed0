//! What one probe brought back.

use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};

use crate::{instance::Instance, key::InstanceKey, time::Timestamp};

/// The result of probing one instance once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The instance that was asked for.
    pub key: InstanceKey,
    /// When the probe began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it found.
    pub outcome: Outcome,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Read(alloc::boxed::Box<Reading>),
    /// It did not, or not with what we asked for.
    Failed(Failure),
}

/// What an instance that answered said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Parts that could not be read hold defaults here and are listed in `unread`.
    pub instance: Instance,
    /// Parts that the server would not tell, and why; what was known of them before stays known.
    pub unread: Vec<Unread>,
}

/// One part of an instance that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Which part.
    pub part: Part,
    /// The server's words.
    pub error: String,
}

/// Parts of an instance, each read by a statement of its own, so that a missing privilege or an unknown
/// variable costs that part only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// [`Instance::settings`].
    Settings,
    /// [`Instance::binary_log`].
    BinaryLog,
    /// [`Instance::replication`].
    Replication,
    /// [`crate::instance::Replication::contact`].
    SourceContact,
    /// [`Instance::gtid`].
    Gtid,
    /// [`Instance::semi_sync`].
    SemiSync,
    /// [`Instance::replicas`].
    Replicas,
    /// [`Instance::group`].
    Group,
    /// [`Instance::lag_seconds`].
    Lag,
    /// [`Instance::labels`].
    Labels,
    /// What our account may do there. Its error names what is missing; nothing of the instance is unknown for it.
    Privileges,
    /// Of these, what it takes to make a primary of it.
    Promotion,
}

impl Part {
    /// A word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::BinaryLog => "binary log position",
            Self::Replication => "replication status",
            Self::SourceContact => "source contact",
            Self::Gtid => "gtid",
            Self::SemiSync => "semi-sync",
            Self::Replicas => "list of replicas",
            Self::Group => "group replication",
            Self::Lag => "lag",
            Self::Labels => "labels",
            Self::Privileges => "privileges",
            Self::Promotion => "privileges for a promotion",
        }
    }
}

/// Why an instance could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub kind: FailureKind,
    /// The words of the network, the driver or the server.
    pub error: String,
    /// It let us in and answered at least who it is before failing.
    pub partial: bool,
}

/// What a failure to read an instance means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// Nobody listens on that port: the process is gone, or going.
    Refused,
    /// No route, or the network said no.
    Unreachable,
    /// The host name does not resolve: says nothing about the server.
    NameUnresolved,
    /// No TCP connection within the deadline: cut off, powered off, or its accept queue is full.
    ConnectTimeout,
    /// Connected, but no answer within the deadline: frozen, overloaded, or locked.
    Silent,
    /// An established conversation broke.
    Broken,
    /// It answered with an error that proves it is alive: denied, too many connections, host blocked,
    /// shutting down later than now.
    AnsweredError,
    /// It answered something that is not the MySQL protocol, or not what was asked.
    Nonsense,
    /// Another server than before answers under this name.
    IdentityChanged,
}

impl FailureKind {
    /// The server is alive although it could not be read: no reason to replace it.
    pub fn proves_alive(self) -> bool {
        matches!(self, Self::AnsweredError | Self::Nonsense | Self::IdentityChanged)
    }

    /// A word for people and for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::NameUnresolved => "name does not resolve",
            Self::ConnectTimeout => "no connection within the deadline",
            Self::Silent => "connected but silent",
            Self::Broken => "connection broke",
            Self::AnsweredError => "answered with an error",
            Self::Nonsense => "answered nonsense",
            Self::IdentityChanged => "another server answered",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // "connection refused" says that it was refused.
        let (kind, error) = (self.kind.as_str(), self.error.as_str());
        if error.to_ascii_lowercase().contains(kind) {
            f.write_str(error)
        } else {
            write!(f, "{kind}: {error}")
        }
    }
}

impl Observation {
    /// How long the probe took.
    pub fn latency(&self) -> Duration {
        self.finished_at.since(self.started_at)
    }
}
