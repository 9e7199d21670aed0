//! The crate against fake servers: whatever a server does, the answer says what that was.
#![allow(unreachable_pub, reason = "a test binary has no public interface")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod execute;
mod fake;
mod nonsense;
mod probe;
mod servers;
mod watch;

use std::time::Duration;

use orchestrator_mysql::{Fleet, HostnameSource, ProbeSettings, Secret};

/// Longest wait for something that is to happen. Far above what it takes.
const PATIENCE: Duration = Duration::from_secs(5);

fn settings() -> ProbeSettings {
    ProbeSettings {
        user: "orchestrator".into(),
        password: Secret::new("a secret"),
        hostname_from: HostnameSource::AsAsked,
        connect_timeout: Duration::from_millis(300),
        read_timeout: Duration::from_millis(300),
        ..ProbeSettings::default()
    }
}

fn fleet() -> Fleet {
    Fleet::new(settings())
}
