//! Connections to the leader, plain or by TLS, within a deadline.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::{proxy::BodyError, tls::Tls};

/// A leader that is not connected to within this, handshake included, is as good as gone: they are one
/// network apart.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A held connection whose other end acknowledges nothing for this long is dead: the leader's machine is gone, or its
/// address is another one now. Only what a program takes to answer may take longer.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// While an answer is waited for, the other end is asked so often whether it is there.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Connects to the leader with the certificates of the moment.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    tls: Arc<Tls>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("not connected within {CONNECT_TIMEOUT:?}")]
struct TooSlow;

impl Connector {
    pub(crate) fn new(tls: Arc<Tls>) -> Self {
        let mut tcp = HttpConnector::new();
        // The leader's scheme was looked at before; TLS comes on top here.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_tcp_user_timeout(Some(SILENCE_MAX));
        tcp.set_keepalive(Some(PROBE_INTERVAL));
        tcp.set_keepalive_interval(Some(PROBE_INTERVAL));
        Self { tcp, tls }
    }

    async fn connect(mut self, uri: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, BodyError> {
        if uri.scheme_str() != Some("https") {
            return Ok(MaybeHttpsStream::Http(self.tcp.call(uri).await?));
        }
        let config = self.tls.client().await?;
        HttpsConnector::from((self.tcp, config)).call(uri).await
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BodyError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, self.clone().connect(uri));
        connection.map(|connected| connected.unwrap_or_else(|_| Err(TooSlow.into()))).boxed()
    }
}
