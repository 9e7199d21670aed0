//! The bytes below the protocol, behind traits so that a simulated network can take their place.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::names::{Names, Resolver};
use crate::error::StartError;
use crate::member::PeerName;

/// One address gets this long before the next one of the same name is tried.
const ADDRESS_LIMIT: Duration = Duration::from_secs(1);
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

    /// Finds out where `name` leads, for the time when nobody can say it. Nothing, unless there is something to know.
    fn look_up(&self, name: String) -> BoxFuture<'static, ()> {
        let _ = name;
        Box::pin(async {})
    }
}

/// Accepts connections of peers.
pub trait Acceptor: Send + 'static {
    /// The next connection and where it comes from, for the log only.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn ByteStream>, String)>>;
}

/// Plain TCP and a resolver, the system's by default.
#[derive(Debug, Clone, Default)]
pub struct TcpDialer {
    names: Names,
}

impl TcpDialer {
    /// With another resolver than the system's.
    pub fn resolving_by(resolver: Arc<dyn Resolver>) -> Self {
        Self { names: Names::of(resolver) }
    }
}

impl Dialer for TcpDialer {
    fn dial(&self, name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let names = self.names.clone();
        Box::pin(async move {
            let known = names.known(&name);
            let stream = match known.is_empty() {
                true => resolved(&names, &name).await?,
                false => resolved_or_known(&names, &name, known).await?,
            };
            names.led(name, stream.peer_addr()?);
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }

    fn look_up(&self, name: String) -> BoxFuture<'static, ()> {
        let names = self.names.clone();
        Box::pin(async move { names.look_up(&name).await })
    }
}

/// Connects to an address that the resolver gives now.
async fn resolved(names: &Names, name: &str) -> io::Result<TcpStream> {
    first_of(names.resolve(name).await?, ADDRESS_LIMIT).await
}

/// Connects to the first of these that takes a connection within `limit`.
async fn first_of(addresses: Vec<SocketAddr>, limit: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match connected(address, limit).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// As [`resolved`], and to what was right before while that takes long or fails.
async fn resolved_or_known(names: &Names, name: &str, known: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut resolved = pin!(resolved(names, name));
    let early = tokio::time::timeout(KNOWN_AFTER, &mut resolved).await;
    if let Ok(Ok(stream)) = early {
        return Ok(stream);
    }
    let known = first_of(known, KNOWN_LIMIT);
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

pub(super) fn timed_out(what: &str) -> io::Error {
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
        dialer.names.led(name.clone(), address);
        dialer.dial(name).await.map(drop).expect("it listens where it listened");
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_now_is_not_kept_waiting_by_its_old_address() {
        let (_listener, address) = listener().await;
        let dialer = TcpDialer::default();
        let name = format!("localhost:{}", address.port());
        // Of a network for documentation: nobody answers there.
        let old = SocketAddr::from(([192, 0, 2, 1], 9));
        dialer.names.led(name.clone(), old);
        let dialled = tokio::time::timeout(KNOWN_AFTER, dialer.dial(name.clone())).await;
        dialled.expect("the resolver's address comes first").map(drop).expect("it listens");
        assert_eq!(dialer.names.known(&name).first(), Some(&address));
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
