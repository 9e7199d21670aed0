//! Connections of one listener: accepted up to a limit, served, and ended.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, header::CONNECTION};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use super::{
    arrival::{self, Arrived, HANDSHAKES_MAX, HandshakeError},
    crowd::{Answering, Crowd, Guest},
    seldom::Seldom,
};
use crate::{
    origin::Origin,
    proxy::Body,
    service::{self, Api},
};

/// A client that does not finish its headers within this is dropped; also how long an idle connection is
/// kept. As long as the original's clients keep theirs.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to the API at once. Each costs some 20 kB, with TLS some 40; a node that is polled by a hundred
/// load balancers and UIs has a few hundred.
const CONNECTIONS_MAX: usize = 1024;
/// Connections of probes at once: a kubelet, a few load balancers and scrapers have one or two each.
const PROBE_CONNECTIONS_MAX: usize = 128;
/// How long requests may take to end after the listener is closed: a part of the five seconds of a stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// Out of file descriptors, accepting is tried again after this: sooner only burns CPU.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Which listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Everything, by the rules of the configuration.
    Api,
    /// Probes only, plain and open.
    Probes,
}

/// All connections of one listener.
pub(super) struct Connections {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    crowd: Crowd,
}

/// What each connection needs.
struct Shared {
    api: Api,
    door: Door,
    stop: CancellationToken,
    handshakes: Semaphore,
    strangers: Seldom,
}

/// Who answers the requests of a connection.
enum Host {
    /// The API, to whom came from there; by which generation of certificates.
    Api(Origin, Option<u64>),
    /// The probes.
    Probes,
    /// Nobody: the client should speak TLS.
    NotHttps,
}

impl Connections {
    pub(super) fn new(api: Api, door: Door, stop: CancellationToken) -> Self {
        let limit = match door {
            Door::Api => CONNECTIONS_MAX,
            Door::Probes => PROBE_CONNECTIONS_MAX,
        };
        let (handshakes, strangers) = (Semaphore::new(HANDSHAKES_MAX), Seldom::default());
        Self {
            shared: Arc::new(Shared { api, door, stop, handshakes, strangers }),
            tasks: TaskTracker::new(),
            crowd: Crowd::of(limit),
        }
    }

    /// Accepts for ever. At the limit, a connection that is quiet gives way.
    pub(super) async fn accept_tcp(&self, listener: &TcpListener) {
        while let Some(guest) = self.crowd.room().await {
            let Some((stream, peer)) = accepted(listener.accept().await).await else { continue };
            // A small answer must not wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
            let shared = self.shared.clone();
            self.tasks.spawn(async move { shared.welcome(stream, peer, guest).await });
        }
    }

    /// As [`Connections::accept_tcp`]. A unix socket is plain: whoever may open it is on this machine.
    pub(super) async fn accept_unix(&self, listener: &UnixListener) {
        while let Some(guest) = self.crowd.room().await {
            let Some((stream, _)) = accepted(listener.accept().await).await else { continue };
            let shared = self.shared.clone();
            let host = Host::Api(Origin::default(), None);
            self.tasks.spawn(async move { shared.serve(stream, host, Arc::new(guest)).await });
        }
    }

    /// Waits for the answers under way. To be called when the stop was asked for.
    pub(super) async fn drain(self) {
        let Self { shared, tasks, .. } = self;
        tasks.close();
        let door = shared.door;
        match tokio::time::timeout(DRAIN_LIMIT, tasks.wait()).await {
            Ok(()) => info!(?door, "listener closed"),
            Err(_) => warn!(?door, limit = ?DRAIN_LIMIT, "listener closed with requests under way"),
        }
    }
}

async fn accepted<T>(accepted: std::io::Result<T>) -> Option<T> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            warn!(error = &error as &dyn std::error::Error, "connection not accepted");
            tokio::time::sleep(ACCEPT_RETRY).await;
            None
        }
    }
}

impl Shared {
    /// Finds out what speaks there, and serves it.
    async fn welcome(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, guest: Guest) {
        let guest = Arc::new(guest);
        guest.falls_quiet();
        let acceptor = match self.door {
            Door::Api => self.api.settings().tls.acceptor(),
            Door::Probes => None,
        };
        let arrived = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = guest.told_to_leave() => return,
            arrived = arrival::meet(stream, acceptor, &self.handshakes) => arrived,
        };
        let origin = Origin { address: Some(peer), ..Origin::default() };
        if let Ok(Arrived::TlsAtPlain(_)) = &arrived {
            self.complain(peer, "a client spoke TLS to a plain HTTP port", None);
        }
        match arrived {
            Ok(Arrived::Plain(stream) | Arrived::TlsAtPlain(stream)) => {
                let host = if self.door == Door::Probes { Host::Probes } else { Host::Api(origin, None) };
                self.serve(stream, host, guest).await;
            }
            Ok(Arrived::Tls(stream, channel, generation)) => {
                let host = Host::Api(Origin { channel, ..origin }, Some(generation));
                self.serve(*stream, host, guest).await;
            }
            Ok(Arrived::PlainAtTls(stream)) => {
                self.complain(peer, "a client spoke plain HTTP to the HTTPS port", None);
                self.serve(stream, Host::NotHttps, guest).await;
            }
            Ok(Arrived::Nothing) => {}
            Err(error) => self.complain(peer, "a client could not be served by TLS", Some(&error)),
        }
    }

    /// Says it once a minute for people, and each time for those who search.
    fn complain(&self, peer: SocketAddr, what: &'static str, error: Option<&HandshakeError>) {
        let error = error.map(|error| error as &(dyn std::error::Error + 'static));
        match self.strangers.pass("") {
            Some(left_out) => warn!(%peer, left_out, error, "{what}"),
            None => debug!(%peer, error, "{what}"),
        }
    }

    async fn serve<S>(self: &Arc<Self>, stream: S, host: Host, guest: Arc<Guest>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        guest.falls_quiet();
        let (shared, host, sitting) = (self.clone(), Arc::new(host), guest.clone());
        let ending = host.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (shared, host, guest) = (shared.clone(), host.clone(), sitting.clone());
            async move {
                guest.speaks();
                let answer = shared.answer(&host, request).await;
                Ok::<_, Infallible>(answer.map(|body| Answering { body, guest }))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            biased;
            () = self.over(&ending) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            // It has no request under way.
            () = guest.told_to_leave() => return,
            ended = connection.as_mut() => ended,
        };
        if let Err(error) = ended {
            debug!(error = &error as &dyn std::error::Error, "connection ended");
        }
    }

    /// Waits until a connection should take no more requests: the listener stops, or what was believed at its
    /// handshake may no longer be.
    async fn over(&self, host: &Host) {
        let outdated = async {
            match host {
                Host::Api(_, Some(generation)) => self.api.settings().tls.outdates(*generation).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = outdated => {}
        }
    }

    async fn answer(&self, host: &Host, request: Request<Incoming>) -> Response<Body> {
        let (mut response, is_last) = match host {
            Host::Api(origin, _) => (self.api.handle(request, origin.clone()).await, false),
            Host::Probes => (self.api.probe(request).await, false),
            Host::NotHttps => (service::not_https(), true),
        };
        if is_last {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
