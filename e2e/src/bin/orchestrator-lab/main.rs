//! `make up`, `make down`, `make demo` and the benchmarks.

#![allow(clippy::print_stdout, reason = "what this program prints is what it is for")]

mod demo;
mod failover;
mod figures;
mod guard;
mod node;
mod stand;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: orchestrator-lab up | down | demo | bench-failover [RUNS] | bench-node";

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
        ["down"] => {
            stand::down()?;
            println!("all is down");
        }
        ["bench-failover"] => failover::bench(failover::RUNS)?,
        ["bench-failover", runs] => failover::bench(runs.parse()?)?,
        ["bench-node"] => node::bench()?,
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
