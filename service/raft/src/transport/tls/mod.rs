//! Mutual TLS between nodes: who shows which certificate, whom it is believed for, and new files without a restart.
//!
//! What peers would refuse (expired, another authority, another host, good for one side only) is refused at the start,
//! with key and file. A peer that speaks plain is told so in plain, and one that speaks TLS to a plain port hears nothing
//! and says that TLS may be off; both logs say it once per reason.
//!
//! Rejected: resumed sessions, which would outlive the authority that vouched for them, and connections are held anyway;
//! wildcards, since one of them would be good for every name of the group, also for those that are still to come (where
//! members share one certificate, as on Kubernetes, it lists them); the identity from the certificate's subject,
//! where names have no form, while the alternative names are what clients check everywhere; a second port, since a group
//! would have to move between ports, and the first bytes tell what a peer speaks.

mod files;
mod reason;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_tls::{Fingerprint, Watched};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tracing::{error, info, warn};

pub use self::files::TlsError;
use self::files::{Loaded, load, look};
pub(super) use self::reason::reason_of;
use self::reason::reason_of_silence;
use super::dial::ByteStream;
use crate::member::PeerName;

/// A refused peer gets so much time to read why before the connection is cut.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// What it may still send meanwhile: one handshake is a tenth of this.
const FAREWELL_BYTES: u64 = 64 * 1024;

/// The files for TLS between nodes, all in PEM.
///
/// The certificate must be of the authority, name this node's host in a subject alternative name (no wildcard:
/// that would name others as well), and be good for a client and for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `RaftTLSCertFile`: the node's own certificate, then those that link it to the authority.
    pub certificate: PathBuf,
    /// `RaftTLSPrivateKeyFile`: its key, without a passphrase.
    pub private_key: PathBuf,
    /// `RaftTLSCAFile`: who vouches for nodes of this group. It should vouch for nobody else.
    pub authority: PathBuf,
}

/// TLS of one node.
pub(crate) struct Tls {
    settings: TlsSettings,
    node: PeerName,
    current: watch::Sender<Arc<Loaded>>,
    /// One at a time, so that an older one never replaces a newer.
    reloading: tokio::sync::Mutex<()>,
}

/// The files that a connection was made with. It ends with them: whom they let in, newer ones may not.
pub(crate) struct Vintage(watch::Receiver<Arc<Loaded>>);

impl Vintage {
    /// Newer files are in use.
    pub(super) fn is_past(&self) -> bool {
        self.0.has_changed().unwrap_or(true)
    }

    /// Waits for newer files.
    pub(super) async fn passes(&mut self) {
        // An error is the node's end, which ends connections as well.
        drop(self.0.changed().await);
    }
}

impl Tls {
    /// Reads and checks the files of the node called `node`.
    pub(crate) async fn load(settings: TlsSettings, node: PeerName) -> Result<Self, TlsError> {
        let loaded = load(&settings, node.host()).await?;
        tell(&node, &loaded, "raft connections are made with TLS");
        let current = watch::Sender::new(Arc::new(loaded));
        Ok(Self { settings, node, current, reloading: tokio::sync::Mutex::default() })
    }

