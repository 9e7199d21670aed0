//! One GET over HTTP/1.1 on a connection of its own.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::base64;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::trust::{Trust, TrustError};

/// Long enough for a slow name server and a far data centre; a host that takes longer is as good as down.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// A healthy server says at once whether it leads. The original's value.
const LEADER_CHECK_TIME_MAX: Duration = Duration::from_secs(1);

/// Longer than any operation a server runs; it only ends the wait for an answer that cannot come any more.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3600);

/// The original's pauses, in milliseconds: 8 attempts within about 11 seconds, enough for a restart.
const RETRY_PAUSES_MS: [u64; 7] = [100, 200, 500, 1000, 2000, 2500, 5000];

/// All instances of a fleet of 50,000 take about half of it.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Deadlines and retries of a run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For a name lookup and a connection together.
    pub connect: Duration,
    /// For each round of questions who leads, connecting included.
    pub leader_check: Duration,
    /// From the request to the end of its answer.
    pub answer: Duration,
    /// Between attempts to connect; there is one attempt more than pauses.
    pub retry_pauses: Vec<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: CONNECT_TIME_MAX,
            leader_check: LEADER_CHECK_TIME_MAX,
            answer: ANSWER_TIME_MAX,
            retry_pauses: RETRY_PAUSES_MS.map(Duration::from_millis).into(),
        }
    }
}

/// How the client says who asks. Never printed.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    basic: Option<HeaderValue>,
    header: Option<(HeaderName, HeaderValue)>,
    trust: Arc<Trust>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl Credentials {
    /// `basic` is `user:password`, where an empty text and a lone `:` mean none; `header` is `Name:value` or empty.
    ///
    /// # Errors
    /// A header that HTTP cannot carry.
    pub(crate) fn new(basic: &str, header: &str, trust: Trust) -> Result<Self, Failure> {
        let basic = (!matches!(basic, "" | ":")).then(|| basic_value(basic));
        let header = if header.is_empty() { None } else { Some(parse_header(header)?) };
        Ok(Self { basic, header, trust: Arc::new(trust) })
    }

    /// What is given by option or environment goes before what the URL has.
    fn apply(&self, request: &mut Request<Empty<Bytes>>, user_info: Option<&str>) {
        let headers = request.headers_mut();
        if let Some(value) = self.basic.clone().or_else(|| user_info.map(basic_value)) {
            headers.insert(AUTHORIZATION, value);
        }
        if let Some((name, value)) = self.header.clone() {
            headers.insert(name, value);
        }
    }
}

/// A user without a password has an empty one.
fn basic_value(user_and_password: &str) -> HeaderValue {
    let (user, password) = user_and_password.split_once(':').unwrap_or((user_and_password, ""));
    let text = format!("Basic {}", base64::encode(format!("{user}:{password}").as_bytes()));
    let mut value = HeaderValue::from_str(&text).expect("base64 is plain ASCII");
    value.set_sensitive(true);
    value
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let parsed = text.split_once(':').and_then(|(name, value)| {
        Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
    });
    parsed.ok_or_else(|| Failure::plain("headers-auth must be <header>:<value>"))
}

/// A connection, plain or by TLS.
trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What came back, whatever its status.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why no whole reply came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// Nothing was sent: it is safe to try again.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// Nothing was sent, and it will not be otherwise the next time.
    #[error("no TLS connection")]
    Tls(#[source] std::io::Error),
    /// The same.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The path cannot be part of a URL.
    #[error("not a valid path: {path}")]
    Path { path: String },
    /// The server may have done what it was asked to do.
    #[error("the connection broke before the whole answer came")]
    Broken(#[source] hyper::Error),
    /// The same.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// Nothing we know answers this much.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

/// Asks one server for `path`, which stands below the API's root.
pub(crate) async fn get(
    endpoint: &Endpoint,
    path: &str,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Reply, TransportError> {
    let mut request = request(endpoint, path)?;
    credentials.apply(&mut request, endpoint.user_info.as_deref());
    let stream = timeout(limits.connect, connect(endpoint, &credentials.trust))
        .await
        .unwrap_or_else(|_| Err(TransportError::Connect(std::io::ErrorKind::TimedOut.into())))?;
    timeout(limits.answer, exchange(stream, request))
        .await
        .unwrap_or(Err(TransportError::Late(limits.answer)))
}

/// Plain or by TLS.
async fn connect(endpoint: &Endpoint, trust: &Trust) -> Result<Box<dyn ByteStream>, TransportError> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
    let stream = stream.map_err(TransportError::Connect)?;
    if !endpoint.tls {
        return Ok(Box::new(stream));
    }
    let unnamed = |error| TransportError::Tls(std::io::Error::other(error));
    let name = ServerName::try_from(endpoint.host.clone()).map_err(unnamed)?;
    let connector = trust.connector().await?;
    Ok(Box::new(connector.connect(name, stream).await.map_err(TransportError::Tls)?))
}

fn request(endpoint: &Endpoint, path: &str) -> Result<Request<Empty<Bytes>>, TransportError> {
    let host =
        if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
    Request::get(format!("{}/{path}", endpoint.root))
        .header(HOST, format!("{host}:{}", endpoint.port))
        .header(USER_AGENT, concat!("orchestrator-client/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| TransportError::Path { path: path.to_owned() })
}

/// Sends a request and drives its connection in the same task, until the whole body is here.
async fn exchange(
    stream: Box<dyn ByteStream>,
    request: Request<Empty<Bytes>>,
) -> Result<Reply, TransportError> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(TransportError::Broken)?;
    let mut reply = pin!(async move {
        let response = sender.send_request(request).await.map_err(TransportError::Broken)?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(body_error)?;
        Ok(Reply { status, body: body.to_bytes() })
    });
    tokio::select! {
        biased;
        reply = &mut reply => return reply,
        // Its error, if any, reaches the reply as well.
        _ = connection => {}
    }
    reply.await
}

fn body_error(error: Box<dyn std::error::Error + Send + Sync>) -> TransportError {
    match error.downcast::<hyper::Error>() {
        Ok(error) => TransportError::Broken(*error),
        Err(other) => {
            debug_assert!(other.is::<LengthLimitError>(), "a limited body has no other errors");
            TransportError::TooLong
        }
    }
}
