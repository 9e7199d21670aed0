//! Access tokens: two halves, of which the public one is passed around once and the secret one only ever
//! lives in a cookie. What is stored is its digest.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, header::COOKIE};
use orchestrator_config::Secret;
use orchestrator_core::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracing::warn;

use crate::ports::{AccessToken, PortError, Tokens};

/// Name of the cookie.
const COOKIE_NAME: &str = "access-token";
/// Longest half of a token; both are 64 hexadecimal digits.
const HALF_MAX_BYTES: usize = 128;
/// Tells a stored digest from a secret that the original stored as it is.
const DIGEST_MARK: &str = "sha256:";

/// What is stored of the secret half: 256 random bits need no salt and no slow digest. Rows of the original, or
/// written by a person, hold the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret(Secret<String>);

impl StoredSecret {
    /// As it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// What to store of `secret`: 71 characters.
    pub fn digest_of(secret: &Secret<String>) -> String {
        let digest = Sha256::digest(secret.reveal().as_bytes());
        digest.iter().fold(DIGEST_MARK.to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// The secret itself, where that is what was stored.
    pub fn reveal_plain(&self) -> Option<Secret<String>> {
        let stored = self.0.reveal();
        (!stored.is_empty() && !stored.starts_with(DIGEST_MARK)).then(|| self.0.clone())
    }

    /// Is it this one? Takes the same time wherever the difference is.
    pub(crate) fn is(&self, given: &str) -> bool {
        let given = match self.reveal_plain() {
            Some(_) => given.to_owned(),
            None => Self::digest_of(&Secret::new(given.to_owned())),
        };
        self.0.reveal().as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// Whoever holds a token may change things.
#[derive(Clone)]
pub struct TokenAuth {
    redeem_within: Duration,
    lifetime: Duration,
    tokens: Option<Arc<dyn Tokens>>,
}

impl TokenAuth {
    pub(crate) fn new(redeem_within: Duration, lifetime: Duration) -> Self {
        Self { redeem_within, lifetime, tokens: None }
    }

    pub(crate) fn kept_in(self, tokens: Arc<dyn Tokens>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.tokens.is_some()
    }

    /// Does the cookie hold a token that is known and not too old?
    pub(crate) async fn allows(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let (Some(tokens), Some((public, secret))) = (&self.tokens, cookie(headers)) else { return false };
        match tokens.find(public.to_owned()).await {
            Ok(found) => found.is_some_and(|token| self.is_valid(&token, secret, now)),
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "access token not read");
                false
            }
        }
    }

    fn is_valid(&self, token: &AccessToken, secret: &str, now: Timestamp) -> bool {
        token.secret.is(secret) && (token.is_reentrant || now.since(token.generated_at) <= self.lifetime)
    }

    /// Redeems a public half: the cookie that lets its holder change things; `None` = not, or not again.
    pub(crate) async fn redeem(&self, public: &str, now: Timestamp) -> Result<Option<String>, PortError> {
        let Some(tokens) = self.tokens.as_ref().filter(|_| is_public_token(public)) else { return Ok(None) };
        let secret = tokens.redeem(public.to_owned(), now - self.redeem_within).await?;
        Ok(secret.map(|secret| format!("{COOKIE_NAME}={public}:{}", secret.reveal())))
    }

    /// Makes a token for `owner`: its public half, or `None` without a place to keep it.
    pub(crate) async fn issue(&self, owner: &str, now: Timestamp) -> Result<Option<String>, PortError> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        tokens.issue(owner.to_owned(), now - self.lifetime).await.map(Some)
    }

    /// How long a token waits to be redeemed.
    pub(crate) fn redeem_within(&self) -> Duration {
        self.redeem_within
    }
}

/// What a public half may look like; everything else need not be looked for.
fn is_public_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= HALF_MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Both halves, from the first cookie of that name.
fn cookie(headers: &HeaderMap) -> Option<(&str, &str)> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE_NAME)?;
    value.split_once(':').filter(|(public, secret)| is_public_token(public) && secret.len() <= HALF_MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_stored_and_is_no_secret_itself() {
        let stored = StoredSecret::digest_of(&Secret::new("s1".to_owned()));
        assert_eq!(stored, "sha256:e8bc163c82eee18733288c7d4ac636db3a6deb013ef2d37b68322be20edc45cc");
        let secret = StoredSecret::from_stored(stored.clone());
        assert!(secret.is("s1") && secret.reveal_plain().is_none());
        assert!(!secret.is(&stored) && !secret.is("") && !secret.is("s2"));
        let by_the_original = StoredSecret::from_stored("s1".into());
        assert!(by_the_original.is("s1") && !by_the_original.is("s2"));
        assert_eq!(by_the_original.reveal_plain().unwrap().reveal(), "s1");
        let empty = StoredSecret::from_stored(String::new());
        assert!(!empty.is("") && empty.reveal_plain().is_none(), "a row without one lets nobody in");
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(COOKIE, value.parse().unwrap());
            }
            cookie(&headers).map(|(public, secret)| format!("{public} {secret}"))
        };
        assert_eq!(found(&["a=b; access-token=p1:s1; c=d"]).unwrap(), "p1 s1");
        assert_eq!(found(&["a=b", "access-token=p1:s1"]).unwrap(), "p1 s1");
        for wrong in
            ["", "access-token", "access-token=p1", "access-token=:s1", "xaccess-token=p:s", "a=access-token"]
        {
            assert_eq!(found(&[wrong]), None, "{wrong}");
        }
        assert_eq!(found(&[&format!("access-token={}:s", "p".repeat(129))]), None);
        assert_eq!(found(&["access-token=p'1:s"]), None);
    }

    #[test]
    fn a_token_is_good_with_its_secret_and_for_its_life_or_for_ever_when_reentrant() {
        let auth = TokenAuth::new(Duration::from_secs(60), Duration::from_secs(3600));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let token = |is_reentrant| AccessToken {
            secret: StoredSecret::from_stored("s1".into()),
            generated_at: at(1000),
            is_reentrant,
        };
        assert!(auth.is_valid(&token(false), "s1", at(4600)));
        assert!(!auth.is_valid(&token(false), "s1", at(4601)));
        assert!(auth.is_valid(&token(true), "s1", at(400_000)));
        for wrong in ["", "s", "s2", "s11"] {
            assert!(!auth.is_valid(&token(true), wrong, at(1000)), "{wrong}");
        }
    }
}
