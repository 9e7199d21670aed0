//! Files for TLS to MySQL servers. Their driver reads them anew at each connection and says little of what is wrong
//! with them, so they are looked at once at the start.

use std::path::PathBuf;

use orchestrator_config::{BackendSettings, Settings, TlsFiles, TlsMode};
use orchestrator_tls::{FileError, Pair, PemFile};
use rustls::pki_types::UnixTime;
use tracing::error;

/// The configuration's names of certificate, key and authority.
type Keys = [&'static str; 3];

const OF_BACKEND: Keys =
    ["MySQLOrchestratorSSLCertFile", "MySQLOrchestratorSSLPrivateKeyFile", "MySQLOrchestratorSSLCAFile"];
const OF_FLEET: Keys =
    ["MySQLTopologySSLCertFile", "MySQLTopologySSLPrivateKeyFile", "MySQLTopologySSLCAFile"];

/// Looks at the files for the node's own database, if TLS is spoken there.
///
/// # Errors
/// One cannot be used: the database could not be reached.
pub(crate) async fn check_backend(settings: &Settings) -> Result<(), FileError> {
    match &settings.backend {
        BackendSettings::Mysql(server) if server.use_tls => check(OF_BACKEND, &server.tls).await,
        _ => Ok(()),
    }
}

/// Looks at the files for the fleet, and says what is wrong. Servers that need no TLS are watched all the same, and
/// the others show why they cannot be reached.
pub(crate) async fn check_fleet(settings: &Settings) {
    if settings.topology.tls_mode == TlsMode::Off {
        return;
    }
    if let Err(error) = check(OF_FLEET, &settings.topology.tls).await {
        let error = &error as &dyn std::error::Error;
        error!(error, "servers of the fleet that need TLS cannot be reached");
    }
}

async fn check(
    [certificate_key, private_key, authority_key]: Keys,
    files: &TlsFiles,
) -> Result<(), FileError> {
    let now = UnixTime::now();
    if let Some(authority) = read(authority_key, files.authority.as_ref()).await? {
        authority.authorities(now)?;
    }
    let certificate = read(certificate_key, files.certificate.as_ref()).await?;
    let key = read(private_key, files.private_key.as_ref()).await?;
    if let (Some(certificate), Some(key)) = (certificate, key) {
        Pair::of(&certificate, &key, now)?;
    }
    Ok(())
}

async fn read(key: &'static str, path: Option<&PathBuf>) -> Result<Option<PemFile>, FileError> {
    match path {
        Some(path) => PemFile::read(key, path).await.map(Some),
        None => Ok(None),
    }
}
