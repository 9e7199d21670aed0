//! The bytes below the protocol, behind traits so that a simulated network can take their place.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::error::StartError;
use crate::local::lock;
use crate::member::PeerName;

/// One address gets this long before the next one of the same name is tried.
const ADDRESS_LIMIT: Duration = Duration::from_secs(1);
/// Resolving a name gets this long; a resolver that hangs is as bad as one that does not know.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);
/// A resolver answers in milliseconds; after this time a peer is sought where it was before, too.
const KNOWN_AFTER: Duration = Duration::from_millis(200);
/// An address of before gets this long: it is a second chance, and must not keep the first one waiting.
const KNOWN_LIMIT: Duration = Duration::from_millis(500);

/// A two-way stream of bytes.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Makes connections to peers.
pub trait Dialer: Send + Sync + 'static {
    /// Connects to `name` (`host:port`), which is resolved anew at each call.
    ///
    /// Where it leads to the wrong node, the handshake finds out.
    fn dial(&self, name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>>;
}

/// Accepts connections of peers.
pub trait Acceptor: Send + 'static {
    /// The next connection and where it comes from, for the log only.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn ByteStream>, String)>>;
}

/// Plain TCP and the system's resolver.
///
/// It remembers where each name led last, for the time in which the resolver is silent: a machine that is lost may
/// have been the one that answered for names, and the others must be able to elect. Who answers at the old address
/// has to prove all the same that it is the node that is wanted.
#[derive(Debug, Clone, Default)]
pub struct TcpDialer {
    known: Arc<Mutex<HashMap<String, SocketAddr>>>,
}

impl Dialer for TcpDialer {
    fn dial(&self, name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let known = self.known.clone();
        Box::pin(async move {
            let last = lock(&known).get(&name).copied();
            let stream = match last {
                Some(address) => resolved_or_known(&name, address).await?,
                None => resolved(&name).await?,
            };
            lock(&known).insert(name, stream.peer_addr()?);
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}

/// Connects to an address that the resolver gives now.
async fn resolved(name: &str) -> io::Result<TcpStream> {
    let found = tokio::time::timeout(RESOLVE_LIMIT, lookup_host(name)).await;
    let addresses = found.map_err(|_| timed_out("resolving the name"))??;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match connected(address, ADDRESS_LIMIT).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// As [`resolved`], and to the address that was right before while that takes long or fails.
async fn resolved_or_known(name: &str, address: SocketAddr) -> io::Result<TcpStream> {
    let mut resolved = pin!(resolved(name));
    let early = tokio::time::timeout(KNOWN_AFTER, &mut resolved).await;
    if let Ok(Ok(stream)) = early {
        return Ok(stream);
    }
    let known = connected(address, KNOWN_LIMIT);
    match early {
        Ok(done) => match known.await {
            Ok(stream) => Ok(stream),
            Err(_) => done,
        },
        Err(_) => {
            let mut known = pin!(known);
            tokio::select! {
                biased;
                done = &mut resolved => match done {
                    Ok(stream) => Ok(stream),
                    Err(error) => known.await.map_err(|_| error),
                },
                stream = &mut known => match stream {
                    Ok(stream) => Ok(stream),
                    Err(_) => resolved.await,
                },
            }
        }
    }
}

async fn connected(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    tokio::time::timeout(limit, TcpStream::connect(address)).await.map_err(|_| timed_out("connecting"))?
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

    /// A port of this machine that takes connections, and its address.
    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        (listener, address)
    }

    #[tokio::test]
    async fn a_name_that_no_resolver_knows_any_more_is_sought_where_it_led_before() {
        let (_listener, address) = listener().await;
        let dialer = TcpDialer::default();
        let name = format!("gone.invalid:{}", address.port());
        assert!(dialer.dial(name.clone()).await.is_err(), "somebody knows a name that cannot be");
        lock(&dialer.known).insert(name.clone(), address);
        dialer.dial(name).await.map(drop).expect("it listens where it listened");
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_now_is_not_kept_waiting_by_its_old_address() {
        let (_listener, address) = listener().await;
        let dialer = TcpDialer::default();
        let name = format!("localhost:{}", address.port());
        // Of a network for documentation: nobody answers there.
        let old = SocketAddr::from(([192, 0, 2, 1], 9));
        lock(&dialer.known).insert(name.clone(), old);
        let dialled = tokio::time::timeout(KNOWN_AFTER, dialer.dial(name.clone())).await;
        dialled.expect("the resolver's address comes first").map(drop).expect("it listens");
        assert_eq!(lock(&dialer.known).get(&name), Some(&address));
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
