//! `make up`, `make down`, `make demo` and the benchmarks.

#![allow(clippy::print_stdout, reason = "what this program prints is what it is for")]

mod demo;
mod failover;
mod figures;
mod node;
mod stand;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: orchestrator-lab up | down | demo | bench-failover [RUNS] | bench-node";

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["up"] => stand::up().and_then(|stand| stand.describe()),
        ["down"] => stand::down(),
        ["demo"] => demo::demo(),
        ["bench-failover"] => failover::bench(failover::RUNS),
        ["bench-failover", runs] => failover::bench(runs.parse()?),
        ["bench-node"] => node::bench(),
        _ => bail!(USAGE),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orchestrator-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
