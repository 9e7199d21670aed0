//! A certificate and the key that belongs to it.

use std::time::Duration;

use jiff::Timestamp;
use rustls::{
    Error,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    sign::CertifiedKey,
};

use crate::{FileError, PemFile, provider};

/// A certificate that ends sooner than this should have been renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A certificate with its chain, and its key: they belong together, and the certificate is valid.
pub struct Pair {
    /// The certificate itself first, then those that link it to an authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// Until when the certificate is valid.
    pub not_after: Timestamp,
}

impl Pair {
    /// The certificate ends within a week after `now`: it should have been renewed.
    pub fn is_due(&self, now: UnixTime) -> bool {
        let ends = u64::try_from(self.not_after.as_second()).unwrap_or(0);
        ends < now.as_secs().saturating_add(RENEW_BEFORE.as_secs())
    }

    /// Puts two files together.
    ///
    /// # Errors
    /// One of them is not what it should be, they do not belong together, or the certificate is not valid at `now`.
    pub fn of(certificate: &PemFile, private_key: &PemFile, now: UnixTime) -> Result<Self, FileError> {
        let (chain, facts) = certificate.chain(now)?;
        let pair = Self { chain, key: private_key.private_key()?, not_after: facts.not_after };
        match CertifiedKey::from_der(pair.chain.clone(), pair.key.clone_key(), &provider()) {
            Ok(_) => Ok(pair),
            Err(Error::InconsistentKeys(_)) => Err(FileError::Mismatch {
                key: private_key.key(),
                path: private_key.path().to_owned(),
                certificate_key: certificate.key(),
                certificate: certificate.path().to_owned(),
            }),
            Err(source) => Err(FileError::Unusable {
                key: certificate.key(),
                path: certificate.path().to_owned(),
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
