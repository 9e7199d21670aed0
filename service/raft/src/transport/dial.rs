//! The bytes below the protocol, behind traits so that a simulated network can take their place.

use std::io;
use std::net::{IpAddr, SocketAddr};
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
    /// Listens on the address of `bind`; where that is a name, on every address of this machine.
    ///
    /// A name may be unknown when a node starts, and may stand for another address later: a container comes back to
    /// its network with a new one, and the name of a host is often an address of loopback there.
    pub(crate) async fn bind(bind: &PeerName) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { bind: bind.to_string(), source };
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses(bind) {
            match TcpListener::bind(&address).await {
                Ok(listener) => return Ok(Self(listener)),
                Err(error) => last = error,
            }
        }
        Err(listen(last))
    }
}

/// Where to listen: the first of these that can be had.
fn addresses(bind: &PeerName) -> Vec<String> {
    let here = bind.host() == "localhost" || bind.host().parse::<IpAddr>().is_ok();
    match bind.as_str().rsplit_once(':') {
        // The IPv6 wildcard takes IPv4 as well, where the system has IPv6 at all.
        Some((_, port)) if !here => vec![format!("[::]:{port}"), format!("0.0.0.0:{port}")],
        _ => vec![bind.to_string()],
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

#[cfg(test)]
mod tests {
    use super::*;

    fn listens_on(bind: &str) -> Vec<String> {
        addresses(&PeerName::parse(bind).expect("a name"))
    }

    #[test]
    fn an_address_is_listened_on_as_it_is() {
        assert_eq!(listens_on("10.0.0.1:7"), ["10.0.0.1:7"]);
        assert_eq!(listens_on("fd00::1"), ["[fd00::1]:10008"]);
        assert_eq!(listens_on("localhost"), ["localhost:10008"]);
    }

    #[test]
    fn a_name_is_listened_on_everywhere_whatever_it_stands_for() {
        assert_eq!(listens_on("orchestrator1"), ["[::]:10008", "0.0.0.0:10008"]);
    }
}
