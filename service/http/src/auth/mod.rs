//! Who is let in, who may change things, and under which name.
//!
//! Every node decides this by itself, from what the client sent. A request that was forwarded carries the
//! client's own password, cookie or header, and is judged anew: nothing that a node says about a client counts.

mod account;
mod groups;
mod power;
mod token;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, header};
use orchestrator_config::HttpAuth;
use orchestrator_core::Timestamp;

pub use account::Account;
pub use power::PowerUsers;
pub use token::{StoredSecret, TokenAuth};

use crate::ports::Tokens;

/// The user of `multi` who needs no password and may change nothing.
const READ_ONLY_USER: &str = "readonly";

/// How requests are admitted, and who may change things (`AuthenticationMethod`).
#[derive(Clone, Default)]
pub enum Auth {
    /// Everybody may do everything.
    #[default]
    None,
    /// One user with one password, on every path but those that load balancers and probes ask.
    Basic(Account),
    /// As basic; besides, the user `readonly` may read with any password.
    Multi(Account),
    /// Everybody may read; a proxy in front says in a header who it is, and some may change things.
    Proxy(Arc<PowerUsers>),
    /// Everybody may read; who holds a token may change things.
    Token(TokenAuth),
}

/// A configuration under which nobody could be told from anybody. Better no service than an open one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAuth {
    /// `multi` without a user would admit an empty one.
    #[error("AuthenticationMethod \"multi\" needs HTTPAuthUser")]
    NoUser,
    /// `proxy` with something that is no name of a header.
    #[error("AuthUserHeader {0:?} is not the name of a header")]
    UserHeader(String),
    /// `token` with nowhere to look for tokens.
    #[error("AuthenticationMethod \"token\" needs a backend that keeps access tokens")]
    NoTokens,
}

impl Auth {
    /// From the configuration. `token` needs [`Auth::with_tokens`] besides.
    ///
    /// # Errors
    /// The method is not complete.
    pub fn new(method: &HttpAuth) -> Result<Self, InvalidAuth> {
        Ok(match method {
            HttpAuth::None => Self::None,
            HttpAuth::Basic { user, password } => Self::Basic(Account::new(user, password)),
            HttpAuth::Multi { user, .. } if user.is_empty() => return Err(InvalidAuth::NoUser),
            HttpAuth::Multi { user, password } => Self::Multi(Account::new(user, password)),
            HttpAuth::Proxy { user_header, power_users, power_groups } => {
                let header =
                    user_header.parse().map_err(|_| InvalidAuth::UserHeader(user_header.to_owned()))?;
                Self::Proxy(Arc::new(PowerUsers::new(header, power_users, power_groups)))
            }
            HttpAuth::Token { redeem_within, lifetime } => {
                Self::Token(TokenAuth::new(*redeem_within, *lifetime))
            }
        })
    }

    /// Where tokens are kept; means nothing to other methods than `token`.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<dyn Tokens>) -> Self {
        match self {
            Self::Token(auth) => Self::Token(auth.kept_in(tokens)),
            other => other,
        }
    }

    /// Is everything there that the method needs?
    pub(crate) fn check(&self) -> Result<(), InvalidAuth> {
        match self {
            Self::Token(auth) if !auth.is_kept() => Err(InvalidAuth::NoTokens),
            _ => Ok(()),
        }
    }

    /// Lets a request in: the user's name (empty = nobody in particular), or `None` to turn it away.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Option<String> {
        match self {
            Self::None | Self::Token(_) => Some(String::new()),
            Self::Basic(account) => {
                account::given(headers).filter(|given| account.is(given)).map(|given| given.user().to_owned())
            }
            Self::Multi(account) => account::given(headers)
                .filter(|given| given.user() == READ_ONLY_USER || account.is(given))
                .map(|given| given.user().to_owned()),
            Self::Proxy(power) => Some(power.user(headers).to_owned()),
        }
    }

    /// May who was admitted as `user` change things? Rules of the node (read-only, leadership) come on top.
    pub(crate) async fn may_act(&self, user: &str, headers: &HeaderMap, now: Timestamp) -> bool {
        match self {
            Self::None | Self::Basic(_) => true,
            Self::Multi(_) => user != READ_ONLY_USER,
            Self::Proxy(power) => power.allow(user).await,
            Self::Token(auth) => auth.allows(headers, now).await,
        }
    }

    /// A header says who asks: it must reach the leader, whatever the client says of it.
    pub(crate) fn identifies(&self, name: &HeaderName) -> bool {
        let named = matches!(self, Self::Proxy(power) if power.header() == name);
        named || *name == header::AUTHORIZATION || *name == header::COOKIE
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic(account) => write!(f, "Basic({}, ***)", account.user()),
            Self::Multi(account) => write!(f, "Multi({}, ***)", account.user()),
            Self::Proxy(power) => write!(f, "Proxy({})", power.header()),
            Self::Token(_) => f.write_str("Token"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use orchestrator_config::Secret;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    fn basic(user: &str, password: &str) -> HttpAuth {
        HttpAuth::Basic { user: user.into(), password: Secret::new(password.into()) }
    }

    #[test]
    fn basic_lets_in_the_user_and_nobody_else() {
        let auth = Auth::new(&basic("Aladdin", "open sesame")).unwrap();
        for right in ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="] {
            assert_eq!(auth.admit(&headers(right)).as_deref(), Some("Aladdin"));
        }
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic QWxhZGRpbg==",                     // no colon
            "Basic QWxhZGRpbjo=",                     // no password
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",       // no padding
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZSE=",     // a password that begins like it
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",    // not Basic
            "Basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ== !!", // not base64
            "Basic cmVhZG9ubHk6eA==",                 // readonly:x
        ] {
            assert_eq!(auth.admit(&headers(wrong)), None, "{wrong}");
        }
        assert_eq!(auth.admit(&HeaderMap::new()), None);
    }

    #[test]
    fn an_empty_user_still_has_to_be_said() {
        let auth = Auth::new(&basic("", "")).unwrap();
        assert_eq!(auth.admit(&headers("Basic Og==")).as_deref(), Some(""));
        assert_eq!(auth.admit(&HeaderMap::new()), None);
    }

    #[test]
    fn methods_that_are_not_complete_are_refused() {
        let multi = HttpAuth::Multi { user: String::new(), password: Secret::new("p".into()) };
        let message = |method| Auth::new(&method).unwrap_err().to_string();
        assert_eq!(message(multi), "AuthenticationMethod \"multi\" needs HTTPAuthUser");
        for name in ["", "X User", "x:y"] {
            let proxy = HttpAuth::Proxy {
                user_header: name.into(),
                power_users: Vec::new(),
                power_groups: Vec::new(),
            };
            assert_eq!(message(proxy), format!("AuthUserHeader {name:?} is not the name of a header"));
        }
    }

    #[test]
    fn the_password_is_never_printed() {
        assert_eq!(format!("{:?}", Auth::new(&basic("u", "secret")).unwrap()), "Basic(u, ***)");
    }
}
