//! What an operator posts, and what is answered.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::api::{Api, Reply};
use crate::sql::block_on;

/// A change of the members takes at most a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(70);

impl Api {
    /// `POST /api/{route}` with `body` as JSON; `token` is the operator's, `None` for none at all.
    ///
    /// # Errors
    /// No connection or no complete answer in time; any status is an answer.
    pub fn post(&self, route: &str, token: Option<&str>, body: &Value) -> Result<Reply> {
        let began = Instant::now();
        let exchange = exchange(&self.base, route, token, body.to_string().into());
        let answer = block_on(async { tokio::time::timeout(ANSWER_WITHIN, exchange).await });
        let answer = answer.context("no answer in time").and_then(|answer| answer);
        let (status, bytes) = answer.with_context(|| format!("POST {}/api/{route}", self.base))?;
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Ok(Reply { status, body, elapsed: began.elapsed() })
    }
}

async fn exchange(base: &str, route: &str, token: Option<&str>, body: Bytes) -> Result<(u16, Bytes)> {
    let authority = base.strip_prefix("http://").context("the harness speaks plain http")?;
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let mut request = http::Request::post(format!("/api/{route}")).header("host", authority);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Full::new(body))?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    // The connection must be driven for the exchange to proceed; it ends when the exchange drops its half.
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}
