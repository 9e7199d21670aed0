//! Mutual TLS between nodes: who shows which certificate, whom it is believed for, and new files without a restart.

mod files;
mod reason;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::{error, info};

pub use self::files::TlsError;
use self::files::{Loaded, load};
pub(super) use self::reason::reason_of;
use self::reason::reason_of_silence;
use super::dial::ByteStream;
use crate::local::lock;
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
    current: Mutex<Arc<Loaded>>,
    /// One at a time, so that an older one never replaces a newer.
    reloading: tokio::sync::Mutex<()>,
}

impl Tls {
    /// Reads and checks the files of the node called `node`.
    pub(crate) async fn load(settings: TlsSettings, node: PeerName) -> Result<Self, TlsError> {
        let loaded = load(&settings, node.host()).await?;
        info!(node = node.as_str(), "raft connections are made with TLS");
        Ok(Self {
            settings,
            node,
            current: Mutex::new(Arc::new(loaded)),
            reloading: tokio::sync::Mutex::default(),
        })
    }

    /// Reads them again, for new connections. After an error what was in use stays in use.
    pub(crate) async fn reload(&self) -> Result<(), TlsError> {
        let _one = self.reloading.lock().await;
        match load(&self.settings, self.node.host()).await {
            Ok(loaded) => {
                *lock(&self.current) = Arc::new(loaded);
                info!(node = self.node.as_str(), "raft TLS files read again");
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

    fn current(&self) -> Arc<Loaded> {
        lock(&self.current).clone()
    }

    /// The connecting side; an error says why the node called `name` is not believed.
    pub(super) async fn connect(
        &self,
        name: &str,
        stream: Box<dyn ByteStream>,
    ) -> Result<Box<dyn ByteStream>, String> {
        let peer = PeerName::parse(name).ok_or_else(|| format!("{name:?} is no host[:port]"))?;
        let host = host_name(peer.host())?;
        let connected = self.current().client.connect(host, stream).await;
        let stream = connected.map_err(|error| reason_of_silence(&error))?;
        let certificate = first(stream.get_ref().1.peer_certificates())?;
        names(&certificate, peer.host())?;
        Ok(Box::new(stream))
    }

    /// The listening side, with the certificate that the peer showed; an error says why it is not believed.
    pub(super) async fn accept(
        &self,
        stream: impl ByteStream + 'static,
    ) -> Result<(Box<dyn ByteStream>, CertificateDer<'static>), String> {
        match self.current().server.accept(stream).into_fallible().await {
            Ok(stream) => {
                let certificate = first(stream.get_ref().1.peer_certificates())?;
                Ok((Box::new(stream), certificate))
            }
            Err((error, stream)) => {
                farewell(stream).await;
                Err(reason_of(&error))
            }
        }
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
        Some((_, domain)) if carries(&format!("any-other-node.{domain}"))? => {
            Err(format!("its certificate names every host of {domain}, not {host} alone"))
        }
        _ => Ok(()),
    }
}
