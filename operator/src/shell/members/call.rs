//! One request on a connection of its own, plain or by TLS.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::Door;

/// The status of a group of sixteen takes some ten kilobytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Why a member did not do what it was asked to. `Display` is for people: it ends up in a status.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens there, or nothing leads there.
    #[error("cannot connect to {0}")]
    Connect(String, #[source] std::io::Error),
    /// Its certificate is not good for its name, or is of another authority.
    #[error("no TLS connection")]
    Tls(#[source] std::io::Error),
    /// The connection broke.
    #[error("the connection broke before the answer came")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// It said no.
    #[error("{}{}{said}", status.as_u16(), if said.is_empty() { "" } else { ": " })]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// In its words.
        said: String,
    },
    /// That is no answer of a member.
    #[error("the answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl CallError {
    /// For the label of a metric.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect(..) => "connect",
            Self::Tls(_) => "tls",
            Self::Broken(_) => "broken",
            Self::Late(_) => "late",
            Self::Refused { .. } => "refused",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// The member does not know our token.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::FORBIDDEN)
    }

    /// With all its causes, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        causes.fold(self.to_string(), |told, cause| format!("{told}: {cause}"))
    }
}

/// What members' certificates are compared with: the authorities in `pem`.
///
/// # Errors
/// Nothing in it is an authority; the text says what is wrong.
pub fn client_config(pem: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("no certificates in PEM form: {error}"))?;
        roots.add(certificate).map_err(|error| format!("not a certificate authority: {error}"))?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Asks, and answers whatever comes back. The caller sets the deadline.
pub(super) async fn call(
    door: &Door,
    method: Method,
    route: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), CallError> {
    let stream = connect(door).await?;
    let request = request(door, method, route, body)?;
    let broken = |error: hyper::Error| CallError::Broken(error.into());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut answer = pin!(async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(CallError::Broken)?.to_bytes()))
    });
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        // Its error, if any, reaches the answer as well.
        _ = connection => {}
    }
    answer.await
}

async fn connect(door: &Door) -> Result<Box<dyn ByteStream>, CallError> {
    let place = &door.place;
    let stream = TcpStream::connect(&place.connect).await;
    let stream = stream.map_err(|error| CallError::Connect(place.connect.clone(), error))?;
    if !place.tls {
        return Ok(Box::new(stream));
    }
    let config = door.tls.clone().ok_or_else(|| {
        CallError::Tls(std::io::Error::other("there is no certificate authority to compare with"))
    })?;
    let name = ServerName::try_from(place.name.clone());
    let name = name.map_err(|error| CallError::Tls(std::io::Error::other(error)))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(CallError::Tls)?;
    Ok(Box::new(stream))
}

fn request(door: &Door, method: Method, route: &str, body: Bytes) -> Result<Request<Full<Bytes>>, CallError> {
    let place = &door.place;
    let posts = method == Method::POST;
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}/api/{route}", place.prefix))
        .header(HOST, &place.name)
        .header(USER_AGENT, concat!("orchestrator-operator/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|error| CallError::Broken(error.into()))?;
    if posts {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(token) = &door.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|error| CallError::Broken(error.into()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}
