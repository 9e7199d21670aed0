//! Forwarding to the leader.
//!
//! The client's own credentials travel along and are checked again there: a node never says of a client who it
//! is, so that there is nothing to forge. Answers are streamed.

use std::{net::IpAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::{self, Entry},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};

use crate::{auth::Auth, connector::Connector, table::Access, tls::Tls};

/// Whatever a body may fail with.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// What is read carries nothing.
pub(crate) type NoBody = Empty<Bytes>;
/// A body of a response, whoever made it.
pub type Body = BoxBody<Bytes, BodyError>;

/// Marks a request that was forwarded once. It is not forwarded again: two nodes that take each other for
/// the leader would send it around for ever.
pub(crate) const FORWARDED_MARK: HeaderName = HeaderName::from_static("x-orchestrator-forwarded");

/// A read is answered from memory or by one query; the original waits as long.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Operations and recoveries wait for servers: draining a relay log, moving a replica that is slow to stop.
/// With the 5 s of the original their callers were told 502 while the leader carried on.
const ACT_TIMEOUT: Duration = Duration::from_secs(300);
/// Idle connections kept to the leader: bursts of clients reuse them.
const IDLE_CONNECTIONS_MAX: usize = 64;
/// Idle for this long, a connection is closed: before the other side does it (see `HEADER_TIMEOUT` in the
/// server), so that no request is sent into a closing connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Meant for one connection only (RFC 9110 §7.6.1), and what a proxy must not pass on.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why the leader did not answer. Clients see 502 with nothing in it, which operators take for "try again".
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    /// The leader's URI cannot be used.
    #[error("leader uri {0:?} is not http://host:port or https://host:port")]
    BadLeader(String),
    /// No answer in time; the leader may still do what was asked.
    #[error("no answer from the leader within {0:?}")]
    Timeout(Duration),
    /// No connection, or it broke.
    #[error("request to the leader failed")]
    Broken(#[from] hyper_util::client::legacy::Error),
}

/// Forwards requests to whoever leads.
pub(crate) struct Proxy {
    tls: Arc<Tls>,
    held: ArcSwap<Held>,
}

/// Connections to the leader, and which generation of certificates they were made with.
struct Held {
    generation: u64,
    client: Client<Connector, Full<Bytes>>,
}

impl Held {
    fn new(tls: &Arc<Tls>) -> Self {
        let generation = tls.generation();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            // `Host` stays as the client wrote it.
            .set_host(false)
            .build(Connector::new(tls.clone()));
        Self { generation, client }
    }
}

impl Proxy {
    pub(crate) fn new(tls: Arc<Tls>) -> Self {
        Self { held: ArcSwap::from_pointee(Held::new(&tls)), tls }
    }

    /// Connections that may be used: a leader that was believed by former files may no longer be.
    fn held(&self) -> Arc<Held> {
        let held = self.held.load_full();
        if held.generation == self.tls.generation() {
            return held;
        }
        let renewed = Arc::new(Held::new(&self.tls));
        self.held.store(renewed.clone());
        renewed
    }

    /// Sends a request to the leader and answers with what it answers.
    pub(crate) async fn forward(
        &self,
        request: Request<Bytes>,
        leader: &str,
        access: Access,
        auth: &Auth,
        client: Option<IpAddr>,
    ) -> Result<Response<Body>, ForwardError> {
        let outgoing = outgoing(request, leader, auth, client)?;
        let limit = match access {
            Access::Act | Access::Operator => ACT_TIMEOUT,
            Access::Open | Access::Read => READ_TIMEOUT,
        };
        let answer = tokio::time::timeout(limit, self.held().client.request(outgoing));
        let mut response = answer.await.map_err(|_| ForwardError::Timeout(limit))??;
        strip_hop_by_hop(response.headers_mut(), |_| false);
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(|body| body.map_err(Into::into).boxed()))
    }
}

