//! Listening: connections in, requests to the [`Api`], an orderly end.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{service::Api, settings::Listen};

/// A client that does not finish its headers within this is dropped; also how long an idle connection is
/// kept. As long as the original's clients keep theirs.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at once. Each costs some 20 kB; a node that is polled by a hundred load balancers and UIs
/// has a few hundred.
const CONNECTIONS_MAX: usize = 1024;
/// How long requests may take to end after the listener is closed: a part of the five seconds of a stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// Out of file descriptors, accepting is tried again after this: sooner only burns CPU.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A listener that is bound and does not accept yet.
pub struct Server {
    api: Api,
    listener: Listener,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Not an address, or it does not resolve.
    #[error("listen address {address:?} cannot be used")]
    Address {
        /// As configured.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The socket's file is there and is no socket, or a process listens on it.
    #[error("unix socket {path:?} cannot be used")]
    Socket {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Server {
    /// Binds the listener of the API's settings.
    ///
    /// # Errors
    /// The address or the socket cannot be used; the source says why.
    pub async fn bind(api: Api) -> Result<Self, BindError> {
        let listener = match &api.settings().listen {
            Listen::Tcp(address) => bind_tcp(address).await?,
            Listen::Unix(path) => bind_unix(path).await?,
        };
        Ok(Self { api, listener })
    }

    /// Where it listens, with the port that the system chose if 0 was asked for; `None` for a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// Serves until `stop` is cancelled, then lets requests end for a short while.
    pub async fn run(self, stop: CancellationToken) {
        let Self { api, listener } = self;
        let connections = Connections {
            api,
            graceful: GracefulShutdown::new(),
            tasks: TaskTracker::new(),
            limit: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = connections.accept(&listener) => {}
        }
        if let Listener::Unix(_, path) = &listener {
            let _ = std::fs::remove_file(path);
        }
        drop(listener);
        connections.drain().await;
    }
}

async fn bind_tcp(address: &str) -> Result<Listener, BindError> {
    let explain = |source| BindError::Address { address: address.to_owned(), source };
    // `:3000` means all addresses, of both families where there are two.
    let candidates = match address.strip_prefix(':') {
        Some(port) => vec![format!("[::]:{port}"), format!("0.0.0.0:{port}")],
        None => vec![address.to_owned()],
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in candidates {
        match TcpListener::bind(&candidate).await {
            Ok(listener) => return Ok(Listener::Tcp(listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(explain(error)),
            Err(error) => last = error,
        }
    }
    Err(explain(last))
}

async fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    let explain = |source| BindError::Socket { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(explain(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(explain(io::ErrorKind::AlreadyExists.into()));
        }
        // A process that was killed leaves its socket behind; one that runs answers.
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            return Err(explain(io::ErrorKind::AddrInUse.into()));
        }
        Ok(_) => std::fs::remove_file(path).map_err(explain)?,
    }
    let listener = UnixListener::bind(path).map_err(explain)?;
    Ok(Listener::Unix(listener, path.to_owned()))
}

struct Connections {
    api: Api,
    graceful: GracefulShutdown,
    tasks: TaskTracker,
    limit: Arc<Semaphore>,
}

impl Connections {
    /// Accepts for ever. At the limit, clients wait in the system's queue.
    async fn accept(&self, listener: &Listener) {
        loop {
            let Ok(permit) = self.limit.clone().acquire_owned().await else { return };
            let accepted = match listener {
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| {
                    // A small answer must not wait for the acknowledgement of the one before.
                    let _ = stream.set_nodelay(true);
                    self.serve(stream, Some(peer), permit);
                }),
                Listener::Unix(listener, _) => {
                    listener.accept().await.map(|(stream, _)| self.serve(stream, None, permit))
                }
            };
            if let Err(error) = accepted {
                warn!(error = &error as &dyn std::error::Error, "connection not accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }

    fn serve<S>(&self, stream: S, peer: Option<SocketAddr>, permit: tokio::sync::OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let api = self.api.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let api = api.clone();
            async move { Ok::<_, std::convert::Infallible>(api.handle(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watcher().watch(connection);
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                debug!(?peer, error = &error as &dyn std::error::Error, "connection ended");
            }
            drop(permit);
        });
    }

    async fn drain(self) {
        let Self { graceful, tasks, .. } = self;
        tasks.close();
        let drained = async {
            graceful.shutdown().await;
            tasks.wait().await;
        };
        match tokio::time::timeout(DRAIN_LIMIT, drained).await {
            Ok(()) => info!("API stopped"),
            Err(_) => warn!(limit = ?DRAIN_LIMIT, "API stopped with requests under way"),
        }
    }
}
