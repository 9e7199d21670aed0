//! Everything that ends a command early, and what the user gets to read about it.

use crate::jq::Mismatch;

/// Why a command printed no result. See [`crate::run`] for the exit codes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The client itself gives up.
    #[error("{text}")]
    Client {
        /// In the original's words where it has any.
        text: String,
        /// More to know, one line each; the original never says these.
        reasons: Vec<String>,
    },
    /// The server answered with `Code` `ERROR`.
    #[error("{message}")]
    Refused { message: String, details: Option<String> },
    /// The same for `-c api`.
    #[error("{answer}")]
    RefusedWhole { answer: String },
    /// The operation may well be done, but its answer cannot be shown.
    #[error("unexpected answer")]
    Shape(#[from] Mismatch),
}

impl Failure {
    /// A failure that needs no further reasons.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::Client { text: text.into(), reasons: Vec::new() }
    }

    /// The exit code of the process; 5 is jq's own.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client { .. } | Self::Refused { .. } | Self::RefusedWhole { .. } => 1,
            Self::Shape(_) => 5,
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
