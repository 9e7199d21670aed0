//! The authorities that this system trusts.

use std::path::Path;

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::PemFile;

/// Where systems keep them.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The authorities of the first file of the system that has some; what cannot be read of it is left out.
/// `None`: this system trusts nobody, as in a minimal image.
pub async fn system_authorities() -> Option<RootCertStore> {
    for path in BUNDLES {
        let Ok(bundle) = PemFile::read("the system's bundle", Path::new(path)).await else { continue };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle.bytes()).flatten());
        if !roots.is_empty() {
            return Some(roots);
        }
    }
    None
}