fn outgoing(
    request: Request<Bytes>,
    leader: &str,
    auth: &Auth,
    client: Option<IpAddr>,
) -> Result<Request<Full<Bytes>>, ForwardError> {
    let uri = target(leader, request.uri().path_and_query())
        .ok_or_else(|| ForwardError::BadLeader(leader.to_owned()))?;
    let (mut parts, body) = request.into_parts();
    strip_hop_by_hop(&mut parts.headers, |name| auth.identifies(name));
    parts.headers.remove(header::CONTENT_LENGTH);
    // A request of HTTP/1.0 may have none, which HTTP/1.1 does not allow.
    if let Entry::Vacant(host) = parts.headers.entry(header::HOST)
        && let Some(authority) = uri.authority()
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        host.insert(value);
    }
    if let Some(client) = client {
        append_client(&mut parts.headers, client);
    }
    parts.headers.insert(FORWARDED_MARK, HeaderValue::from_static("1"));
    let mut outgoing = Request::new(Full::new(body));
    *outgoing.method_mut() = parts.method;
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = parts.headers;
    Ok(outgoing)
}

/// The same path and query at the leader.
fn target(leader: &str, path: Option<&PathAndQuery>) -> Option<Uri> {
    let base: Uri = leader.parse().ok()?;
    let authority = base.authority()?.clone();
    let scheme = base.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    if !matches!(base.path(), "" | "/") {
        return None;
    }
    let path = path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
}

/// Drops what is meant for one connection. `kept` is what `Connection` may not name: a client would otherwise
/// have this node take off the header by which a proxy before it says who asks.
fn strip_hop_by_hop(headers: &mut HeaderMap, kept: impl Fn(&HeaderName) -> bool) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !kept(name))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Adds the client to those that proxies before us named.
fn append_client(headers: &mut HeaderMap, client: IpAddr) {
    let before: Vec<&str> =
        headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let all = match before.is_empty() {
        true => client.to_string(),
        false => format!("{}, {client}", before.join(", ")),
    };
    if let Ok(value) = HeaderValue::from_str(&all) {
        headers.insert(X_FORWARDED_FOR, value);
    }
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_connection_do_not_travel() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "close, X-Private"), ("x-private", "1"), ("te", "trailers"), ("cookie", "a=b")]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip_hop_by_hop(&mut headers, |_| false);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["cookie"]);
    }

    #[test]
    fn a_client_cannot_have_its_name_taken_off() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "x-forwarded-user, Authorization, cookie, x-other"),
            ("x-forwarded-user", "ann"),
            ("authorization", "Basic eA=="),
            ("cookie", "a=b"),
            ("x-other", "1"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let auth = Auth::new(&orchestrator_config::HttpAuth::Proxy {
            user_header: "X-Forwarded-User".into(),
            power_users: Vec::new(),
            power_groups: Vec::new(),
        });
        let auth = auth.unwrap();
        strip_hop_by_hop(&mut headers, |name| auth.identifies(name));
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "cookie", "x-forwarded-user"]);
    }

    #[test]
    fn clients_are_added_behind_those_that_are_named_already() {
        let mut headers = HeaderMap::new();
        append_client(&mut headers, [10, 0, 0, 1].into());
        append_client(&mut headers, [10, 0, 0, 2].into());
        assert_eq!(headers[X_FORWARDED_FOR], "10.0.0.1, 10.0.0.2");
    }

    #[test]
    fn only_a_plain_uri_without_path_is_a_leader() {
        let path = PathAndQuery::from_static("/api/clusters?x=1");
        let to = |leader| target(leader, Some(&path)).map(|uri| uri.to_string());
        assert_eq!(to("http://[::1]:3000").unwrap(), "http://[::1]:3000/api/clusters?x=1");
        assert_eq!(to("https://orc-1:3000/").unwrap(), "https://orc-1:3000/api/clusters?x=1");
        for leader in ["", "host:3000", "ftp://host:3000", "http://host:3000/x", "http://"] {
            assert_eq!(to(leader), None, "{leader}");
        }
    }
}
