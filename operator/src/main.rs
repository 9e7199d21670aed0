//! The `orchestrator-operator` binary: reads the command line, runs, says why it ended.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};
use orchestrator_operator::shell::{args::Arguments, logging, run};

/// Something failed; the last line of the log says what.
const EXIT_FAILURE: u8 = 1;
/// A thousand objects take a part of one core; a thread for each core of a large machine would only take memory.
const THREADS: usize = 2;

fn main() -> ExitCode {
    // Some crates look for the process-wide provider; there is one in this build, and it is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    if let Err(contradiction) = arguments.check() {
        Arguments::command().error(ErrorKind::ArgumentConflict, contradiction).exit();
    }
    logging::start(arguments.log_level, arguments.log_format);
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "cannot start the runtime");
                return ExitCode::from(EXIT_FAILURE);
            }
        };
    let ended = runtime.block_on(run(&arguments));
    // All that matters has ended in order.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
