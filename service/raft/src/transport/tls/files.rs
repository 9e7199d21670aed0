//! The three files, read and checked one by one, so that what is wrong has a name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use orchestrator_tls::{FileError, Fingerprint, Pair, PemFile, provider};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
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

/// Why the nodes cannot talk TLS with these files. Each names the key and the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used, whoever looks at it.
    #[error(transparent)]
    File(#[from] FileError),
    /// No peer would accept it: of another authority, of another node, or good for one side only.
    #[error("{key} {path:?}: the certificate {reason}")]
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
    /// Until when this node's own certificate is valid.
    pub(super) not_after: Timestamp,
    /// It should have been renewed.
    pub(super) is_due: bool,
    pub(super) fingerprint: Fingerprint,
}

/// The contents of the three files.
struct Files {
    certificate: PemFile,
    private_key: PemFile,
    authority: PemFile,
}

impl Files {
    async fn read(settings: &TlsSettings) -> Result<Self, FileError> {
        Ok(Self {
            certificate: PemFile::read(CERTIFICATE, &settings.certificate).await?,
            private_key: PemFile::read(PRIVATE_KEY, &settings.private_key).await?,
            authority: PemFile::read(AUTHORITY, &settings.authority).await?,
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([&self.certificate, &self.private_key, &self.authority].map(Some))
    }
}

/// Tells the present contents of the files from others; `None` when they cannot be read.
pub(super) async fn look(settings: &TlsSettings) -> Option<Fingerprint> {
    Files::read(settings).await.ok().map(|files| files.fingerprint())
}

/// A certificate with its key, and who vouches for the others.
struct Parts {
    own: Pair,
    roots: Arc<RootCertStore>,
    fingerprint: Fingerprint,
}

/// Reads the files of the node on `host`, and checks them as its peers will.
pub(super) async fn load(settings: &TlsSettings, host: &str) -> Result<Loaded, TlsError> {
    let files = Files::read(settings).await?;
    let now = UnixTime::now();
    let parts = Parts {
        own: Pair::of(&files.certificate, &files.private_key, now)?,
        roots: Arc::new(files.authority.authorities(now)?),
        fingerprint: files.fingerprint(),
    };
    build(settings, host, parts)
}

fn build(settings: &TlsSettings, host: &str, parts: Parts) -> Result<Loaded, TlsError> {
    let provider = provider();
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
    check_own(settings, host, &parts.own.chain, &*clients, &*servers)?;
    let own = |error: Error| unusable(CERTIFICATE, &settings.certificate, &error);
    let (not_after, is_due) = (parts.own.not_after, parts.own.is_due(UnixTime::now()));
    let client = Arc::new(client(provider.clone(), servers, &parts.own).map_err(own)?);
    let server = Arc::new(server(provider, clients, parts.own).map_err(own)?);
    let fingerprint = parts.fingerprint;
    Ok(Loaded { client: client.into(), server: server.into(), not_after, is_due, fingerprint })
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
    own: &Pair,
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = builder
        .with_webpki_verifier(servers)
        .with_client_auth_cert(own.chain.clone(), own.key.clone_key())?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn server(
    provider: Arc<CryptoProvider>,
    clients: Arc<dyn ClientCertVerifier>,
    own: Pair,
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = builder.with_client_cert_verifier(clients).with_single_cert(own.chain, own.key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
