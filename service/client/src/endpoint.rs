//! Addresses of servers: what the user writes, and where to connect.

use std::fmt;

use http::Uri;
use percent_encoding::percent_decode_str;

use crate::failure::Failure;

/// Where every route of the API starts, below the URL prefix.
const API_ROOT: &str = "/api";

/// One server's API.
#[derive(Clone)]
pub(crate) struct Endpoint {
    url: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Speak TLS there.
    pub(crate) tls: bool,
    /// The path of the API's root, without a trailing slash.
    pub(crate) root: String,
    /// `user:password` if the URL has them.
    pub(crate) user_info: Option<String>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.shown())
    }
}

impl Endpoint {
    /// Reads `[http://|https://][user:password@]host[:port][/prefix][/api][/]`.
    ///
    /// # Errors
    /// Not such an address.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let url = normalized(text);
        let with_scheme = if url.contains("://") { url.clone() } else { format!("http://{url}") };
        let invalid = || Failure::plain(format!("Invalid address of orchestrator: {}", redacted(text)));
        let uri: Uri = with_scheme.parse().map_err(|_| invalid())?;
        if uri.query().is_some() {
            return Err(invalid());
        }
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
        let authority = uri.authority().ok_or_else(invalid)?.as_str();
        let user_info =
            authority.rsplit_once('@').map(|(user, _)| percent_decode_str(user).decode_utf8_lossy().into());
        let port = match uri.port() {
            Some(port) => port.as_u16(),
            // It means to have one, such as `host:70000`.
            None if has_port(authority) => return Err(invalid()),
            None if tls => 443,
            None => 80,
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { url, host, port, tls, root: uri.path().to_owned(), user_info })
    }

    /// The API of another node of the same group, whose address a node told us: same prefix, other host.
    pub(crate) fn sibling(&self, leader_uri: &str) -> Result<Self, Failure> {
        let sibling = Self::parse(&format!("{}{}", leader_uri.trim_end_matches('/'), self.root))?;
        Ok(Self { user_info: self.user_info.clone(), ..sibling })
    }

    /// The API's URL as the user wrote it, normalised.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same without a password, for messages.
    pub(crate) fn shown(&self) -> String {
        redacted(&self.url)
    }
}

/// Without one trailing slash, and with the API's root at the end.
fn normalized(text: &str) -> String {
    let text = text.strip_suffix('/').filter(|rest| !rest.ends_with('/')).unwrap_or(text);
    if text.ends_with(API_ROOT) { text.to_owned() } else { format!("{text}{API_ROOT}") }
}

/// Whether an authority means to have a port; the colons of a bracketed IPv6 address are none.
fn has_port(authority: &str) -> bool {
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, rest)| rest);
    host_and_port.rsplit_once(']').map_or(host_and_port, |(_, rest)| rest).contains(':')
}

/// One or several URLs with each password replaced.
pub(crate) fn redacted(urls: &str) -> String {
    urls.split_whitespace().map(redacted_url).collect::<Vec<_>>().join(" ")
}

fn redacted_url(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let parts =
        authority.rsplit_once('@').and_then(|(user_info, host)| Some((user_info.split_once(':')?.0, host)));
    parts.map_or_else(|| url.to_owned(), |(user, host)| format!("{scheme}{user}:<REMOVED>@{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        let cases = [
            ("http://x/orc", "http://x/orc/api x 80 /orc/api"),
            ("http://x:3000/api/", "http://x:3000/api x 3000 /api"),
            ("http://x:3000/", "http://x:3000/api x 3000 /api"),
            ("x:3000", "x:3000/api x 3000 /api"),
            ("http://[::1]:3000", "http://[::1]:3000/api ::1 3000 /api"),
            ("http://[::1]", "http://[::1]/api ::1 80 /api"),
            ("https://x/orc", "https://x/orc/api x 443 /orc/api tls"),
            ("https://x:3000", "https://x:3000/api x 3000 /api tls"),
        ];
        for (text, expected) in cases {
            let Endpoint { url, host, port, root, tls, .. } = Endpoint::parse(text).unwrap();
            let tls = if tls { " tls" } else { "" };
            assert_eq!(format!("{url} {host} {port} {root}{tls}"), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "http://",
            "http://x:70000",
            "http://x:",
            "ftp://x",
            "http://x:port",
            "http://a b",
            "/api",
            "http://x?y",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn passwords_are_removed_from_messages() {
        let urls = "http://ada:p:w@a:3000/api b:3000 http://bob@c";
        assert_eq!(redacted(urls), "http://ada:<REMOVED>@a:3000/api b:3000 http://bob@c");
    }

    #[test]
    fn the_leader_is_reached_under_the_same_prefix_with_the_same_user() {
        let endpoint = Endpoint::parse("http://ada:pw@follower:3000/orc").unwrap();
        let leader = endpoint.sibling("http://leader:3001").unwrap();
        assert_eq!((leader.host.as_str(), leader.port, leader.root.as_str()), ("leader", 3001, "/orc/api"));
        assert_eq!(leader.user_info.as_deref(), Some("ada:pw"));
        assert!(!format!("{endpoint:?}").contains("pw"));
    }
}
