//! `make bench-node`: what a node costs when nothing happens, and how fast a group is there.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::process::usage;
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, LabPlan, holds, until};

use crate::figures::{millis, percentile, seconds};

/// Starts of a group of three.
const STARTS: usize = 10;
/// Questions to `raft-health`.
const QUESTIONS: usize = 2_000;
/// Servers in the fleet.
const SERVERS: u32 = 20;
/// How long CPU is counted.
const WINDOW: Duration = Duration::from_secs(20);
/// Ends a run that hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Clock ticks per second of `/proc/PID/stat`: 100 on every Linux that we meet.
const TICKS_PER_SECOND: f64 = 100.0;

/// Prints the table.
pub(crate) fn bench() -> Result<()> {
    println!("| what | measured | to reach | the original |");
    println!("|---|---|---|---|");
    let starts: Vec<Duration> = (0..STARTS).map(|_| start_once()).collect::<Result<_>>()?;
    println!(
        "| group of three, start to `raft-health` 200 everywhere, p50 / max s | {} / {} | 2 | 1.4 to 2.0 (a group of one, to `leader-check`) |",
        seconds(percentile(&starts, 50)),
        seconds(percentile(&starts, 100)),
    );
    idle_and_health()?;
    probes()
}

fn start_once() -> Result<Duration> {
    let mut group = Group::prepare("bench", &GroupPlan::new(3).set("Debug", false))?;
    let took = group.start_all()?;
    group.done();
    Ok(took)
}

/// Resident memory (KiB) and CPU ticks of all nodes.
fn usages(group: &mut Group) -> Result<Vec<(u64, u64)>> {
    group.nodes.iter_mut().map(|n| usage(n.pid()?).context("the node runs")).collect()
}

fn idle_and_health() -> Result<()> {
    let mut group = Group::start("bench", &GroupPlan::new(3).set("Debug", false))?;
    let leader = group.leader()?;
    let mut took = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let reply = group.nodes[leader].api.get("raft-health")?;
        ensure!(reply.status == 200, "unhealthy in the middle: {reply:?}");
        took.push(reply.elapsed);
    }
    // Memory and CPU of a group that has nothing to do, after the start has settled.
    let before = usages(&mut group)?;
    holds("the group stays healthy", WINDOW, || {
        if group.nodes[leader].api.healthy() { Ok(()) } else { Err("sick") }
    })?;
    let after = usages(&mut group)?;
    let rss = after.iter().map(|(rss, _)| *rss).max().unwrap_or_default();
    let ticks: u64 = after.iter().zip(&before).map(|((_, now), (_, then))| now - then).sum();
    println!("| idle node: resident MB, the largest of three | {:.1} | 30 | |", mib(rss));
    println!(
        "| idle node: CPU, % of one core, with the leader asked for its health 50 times a second | {:.2} | | |",
        percent(ticks, 3)
    );
    println!(
        "| `raft-health`, new connection each time, p50 / p99 ms | {} / {} | p99 1 | |",
        millis(percentile(&took, 50)),
        millis(percentile(&took, 99))
    );
    group.done();
    Ok(())
}

/// Twenty real servers, each probed once a second by each of three nodes.
fn probes() -> Result<()> {
    let topology: Vec<String> = (1..SERVERS).map(|n| format!("s0>s{n}")).collect();
    let lab = Lab::up("fleet", &LabPlan::new(Flavor::MariaDb1011, &topology.join(",")))?;
    let mut group = Group::start("fleet", &GroupPlan::for_lab(&lab)?.set("Debug", false))?;
    let api = group.leader_api()?;
    api.discover(lab.server("s0"))?;
    until("twenty valid servers", LIMIT, || {
        let all = api.cluster(&lab.server("s0").key()).map_err(|e| format!("{e:#}"))?;
        let valid = all.iter().filter(|i| i["IsLastCheckValid"] == true).count();
        if valid == SERVERS as usize { Ok(()) } else { Err(format!("{valid} valid")) }
    })?;
    let (before, began) = (usages(&mut group)?, Instant::now());
    holds("every server stays valid", WINDOW, || {
        // Looked at rarely: the question is the prober's cost, not ours.
        std::thread::sleep(Duration::from_secs(1));
        let all = api.cluster(&lab.server("s0").key()).map_err(|e| format!("{e:#}"))?;
        if all.iter().all(|i| i["IsLastCheckValid"] == true) { Ok(()) } else { Err("one is not".to_owned()) }
    })?;
    let (after, window) = (usages(&mut group)?, began.elapsed().as_secs_f64());
    let ticks: u64 = after.iter().zip(&before).map(|((_, now), (_, then))| now - then).sum();
    let probes = window * f64::from(SERVERS) * 3.0;
    println!(
        "| CPU per probe, ms, all that a node does counted ({SERVERS} servers, one probe a second) | {:.2} | 1 | about 10 |",
        ticks as f64 / TICKS_PER_SECOND * 1000.0 / probes
    );
    let rss = after.iter().map(|(rss, _)| *rss).max().unwrap_or_default();
    println!("| node with {SERVERS} servers: resident MB | {:.1} | | |", mib(rss));
    group.done();
    Ok(())
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn percent(ticks: u64, nodes: u32) -> f64 {
    ticks as f64 / TICKS_PER_SECOND / WINDOW.as_secs_f64() / f64::from(nodes) * 100.0
}
