//! Plays random histories and prints what came of them; status 1 when a property did not hold.

mod chance;
mod child;
mod many;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use many::Many;
use orchestrator_sim::{Bug, Gap, GroupBug, History, Setting, play};

const USAGE: &str =
    "usage: sim [recoveries|groups] [--seeds N] [--seed FIRST] [--bug NAME] [--gap NAME] [--story]";

/// Violations printed in full; the others are only counted.
const SHOWN_MAX: usize = 3;

struct Options {
    first: u64,
    seeds: u64,
    recoveries: bool,
    groups: bool,
    setting: Setting,
    group_bug: Option<GroupBug>,
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        first: 1,
        seeds: 1_000,
        recoveries: true,
        groups: true,
        setting: Setting::default(),
        group_bug: None,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => options.seeds = words.next()?.parse().ok()?,
            "--seed" => options.first = words.next()?.parse().ok()?,
            "recoveries" => options.groups = false,
            "groups" => options.recoveries = false,
            "--bug" => options.plant(&words.next()?)?,
            "--gap" => {
                options.setting.gap = Some(Gap::parse(&words.next()?)?);
                options.groups = false;
            }
            "--story" => options.setting.story = true,
            _ => return None,
        }
    }
    Some(options)
}

impl Options {
    /// A mistake belongs to one of the two worlds; the other is not played.
    fn plant(&mut self, name: &str) -> Option<()> {
        self.setting.bug = Bug::parse(name);
        self.group_bug = GroupBug::parse(name);
        self.recoveries &= self.setting.bug.is_some();
        self.groups &= self.group_bug.is_some();
        (self.recoveries || self.groups).then_some(())
    }
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
            "{} histories of recoveries, {} events, {} simulated minutes in {:.1} s",
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
    if let Some(order) = child::order(std::env::args().skip(1)) {
        return child::play(&order);
    }
    let mut out = io::stdout().lock();
    let Some(options) = options(std::env::args().skip(1)) else {
        writeln!(io::stderr(), "{USAGE}")?;
        return Ok(ExitCode::from(2));
    };
    let mut held = true;
    if options.recoveries {
        held &= play_recoveries(&options, &mut out)?;
    }
    if options.groups {
        let Options { first, seeds, group_bug, setting, .. } = options;
        held &= Many { first, seeds, bug: group_bug, story: setting.story }.play(&mut out)?;
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play_recoveries(options: &Options, out: &mut impl Write) -> io::Result<bool> {
    let began = Instant::now();
    let mut summary = Summary::default();
    for seed in options.first..options.first.saturating_add(options.seeds) {
        let history = play(seed, options.setting);
        history.story.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        summary.add(history);
    }
    summary.print(out, began)?;
    Ok(summary.violations.is_empty())
}
