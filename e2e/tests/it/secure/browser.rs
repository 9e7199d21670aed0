//! One request over HTTP or HTTPS, with whatever headers, as a browser or a proxy in front sends it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use orchestrator_e2e::sql::block_on;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A handshake and an answer; what takes longer hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Page {
    /// The envelope's message; the whole text where there is none.
    pub(super) fn message(&self) -> String {
        let json: Value = serde_json::from_str(&self.text).unwrap_or_default();
        json["Message"].as_str().map_or_else(|| self.text.clone(), str::to_owned)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// `GET url`; with `tls`, `https` URLs are asked in its way. Any status is an answer.
pub(super) fn get(url: &str, tls: Option<&Arc<ClientConfig>>, headers: &[(&str, &str)]) -> Result<Page> {
    let exchange = async {
        let (scheme, rest) = url.split_once("://").context("a URL has a scheme")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let stream = TcpStream::connect(authority).await?;
        let request = headers.iter().fold(Request::get(path), |request, (k, v)| request.header(*k, *v));
        let request = request.header("host", authority).body(Empty::new())?;
        match (scheme, tls) {
            ("https", Some(tls)) => {
                let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
                let connector = TlsConnector::from(tls.clone());
                send(connector.connect(ServerName::try_from(host)?, stream).await?, request).await
            }
            _ => send(stream, request).await,
        }
    };
    let answer = block_on(async { tokio::time::timeout(ANSWER_WITHIN, exchange).await });
    answer.context("no answer in time").and_then(|answer| answer).with_context(|| format!("GET {url}"))
}

async fn send(stream: impl AsyncRead + AsyncWrite + Unpin, request: Request<Empty<Bytes>>) -> Result<Page> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
        Ok(Page { status: head.status.as_u16(), headers: head.headers, text })
    };
    // The connection must be driven for the exchange to proceed; what ends it is in the exchange's error.
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}
