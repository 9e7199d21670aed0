//! Listening: connections in, requests to the [`Api`], an orderly end.
//!
//! Two doors: the API's, and one for probes that knows neither TLS nor passwords and has a limit of its own, so
//! that clients who hold all connections of the API do not make a node look dead.

mod arrival;
mod bind;
mod connections;
mod crowd;
pub(crate) mod seldom;

use std::{net::SocketAddr, path::PathBuf};

use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

pub use bind::BindError;
use connections::{Connections, Door};

use crate::{service::Api, settings::Listen};

/// Listeners that are bound and do not accept yet.
pub struct Server {
    api: Api,
    listener: Listener,
    probes: Option<TcpListener>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Server {
    /// Binds the listeners of the API's settings.
    ///
    /// # Errors
    /// An address or the socket cannot be used, the source says why; or the method of authentication lacks
    /// something.
    pub async fn bind(api: Api) -> Result<Self, BindError> {
        let settings = api.settings();
        api.check_admission()?;
        let listener = match &settings.listen {
            Listen::Tcp(address) => Listener::Tcp(bind::tcp(address).await?),
            Listen::Unix(path) => Listener::Unix(bind::unix(path).await?, path.clone()),
        };
        let probes = match &settings.probes {
            Some(address) => Some(bind::tcp(address).await?),
            None => None,
        };
        Ok(Self { api, listener, probes })
    }

    /// Where it listens, with the port that the system chose if 0 was asked for; `None` for a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// Where probes are answered, likewise; `None` without such a listener.
    pub fn probe_addr(&self) -> Option<SocketAddr> {
        self.probes.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `stop` is cancelled, then lets requests end for a short while.
    pub async fn run(self, stop: CancellationToken) {
        let Self { api, listener, probes } = self;
        let probing = async {
            if let Some(listener) = probes {
                let connections = Connections::new(api.clone(), Door::Probes, stop.clone());
                accept_until(&stop, connections.accept_tcp(&listener)).await;
                drop(listener);
                connections.drain().await;
            }
        };
        let connections = Connections::new(api.clone(), Door::Api, stop.clone());
        let serving = async {
            match listener {
                Listener::Tcp(listener) => accept_until(&stop, connections.accept_tcp(&listener)).await,
                Listener::Unix(listener, path) => {
                    accept_until(&stop, connections.accept_unix(&listener)).await;
                    let _ = std::fs::remove_file(path);
                }
            }
            connections.drain().await;
        };
        tokio::join!(serving, probing);
    }
}

async fn accept_until(stop: &CancellationToken, accepting: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = accepting => {}
    }
}
