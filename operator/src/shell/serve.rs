//! `/healthz`, `/readyz`, `/metrics`: plain, and to everybody who reaches the port.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Probes and one Prometheus: a handful. More wait in the system's queue.
const CONNECTIONS_MAX: usize = 64;
/// Whoever connects asks at once.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// No connection is older than this: each of them is counted.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(300);
/// After an error of accepting, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is told.
pub trait Told: Send + Sync + 'static {
    /// Why this operator could not work at once, if it had the lease; `None`: it could.
    fn unready(&self) -> Option<String>;
    /// The page with numbers.
    fn numbers(&self) -> Vec<u8>;
}

/// Listens.
///
/// # Errors
/// The address is taken, or not ours.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers until `stop`.
pub async fn serve(listener: TcpListener, told: Arc<dyn Told>, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let slot = slots.clone().acquire_owned().await.expect("nobody closes this semaphore");
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let told = told.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&request, &*told);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            let http = http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let connection = http.serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_TIME_MAX, connection).await {
                debug!(%error, "connection broke");
            }
            drop(slot);
        });
    }
}

fn answer(request: &Request<Incoming>, told: &dyn Told) -> Response<Full<Bytes>> {
    page(request.method(), request.uri().path(), told)
}

fn page(method: &Method, path: &str, told: &dyn Told) -> Response<Full<Bytes>> {
    let (status, text) = match path {
        _ if !matches!(*method, Method::GET | Method::HEAD) => (StatusCode::METHOD_NOT_ALLOWED, Vec::new()),
        "/healthz" => (StatusCode::OK, b"ok\n".to_vec()),
        "/readyz" => match told.unready() {
            None => (StatusCode::OK, b"ok\n".to_vec()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n").into_bytes()),
        },
        "/metrics" => (StatusCode::OK, told.numbers()),
        _ => (StatusCode::NOT_FOUND, Vec::new()),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain; version=0.0.4"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Option<&'static str>);

    impl Told for Fixed {
        fn unready(&self) -> Option<String> {
            self.0.map(str::to_owned)
        }
        fn numbers(&self) -> Vec<u8> {
            b"x 1\n".to_vec()
        }
    }

    #[test]
    fn a_process_that_runs_is_healthy_and_ready_when_it_knows_the_cluster() {
        let status = |path, told: &Fixed| page(&Method::GET, path, told).status().as_u16();
        let waiting = Fixed(Some("objects are listed"));
        assert_eq!((status("/healthz", &waiting), status("/readyz", &waiting)), (200, 503));
        assert_eq!((status("/readyz", &Fixed(None)), status("/metrics", &waiting)), (200, 200));
        assert_eq!(status("/", &waiting), 404);
        assert_eq!(page(&Method::POST, "/healthz", &waiting).status().as_u16(), 405);
    }
}
