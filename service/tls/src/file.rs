//! One file: read with a deadline, and what is in it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer, UnixTime,
        pem::{self, PemObject},
    },
};
use tracing::warn;

use crate::{FileError, facts::Facts};

/// Small files; a disk that does not give them within this gives nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The contents of one file in PEM, with the key of the configuration that names it.
pub struct PemFile {
    key: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl PemFile {
    /// Reads `path`, which the configuration's `key` names, within 5 s.
    ///
    /// # Errors
    /// [`FileError::Read`].
    pub async fn read(key: &'static str, path: &Path) -> Result<Self, FileError> {
        let read = tokio::time::timeout(READ_TIMEOUT, tokio::fs::read(path)).await;
        let bytes = read
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| FileError::Read { key, path: path.to_owned(), source })?;
        Ok(Self { key, path: path.to_owned(), bytes })
    }

    /// Key of the configuration.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// As configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was read. It may be a private key: not for logs.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All certificates in their order, at least one.
    ///
    /// # Errors
    /// [`FileError::Pem`].
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let wanted = "certificate";
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match found {
            Ok(found) if found.is_empty() => Err(self.no_pem(wanted, pem::Error::NoItemsFound)),
            Ok(found) => Ok(found),
            Err(error) => Err(self.no_pem(wanted, error)),
        }
    }

    /// A chain whose first certificate is valid at `now`, and what that one says of itself.
    ///
    /// # Errors
    /// No certificate, one that is over, or one that has not begun.
    pub fn chain(&self, now: UnixTime) -> Result<(Vec<CertificateDer<'static>>, Facts), FileError> {
        let chain = self.certificates()?;
        let facts = self.facts(&chain[0])?;
        let (key, path) = (self.key, self.path.clone());
        match facts.validity(now) {
            Validity::Over => Err(FileError::Expired { key, path, at: facts.not_after }),
            Validity::NotBegun => Err(FileError::TooEarly { key, path, at: facts.not_before }),
            Validity::Valid => Ok((chain, facts)),
        }
    }

    /// The first private key, which must not be encrypted.
    ///
    /// # Errors
    /// No key, or an encrypted one.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, FileError> {
        let has = |text: &[u8]| self.bytes.windows(text.len()).any(|window| window == text);
        if has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED") {
            return Err(FileError::Encrypted { key: self.key, path: self.path.clone() });
        }
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| self.no_pem("private key", error))
    }

    /// The authorities that are not over at `now`, at least one: rustls itself does not look at their dates.
    ///
    /// # Errors
    /// No certificate, something that is none, or none that still counts.
    pub fn authorities(&self, now: UnixTime) -> Result<RootCertStore, FileError> {
        let mut roots = RootCertStore::empty();
        let mut expired = None;
        for certificate in self.certificates()? {
            let facts = self.facts(&certificate)?;
            if facts.validity(now) == Validity::Over {
                let (key, not_after) = (self.key, facts.not_after);
                warn!(key, path = %self.path.display(), %not_after, "certificate authority expired");
                expired = Some(not_after);
                continue;
            }
            roots.add(certificate).map_err(|_| self.no_certificate())?;
        }
        match expired {
            Some(at) if roots.is_empty() => {
                Err(FileError::Expired { key: self.key, path: self.path.clone(), at })
            }
            _ => Ok(roots),
        }
    }

    fn facts(&self, certificate: &[u8]) -> Result<Facts, FileError> {
        Facts::read(certificate).ok_or_else(|| self.no_certificate())
    }

    fn no_certificate(&self) -> FileError {
        FileError::NotACertificate { key: self.key, path: self.path.clone() }
    }

    fn no_pem(&self, wanted: &'static str, source: pem::Error) -> FileError {
        FileError::Pem { key: self.key, path: self.path.clone(), wanted, source }
    }
}

/// What a moment is to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validity {
    NotBegun,
    Valid,
    Over,
}

impl Facts {
    fn validity(&self, now: UnixTime) -> Validity {
        // Seconds since 1970 fit for some 290 thousand million years; what jiff cannot say is after all of them.
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        match Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX) {
            now if self.not_after < now => Validity::Over,
            now if now < self.not_before => Validity::NotBegun,
            _ => Validity::Valid,
        }
    }
}
