//! The bytes below the protocol, behind traits so that a simulated network can take their place.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::error::StartError;
use crate::member::PeerName;

/// One address gets this long before the next one of the same name is tried.
const ADDRESS_LIMIT: Duration = Duration::from_secs(1);
/// Resolving a name gets this long; a resolver that hangs is as bad as one that does not know.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);

/// A two-way stream of bytes.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Makes connections to peers.
pub trait Dialer: Send + Sync + 'static {
    /// Connects to `name` (`host:port`), which is resolved anew at each call.
    fn dial(&self, name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>>;
}

/// Accepts connections of peers.
pub trait Acceptor: Send + 'static {
    /// The next connection and where it comes from, for the log only.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn ByteStream>, String)>>;
}

/// Plain TCP and the system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDialer;

impl Dialer for TcpDialer {
    fn dial(&self, name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let found = tokio::time::timeout(RESOLVE_LIMIT, lookup_host(&name)).await;
            let addresses: Vec<SocketAddr> = found.map_err(|_| timed_out("resolving the name"))??.collect();
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in addresses {
                match tokio::time::timeout(ADDRESS_LIMIT, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        stream.set_nodelay(true)?;
                        return Ok(Box::new(stream) as Box<dyn ByteStream>);
                    }
                    Ok(Err(error)) => last = error,
                    Err(_) => last = timed_out("connecting"),
                }
            }
            Err(last)
        })
    }
}

fn timed_out(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} took too long"))
}

/// A bound TCP port.
pub(crate) struct TcpAcceptor(TcpListener);

impl TcpAcceptor {
    /// Listens on the first address of `bind` that can be had.
    pub(crate) async fn bind(bind: &PeerName) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { bind: bind.to_string(), source };
        TcpListener::bind(bind.as_str()).await.map(Self).map_err(listen)
    }
}

impl Acceptor for TcpAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn ByteStream>, String)>> {
        Box::pin(async move {
            let (stream, from) = self.0.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream) as Box<dyn ByteStream>, from.to_string()))
        })
    }
}
