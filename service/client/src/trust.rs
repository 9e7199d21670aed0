//! TLS: who vouches for a server, and what is shown to it.

use std::path::PathBuf;
use std::sync::Arc;

use orchestrator_tls::{FileError, Pair, PemFile, provider, system_authorities};
use rustls::pki_types::UnixTime;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// Why no TLS connection can be tried. The keys are the options that name the files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("no certificate authority: name one by --cacert, this system has none")]
    NoAuthority,
    #[error("--cert and --key belong together")]
    Half,
    #[error("--cert and --key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// The files of a run, read when the first server with https is asked.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    private_key: Option<PathBuf>,
    connector: OnceCell<Connector>,
}

struct Connector(TlsConnector);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Trust {
    pub(crate) fn new(
        authority: Option<PathBuf>,
        certificate: Option<PathBuf>,
        private_key: Option<PathBuf>,
    ) -> Self {
        Self { authority, certificate, private_key, connector: OnceCell::new() }
    }

    /// How to connect with TLS.
    pub(crate) async fn connector(&self) -> Result<&TlsConnector, TrustError> {
        let made = self.connector.get_or_try_init(async || self.make().await.map(Connector)).await?;
        Ok(&made.0)
    }

    async fn make(&self) -> Result<TlsConnector, TrustError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has the default protocol versions")
            .with_root_certificates(self.authorities().await?);
        let config = match self.pair().await? {
            None => builder.with_no_client_auth(),
            Some(Pair { chain, key, .. }) => {
                builder.with_client_auth_cert(chain, key).map_err(TrustError::Unusable)?
            }
        };
        Ok(Arc::new(config).into())
    }

    async fn authorities(&self) -> Result<RootCertStore, TrustError> {
        match &self.authority {
            Some(path) => Ok(PemFile::read("--cacert", path).await?.authorities(UnixTime::now())?),
            None => system_authorities().await.ok_or(TrustError::NoAuthority),
        }
    }

    async fn pair(&self) -> Result<Option<Pair>, TrustError> {
        let (certificate, key) = match (&self.certificate, &self.private_key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            // One file may hold both, as curl has it.
            (Some(both), None) => (both, both),
            (None, Some(_)) => return Err(TrustError::Half),
        };
        let (certificate, key) =
            (PemFile::read("--cert", certificate).await?, PemFile::read("--key", key).await?);
        Ok(Some(Pair::of(&certificate, &key, UnixTime::now())?))
    }
}
