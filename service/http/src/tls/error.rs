//! Why TLS of the API cannot be had.

use orchestrator_tls::FileError;

/// Why TLS cannot be had with these settings and files. The keys are those of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// HTTPS takes a certificate and its key.
    #[error("UseSSL needs {0}")]
    Missing(&'static str),
    /// A certificate without its key, or the other way round.
    #[error("SSLCertFile and SSLPrivateKeyFile belong together: {0} is empty")]
    Half(&'static str),
    /// A file cannot be used; the text names key and file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nobody is trusted.
    #[error("no certificate authority: write SSLCAFile, this system has none")]
    NoAuthority,
    /// The authorities cannot be used to verify clients.
    #[error("certificates of clients cannot be verified")]
    Clients(#[source] rustls::client::VerifierBuilderError),
    /// Certificate and key are not what rustls takes.
    #[error("SSLCertFile and SSLPrivateKeyFile cannot be used")]
    Unusable(#[source] rustls::Error),
}
