//! A node that is no member of any group: the same log and state, one voter, no port.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::error::StartError;
use crate::node::RaftNode;
use crate::port::{Answerer, Machine};
use crate::settings::{Policy, RaftSettings, Timings};
use crate::start::Wire;
use crate::transport::{Acceptor, ByteStream, Dialer};

/// The only member's name. Nobody listens there and nobody asks for it.
const NAME: &str = "127.0.0.1:10008";

impl RaftNode {
    /// Starts a node that stands alone: it leads within milliseconds, accepts no peer and calls none.
    ///
    /// `data_dir` is an empty folder for its log, for this life alone: what the log led to is in the machine, and a
    /// log of another life would be applied to it anew.
    ///
    /// # Errors
    /// As [`RaftNode::start`].
    pub async fn start_alone(
        data_dir: PathBuf,
        hostname: String,
        machine: Box<dyn Machine>,
        answerer: Arc<dyn Answerer>,
    ) -> Result<Self, StartError> {
        let settings = RaftSettings {
            data_dir,
            bind: NAME.into(),
            advertise: NAME.into(),
            nodes: vec![NAME.into()],
            http_uri: String::new(),
            hostname,
            timings: Timings::default(),
        };
        let wire = Wire { dialer: Arc::new(Nobody), acceptor: Box::new(Nobody) };
        Self::start_on(settings, Policy::default(), machine, answerer, wire).await
    }
}

/// The network of one who is alone.
struct Nobody;

impl Dialer for Nobody {
    fn dial(&self, _name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async { Err(io::ErrorKind::NotConnected.into()) })
    }
}

impl Acceptor for Nobody {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn ByteStream>, String)>> {
        Box::pin(std::future::pending())
    }
}
