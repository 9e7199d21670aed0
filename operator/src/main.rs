//! The `orchestrator-operator` binary: says that reconciling comes later, and exits with 2.

use std::io::Write as _;
use std::process::ExitCode;

use orchestrator_operator::{EXIT_NOT_AVAILABLE, NOTICE, version_line};

fn main() -> ExitCode {
    // A closed stdout or stderr is the caller's choice: the exit code says the same.
    if std::env::args().nth(1).as_deref() == Some("--version") {
        let _ = writeln!(std::io::stdout(), "{}", version_line());
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(std::io::stderr(), "{NOTICE}");
    ExitCode::from(EXIT_NOT_AVAILABLE)
}
