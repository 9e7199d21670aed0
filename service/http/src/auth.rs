//! Who is let in.

use std::fmt;

use http::{HeaderMap, header::AUTHORIZATION};
use orchestrator_config::HttpAuth;

/// How requests are admitted.
#[derive(Clone, Default)]
pub enum Auth {
    /// Everybody.
    #[default]
    None,
    /// One user with one password, on every path but those that load balancers and probes ask.
    Basic(Credentials),
}

/// A user and what its requests must carry. The password is not kept and never shown.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    expected: String,
}

/// An `AuthenticationMethod` that this version does not have. Better no service than an open one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("AuthenticationMethod {0:?} is not supported; write \"basic\" or nothing")]
pub struct UnsupportedAuth(pub &'static str);

impl Auth {
    /// From the configuration.
    ///
    /// # Errors
    /// The method is not supported.
    pub fn new(method: &HttpAuth) -> Result<Self, UnsupportedAuth> {
        match method {
            HttpAuth::None => Ok(Self::None),
            HttpAuth::Basic { user, password } => Ok(Self::Basic(Credentials::new(user, password.reveal()))),
            HttpAuth::Multi { .. } => Err(UnsupportedAuth("multi")),
            HttpAuth::Proxy { .. } => Err(UnsupportedAuth("proxy")),
            HttpAuth::Token { .. } => Err(UnsupportedAuth("token")),
        }
    }

    /// Lets a request in: the user's name (empty = nobody in particular), or `None` to turn it away.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Option<&str> {
        match self {
            Self::None => Some(""),
            Self::Basic(credentials) => {
                let given = headers.get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
                same(given, credentials.expected.as_bytes()).then_some(credentials.user.as_str())
            }
        }
    }
}

impl Credentials {
    fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.into(),
            expected: format!("Basic {}", base64(format!("{user}:{password}").as_bytes())),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic(credentials) => write!(f, "Basic({}, ***)", credentials.user),
        }
    }
}

/// Compares in a time that does not tell where the first difference is.
fn same(given: &[u8], expected: &[u8]) -> bool {
    given.len() == expected.len() && given.iter().zip(expected).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4, with padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            (0..3).fold(0_u32, |group, at| group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let index = (group >> (18 - 6 * at)) & 63;
            text.push(if at <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
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
        assert_eq!(auth.admit(&headers("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")), Some("Aladdin"));
        for wrong in
            ["", "Basic", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
        {
            assert_eq!(auth.admit(&headers(wrong)), None, "{wrong}");
        }
        assert_eq!(auth.admit(&HeaderMap::new()), None);
    }

    #[test]
    fn methods_that_do_not_exist_here_are_refused() {
        let multi = HttpAuth::Multi { user: "u".into(), password: Secret::new("p".into()) };
        let message = Auth::new(&multi).unwrap_err().to_string();
        assert_eq!(message, "AuthenticationMethod \"multi\" is not supported; write \"basic\" or nothing");
    }

    #[test]
    fn the_password_is_never_printed() {
        assert_eq!(format!("{:?}", Auth::new(&basic("u", "secret")).unwrap()), "Basic(u, ***)");
    }

    #[test]
    fn padding_is_that_of_the_rfc() {
        let vectors = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, text) in vectors {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
