//! Making a connection, and telling exactly why there is none.
//!
//! The driver has no deadline and does not tell how far it came. So names are resolved here, and when half of
//! the time is gone a bare TCP connection is tried beside the driver: at the deadline it bears witness whether
//! the port could be reached (the server is silent) or not (cut off). A quick answer never meets the witness.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use mysql_async::{ClientIdentity, Conn, Error, Opts, OptsBuilder, SslOpts};
use orchestrator_core::{
    InstanceKey,
    observation::{Failure, FailureKind},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    failure::{classify, failure, guarded, of_io},
    session::Session,
    settings::{ProbeSettings, TlsMode, TlsOptions},
};

/// Idle time after which the driver would distrust a connection; ours are in steady use.
const WAIT_TIMEOUT_SECONDS: usize = 28_800;
/// `ER_SECURE_TRANSPORT_REQUIRED`.
const ENCRYPTION_REQUIRED: u16 = 3159;
/// `ER_ACCESS_DENIED_ERROR`: also what an account with REQUIRE SSL gets without it.
const ACCESS_DENIED: u16 = 1045;
/// `ER_CON_COUNT_ERROR`.
const TOO_MANY_CONNECTIONS: u16 = 1040;
/// Time before a server with too many connections is tried again: those that are being refused occupy the
/// slot for privileged accounts for a moment.
const CROWDED_RETRY: Duration = Duration::from_millis(50);

/// Ready-made options of both kinds of connection.
#[derive(Debug)]
pub(crate) struct Dialer {
    plain: OptsBuilder,
    /// `None`: never encrypt.
    encrypted: Option<OptsBuilder>,
    always_encrypted: bool,
}

impl Dialer {
    pub(crate) fn new(settings: &ProbeSettings) -> Self {
        let plain = OptsBuilder::default()
            .user(Some(settings.user.clone()))
            .pass(Some(settings.password.expose()))
            .prefer_socket(false)
            .max_allowed_packet(Some(settings.max_allowed_packet))
            .wait_timeout(Some(WAIT_TIMEOUT_SECONDS))
            .stmt_cache_size(0)
            .tcp_nodelay(true)
            .connect_attribute("program_name", "orchestrator");
        let (encrypted, always_encrypted) = match &settings.tls {
            TlsMode::Off => (None, false),
            TlsMode::WhenDemanded(options) => (Some(options), false),
            TlsMode::Always(options) => (Some(options), true),
        };
        let encrypted = encrypted.map(|options| plain.clone().ssl_opts(ssl_options(options)));
        Self { plain, encrypted, always_encrypted }
    }

    /// Connects and logs in.
    ///
    /// `demands_encryption` is what is known of this server, and is updated.
    pub(crate) async fn connect(
        &self,
        key: &InstanceKey,
        demands_encryption: &mut bool,
        deadline: Instant,
    ) -> Result<Session, Failure> {
        let addresses = resolve(key, deadline).await?;
        loop {
            let options = match &self.encrypted {
                Some(options) if self.always_encrypted || *demands_encryption => options,
                _ => &self.plain,
            };
            match dial(options, key, &addresses, deadline).await {
                Ok(conn) => return Ok(Session::new(conn)),
                Err(Refusal::Server(error))
                    if matches!(error.code, ENCRYPTION_REQUIRED | ACCESS_DENIED)
                        && self.encrypted.is_some()
                        && !self.always_encrypted
                        && !*demands_encryption =>
                {
                    *demands_encryption = true;
                }
                Err(Refusal::Server(error))
                    if error.code == TOO_MANY_CONNECTIONS
                        && Instant::now() + CROWDED_RETRY * 2 < deadline =>
                {
                    sleep_until(Instant::now() + CROWDED_RETRY).await;
                }
                Err(refusal) => {
                    // What was learned may be out of date; the next attempt begins anew.
                    *demands_encryption = false;
                    return Err(refusal.into_failure());
                }
            }
        }
    }
}

enum Refusal {
    Server(mysql_async::ServerError),
    Failure(Failure),
}

impl Refusal {
    fn into_failure(self) -> Failure {
        match self {
            Self::Server(error) => classify(&Error::Server(error)),
            Self::Failure(failure) => failure,
        }
    }
}

async fn dial(
    options: &OptsBuilder,
    key: &InstanceKey,
    addresses: &[IpAddr],
    deadline: Instant,
) -> Result<Conn, Refusal> {
    let options: Opts = options
        .clone()
        .ip_or_hostname(key.hostname.to_string())
        .tcp_port(key.port)
        .resolved_ips(Some(addresses.to_vec()))
        .into();
    let result = tokio::select! {
        biased;
        result = guarded(Conn::new(options)) => result,
        failure = witness(addresses, key.port, deadline) => return Err(Refusal::Failure(failure)),
    };
    result.map_err(|error| match error {
        Error::Server(error) => Refusal::Server(error),
        error => Refusal::Failure(classify(&error)),
    })
}

/// Ends at the deadline, with what the network looks like then.
async fn witness(addresses: &[IpAddr], port: u16, deadline: Instant) -> Failure {
    let addresses: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    let now = Instant::now();
    sleep_until(now + deadline.saturating_duration_since(now) / 2).await;
    let connected = timeout_at(deadline, TcpStream::connect(&*addresses)).await;
    sleep_until(deadline).await;
    match connected {
        Ok(Ok(_)) => failure(FailureKind::Silent, "connected, but no greeting or no answer to the login"),
        Ok(Err(error)) => failure(of_io(&error), error.to_string()),
        Err(_) => failure(FailureKind::ConnectTimeout, "no TCP connection"),
    }
}

async fn resolve(key: &InstanceKey, deadline: Instant) -> Result<Vec<IpAddr>, Failure> {
    if let Ok(address) = key.hostname.parse() {
        return Ok(vec![address]);
    }
    let unresolved = |error: String| failure(FailureKind::NameUnresolved, error);
    let addresses = match timeout_at(deadline, lookup_host((&*key.hostname, key.port))).await {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(unresolved(error.to_string())),
        Err(_) => return Err(unresolved("no answer from the name service".into())),
    };
    if addresses.is_empty() { Err(unresolved("no address".into())) } else { Ok(addresses) }
}

fn ssl_options(options: &TlsOptions) -> SslOpts {
    let mut ssl = SslOpts::default().with_danger_accept_invalid_certs(options.skip_verify);
    if let Some(file) = &options.ca_file {
        ssl = ssl.with_root_certs(vec![file.clone().into()]).with_disable_built_in_roots(true);
    }
    if let (Some(cert), Some(key)) = (&options.cert_file, &options.key_file) {
        ssl = ssl.with_client_identity(Some(ClientIdentity::new(cert.clone().into(), key.clone().into())));
    }
    ssl
}
