//! Access tokens: two halves, of which the public one is passed around once and the secret one only ever
//! lives in a cookie.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, header::COOKIE};
use orchestrator_core::Timestamp;
use subtle::ConstantTimeEq;
use tracing::warn;

use crate::ports::{AccessToken, PortError, Tokens};

/// Name of the cookie.
const COOKIE_NAME: &str = "access-token";
/// Longest half of a token; both are 64 hexadecimal digits.
const HALF_MAX_BYTES: usize = 128;

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
        let is_same: bool = token.secret.reveal().as_bytes().ct_eq(secret.as_bytes()).into();
        is_same && (token.is_reentrant || now.since(token.generated_at) <= self.lifetime)
    }

    /// Redeems a public half: the cookie that lets its holder change things; `None` = not, or not again.
    pub(crate) async fn redeem(&self, public: &str, now: Timestamp) -> Result<Option<String>, PortError> {
        let Some(tokens) = self.tokens.as_ref().filter(|_| is_public_token(public)) else { return Ok(None) };
        let token = tokens.redeem(public.to_owned(), now - self.redeem_within).await?;
        Ok(token.map(|token| format!("{COOKIE_NAME}={public}:{}", token.secret.reveal())))
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
    use orchestrator_config::Secret;

    use super::*;

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
            secret: Secret::new("s1".into()),
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
