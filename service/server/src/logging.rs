//! Lines on standard error, one per event.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::args::Verbosity;

/// Starts logging. `RUST_LOG`, where set, wins over the command line.
///
/// Levels by the reaction they ask for: an error wakes somebody, a warning is unexpected yet survived,
/// info is a change of state, debug is each probe and request.
pub(crate) fn start(verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Quiet => "error",
        Verbosity::Normal => "info",
        Verbosity::Debug => "debug",
    };
    // Libraries speak of their own workings; what that means is said by our own crates. The raft library calls
    // its own orderly end an error.
    let default = format!("{level},hyper=warn,mysql_async=warn,openraft=off");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
}
