//! What the API says when it does not do what it was asked to.

use std::time::Duration;

use tokio::time::timeout;

use crate::status::Problem;

/// One call of the API. A server that takes longer is asked again later.
pub const API_TIMEOUT: Duration = Duration::from_secs(15);

/// Words of the API server by which a refusal is none of rights, though its code is the same: somebody else judged the
/// object, or its namespace is about to go.
const JUDGED: [&str; 3] = ["admission webhook", "ValidatingAdmissionPolicy", "being terminated"];

/// Why the API did not do what it was asked to. `Display` is for people.
#[derive(Debug, thiserror::Error)]
pub enum ApiFailure {
    /// It said no, in these words.
    #[error("{}", said(.0))]
    Refused(Box<kube::core::Status>),
    /// It cannot be reached, or what it says cannot be read.
    #[error("the Kubernetes API does not answer as it should: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer from the Kubernetes API within {API_TIMEOUT:?}")]
    Late,
}

fn said(status: &kube::core::Status) -> String {
    if status.message.is_empty() {
        format!("the Kubernetes API answers {}", status.code)
    } else {
        status.message.clone()
    }
}

impl From<kube::Error> for ApiFailure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status),
            other => Self::Broken(chain(&other)),
        }
    }
}

/// An error with its causes, without saying anything twice.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.map(ToString::to_string).fold(error.to_string(), |told, cause| {
        if told.contains(&cause) { told } else { format!("{told}: {cause}") }
    })
}

impl ApiFailure {
    /// The HTTP status, if it answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(status.code),
            Self::Broken(_) | Self::Late => None,
        }
    }

    /// Somebody else was faster: what was decided upon is not so any more.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// It may be otherwise a moment later: nobody answers, the server is busy or has a trouble of its own, somebody else
    /// was faster.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused(status) => matches!(status.code, 409 | 429 | 500..=599),
            Self::Broken(_) | Self::Late => true,
        }
    }

    /// For the status.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused(status) if status.code == 403 && status.message.contains("quota") => Problem::Quota,
            Self::Refused(status)
                if status.code == 403 && !JUDGED.iter().any(|words| status.message.contains(words)) =>
            {
                Problem::Forbidden
            }
            Self::Refused(_) | Self::Broken(_) | Self::Late => Problem::Other,
        }
    }

    /// For the label of a metric.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match (self, self.problem()) {
            (Self::Late, _) => "late",
            (Self::Broken(_), _) => "unreachable",
            (_, Problem::Quota) => "quota",
            (_, Problem::Forbidden) => "forbidden",
            _ if self.is_conflict() => "conflict",
            (_, Problem::OwnershipConflict | Problem::Other) => "refused",
        }
    }
}

/// One call within its deadline.
///
/// # Errors
/// The API said no, or nothing.
pub async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ApiFailure> {
    timeout(API_TIMEOUT, call).await.map_err(|_| ApiFailure::Late)?.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> Problem {
        let status =
            kube::core::Status { code: 403, message: message.to_owned(), ..kube::core::Status::default() };
        ApiFailure::from(kube::Error::Api(Box::new(status))).problem()
    }

    #[test]
    fn a_code_for_many_things_is_told_apart_by_its_words() {
        let rights = r#"services "main" is forbidden: User "operator" cannot patch resource "services""#;
        assert_eq!(refused(rights), Problem::Forbidden);
        assert_eq!(refused(r#"services "main" is forbidden: exceeded quota: small"#), Problem::Quota);
        let judged = r#"admission webhook "policy.example.com" denied the request: no NodePorts here"#;
        assert_eq!(refused(judged), Problem::Other, "more rights would not help");
        let going = "unable to create new content in namespace db because it is being terminated";
        assert_eq!(refused(going), Problem::Other);
    }
}
