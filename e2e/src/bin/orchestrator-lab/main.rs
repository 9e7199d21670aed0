//! `make up`, `make down`, `make demo` and the benchmarks.

#![allow(clippy::print_stdout, reason = "what this program prints is what it is for")]

/// As the standard one, but who reads may go away: `… | head` must not leave things half done.
macro_rules! println {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod demo;
mod election;
mod failover;
mod figures;
mod guard;
mod k8s;
mod node;
mod raft;
mod raft_load;
mod soak;
mod stand;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: orchestrator-lab up | down | demo | demo-election | bench-failover [RUNS] | bench-node | \
                     bench-raft [RUNS] | bench-k8s [RUNS] | soak [MINUTES [SEED]]";

fn run(arguments: &[String]) -> Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["up"] if guard::is_worker() => stand::up()?.describe()?,
        ["demo"] if guard::is_worker() => demo::demo()?,
        ["up"] => match stand::standing()? {
            Some(stand) => {
                println!("it is up already");
                stand.describe()?;
            }
            None => return guard::guarded("up"),
        },
        ["demo"] => return guard::guarded("demo"),
        ["demo-election"] => election::demo()?,
        ["down"] => {
            stand::down()?;
            println!("all is down");
        }
        ["bench-failover"] => failover::bench(failover::RUNS)?,
        ["bench-failover", runs] => failover::bench(runs.parse()?)?,
        ["bench-node"] => node::bench()?,
        ["bench-raft"] => raft::bench(raft::RUNS)?,
        ["bench-raft", runs] => raft::bench(runs.parse()?)?,
        ["bench-k8s"] => k8s::bench(k8s::RUNS)?,
        ["bench-k8s", runs] => k8s::bench(runs.parse()?)?,
        ["soak"] => soak::soak(soak::MINUTES, None)?,
        ["soak", minutes] => soak::soak(minutes.parse()?, None)?,
        ["soak", minutes, seed] => soak::soak(minutes.parse()?, Some(seed.parse()?))?,
        _ => bail!(USAGE),
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("orchestrator-lab: {error:#}");
            if stand::is_something_left() {
                eprintln!(
                    "what was started is still there, with its logs in run/o*/node.log; `make down` ends it"
                );
            }
            ExitCode::FAILURE
        }
    }
}
