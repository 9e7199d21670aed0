//! Where a request came from, as far as the connection itself tells.

use std::{net::SocketAddr, sync::Arc};

/// Where a request came from. The default is a plain connection through a unix socket.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address; `None` = it came through a unix socket.
    pub address: Option<SocketAddr>,
    /// What the connection proved.
    pub channel: Channel,
}

/// What a connection proved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Channel {
    /// Nothing.
    #[default]
    Plain,
    /// TLS, with the units of the client's certificate if it gave one; others end in the handshake.
    Tls {
        /// Units of the certificate; none without one.
        units: Arc<[String]>,
    },
}

/// Why a client's certificate, or the lack of one, turns it away. `Display` is the body, to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    /// The connection is plain.
    #[error("No TLS")]
    NoTls,
    /// No certificate, or none of a valid unit.
    #[error("Invalid OU")]
    InvalidUnit,
}

impl Channel {
    /// Is the client of one of these units?
    pub(crate) fn check(&self, valid: &[String]) -> Result<(), Stranger> {
        match self {
            Self::Plain => Err(Stranger::NoTls),
            Self::Tls { units } if units.iter().any(|unit| valid.contains(unit)) => Ok(()),
            Self::Tls { .. } => Err(Stranger::InvalidUnit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_of_the_certificate_must_be_valid_to_the_letter() {
        let valid = ["dba".to_owned(), "ops".to_owned()];
        let tls =
            |units: &[&str]| Channel::Tls { units: units.iter().map(|&unit| unit.to_owned()).collect() };
        assert_eq!(tls(&["web", "ops"]).check(&valid), Ok(()));
        for units in [&[][..], &["web"], &["DBA"], &["dba "], &[""]] {
            assert_eq!(tls(units).check(&valid), Err(Stranger::InvalidUnit), "{units:?}");
        }
        assert_eq!(tls(&["dba"]).check(&[]), Err(Stranger::InvalidUnit));
        assert_eq!(Channel::Plain.check(&valid), Err(Stranger::NoTls));
    }
}
