//! Calls to the chosen server: retries, and the meaning of answers that are no JSON.

use http::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, chain};
use crate::leader;
use crate::settings::Settings;
use crate::transport::{self, Credentials, Limits, Reply, TransportError};

/// How much of an answer that nobody can read is shown, in characters: the first line of a proxy's page.
const EXCERPT_CHARS_MAX: usize = 120;

/// A server to send commands to.
pub(crate) struct Session<'a> {
    endpoint: Endpoint,
    credentials: &'a Credentials,
    limits: &'a Limits,
}

impl<'a> Session<'a> {
    /// # Errors
    /// See [`leader::find`].
    pub(crate) async fn open(settings: &'a Settings, limits: &'a Limits) -> Result<Self, Failure> {
        let endpoint = leader::find(settings, limits).await?;
        Ok(Self { endpoint, credentials: &settings.credentials, limits })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The raft leader's own API, whichever member of the group we talk to.
    ///
    /// # Errors
    /// The server is not in a raft group, or its group has no leader.
    pub(crate) async fn raft_leader(&self) -> Result<Endpoint, Failure> {
        let state = self.get(&self.endpoint, "raft-state").await?.accepted()?;
        if state.body.as_str().is_some_and(|state| state.contains("Leader")) {
            return Ok(self.endpoint.clone());
        }
        let status = self.get(&self.endpoint, "raft-status").await?.accepted()?;
        match status.body.get("LeaderURI").and_then(Value::as_str) {
            Some(uri) if !uri.is_empty() => self.endpoint.sibling(uri),
            _ => Err(no_raft_leader()),
        }
    }

    /// Asks until somebody accepts the connection. What was sent is never sent again: it may have been done.
    pub(crate) async fn get(&self, endpoint: &Endpoint, path: &str) -> Result<Answer, Failure> {
        let mut pauses = self.limits.retry_pauses.iter();
        let reply = loop {
            match transport::get(endpoint, path, self.credentials, self.limits).await {
                Ok(reply) => break reply,
                Err(error @ TransportError::Connect(_)) => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(no_access(endpoint, chain(&error))),
                },
                Err(error) => return Err(no_access(endpoint, chain(&error))),
            }
        };
        understand(endpoint, path, reply)
    }
}

pub(crate) fn no_raft_leader() -> Failure {
    Failure::Client {
        text: "Cannot determine raft state".to_owned(),
        reasons: vec!["the server knows no leader of its group".to_owned()],
    }
}

/// JSON counts whatever the status; without it the status says what is the matter.
pub(crate) fn understand(endpoint: &Endpoint, path: &str, reply: Reply) -> Result<Answer, Failure> {
    let Reply { status, body } = reply;
    let text = String::from_utf8_lossy(&body).into_owned();
    let excerpt = excerpt(&text);
    Answer::parse(text).map_err(|_| match status {
        StatusCode::NOT_FOUND => no_route(endpoint, path),
        StatusCode::UNAUTHORIZED if matches!(&*excerpt, "Invalid OU" | "No TLS") => no_access(
            endpoint,
            format!(
                "401 Unauthorized: {excerpt}: it wants a certificate of a unit that it admits (--cert, --key)"
            ),
        ),
        StatusCode::UNAUTHORIZED => {
            no_access(endpoint, "401 Unauthorized: user or password missing or wrong".into())
        }
        _ if excerpt.is_empty() => no_access(endpoint, format!("{status}, without a word")),
        _ => no_access(endpoint, format!("{status}, and no JSON: {excerpt}")),
    })
}

fn excerpt(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT_CHARS_MAX).collect()
}

/// The original's sentence with its two blanks, then what it never told.
fn no_access(endpoint: &Endpoint, reason: String) -> Failure {
    let api = endpoint.shown();
    let text = format!(
        "Cannot access orchestrator at {api}.  Check ORCHESTRATOR_API is configured correctly and orchestrator is \
         running"
    );
    Failure::Client { text, reasons: vec![reason] }
}

fn no_route(endpoint: &Endpoint, path: &str) -> Failure {
    Failure::Client {
        text: format!("orchestrator at {} does not know the request {path}", endpoint.shown()),
        reasons: vec![
            "404: this server lacks the command, or does not take these arguments for it".to_owned(),
        ],
    }
}
