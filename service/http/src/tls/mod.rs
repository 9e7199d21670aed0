//! HTTPS: the certificate that this node shows, whom it believes, and how both change without a restart.

mod error;
mod loaded;
mod verify;

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use orchestrator_tls::{Facts, Fingerprint, Watched};
use rustls::{
    ClientConfig, ServerConfig,
    pki_types::{CertificateDer, UnixTime},
};
use tokio::sync::{Mutex, watch};
use tracing::{error, info, warn};

pub use error::TlsError;
use loaded::{Files, Loaded};

/// Keys of the configuration about TLS of the API. The default is plain HTTP; a leader that says `https` is
/// then believed if the system's authorities vouch for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// HTTPS on the TCP listener (`UseSSL`); needs certificate and key. A unix socket and the probe listener
    /// stay plain.
    pub serve: bool,
    /// Certificate and its chain in PEM, the node's own first (`SSLCertFile`).
    pub certificate: Option<PathBuf>,
    /// Its key in PEM, not encrypted (`SSLPrivateKeyFile`).
    pub private_key: Option<PathBuf>,
    /// Authorities, for clients as for the leader (`SSLCAFile`); `None` = the system's.
    pub authority: Option<PathBuf>,
    /// Believe any certificate of the leader (`SSLSkipVerify`).
    pub skip_verify: bool,
    /// Ask clients for a certificate, admit only those of a valid unit, and show one's own to the leader
    /// (`UseMutualTLS`).
    pub client_certificates: bool,
    /// Units that are admitted (`SSLValidOUs`).
    pub valid_units: Vec<String>,
    /// The status check needs a certificate, too (`StatusOUVerify`).
    pub status_needs_certificate: bool,
}

impl TlsSettings {
    /// Files that nobody would be shown are not read, and need not be there.
    fn without_unused(self) -> Self {
        if self.serve || self.client_certificates {
            return self;
        }
        Self { certificate: None, private_key: None, ..self }
    }
}

/// What a new connection is made with.
pub(crate) struct Acceptor {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) generation: u64,
}

/// TLS of one node: read once, and again when the files change.
pub struct Tls {
    settings: TlsSettings,
    current: ArcSwap<Loaded>,
    /// Counts what was read, from 0.
    generation: watch::Sender<u64>,
    /// One at a time, so that an older one never replaces a newer.
    reloading: Mutex<()>,
}

impl Tls {
    /// Plain HTTP.
    pub fn off() -> Arc<Self> {
        Arc::new(Self::over(TlsSettings::default(), Loaded::nothing()))
    }

    /// Reads the files.
    ///
    /// # Errors
    /// A file is missing or unreadable, is not what it should be, has expired, or they do not belong together.
    pub async fn load(settings: TlsSettings) -> Result<Arc<Self>, TlsError> {
        warn_of_settings(&settings);
        let settings = settings.without_unused();
        if settings.serve && settings.certificate.is_none() {
            return Err(TlsError::Missing("SSLCertFile"));
        }
        if settings.serve && settings.private_key.is_none() {
            return Err(TlsError::Missing("SSLPrivateKeyFile"));
        }
        let files = Files::read(&settings).await?;
        let loaded = Loaded::build(&settings, files, 0, UnixTime::now()).await?;
        let tls = Self::over(settings, loaded);
        tls.tell("TLS files read");
        Ok(Arc::new(tls))
    }

    fn over(settings: TlsSettings, loaded: Loaded) -> Self {
        Self {
            settings,
            current: ArcSwap::from_pointee(loaded),
            generation: watch::Sender::new(0),
            reloading: Mutex::new(()),
        }
    }

    /// Reads the files again, for new connections; those that are open end with the answer under way.
    ///
    /// # Errors
    /// As [`Tls::load`]. What was in use stays in use, and the log says so.
    pub async fn reload(&self) -> Result<(), TlsError> {
        let _one = self.reloading.lock().await;
        let generation = self.current.load().generation + 1;
        let loaded = match Files::read(&self.settings).await {
            Ok(files) => Loaded::build(&self.settings, files, generation, UnixTime::now()).await,
            Err(error) => Err(error),
        };
        match loaded {
            Ok(loaded) => {
                self.current.store(Arc::new(loaded));
                // After the files, so that whoever connects anew meets the new ones.
                self.generation.send_replace(generation);
                self.tell("TLS files read again");
                Ok(())
            }
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                error!(error = cause, "TLS files not taken over: the former ones stay in use");
                Err(error)
            }
        }
    }

    /// Looks at the files now and then and reads them again when they changed, for ever: where they are mounted from
    /// a secret, nobody sends a signal.
    pub async fn watch_files(&self) {
        orchestrator_tls::watch(self).await;
    }

    /// Until when this node's certificate is valid, in seconds since 1970; `None` = it has none.
    pub fn expires_at(&self) -> Option<i64> {
        self.current.load().pair.as_ref().map(|pair| pair.not_after.as_second())
    }

    /// For the next connection of a client; `None` = plain HTTP.
    pub(crate) fn acceptor(&self) -> Option<Acceptor> {
        let current = self.current.load();
        current.server.clone().map(|config| Acceptor { config, generation: current.generation })
    }

    /// Which files are in use: counts from 0.
    pub(crate) fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Waits until a connection of this generation is outdated.
    pub(crate) async fn outdates(&self, generation: u64) {
        let newer = |now: &u64| *now > generation;
        // The sender lives as long as we are borrowed.
        drop(self.generation.subscribe().wait_for(newer).await);
    }

    /// For the next connection to the leader.
    pub(crate) async fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let current = self.current.load_full();
        current.client(&self.settings).await
    }

    pub(crate) fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    fn tell(&self, what: &'static str) {
        let current = self.current.load();
        let Some(pair) = &current.pair else { return };
        info!(not_after = %pair.not_after, "{what}");
        if pair.is_due(UnixTime::now()) {
            warn!(not_after = %pair.not_after, "the certificate of the API expires soon");
        }
    }
}

impl Watched for Tls {
    async fn look(&self) -> Option<Fingerprint> {
        Files::read(&self.settings).await.ok().map(|files| files.fingerprint())
    }

    fn in_use(&self) -> Fingerprint {
        self.current.load().fingerprint
    }

    async fn take_over(&self) {
        // What is wrong is in the log.
        let _ = self.reload().await;
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.settings).finish()
    }
}

/// Units of a certificate that was verified; none when it cannot be read.
pub(crate) fn units(certificate: &CertificateDer<'_>) -> Vec<String> {
    Facts::read(certificate).map(|facts| facts.units).unwrap_or_default()
}

fn warn_of_settings(settings: &TlsSettings) {
    if !settings.client_certificates {
        return;
    }
    if !settings.serve {
        warn!("UseMutualTLS without UseSSL: all but the probes will be refused");
    } else if settings.valid_units.is_empty() {
        warn!("UseMutualTLS without SSLValidOUs: all but the probes will be refused");
    }
    if settings.authority.is_none() {
        warn!("UseMutualTLS without SSLCAFile: whoever the system trusts may vouch for clients");
    }
}
