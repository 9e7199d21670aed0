//! From what a handler answers to what is sent.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use orchestrator_core::InstanceKey;
use orchestrator_wire::{
    Key,
    envelope::{Code, assemble},
    json,
};
use serde::Serialize;

use crate::error::ApiError;

/// What a handler answers.
pub(crate) type Outcome = Result<Reply, ApiError>;

/// A good answer.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Bare JSON.
    Raw(Bytes),
    /// Bare JSON with a status of its own.
    Status(StatusCode, Bytes),
    /// In the envelope.
    Envelope {
        /// For people.
        message: String,
        /// JSON.
        details: Bytes,
    },
}

/// Bare JSON.
pub(crate) fn raw(value: &impl Serialize) -> Outcome {
    Ok(Reply::Raw(encode(value)?))
}

/// Bare JSON of a list that is `null` when empty.
pub(crate) fn raw_or_null<T: Serialize>(list: &[T]) -> Outcome {
    if list.is_empty() { raw(&()) } else { raw(&list) }
}

/// An envelope with details.
pub(crate) fn ok(message: impl Into<String>, details: &impl Serialize) -> Outcome {
    Ok(Reply::Envelope { message: message.into(), details: encode(details)? })
}

/// An envelope whose details are an instance's name.
pub(crate) fn ok_key(message: impl Into<String>, key: &InstanceKey) -> Outcome {
    ok(message, &Key::from(key))
}

/// JSON as this API writes it.
pub(crate) fn encode(value: &impl Serialize) -> Result<Bytes, ApiError> {
    Ok(json::to_vec(value)?.into())
}

/// The one place where an answer, good or bad, becomes status and body.
pub(crate) fn render(outcome: Outcome, message_prefix: &str) -> Response<Bytes> {
    match outcome {
        Ok(Reply::Raw(body)) => json_response(StatusCode::OK, body),
        Ok(Reply::Status(status, body)) => json_response(status, body),
        Ok(Reply::Envelope { message, details }) => {
            let body = assemble(Code::Ok, &format!("{message_prefix}{message}"), &details);
            json_response(StatusCode::OK, body.into())
        }
        Err(error) => {
            let details = error_details(&error).unwrap_or_else(|_| Bytes::from_static(b"null"));
            let body = assemble(Code::Error, &format!("{message_prefix}{error}"), &details);
            json_response(error.status(), body.into())
        }
    }
}

fn error_details(error: &ApiError) -> Result<Bytes, ApiError> {
    match error {
        ApiError::NotRecovered { failed, .. } => encode(&Key::from(failed)),
        ApiError::NodeUnhealthy { details, .. } => Ok(details.clone()),
        ApiError::Unhealthy(reasons) if !reasons.is_empty() => encode(reasons),
        _ => encode(&()),
    }
}

fn json_response(status: StatusCode, body: Bytes) -> Response<Bytes> {
    respond(status, "application/json; charset=UTF-8", body)
}

/// Plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    respond(status, "text/plain; charset=utf-8", body.into())
}

/// What is said of routes that do not exist.
pub(crate) fn not_found() -> Response<Bytes> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// A response of a given type.
pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
