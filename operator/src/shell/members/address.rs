//! Where a member is called.

use std::net::{IpAddr, SocketAddr};

/// Where a member is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// To whom the connection goes: `address:port`, or `name:port` where a URL names one.
    pub connect: String,
    /// Whose certificate is expected, and what stands in `Host`.
    pub name: String,
    /// By TLS.
    pub tls: bool,
    /// Before `/api/…`.
    pub prefix: String,
}

impl Place {
    /// A pod's address under the member's stable name.
    #[must_use]
    pub fn of_pod(ip: IpAddr, port: u16, name: &str, tls: bool, prefix: &str) -> Self {
        Self {
            connect: SocketAddr::new(ip, port).to_string(),
            name: name.to_owned(),
            tls,
            prefix: prefix.trim_end_matches('/').to_owned(),
        }
    }
}

/// Where `url` leads: `http[s]://host[:port][/prefix]`; `None` for anything else.
#[must_use]
pub fn place(url: &str) -> Option<Place> {
    let uri: http::Uri = url.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let name = uri.host()?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let connect = if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
    Some(Place { connect, name, tls, prefix: uri.path().trim_end_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_place() {
        let found = place("http://127.0.0.1:9000/ns/main-0").expect("it is a URL");
        assert_eq!((found.connect.as_str(), found.prefix.as_str()), ("127.0.0.1:9000", "/ns/main-0"));
        let found = place("https://o1.example.com").expect("it is a URL");
        assert_eq!((found.connect.as_str(), found.tls), ("o1.example.com:443", true));
        assert_eq!(place("http://[::1]:80/").map(|found| found.connect), Some("[::1]:80".to_owned()));
        assert_eq!((place("ftp://x"), place("x"), place("")), (None, None, None));
    }

    #[test]
    fn a_pod_is_called_by_address_and_believed_by_name() {
        let place = Place::of_pod([10, 0, 0, 1].into(), 3000, "m-0.m-raft.a.svc", true, "/orc/");
        assert_eq!((place.connect.as_str(), place.name.as_str()), ("10.0.0.1:3000", "m-0.m-raft.a.svc"));
        assert_eq!(place.prefix, "/orc");
    }
}
