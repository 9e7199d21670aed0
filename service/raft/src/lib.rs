#![doc = include_str!("../DESIGN.md")]

mod alone;
mod error;
mod events;
mod fatal;
mod files;
mod formation;
mod guard;
mod handover;
mod health;
mod identity;
mod lease;
mod local;
mod log;
mod member;
mod membership;
mod node;
mod observer;
mod own_loop;
mod port;
mod settings;
mod start;
mod state;
mod transport;
mod types;
mod work;

pub mod command;
pub mod machine;

pub use crate::error::{AskError, ProposeError, StartError, YieldError};
pub use crate::events::{EventKind, GroupEvent, REMEMBERED};
pub use crate::health::{Health, NodeState, PeerHealth};
pub use crate::lease::Holds;
pub use crate::member::{DEFAULT_RAFT_PORT, Member, NodeId, PeerName};
pub use crate::membership::{ChangeError, Membership, Progress};
pub use crate::node::RaftNode;
pub use crate::observer::Leadership;
pub use crate::port::{Answerer, Copier, Machine, MachineError};
pub use crate::settings::{Bootstrap, MAX_NODES, MembershipSource, Policy, RaftSettings, Timings};
pub use crate::start::Wire;
pub use crate::transport::{Acceptor, ByteStream, Dialer, Resolver, TcpDialer, TlsError, TlsSettings};
pub use crate::work::{Access, Disk, Fate};

/// The largest command that the log takes, serialized. 32 of them fit in one frame between nodes.
pub const MAX_COMMAND_BYTES: usize = 1024 * 1024;

/// What to add to the program's log filter: the raft library warns at each heartbeat that a dead peer
/// does not answer, which this crate says once.
pub const LOG_DIRECTIVE: &str = "openraft=error";
