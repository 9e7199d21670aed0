//! Authorities and certificates, made for one test.

use std::{path::PathBuf, sync::Arc};

use orchestrator_http::TlsSettings;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

/// A certificate and its key in PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// An authority that signs what a test needs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::until(name, 2099)
    }

    /// Valid until the end of a year.
    pub(crate) fn until(name: &str, year: i32) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For `localhost` and 127.0.0.1, of a unit.
    pub(crate) fn pair(&self, unit: &str) -> Pair {
        self.pair_valid(unit, 2001, 2099)
    }

    /// Valid from the beginning of a year to the end of another.
    pub(crate) fn pair_valid(&self, unit: &str, from: i32, to: i32) -> Pair {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "orc");
        if !unit.is_empty() {
            params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// A client that believes this authority and shows a certificate, or none.
    pub(crate) fn client(&self, shows: Option<&Pair>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match shows {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

/// Files as the configuration names them.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn new(pair: &Pair, authority: &str) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.put(pair);
        files.write("ca.pem", authority);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn put(&self, pair: &Pair) {
        self.write("cert.pem", &pair.certificate);
        self.write("key.pem", &pair.key);
    }

    /// HTTPS without certificates of clients.
    pub(crate) fn https(&self) -> TlsSettings {
        TlsSettings {
            serve: true,
            certificate: Some(self.path("cert.pem")),
            private_key: Some(self.path("key.pem")),
            authority: Some(self.path("ca.pem")),
            ..TlsSettings::default()
        }
    }

    /// HTTPS for clients of the unit `dba`.
    pub(crate) fn mutual(&self) -> TlsSettings {
        TlsSettings { client_certificates: true, valid_units: vec!["dba".into()], ..self.https() }
    }
}
