//! Why the API did not do what it was asked, in the words that clients know.

use bytes::Bytes;
use http::StatusCode;
use orchestrator_core::{
    InstanceKey,
    observation::{Failure, FailureKind},
};

use crate::{operator::OperatorError, ports::PortError};

/// An answer that is not the wanted one. `Display` is the message on the wire, to the letter: clients
/// match parts of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Read-only, not the leader, or not the right user.
    #[error("Unauthorized")]
    Unauthorized,
    /// Not a port.
    #[error("Invalid port: {0}")]
    InvalidPort(String),
    /// Nothing that could be the name of a host.
    #[error("Invalid host: {0:?}")]
    InvalidHost(String),
    /// Not a number.
    #[error("Invalid id: {0}")]
    InvalidId(String),
    /// Not a status code that can be sent.
    #[error("Invalid errorStatusCode: {0}")]
    InvalidStatusCode(String),
    /// Not a time such as `30m`.
    #[error("Cannot parse simple time: {0}")]
    InvalidDuration(String),
    /// The rule exists in old data only.
    #[error("CandidatePromotionRule: must not supported yet")]
    MustRule,
    /// Not a rule.
    #[error("Invalid CandidatePromotionRule: {0}")]
    InvalidRule(String),
    /// Not known.
    #[error("Cannot read instance: {0}")]
    UnknownInstance(InstanceKey),
    /// Not known, in the words of one command.
    #[error("ForgetInstance(): instance {0} not found")]
    NothingToForget(InstanceKey),
    /// No cluster of that name, alias, or instance.
    #[error("Unable to determine cluster name. clusterHint={0}")]
    UnknownCluster(String),
    /// No cluster of that alias.
    #[error("No cluster found for alias {0}")]
    UnknownAlias(String),
    /// Nothing on top of the cluster.
    #[error("No masters found for {0}")]
    NoPrimary(String),
    /// There is no such recovery, under this number or name.
    #[error("Recovery not found: {0}")]
    UnknownRecovery(String),
    /// Closing a recovery takes a reason.
    #[error("No acknowledge comment given")]
    NoComment,
    /// Raft routes without raft.
    #[error("{0}: not running with raft setup")]
    NoRaft(&'static str),
    /// This node is not a healthy member.
    #[error("unhealthy")]
    Unhealthy(Vec<String>),
    /// This node's backend takes no writes. The details are the health status.
    #[error("Application node is unhealthy {message}")]
    NodeUnhealthy {
        /// What the backend said.
        message: String,
        /// JSON of the health status.
        details: Bytes,
    },
    /// A recovery by hand did not promote anybody.
    #[error("{message}")]
    NotRecovered {
        /// Why.
        message: String,
        /// The instance that failed.
        failed: InstanceKey,
    },
    /// The snapshot could not be made.
    #[error("Cannot create snapshot: {0}")]
    Snapshot(PortError),
    /// The member was not taken in.
    #[error("Cannot add raft peer: {0}")]
    AddPeer(PortError),
    /// The member was not removed.
    #[error("Cannot remove raft peer: {0}")]
    RemovePeer(PortError),
    /// The rest of the node said no.
    #[error("{}", port_message(.0))]
    Port(#[from] PortError),
    /// An operator's request was not carried out.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A value could not be written as JSON.
    #[error("cannot encode the answer: {0}")]
    Encoding(#[from] serde_json::Error),
}

impl ApiError {
    /// 500, since clients treat nothing below as an error; what operators post is told apart.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Operator(error) => error.status(),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Words that operators match: `no such host`, `i/o timeout`, `driver: bad connection`.
fn port_message(error: &PortError) -> String {
    match error {
        PortError::Instance(key, failure) => failure_message(key, failure),
        PortError::UnknownInstance(key) => ApiError::UnknownInstance(key.clone()).to_string(),
        other => other.to_string(),
    }
}

fn failure_message(key: &InstanceKey, Failure { kind, error, partial: _ }: &Failure) -> String {
    match kind {
        FailureKind::NameUnresolved => format!("dial tcp: lookup {}: no such host: {error}", key.hostname),
        FailureKind::ConnectTimeout | FailureKind::Silent => format!("dial tcp {key}: i/o timeout: {error}"),
        FailureKind::Refused | FailureKind::Unreachable => format!("dial tcp {key}: connect: {error}"),
        // Equal to, not only containing: so it is matched.
        FailureKind::Broken => "driver: bad connection".into(),
        FailureKind::AnsweredError | FailureKind::Nonsense | FailureKind::IdentityChanged => error.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_find_the_words_they_look_for() {
        let message = |kind| {
            let failure = Failure { kind, error: "text".into(), partial: false };
            ApiError::from(PortError::Instance(InstanceKey::new("db1", 3306), failure)).to_string()
        };
        assert!(message(FailureKind::NameUnresolved).contains("no such host"));
        assert!(message(FailureKind::ConnectTimeout).contains("i/o timeout"));
        assert!(message(FailureKind::Silent).contains("i/o timeout"));
        assert_eq!(message(FailureKind::Broken), "driver: bad connection");
    }
}