    /// Reads them again and ends the connections that were made before, so that both sides prove anew who they are.
    /// After an error what was in use stays in use.
    pub(crate) async fn reload(&self) -> Result<(), TlsError> {
        let _one = self.reloading.lock().await;
        match load(&self.settings, self.node.host()).await {
            Ok(loaded) => {
                tell(&self.node, &loaded, "raft TLS files read again: connections are made anew");
                self.current.send_replace(Arc::new(loaded));
                Ok(())
            }
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                error!(
                    node = self.node.as_str(),
                    error = cause,
                    "raft TLS files not taken over: the former ones stay in use"
                );
                Err(error)
            }
        }
    }

    /// Looks at the files now and then and reads them again when they changed, for ever.
    pub(crate) async fn watch_files(&self) {
        orchestrator_tls::watch(self).await;
    }

    /// What to make a connection with, and how to learn that it is outdated.
    fn current(&self) -> (Arc<Loaded>, Vintage) {
        let mut vintage = self.current.subscribe();
        let loaded = vintage.borrow_and_update().clone();
        (loaded, Vintage(vintage))
    }

    /// The connecting side; an error says why the node called `name` is not believed.
    pub(super) async fn connect(
        &self,
        name: &str,
        stream: Box<dyn ByteStream>,
    ) -> Result<(Box<dyn ByteStream>, Vintage), String> {
        let peer = PeerName::parse(name).ok_or_else(|| format!("{name:?} is no host[:port]"))?;
        let host = host_name(peer.host())?;
        let (loaded, vintage) = self.current();
        let connected = loaded.client.connect(host, stream).await;
        let stream = connected.map_err(|error| reason_of_silence(&error))?;
        let certificate = first(stream.get_ref().1.peer_certificates())?;
        names(&certificate, peer.host())?;
        Ok((Box::new(stream), vintage))
    }

    /// The listening side, with the certificate that the peer showed; an error says why it is not believed.
    pub(super) async fn accept(
        &self,
        stream: impl ByteStream + 'static,
    ) -> Result<(Box<dyn ByteStream>, Shown), String> {
        let (loaded, vintage) = self.current();
        match loaded.server.accept(stream).into_fallible().await {
            Ok(stream) => {
                let certificate = first(stream.get_ref().1.peer_certificates())?;
                Ok((Box::new(stream), Shown { certificate, vintage }))
            }
            Err((error, stream)) => {
                farewell(stream).await;
                Err(reason_of(&error))
            }
        }
    }
}

/// What a peer showed in its TLS handshake.
pub(super) struct Shown {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) vintage: Vintage,
}

fn tell(node: &PeerName, loaded: &Loaded, what: &'static str) {
    info!(node = node.as_str(), not_after = %loaded.not_after, "{what}");
    if loaded.is_due {
        warn!(node = node.as_str(), not_after = %loaded.not_after, "the certificate between nodes expires soon");
    }
}

impl Watched for Tls {
    async fn look(&self) -> Option<Fingerprint> {
        look(&self.settings).await
    }

    fn in_use(&self) -> Fingerprint {
        self.current.borrow().fingerprint
    }

    async fn take_over(&self) {
        // What is wrong is in the log.
        drop(self.reload().await);
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.settings).finish()
    }
}

/// Lets the peer read the last word: to close on what it still sends would take that word back.
async fn farewell(mut stream: impl ByteStream) {
    let goodbye = async {
        stream.shutdown().await?;
        let (mut rest, mut nowhere) = (stream.take(FAREWELL_BYTES), tokio::io::sink());
        tokio::io::copy(&mut rest, &mut nowhere).await
    };
    // Whether it heard is its own business.
    drop(tokio::time::timeout(FAREWELL_LIMIT, goodbye).await);
}

fn first(shown: Option<&[CertificateDer<'static>]>) -> Result<CertificateDer<'static>, String> {
    shown.and_then(<[_]>::first).cloned().ok_or_else(|| "it shows no certificate".to_owned())
}

fn host_name(host: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(host.to_owned()).map_err(|_| format!("no certificate can name {host:?}"))
}

/// Whether `certificate` names exactly `host`; a wildcard names others too and does not count.
pub(super) fn names(certificate: &CertificateDer<'_>, host: &str) -> Result<(), String> {
    let carries = |host: &str| -> Result<bool, String> {
        let parsed =
            ParsedCertificate::try_from(certificate).map_err(|error| reason_of(&io::Error::other(error)))?;
        Ok(verify_server_name(&parsed, &host_name(host)?).is_ok())
    };
    if !carries(host)? {
        return Err(format!("its certificate does not name {host}"));
    }
    // An address has no siblings that a wildcard could stand for.
    let domain = host.split_once('.').filter(|_| host.parse::<std::net::IpAddr>().is_err());
    match domain {
        Some((_, domain)) if carries(&format!("any-other-node.{domain}"))? => Err(format!(
            "its certificate names every host of {domain}, not {host} alone: have one signed that names {host} \
                 and has no wildcard"
        )),
        _ => Ok(()),
    }
}
