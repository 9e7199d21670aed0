//! What the files said, put together for rustls.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tracing::warn;

use super::{
    TlsSettings,
    files::{Source, TlsError, system_authorities},
    verify::AnyCertificate,
};

/// The only protocol that is spoken over TLS.
const PROTOCOL: &[u8] = b"http/1.1";

/// The files' contents, as they were read.
pub(super) struct Files {
    certificate: Option<Source>,
    private_key: Option<Source>,
    authority: Option<Source>,
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
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for file in [&self.certificate, &self.private_key, &self.authority] {
            let bytes = file.as_ref().map_or(&[][..], |file| &file.bytes);
            digest.update(bytes.len().to_be_bytes());
            digest.update(bytes);
        }
        digest.finalize().into()
    }
}

async fn read(key: &'static str, path: Option<&Path>) -> Result<Option<Source>, TlsError> {
    match path {
        Some(path) => Source::read(key, path).await.map(Some),
        None => Ok(None),
    }
}

/// A certificate chain and its key.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    not_after: Timestamp,
}

/// Everything that new connections are made with, one generation of it.
pub(super) struct Loaded {
    pub(super) fingerprint: [u8; 32],
    pub(super) generation: u64,
    /// Until when the node's own certificate is valid.
    pub(super) not_after: Option<Timestamp>,
    pub(super) server: Option<Arc<ServerConfig>>,
    pair: Option<Pair>,
    authorities: Option<Arc<RootCertStore>>,
    client: OnceCell<Arc<ClientConfig>>,
}

impl Loaded {
    /// Nothing is configured.
    pub(super) fn nothing() -> Self {
        Self {
            fingerprint: [0; 32],
            generation: 0,
            not_after: None,
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
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        let fingerprint = files.fingerprint();
        let pair = pair(&files, now)?;
        let authorities =
            files.authority.as_ref().map(|file| file.authorities(now)).transpose()?.map(Arc::new);
        let server = match (&pair, settings.serve) {
            (_, false) => None,
            (None, true) => return Err(TlsError::Missing("SSLCertFile")),
            (Some(pair), true) => Some(Arc::new(server(settings, &files, pair, authorities.as_ref()).await?)),
        };
        if let (Some(pair), Some(authorities), false) = (&pair, &authorities, settings.skip_verify) {
            warn_of_stranger(pair, authorities, now);
        }
        let not_after = pair.as_ref().map(|pair| pair.not_after);
        let client = OnceCell::new();
        Ok(Self { fingerprint, generation, not_after, server, pair, authorities, client })
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
                .map_err(|source| unusable(settings.certificate.as_deref(), source)),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

async fn authorities(given: Option<&Arc<RootCertStore>>) -> Result<Arc<RootCertStore>, TlsError> {
    match given {
        Some(given) => Ok(given.clone()),
        None => system_authorities().await.map(Arc::new),
    }
}

fn pair(files: &Files, now: Timestamp) -> Result<Option<Pair>, TlsError> {
    match (&files.certificate, &files.private_key) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(TlsError::Half("SSLPrivateKeyFile")),
        (None, Some(_)) => Err(TlsError::Half("SSLCertFile")),
        (Some(certificate), Some(key)) => {
            let (chain, facts) = certificate.chain(now)?;
            Ok(Some(Pair { chain, key: key.private_key()?, not_after: facts.not_after }))
        }
    }
}

async fn server(
    settings: &TlsSettings,
    files: &Files,
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
    let mut config = made.map_err(|source| mismatch_or_unusable(files, source))?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

fn mismatch_or_unusable(files: &Files, source: rustls::Error) -> TlsError {
    let path = |file: &Option<Source>| file.as_ref().map(|file| file.path.clone()).unwrap_or_default();
    match source {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { key: path(&files.private_key), certificate: path(&files.certificate) }
        }
        other => TlsError::Unusable { certificate: path(&files.certificate), source: other },
    }
}

fn unusable(certificate: Option<&Path>, source: rustls::Error) -> TlsError {
    TlsError::Unusable { certificate: certificate.map(Path::to_owned).unwrap_or_default(), source }
}

/// Other nodes trust `SSLCAFile`, too: a certificate of another authority serves clients, but followers
/// would not forward to this node.
fn warn_of_stranger(pair: &Pair, authorities: &RootCertStore, now: Timestamp) {
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_second().unsigned_abs()));
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
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
