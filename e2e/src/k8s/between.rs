//! A door between an operator and the API server: it passes on what it is asked, and spoils what a story wants spoilt.
//!
//! Whoever comes through it is the operator's account to the API server, with its rights and no others.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::cluster::Cluster;

/// The account of the operator that the chart installs.
const ACCOUNT: &str = "system:serviceaccount:orchestrator-system:orchestrator-operator";
/// Events of one watch that are held back at the same time; a group of five makes some dozens in a second.
const HELD_MAX: usize = 1024;

/// What becomes of a call that is not passed on as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spoilt {
    /// Nothing is done; it is answered with this status.
    Refused(u16),
    /// It is carried out, and the connection breaks before the answer.
    Lost,
    /// It is carried out, and nobody answers for as long as the caller waits.
    Silent,
}

/// One call, watches included, as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// `DELETE pods`, `POST pods/eviction`, `PATCH statefulsets`, `WATCH pods`.
    pub kind: String,
    /// Path without the query.
    pub path: String,
    /// What was sent.
    pub body: Value,
    /// What became of it.
    pub spoilt: Option<Spoilt>,
    /// What it was answered with; 0: with nothing.
    pub status: u16,
}

/// Says by the kind of a call, and by how many of that kind came before, what becomes of it.
pub type Judge = Box<dyn Fn(&str, usize) -> Option<Spoilt> + Send + Sync>;

type Answer = Response<UnsyncBoxBody<Bytes, Broken>>;

/// The connection ends before the answer, or in the middle of it.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is broken off")
    }
}

impl std::error::Error for Broken {}

struct State {
    client: Client,
    judge: Judge,
    /// What is told to a watch comes so much later.
    lag: Duration,
    calls: Mutex<Vec<Call>>,
    counts: Mutex<BTreeMap<String, usize>>,
}

/// The door; it closes when this is dropped.
pub struct Between {
    /// On 127.0.0.1.
    pub port: u16,
    state: Arc<State>,
    /// Whoever is in the door when it closes goes with it.
    _open: JoinSet<()>,
}

impl Between {
    /// Opens one. What watches tell comes `lag` later than it happened.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn open(cluster: &Cluster, lag: Duration, judge: Judge) -> Result<Self> {
        let state =
            State { client: cluster.client(), judge, lag, calls: Mutex::default(), counts: Mutex::default() };
        let state = Arc::new(state);
        let listener = cluster.block_on(TcpListener::bind("127.0.0.1:0")).context("a port of our own")?;
        let port = listener.local_addr()?.port();
        let mut open = JoinSet::new();
        open.spawn_on(serve(listener, state.clone()), cluster.handle());
        Ok(Self { port, state, _open: open })
    }

    /// All calls so far, in the order in which they were answered.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut lines = JoinSet::new();
    loop {
        let taken = tokio::select! {
            biased;
            Some(_) = lines.join_next() => continue,
            taken = listener.accept() => taken,
        };
        let Ok((stream, _)) = taken else { continue };
        let state = state.clone();
        lines.spawn(async move {
            let service = service_fn(move |request| {
                let state = state.clone();
                async move { state.pass(request).await }
            });
            // How it ended is what the caller hears.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

impl State {
    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Broken> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        // What belongs to this connection; the other one has its own.
        for name in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        parts.headers.remove(header::ACCEPT_ENCODING);
        parts.headers.insert("impersonate-user", HeaderValue::from_static(ACCOUNT));
        let kind = kind(&parts.method, &parts.uri);
        let mut call = Call {
            path: parts.uri.path().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            spoilt: self.judge(&kind),
            status: 0,
            kind,
        };
        if let Some(Spoilt::Refused(code)) = call.spoilt {
            call.status = code;
            self.noted(call);
            return Ok(refusal(code));
        }
        let request = Request::from_parts(parts, Body::from(body.to_vec()));
        let answer = self.client.send(request).await.map_err(|_| Broken)?;
        let (watches, spoilt) = (call.kind.starts_with("WATCH"), call.spoilt);
        call.status = answer.status().as_u16();
        self.noted(call);
        match spoilt {
            Some(Spoilt::Lost) => Err(Broken),
            Some(Spoilt::Silent) => Ok(never().await),
            _ if watches && !self.lag.is_zero() => Ok(answer.map(|body| late(body, self.lag))),
            _ => Ok(answer.map(|body| body.map_err(|_| Broken).boxed_unsync())),
        }
    }

    fn judge(&self, kind: &str) -> Option<Spoilt> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counts.entry(kind.to_owned()).or_default();
        let spoilt = (self.judge)(kind, *before);
        *before += 1;
        spoilt
    }

    fn noted(&self, call: Call) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

async fn never() -> Answer {
    let never: Infallible = std::future::pending().await;
    match never {}
}

/// Each piece so much later than it came.
fn late(body: Body, lag: Duration) -> UnsyncBoxBody<Bytes, Broken> {
    let pieces = body.into_data_stream().map(move |piece| {
        let due = Instant::now() + lag;
        async move {
            sleep_until(due).await;
            piece
        }
    });
    let pieces = pieces.buffered(HELD_MAX).map_ok(Frame::data).map_err(|_| Broken);
    StreamBody::new(pieces).boxed_unsync()
}

/// A refusal as the API server writes it.
fn refusal(code: u16) -> Answer {
    let reason = match code {
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": "a story spoilt this"});
    let body = Full::new(Bytes::from(status.to_string())).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Method and resource, with what stands below the object: `POST pods/eviction`.
fn kind(method: &Method, uri: &Uri) -> String {
    let watches =
        uri.query().unwrap_or_default().split('&').any(|part| matches!(part, "watch=true" | "watch=1"));
    let mut parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
    // /api/v1/… or /apis/GROUP/VERSION/…
    parts.drain(..parts.len().min(if parts.first() == Some(&"api") { 2 } else { 3 }));
    if parts.len() > 2 && parts[0] == "namespaces" {
        parts.drain(..2);
    }
    let below = parts.get(2).map(|part| format!("/{part}")).unwrap_or_default();
    let verb = if watches { "WATCH" } else { method.as_str() };
    format!("{verb} {}{below}", parts.first().unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_by_method_and_resource() {
        let of = |method: Method, uri: &'static str| kind(&method, &Uri::from_static(uri));
        assert_eq!(of(Method::GET, "/api/v1/namespaces/a/pods?watch=true&limit=5"), "WATCH pods");
        assert_eq!(of(Method::GET, "/api/v1/nodes"), "GET nodes");
        assert_eq!(of(Method::POST, "/api/v1/namespaces/a/pods/m-0/eviction"), "POST pods/eviction");
        assert_eq!(
            of(Method::PATCH, "/apis/apps/v1/namespaces/a/statefulsets/m?force=true"),
            "PATCH statefulsets"
        );
        let status = "/apis/orchestrator.rs/v1alpha1/namespaces/a/orchestratorclusters/m/status";
        assert_eq!(of(Method::PUT, status), "PUT orchestratorclusters/status");
        assert_eq!(of(Method::GET, "/api/v1/namespaces/a"), "GET namespaces");
        assert_eq!(of(Method::GET, "/apis/monitoring.coreos.com/v1"), "GET ");
    }
}
