#![doc = include_str!("../DESIGN.md")]

mod absence;
mod api;
mod args;
mod audit;
mod classify;
mod clock;
mod components;
mod configuration;
mod detection;
mod discovery;
mod duties;
mod effects;
mod fleet;
mod logging;
mod picture;
mod process;
mod recovery;
mod reload;
mod service;
mod signals;
mod storage;
mod watching;
mod wiring;
mod witness;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use args::{Flags, Invocation};

/// The command line made no sense.
const EXIT_USAGE: u8 = 2;

/// Anything else that keeps the process from doing its work.
const EXIT_FAILURE: u8 = 1;

fn main() -> ExitCode {
    // Some crates look for the process-wide provider; there is one in this build, and it is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    match args::parse(&arguments) {
        Ok(Invocation::Serve(flags)) => serve(flags),
        Ok(Invocation::Version) => {
            say(&mut io::stdout(), &format!("{}\n", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Ok(Invocation::Help) => {
            say(&mut io::stdout(), args::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Invocation::Command(command)) => {
            let text = format!(
                "orchestrator: -c {command}: this version has no direct command line. Where \"RaftEnabled\": true all \
                 access goes through the HTTP API: use orchestrator-client -c {command} (--ignore-raft-setup comes \
                 with a later release).\n"
            );
            say(&mut io::stderr(), &text);
            ExitCode::from(EXIT_FAILURE)
        }
        Err(error) => {
            say(&mut io::stderr(), &format!("orchestrator: {error}\n\n{}", args::USAGE));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// A reader that went away is not our problem.
fn say(to: &mut impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}

fn serve(flags: Flags) -> ExitCode {
    let loaded = match configuration::load(flags.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            say(&mut io::stderr(), &format!("orchestrator: {error}\n"));
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    let debug = loaded.settings.debug && flags.verbosity == args::Verbosity::Normal;
    logging::start(if debug { args::Verbosity::Debug } else { flags.verbosity });
    configuration::warn(&loaded, &flags.ignored);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    let ended = runtime.block_on(service::run(loaded, flags.config, flags.discovery));
    // All that matters has ended in order. What is left hangs in the system's resolver at worst, and must not keep us.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last line of the log says why, with all its causes.
            tracing::error!("{error:#}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
