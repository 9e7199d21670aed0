//! What can be wrong with a file, in one wording for all who use one.

use std::{io, path::PathBuf};

use jiff::Timestamp;
use rustls::pki_types::pem;

/// Why a file cannot be used. Each names the key of the configuration and the file, as configured.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file, or no right to it, or its disk does not answer.
    #[error("{key} {path:?} cannot be read")]
    Read {
        /// Key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is there and is not what it should be.
    #[error("{key} {path:?} holds no {wanted} in PEM")]
    Pem {
        /// Key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What the parser said.
        #[source]
        source: pem::Error,
    },
    /// There is nobody to ask for the passphrase.
    #[error("{key} {path:?} is encrypted; give it without a passphrase")]
    Encrypted {
        /// Key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
    },
    /// PEM around something that is no certificate.
    #[error("{key} {path:?} holds something that is not a certificate")]
    NotACertificate {
        /// Key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
    },
    /// Nobody would accept it any more.
    #[error("{key} {path:?} expired at {at}")]
    Expired {
        /// Key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// When.
        at: Timestamp,
    },
    /// Nobody would accept it yet; perhaps this machine's clock is wrong.
    #[error("{key} {path:?} is not valid before {at}")]
    TooEarly {
        /// Key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// From when on.
        at: Timestamp,
    },
    /// Two files of two different pairs.
    #[error("{key} {path:?} is not the key of {certificate_key} {certificate:?}")]
    Mismatch {
        /// Key of the configuration that names the private key.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// Key of the configuration that names the certificate.
        certificate_key: &'static str,
        /// As configured.
        certificate: PathBuf,
    },
    /// A key of a kind that is not supported, or another thing that rustls does not like.
    #[error("{key} {path:?} cannot be used")]
    Unusable {
        /// Key of the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
}
