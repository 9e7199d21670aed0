//! What the operator of a group posts: read, let in by a token of its own, and the words for it.
//!
//! The token stands beside whoever else is let in: `AuthenticationMethod` and `ReadOnly` are about people.

use std::{collections::BTreeSet, path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Limited};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::{io::AsyncReadExt, time::timeout};

use crate::{ports::PortError, proxy::BodyError};

/// The largest body that is read: a list of members takes a kilobyte.
const BODY_MAX_BYTES: usize = 64 * 1024;
/// A body of that size takes no time; whoever sends it byte by byte is not waited for.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest token with the line's end behind it.
const TOKEN_MAX_BYTES: u64 = 4096;
/// Reading a small file of the same machine.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(2);

/// A body as it was posted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Posted(pub(crate) Bytes);

/// Why a body was not read. `Display` is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBody {
    #[error("the body is longer than {BODY_MAX_BYTES} bytes or broke off")]
    TooLarge,
    #[error("the body did not come within {BODY_TIMEOUT:?}")]
    TooSlow,
}

impl BadBody {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// The request with its whole body.
pub(crate) async fn with_body<B>(request: Request<B>) -> Result<Request<Bytes>, BadBody>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let (parts, body) = request.into_parts();
    let collected = timeout(BODY_TIMEOUT, Limited::new(body, BODY_MAX_BYTES).collect()).await;
    let body = collected.map_err(|_| BadBody::TooSlow)?.map_err(|_| BadBody::TooLarge)?;
    Ok(Request::from_parts(parts, body.to_bytes()))
}

/// Why an operator's request was not carried out. `Display` is the message on the wire.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    /// This node takes no operator.
    #[error("no operator is let in here: OperatorTokenFile is not set")]
    NoToken,
    /// The file cannot be read, or holds nothing.
    #[error("no operator is let in here: OperatorTokenFile cannot be read or is empty")]
    UnreadableToken,
    /// Another token, or none.
    #[error("the operator's token is missing or wrong: send Authorization: Bearer and the token")]
    WrongToken,
    /// The body is not what the route takes.
    #[error("the body cannot be read: {0}")]
    BadBody(#[from] serde_json::Error),
    /// The body lacks something or says too much.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The state of the group is not the expected one, or forbids it.
    #[error("{0}")]
    Conflict(String),
    /// The rest of the node said no.
    #[error("{0}")]
    Port(PortError),
}

impl From<PortError> for OperatorError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Refused(reason) => Self::Conflict(reason),
            other => Self::Port(other),
        }
    }
}

impl OperatorError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::UnreadableToken | Self::WrongToken => StatusCode::FORBIDDEN,
            Self::BadBody(_) | Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Port(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Compares the token of a request with that of `file`, which is read anew each time, so that it can be replaced.
pub(crate) async fn let_in(file: Option<&Path>, headers: &HeaderMap) -> Result<(), OperatorError> {
    let file = file.ok_or(OperatorError::NoToken)?;
    let expected = token_of(file).await.ok_or(OperatorError::UnreadableToken)?;
    let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let given = given.ok_or(OperatorError::WrongToken)?;
    // Digests are of one length, so that not even the token's length can be measured.
    let is_same: bool = Sha256::digest(given.trim_ascii()).ct_eq(&Sha256::digest(&expected)).into();
    is_same.then_some(()).ok_or(OperatorError::WrongToken)
}

/// The token in `file`; `None` when it cannot be read or is empty.
pub(crate) async fn token_of(file: &Path) -> Option<Vec<u8>> {
    let read = timeout(TOKEN_TIMEOUT, read_token(file)).await.ok()?.ok()?;
    Some(read.trim_ascii().to_owned()).filter(|token| !token.is_empty())
}

async fn read_token(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut token = Vec::new();
    tokio::fs::File::open(file).await?.take(TOKEN_MAX_BYTES).read_to_end(&mut token).await?;
    Ok(token)
}

/// A change of the members with compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersWish {
    /// The group that is meant.
    pub cluster_id: String,
    /// The log entry with the members that the change was decided on.
    pub expected_index: u64,
    /// What is wished for.
    pub change: MembersChange,
}

/// What is wished for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembersChange {
    /// The empty node of this address follows, under a number that it is given.
    AddLearner(String),
    /// These vote from now on, voters or learners by their numbers; voters left out are dropped.
    Voters(BTreeSet<u64>),
    /// This learner is dropped.
    RemoveLearner(u64),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembersChanged {
    /// Index of the log entry with the members now.
    pub index: u64,
    /// The number that a new learner was given.
    pub node_id: Option<u64>,
}

/// What came of reading the configuration again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// SHA-256 of the files that were read, one after the other. Hexadecimal.
    pub config_hash: String,
    /// That of `raft-status`; empty without raft.
    pub raft_nodes_hash: String,
    /// Keys that changed since the last time and hold from now on.
    pub taken_over: Vec<String>,
    /// Keys that changed since the start and wait for a restart.
    pub needs_restart: Vec<String>,
    /// What could not be taken over and why, one line each; it stays as it was.
    pub problems: Vec<String>,
}

/// A group to be formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapWish {
    /// Tells repetitions of one wish from every other wish.
    pub token: String,
    /// Its id.
    pub cluster_id: String,
    /// Numbers and addresses of its first voters.
    pub members: Vec<(u64, String)>,
}
