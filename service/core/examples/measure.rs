//! Prints how long places and findings of a large fleet take:
//! `cargo run --release -p orchestrator-core --example measure [instances]`.

#![allow(clippy::print_stdout, reason = "printing figures is what it is for")]

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use orchestrator_core::{
    analysis::analyze,
    picture::{Picture, draw},
    policy::{AnalysisPolicy, NoFilters},
    topology::Topology,
};

/// Runs of each, of which the best and the median are printed.
const RUNS: usize = 21;

fn main() {
    let instances = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let Picture { view, stale, now } = draw(&fleet(instances));
    let policy = AnalysisPolicy::default();
    let topology = Topology::of(&view);
    println!("{} instances in {} clusters", view.len(), topology.clusters().len());
    tell("Topology::of", || Topology::of(&view).clusters().len());
    tell("analyze", || analyze(&view, &topology, &policy, &NoFilters, &stale, now).len());
}

/// Clusters of five: a primary, two replicas, two below the first; with GTIDs, every tenth primary dead.
fn fleet(instances: usize) -> String {
    let mut text = String::new();
    for cluster in 0..instances.div_ceil(5) {
        let primary = cluster * 5 + 1;
        let gtid = format!("gtid=#{primary}:1-{},#7:1-400:500-600", 1000 + cluster);
        let dead = if cluster % 10 == 0 { "unreachable" } else { "" };
        let io = if cluster % 10 == 0 { "io=connecting" } else { "" };
        let host = |role: &str| format!("db-{cluster:05}-{role}.example.net:3306");
        let _ = writeln!(text, "{} {gtid} {dead} alias=cluster{cluster}", host("a"));
        let _ = writeln!(text, " {} {gtid} {io}\n  {} {gtid}\n  {} {gtid}", host("b"), host("d"), host("e"));
        let _ = writeln!(text, " {} {gtid} {io}", host("c"));
    }
    text
}

fn tell(what: &str, run: impl Fn() -> usize) {
    let mut times: Vec<Duration> = Vec::new();
    let mut result = 0;
    for _ in 0..RUNS {
        let begun = Instant::now();
        result = run();
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("{what}: best {:?}, median {:?} ({result})", times[0], times[RUNS / 2]);
}
