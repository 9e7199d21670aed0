//! Plays random histories and prints what came of them; status 1 when a property did not hold.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use orchestrator_sim::{Bug, Gap, History, Setting, play};

const USAGE: &str = "usage: sim [--seeds N] [--seed FIRST] [--bug NAME] [--gap NAME] [--story]";

/// Violations printed in full; the others are only counted.
const SHOWN_MAX: usize = 3;

struct Options {
    first: u64,
    seeds: u64,
    setting: Setting,
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options { first: 1, seeds: 1_000, setting: Setting::default() };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => options.seeds = words.next()?.parse().ok()?,
            "--seed" => options.first = words.next()?.parse().ok()?,
            "--bug" => options.setting.bug = Some(Bug::parse(&words.next()?)?),
            "--gap" => options.setting.gap = Some(Gap::parse(&words.next()?)?),
            "--story" => options.setting.story = true,
            _ => return None,
        }
    }
    Some(options)
}

#[derive(Default)]
struct Summary {
    histories: u64,
    steps: u64,
    simulated_ms: u64,
    faults: u64,
    terms: u64,
    recoveries: usize,
    promotions: usize,
    acknowledged: u64,
    refused: u64,
    violations: Vec<History>,
}

impl Summary {
    fn add(&mut self, history: History) {
        self.histories += 1;
        self.steps += history.steps;
        self.simulated_ms += history.simulated_ms;
        self.faults += history.faults;
        self.terms += history.terms;
        self.recoveries += history.recoveries;
        self.promotions += history.promotions;
        self.acknowledged += history.acknowledged;
        self.refused += u64::from(history.refused);
        if history.violation.is_some() {
            self.violations.push(history);
        }
    }

    fn print(&self, out: &mut impl Write, began: Instant) -> io::Result<()> {
        for violation in self.violations.iter().take(SHOWN_MAX).filter_map(|one| one.violation.as_ref()) {
            writeln!(out, "{violation}\n")?;
        }
        writeln!(
            out,
            "{} histories, {} events, {} simulated minutes in {:.1} s",
            self.histories,
            self.steps,
            self.simulated_ms / 60_000,
            began.elapsed().as_secs_f64()
        )?;
        writeln!(
            out,
            "{} faults, {} terms, {} recoveries, {} promotions, {} acknowledged rows, {} ended refused",
            self.faults, self.terms, self.recoveries, self.promotions, self.acknowledged, self.refused
        )?;
        let seeds: Vec<String> = self
            .violations
            .iter()
            .map(|one| {
                let name = one.violation.as_ref().map_or("", |violation| violation.invariant);
                format!("{} ({name})", one.seed)
            })
            .collect();
        writeln!(out, "{} violations {}", seeds.len(), seeds.join(", "))
    }
}

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let Some(options) = options(std::env::args().skip(1)) else {
        writeln!(io::stderr(), "{USAGE}")?;
        return Ok(ExitCode::from(2));
    };
    let began = Instant::now();
    let mut summary = Summary::default();
    for seed in options.first..options.first.saturating_add(options.seeds) {
        let history = play(seed, options.setting);
        history.story.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        summary.add(history);
    }
    summary.print(&mut out, began)?;
    Ok(if summary.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
