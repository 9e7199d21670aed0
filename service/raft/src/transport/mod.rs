//! How nodes talk: framed messages on held TCP connections to peers known by name.

mod complaints;
mod dial;
mod founding;
mod incoming;
mod link;
mod names;
mod network;
mod places;
mod plausible;
mod server;
mod session;
mod snapshot;
mod tls;
mod votes;
mod wire;

use std::time::Duration;

pub(crate) use self::complaints::Complaints;
pub(crate) use self::dial::TcpAcceptor;
pub use self::dial::{Acceptor, ByteStream, Dialer, TcpDialer};
pub(crate) use self::founding::{Founding, Wanted};
pub(crate) use self::link::{Lane, LinkError, Links, Probed};
pub use self::names::Resolver;
pub(crate) use self::network::{CHUNK_BYTES, CHUNK_LIMIT, INSTALL_LIMIT, NetworkFactory};
pub(crate) use self::server::Server;
pub(crate) use self::session::Room;
pub(crate) use self::snapshot::Installing;
pub(crate) use self::tls::Tls;
pub use self::tls::{TlsError, TlsSettings};
pub(crate) use self::wire::{Assign, Kind, MAX_ENTRIES, Members, NodeReport, decode, encode};

/// A connection that carried nothing for so long is closed; the other side makes a new one at need.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
