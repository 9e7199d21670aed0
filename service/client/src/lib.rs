#![doc = include_str!("../DESIGN.md")]

mod answer;
mod base64;
mod commands;
mod console;
mod endpoint;
mod failure;
mod help;
mod instance_name;
mod invocation;
mod jq;
mod leader;
mod options;
mod profile;
mod session;
mod settings;
mod show;
mod template;
mod transport;
mod trust;
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;

pub use invocation::{Invocation, InvocationError, Screen};
pub use transport::Limits;

use commands::{Action, At, Command};
use console::Console;
use failure::Failure;
use session::Session;
use settings::Settings;

/// The name by which the program is called.
pub const NAME: &str = "orchestrator-client";

/// The whole program: collects what this process was given, and carries it out.
pub fn main() -> ExitCode {
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
    let _ = writeln!(io::stderr(), "{NAME}[{}]: {error}", std::process::id());
    ExitCode::FAILURE
}

/// Runs one command and returns the exit code of the process.
///
/// Results go to `out`, one per line, messages to `err`; a closed pipe on either is not an error.
///
/// *Exit codes*: 0 success, also with nothing to print; 1 a refusal, here or by the server, or no access;
/// 5 an answer whose shape is not the expected one.
pub async fn run(invocation: &Invocation, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let mut console = Console::new(out, err, invocation);
    let given = options::parse(&invocation.arguments);
    console.complain(&given.complaints);
    let outcome = match Settings::new(&given, invocation) {
        Ok(settings) => execute(&settings, invocation, &mut console).await,
        Err(failure) => Err(failure),
    };
    console.finish(outcome)
}

/// Decides what to do before anything is sent: a mistake in the arguments needs no server to be found.
async fn execute(
    settings: &Settings,
    invocation: &Invocation,
    console: &mut Console<'_>,
) -> Result<Vec<String>, Failure> {
    let command = commands::find(settings.command()?)?;
    match command.action {
        Action::Help => Ok(help::text()),
        Action::WhichApi => {
            let session = Session::open(settings, &invocation.limits).await?;
            Ok(vec![session.endpoint().url().to_owned()])
        }
        Action::Watch => {
            let mut print = |lines: &[String]| console.show(lines);
            watch::run(settings, &invocation.limits, invocation.screen, &mut print).await?;
            Ok(Vec::new())
        }
        Action::Get { path, at, show } => {
            let path = template::fill(path, settings)?;
            let session = Session::open(settings, &invocation.limits).await?;
            let mut answer = call(&session, at, &path, command).await?;
            answer.asked = settings.asked_instance();
            Ok(show(&answer)?)
        }
    }
}

async fn call(
    session: &Session<'_>,
    at: At,
    path: &str,
    command: &Command,
) -> Result<answer::Answer, Failure> {
    let answer = match at {
        At::Endpoint => session.get(session.endpoint(), path).await?,
        At::Leader => session.get(&session.raft_leader().await?, path).await?,
    };
    if command.prints_refusals_whole() { answer.accepted_whole() } else { answer.accepted() }
}
