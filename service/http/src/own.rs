//! Asking a node from its own machine, as its operator does: for commands of the service's own binary.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use crate::{connector::Connector, operator, proxy::BodyError, tls::Tls};

/// What an operator asks for takes a command of the group, which waits 10 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest answer.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// Why a node did not do what its operator asked for.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The operator's token cannot be had here.
    #[error("OperatorTokenFile {0:?} cannot be read or is empty")]
    Token(std::path::PathBuf),
    /// The node's address makes no request.
    #[error("{0:?} is no address of a node")]
    Address(String),
    /// Nobody answers in time.
    #[error("no answer from {0} within {ANSWER_TIMEOUT:?}")]
    Timeout(String),
    /// No connection, or it broke.
    #[error("{0} cannot be asked")]
    Broken(String, #[source] BodyError),
    /// The node's own words.
    #[error("{0}")]
    Refused(String),
}

/// Posts `body` to `url` with the token in `token_file`, and answers the JSON that came back.
///
/// # Errors
/// Nobody could be asked, or the node refused.
pub async fn ask_as_operator(
    tls: Arc<Tls>,
    url: &str,
    token_file: &Path,
    body: &Value,
) -> Result<Value, AskError> {
    let token = operator::token_of(token_file).await.ok_or_else(|| AskError::Token(token_file.to_owned()))?;
    let mut bearer = HeaderValue::from_bytes(&[b"Bearer ", &token[..]].concat())
        .map_err(|_| AskError::Token(token_file.to_owned()))?;
    bearer.set_sensitive(true);
    let request = Request::post(url)
        .header(AUTHORIZATION, bearer)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|_| AskError::Address(url.to_owned()))?;
    let broken = |error: BodyError| AskError::Broken(url.to_owned(), error);
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build(Connector::new(tls));
        let answer = client.request(request).await.map_err(|error| broken(error.into()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES).collect().await.map_err(broken)?;
        Ok((status, body.to_bytes()))
    };
    let answered = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
    let (status, body) = answered.map_err(|_| AskError::Timeout(url.to_owned()))??;
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(json);
    }
    let message = json["Message"].as_str().map(str::to_owned);
    Err(AskError::Refused(message.unwrap_or_else(|| format!("{url} answered {status}"))))
}
