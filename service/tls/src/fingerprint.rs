//! Whether files changed, by what is in them: dates of files lie where they are mounted from secrets.

use sha2::{Digest, Sha256};

use crate::PemFile;

/// Tells the contents of some files apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of these files in this order; `None` is a file that is not configured.
    pub fn of<'f>(files: impl IntoIterator<Item = Option<&'f PemFile>>) -> Self {
        let mut digest = Sha256::new();
        for file in files {
            let bytes = file.map_or(&[][..], PemFile::bytes);
            digest.update(bytes.len().to_be_bytes());
            digest.update(bytes);
        }
        Self(digest.finalize().into())
    }
}
