//! User and password in the `Authorization` header (RFC 7617).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};
use orchestrator_config::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Longest header that is looked at: user and password are lines that people type.
const HEADER_MAX_BYTES: usize = 4 * 1024;

/// A user and a digest of its password: neither the password nor its length can be had from it.
#[derive(Clone)]
pub struct Account {
    user: String,
    digest: [u8; 32],
}

impl Account {
    /// An account; the password is not kept.
    pub(crate) fn new(user: &str, password: &Secret<String>) -> Self {
        Self { user: user.into(), digest: digest(format!("{user}:{}", password.reveal()).as_bytes()) }
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Is it this account? Takes the same time wherever the difference is.
    pub(crate) fn is(&self, given: &Given) -> bool {
        digest(given.0.as_bytes()).ct_eq(&self.digest).into()
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What a client says: `user:password`.
pub(crate) struct Given(String);

impl Given {
    pub(crate) fn user(&self) -> &str {
        self.0.split_once(':').map_or("", |(user, _)| user)
    }
}

/// Reads the header; `None` when there is none, or nonsense.
pub(crate) fn given(headers: &HeaderMap) -> Option<Given> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok().filter(|value| value.len() <= HEADER_MAX_BYTES)?;
    let (scheme, encoded) = value.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    (scheme.eq_ignore_ascii_case("basic") && text.contains(':')).then_some(Given(text))
}
