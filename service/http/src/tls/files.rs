//! Files with certificates and keys, read and checked one by one, so that what is wrong has a name.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tracing::warn;

use super::der::Facts;

/// Small files; a disk that does not give them within this gives nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Where systems keep the authorities that they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why TLS cannot be had with these files. The keys are those of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// HTTPS takes a certificate and its key.
    #[error("UseSSL needs {0}")]
    Missing(&'static str),
    /// A certificate without its key, or the other way round.
    #[error("SSLCertFile and SSLPrivateKeyFile belong together: {0} is empty")]
    Half(&'static str),
    /// There is no such file, or no right to it.
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
    #[error("SSLPrivateKeyFile {0:?} is encrypted; give it without a passphrase")]
    Encrypted(PathBuf),
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
    #[error("SSLPrivateKeyFile {key:?} is not the key of SSLCertFile {certificate:?}")]
    Mismatch {
        /// The key.
        key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
    },
    /// A key of a kind that is not supported, or another thing that rustls does not like.
    #[error("SSLCertFile {certificate:?} cannot be used")]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// Nobody is trusted.
    #[error("no certificate authority: write SSLCAFile, this system has none")]
    NoAuthority,
    /// The authorities cannot be used to verify clients.
    #[error("certificates of clients cannot be verified")]
    Clients(#[source] rustls::client::VerifierBuilderError),
}

/// One file and the key that names it.
pub(super) struct Source {
    pub(super) key: &'static str,
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl Source {
    pub(super) async fn read(key: &'static str, path: &Path) -> Result<Self, TlsError> {
        let read = tokio::time::timeout(READ_TIMEOUT, tokio::fs::read(path)).await;
        let bytes = read
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| TlsError::Read { key, path: path.to_owned(), source })?;
        Ok(Self { key, path: path.to_owned(), bytes })
    }

    fn pem_error(&self, wanted: &'static str, source: pem::Error) -> TlsError {
        TlsError::Pem { key: self.key, path: self.path.clone(), wanted, source }
    }

    /// All certificates, at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let wanted = "certificate";
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match found {
            Ok(found) if found.is_empty() => Err(self.pem_error(wanted, pem::Error::NoItemsFound)),
            Ok(found) => Ok(found),
            Err(error) => Err(self.pem_error(wanted, error)),
        }
    }

    fn facts(&self, certificate: &[u8]) -> Result<Facts, TlsError> {
        let not_one = || TlsError::NotACertificate { key: self.key, path: self.path.clone() };
        Facts::read(certificate).ok_or_else(not_one)
    }

    /// A chain, the node's own certificate first, which is valid now.
    pub(super) fn chain(&self, now: Timestamp) -> Result<(Vec<CertificateDer<'static>>, Facts), TlsError> {
        let chain = self.certificates()?;
        let facts = self.facts(&chain[0])?;
        let (key, path) = (self.key, self.path.clone());
        if facts.not_after < now {
            return Err(TlsError::Expired { key, path, at: facts.not_after });
        }
        if now < facts.not_before {
            return Err(TlsError::TooEarly { key, path, at: facts.not_before });
        }
        Ok((chain, facts))
    }

    /// The first private key, which must not be encrypted.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let has = |text: &[u8]| self.bytes.windows(text.len()).any(|window| window == text);
        if has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED") {
            return Err(TlsError::Encrypted(self.path.clone()));
        }
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| self.pem_error("private key", error))
    }

    /// The authorities that are still valid, at least one: rustls itself does not look at their dates.
    pub(super) fn authorities(&self, now: Timestamp) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let mut expired = None;
        for certificate in self.certificates()? {
            let facts = self.facts(&certificate)?;
            if facts.not_after < now {
                warn!(path = %self.path.display(), not_after = %facts.not_after, "certificate authority expired");
                expired = Some(facts.not_after);
                continue;
            }
            let not_one = |_| TlsError::NotACertificate { key: self.key, path: self.path.clone() };
            roots.add(certificate).map_err(not_one)?;
        }
        match expired {
            Some(at) if roots.is_empty() => {
                Err(TlsError::Expired { key: self.key, path: self.path.clone(), at })
            }
            _ => Ok(roots),
        }
    }
}

/// The authorities that this system trusts; what cannot be read of them is left out.
pub(super) async fn system_authorities() -> Result<RootCertStore, TlsError> {
    for path in SYSTEM_BUNDLES {
        let Ok(bundle) = Source::read("SSLCAFile", Path::new(path)).await else { continue };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle.bytes).flatten());
        if !roots.is_empty() {
            return Ok(roots);
        }
    }
    Err(TlsError::NoAuthority)
}
