//! What the files said, put together for rustls.

use std::{path::Path, sync::Arc};

use orchestrator_tls::{Fingerprint, Pair, PemFile, provider, system_authorities};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::UnixTime,
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use tokio::sync::OnceCell;
use tracing::warn;

use super::{TlsError, TlsSettings, verify::AnyCertificate};

/// The only protocol that is spoken over TLS.
const PROTOCOL: &[u8] = b"http/1.1";

/// The files' contents, as they were read.
pub(super) struct Files {
    certificate: Option<PemFile>,
    private_key: Option<PemFile>,
    authority: Option<PemFile>,
}

impl Files {
    pub(super) async fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read("SSLCertFile", settings.certificate.as_deref()).await?,
            private_key: read("SSLPrivateKeyFile", settings.private_key.as_deref()).await?,
            authority: read("SSLCAFile", settings.authority.as_deref()).await?,
        })
    }

    /// Tells contents apart.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([&self.certificate, &self.private_key, &self.authority].map(Option::as_ref))
    }
}

async fn read(key: &'static str, path: Option<&Path>) -> Result<Option<PemFile>, TlsError> {
    match path {
        Some(path) => Ok(Some(PemFile::read(key, path).await?)),
        None => Ok(None),
    }
}

/// Everything that new connections are made with, one generation of it.
pub(super) struct Loaded {
    pub(super) fingerprint: Fingerprint,
    pub(super) generation: u64,
    pub(super) server: Option<Arc<ServerConfig>>,
    /// The node's own certificate and key.
    pub(super) pair: Option<Pair>,
    authorities: Option<Arc<RootCertStore>>,
    client: OnceCell<Arc<ClientConfig>>,
}

impl Loaded {
    /// Nothing is configured.
    pub(super) fn nothing() -> Self {
        Self {
            fingerprint: Fingerprint::of([]),
            generation: 0,
            server: None,
            pair: None,
            authorities: None,
            client: OnceCell::new(),
        }
    }

    pub(super) async fn build(
        settings: &TlsSettings,
        files: Files,
        generation: u64,
        now: UnixTime,
    ) -> Result<Self, TlsError> {
        let fingerprint = files.fingerprint();
        let pair = pair(&files, now)?;
        let authorities =
            files.authority.as_ref().map(|file| file.authorities(now)).transpose()?.map(Arc::new);
        let server = match (&pair, settings.serve) {
            (_, false) => None,
            (None, true) => return Err(TlsError::Missing("SSLCertFile")),
            (Some(pair), true) => Some(Arc::new(server(settings, pair, authorities.as_ref()).await?)),
        };
        if let (Some(pair), Some(authorities), false) = (&pair, &authorities, settings.skip_verify) {
            warn_of_stranger(pair, authorities, now);
        }
        Ok(Self { fingerprint, generation, server, pair, authorities, client: OnceCell::new() })
    }

    /// How the leader is connected to. Made when it is first needed: most groups speak plain HTTP, and the
    /// system's authorities are many.
    pub(super) async fn client(&self, settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
        let made =
            self.client.get_or_try_init(async || self.make_client(settings).await.map(Arc::new)).await?;
        Ok(made.clone())
    }

    async fn make_client(&self, settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring has the default protocol versions");
        let builder = if settings.skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(authorities(self.authorities.as_ref()).await?)
        };
        match self.pair.as_ref().filter(|_| settings.client_certificates) {
            None => Ok(builder.with_no_client_auth()),
            Some(pair) => builder
                .with_client_auth_cert(pair.chain.clone(), pair.key.clone_key())
                .map_err(TlsError::Unusable),
        }
    }
}

async fn authorities(given: Option<&Arc<RootCertStore>>) -> Result<Arc<RootCertStore>, TlsError> {
    match given {
        Some(given) => Ok(given.clone()),
        None => system_authorities().await.map(Arc::new).ok_or(TlsError::NoAuthority),
    }
}

fn pair(files: &Files, now: UnixTime) -> Result<Option<Pair>, TlsError> {
    match (&files.certificate, &files.private_key) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(TlsError::Half("SSLPrivateKeyFile")),
        (None, Some(_)) => Err(TlsError::Half("SSLCertFile")),
        (Some(certificate), Some(key)) => Ok(Some(Pair::of(certificate, key, now)?)),
    }
}

async fn server(
    settings: &TlsSettings,
    pair: &Pair,
    given: Option<&Arc<RootCertStore>>,
) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions");
    let builder = if settings.client_certificates {
        // Not every path needs one, so that the handshake does not demand it.
        let verifier = WebPkiClientVerifier::builder_with_provider(authorities(given).await?, provider)
            .allow_unauthenticated()
            .build()
            .map_err(TlsError::Clients)?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let made = builder.with_single_cert(pair.chain.clone(), pair.key.clone_key());
    let mut config = made.map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// Other nodes trust `SSLCAFile`, too: a certificate of another authority serves clients, but followers
/// would not forward to this node.
fn warn_of_stranger(pair: &Pair, authorities: &RootCertStore, now: UnixTime) {
    let algorithms = provider().signature_verification_algorithms.all;
    let verified = ParsedCertificate::try_from(&pair.chain[0]).and_then(|own| {
        verify_server_cert_signed_by_trust_anchor(&own, authorities, &pair.chain[1..], now, algorithms)
    });
    if let Err(error) = verified {
        let error = &error as &dyn std::error::Error;
        warn!(
            error,
            "SSLCertFile is not signed by SSLCAFile: nodes that trust only that will not forward to this one"
        );
    }
}
