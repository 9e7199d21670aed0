//! Connections to the API server.

use std::time::Duration;

use kube::{Client, Config};

/// Connecting to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The same API server, asked with more and with less patience.
#[derive(Clone)]
pub struct Clients {
    /// Asks again when the server is busy (429, 503, 504), for as long as the call may take: throttling is no trouble.
    pub patient: Client,
    /// Asks once. An eviction that the disruption budget does not allow is answered as if the server were busy: asking
    /// again within the same call would hold up the pass and hide the answer. Watches have pauses of their own.
    pub once: Client,
}

impl Clients {
    /// Connections as `config` says; none is made before the first call.
    ///
    /// # Errors
    /// The configuration makes no sense: a certificate that cannot be read, for example.
    pub fn new(mut config: Config) -> Result<Self, kube::Error> {
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.default_retry = true;
        let patient = Client::try_from(config.clone())?;
        config.default_retry = false;
        Ok(Self { patient, once: Client::try_from(config)? })
    }
}
