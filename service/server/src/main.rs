#![doc = include_str!("../DESIGN.md")]

mod absence;
mod access_token;
mod api;
mod args;
mod audit;
mod classify;
mod clock;
mod components;
mod configuration;
mod corrupt;
mod detection;
mod discovery;
mod duties;
mod effects;
mod failing;
mod fleet;
mod logging;
mod notify;
mod picture;
mod process;
mod recovery;
mod reload;
mod scratch;
mod service;
mod signals;
mod storage;
mod tls_files;
mod watching;
mod wiring;
mod witness;

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::Path,
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
    if is_called(orchestrator_client::NAME) {
        return orchestrator_client::main();
    }
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
        Ok(Invocation::AccessToken(flags)) => match access_token::make(&flags) {
            Ok(token) => {
                say(&mut io::stdout(), &format!("{token}\n"));
                ExitCode::SUCCESS
            }
            Err(error) => {
                say(&mut io::stderr(), &format!("orchestrator: {error:#}\n"));
                ExitCode::from(EXIT_FAILURE)
            }
        },
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

/// A link under this name leads here: an image holds one binary for both.
fn is_called(name: &str) -> bool {
    let called = std::env::args_os().next();
    called.is_some_and(|called| Path::new(&called).file_name() == Some(OsStr::new(name)))
}

/// A reader that went away is not our problem.
fn say(to: &mut impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}

fn serve(flags: Flags) -> ExitCode {
    let mut read = match configuration::load(&flags.configs) {
        Ok(read) => read,
        Err(error) => {
            logging::last_words(&error.to_string());
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    read.loaded.settings.schema.complete |= flags.complete_schema;
    let debug = read.loaded.settings.debug && flags.verbosity == args::Verbosity::Normal;
    let verbosity = if debug { args::Verbosity::Debug } else { flags.verbosity };
    logging::start(verbosity, read.loaded.settings.log_format, flags.stack);
    configuration::warn(&read.loaded, &flags.ignored);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    let ended = runtime.block_on(service::run(read, flags.configs, flags.discovery));
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
