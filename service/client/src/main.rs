//! The `orchestrator-client` binary: collects what the process was given, and leaves the rest to the library.

use std::io::{self, Write};
use std::process::ExitCode;

use orchestrator_client::{Invocation, run};

fn main() -> ExitCode {
    let invocation = match Invocation::of_this_process() {
        Ok(invocation) => invocation,
        Err(error) => return refuse(&error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let code = runtime.block_on(run(&invocation, &mut io::stdout().lock(), &mut io::stderr().lock()));
    // A name lookup that hangs in the C library must not hold up the exit.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Says on stderr why the client cannot even start; a closed stderr is nobody's problem.
fn refuse(error: &dyn std::error::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "orchestrator-client[{}]: {error}", std::process::id());
    ExitCode::FAILURE
}
