//! The three files, read and checked one by one, so that what is wrong has a name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::reason::{in_words, of_certificate};
use super::{TlsSettings, host_name, names};

const CERTIFICATE: &str = "RaftTLSCertFile";
const PRIVATE_KEY: &str = "RaftTLSPrivateKeyFile";
const AUTHORITY: &str = "RaftTLSCAFile";

/// Small files; a disk that does not give them within this gives nothing.
const READ_LIMIT: Duration = Duration::from_secs(5);

/// Why the nodes cannot talk TLS with these files. Each names the key and the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is no such file, or no right to it.
    #[error("{key} {} cannot be read", path.display())]
    Read {
        /// The key in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is there and is not what it should be.
    #[error("{key} {} holds no {wanted} in PEM", path.display())]
    Pem {
        /// The key in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What the parser says.
        #[source]
        source: pem::Error,
    },
    /// There is nobody to ask for the passphrase.
    #[error("RaftTLSPrivateKeyFile {} is encrypted: give it without a passphrase", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// Two files of two different pairs.
    #[error(
        "RaftTLSPrivateKeyFile {} is not the key of RaftTLSCertFile {}",
        private_key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The key.
        private_key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
    },
    /// No peer would accept it: expired, of another authority, or of another node.
    #[error("{key} {}: the certificate {reason}", path.display())]
    Unusable {
        /// The key in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why, following "the certificate".
        reason: String,
    },
}

/// What new connections are made with.
pub(super) struct Loaded {
    pub(super) client: TlsConnector,
    pub(super) server: TlsAcceptor,
}

/// A certificate with its chain, its key, and who vouches.
struct Parts {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

/// Reads the files of the node on `host`, and checks them as its peers will.
pub(super) async fn load(settings: &TlsSettings, host: &str) -> Result<Loaded, TlsError> {
    let certificate = read(CERTIFICATE, &settings.certificate).await?;
    let private_key = read(PRIVATE_KEY, &settings.private_key).await?;
    let authority = read(AUTHORITY, &settings.authority).await?;
    let parts = Parts {
        chain: certificates(CERTIFICATE, &settings.certificate, &certificate)?,
        key: key(&settings.private_key, &private_key)?,
        roots: Arc::new(roots(&settings.authority, &authority)?),
    };
    build(settings, host, parts)
}

async fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = tokio::time::timeout(READ_LIMIT, tokio::fs::read(path)).await;
    read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|source| TlsError::Read {
        key,
        path: path.to_owned(),
        source,
    })
}

/// All certificates of a file, at least one.
fn certificates(
    key: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem { key, path: path.to_owned(), wanted: "certificate", source };
    let found: Vec<_> = CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(found) }
}

fn key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    if has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::Encrypted { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|source| TlsError::Pem {
        key: PRIVATE_KEY,
        path: path.to_owned(),
        wanted: "private key",
        source,
    })
}

fn roots(path: &Path, bytes: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(AUTHORITY, path, bytes)? {
        roots.add(certificate).map_err(|error| unusable(AUTHORITY, path, &error))?;
    }
    Ok(roots)
}

fn build(settings: &TlsSettings, host: &str, parts: Parts) -> Result<Loaded, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let no_authority = |error: VerifierBuilderError| TlsError::Unusable {
        key: AUTHORITY,
        path: settings.authority.clone(),
        reason: format!("cannot vouch for nodes: {error}"),
    };
    let clients = WebPkiClientVerifier::builder_with_provider(parts.roots.clone(), provider.clone())
        .build()
        .map_err(no_authority)?;
    let servers = WebPkiServerVerifier::builder_with_provider(parts.roots.clone(), provider.clone())
        .build()
        .map_err(no_authority)?;
    check_own(settings, host, &parts.chain, &*clients, &*servers)?;
    let own = |error: Error| match error {
        Error::InconsistentKeys(_) => TlsError::Mismatch {
            private_key: settings.private_key.clone(),
            certificate: settings.certificate.clone(),
        },
        other => unusable(CERTIFICATE, &settings.certificate, &other),
    };
    let client = client(provider.clone(), servers, &parts).map_err(own)?;
    let server = server(provider, clients, parts).map_err(own)?;
    Ok(Loaded { client: Arc::new(client).into(), server: Arc::new(server).into() })
}

/// What every peer would refuse is refused at home, where it can be mended.
fn check_own(
    settings: &TlsSettings,
    host: &str,
    chain: &[CertificateDer<'static>],
    clients: &dyn ClientCertVerifier,
    servers: &dyn ServerCertVerifier,
) -> Result<(), TlsError> {
    let refused =
        |reason: String| TlsError::Unusable { key: CERTIFICATE, path: settings.certificate.clone(), reason };
    let name = host_name(host).map_err(|_| refused(format!("cannot name {host:?}: it is no host name")))?;
    let (own, links) = chain.split_first().expect("a file with certificates holds at least one");
    let now = UnixTime::now();
    let as_server = servers.verify_server_cert(own, links, &name, &[], now);
    let as_client = clients.verify_client_cert(own, links, now);
    as_server
        .map(drop)
        .and(as_client.map(drop))
        .map_err(|error| unusable(CERTIFICATE, &settings.certificate, &error))?;
    names(own, host).map_err(|reason| refused(reason.replace("its certificate ", "")))
}

fn unusable(key: &'static str, path: &Path, error: &Error) -> TlsError {
    let reason = match error {
        Error::InvalidCertificate(certificate) => of_certificate(certificate),
        other => format!("cannot be used: {}", in_words(other)),
    };
    TlsError::Unusable { key, path: path.to_owned(), reason }
}

/// Sessions are not resumed: each connection shows certificates, so that new files mean what they say.
fn client(
    provider: Arc<CryptoProvider>,
    servers: Arc<WebPkiServerVerifier>,
    parts: &Parts,
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = builder
        .with_webpki_verifier(servers)
        .with_client_auth_cert(parts.chain.clone(), parts.key.clone_key())?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn server(
    provider: Arc<CryptoProvider>,
    clients: Arc<dyn ClientCertVerifier>,
    parts: Parts,
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = builder.with_client_cert_verifier(clients).with_single_cert(parts.chain, parts.key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
