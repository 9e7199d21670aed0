//! `make bench-raft`: how long a raft group of real processes is without a leader, and what it costs and carries.
//!
//! Three nodes, each on a machine of its own, with the timing that everybody has who sets none.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::commands::{Commands, CommandsPlan};
use orchestrator_e2e::{Group, GroupPlan, Hosts};
use rustix::process::Signal;

use crate::figures::{millis, percentile};
use crate::raft_load;

/// Runs of each row about elections.
pub(crate) const RUNS: usize = 20;
/// Ends a run that hangs.
const LIMIT: Duration = Duration::from_secs(30);
/// SIGTERM to the end.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// Pause between two looks: a hand-over takes milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// One look at a node, which may be frozen or cut off.
const LOOK_WITHIN: Duration = Duration::from_millis(200);
const NODES: usize = 3;

/// What happens to a leader.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Killed,
    Frozen,
    Cut,
    Told,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Killed => "leader killed with -9 → another leads",
            Self::Frozen => "leader frozen → another leads",
            Self::Cut => "leader cut off → another leads",
            Self::Told => "SIGTERM of the leader → another leads",
        }
    }

    fn figures(self) -> (&'static str, &'static str) {
        if self == Self::Told { ("100", "2700 to 3500") } else { ("p99 1500", "2000 to 4500") }
    }
}

/// Prints the table; without runs only what has none.
pub(crate) fn bench(runs: usize) -> Result<()> {
    println!("| what | runs | p50 ms | p99 ms | max ms | to reach | the original |");
    println!("|---|---|---|---|---|---|---|");
    if runs > 0 {
        elections(runs)?;
    }
    raft_load::bench()
}

fn elections(runs: usize) -> Result<()> {
    let formed = (0..runs).map(|_| form()).collect::<Result<Vec<_>>>()?;
    row("three nodes from nothing → a leader", &formed, "1000", "1600 to 2000");
    let mut stage = Stage::set()?;
    for end in [End::Killed, End::Frozen, End::Cut] {
        let took = (0..runs).map(|_| stage.leader_goes(end)).collect::<Result<Vec<_>>>()?;
        let (reach, original) = end.figures();
        row(end.name(), &took, reach, original);
    }
    told(&mut stage, runs)?;
    let alone = (0..runs).map(|run| stage.others_go(run % 2 == 0)).collect::<Result<Vec<_>>>()?;
    row("a node without a quorum → it says 500", &alone, "1500", "1400 to 2500");
    stage.group.done();
    Ok(())
}

/// Planned ends, under a stream of commands through the other nodes.
fn told(stage: &mut Stage, runs: usize) -> Result<()> {
    let (mut took, mut sent, mut failed) = (Vec::new(), 0, Vec::new());
    for _ in 0..runs {
        let leader = stage.group.leader()?;
        let commands = Commands::start(&CommandsPlan {
            writers: 4,
            pace: Duration::from_millis(2),
            addresses: (0..NODES).filter(|i| *i != leader).map(|i| stage.hosts.address(i)).collect(),
            retry: true,
            seed: sent as u64,
        });
        raft_load::wait_acked(&commands, 50)?;
        took.push(stage.leader_goes(End::Told)?);
        raft_load::wait_acked(&commands, commands.acked() + 50)?;
        let (_, all) = commands.finish()?;
        sent += all.len();
        failed.extend(all.into_iter().filter_map(|it| it.failure));
    }
    let (reach, original) = End::Told.figures();
    row(End::Told.name(), &took, reach, original);
    let reasons = failed.first().map_or_else(String::new, |first| format!(", such as {first}"));
    println!(
        "| … commands through the others that failed after one retry | {sent} | {}{reasons} | | | 0 | |",
        failed.len()
    );
    Ok(())
}

/// One line of times.
pub(crate) fn row(what: &str, took: &[Duration], reach: &str, original: &str) {
    println!(
        "| {what} | {} | {} | {} | {} | {reach} | {original} |",
        took.len(),
        millis(percentile(took, 50)),
        millis(percentile(took, 99)),
        millis(percentile(took, 100))
    );
}

/// Looks until `probe` gives a value.
fn as_soon_as<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> Result<T> {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(value) = probe() {
            return Ok(value);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!("waited {LIMIT:?} for: {what}")
}

fn leads(group: &Group, node: usize) -> bool {
    let answer = group.nodes[node].api.get_within("/api/leader-check", LOOK_WITHIN);
    answer.is_ok_and(|reply| reply.status == 200)
}

/// Three nodes with empty disks, started at once, until one leads.
fn form() -> Result<Duration> {
    let hosts = Hosts::up(NODES)?;
    let mut group = Group::prepare_on("bench", &hosts, &GroupPlan::new(NODES).set("Debug", false))?;
    let began = Instant::now();
    for node in &mut group.nodes {
        node.start()?;
    }
    as_soon_as("a leader", || (0..NODES).find(|node| leads(&group, *node)))?;
    let took = began.elapsed();
    group.done();
    Ok(took)
}

/// One group for many runs: after each all are well again.
struct Stage {
    hosts: Hosts,
    group: Group,
}

impl Stage {
    fn set() -> Result<Self> {
        let hosts = Hosts::up(NODES)?;
        let mut group = Group::prepare_on("bench", &hosts, &GroupPlan::new(NODES).set("Debug", false))?;
        group.start_all()?;
        Ok(Self { hosts, group })
    }

    /// From the end of a leader to the first moment at which another leads.
    fn leader_goes(&mut self, end: End) -> Result<Duration> {
        let old = self.group.leader()?;
        let began = Instant::now();
        match end {
            End::Killed => self.group.nodes[old].signal(Signal::KILL).map(drop)?,
            End::Frozen => self.group.nodes[old].signal(Signal::STOP).map(drop)?,
            End::Told => self.group.nodes[old].signal(Signal::TERM).map(drop)?,
            End::Cut => self.hosts.isolate(old)?,
        }
        let others = || (0..NODES).filter(|node| *node != old);
        as_soon_as("another leader", || others().find(|node| leads(&self.group, *node)))?;
        let took = began.elapsed();
        match end {
            End::Killed => self.group.nodes[old].wait_end(LIMIT).map(drop)?,
            End::Frozen => self.group.nodes[old].signal(Signal::CONT).map(drop)?,
            End::Told => {
                let status = self.group.nodes[old].wait_end(ENDED_WITHIN)?;
                ensure!(status.success(), "the leader that was told to end: {status}");
            }
            End::Cut => self.hosts.heal()?,
        }
        if !self.group.nodes[old].runs() {
            self.group.nodes[old].start()?;
        }
        self.group.wait_healthy()?;
        Ok(took)
    }

    /// Both others are killed: until the one that is left, the leader or a follower, says that it is not well.
    fn others_go(&mut self, leader_stays: bool) -> Result<Duration> {
        let leader = self.group.leader()?;
        let stays = if leader_stays { leader } else { (leader + 1) % NODES };
        let others: Vec<usize> = (0..NODES).filter(|node| *node != stays).collect();
        let began = Instant::now();
        for &node in &others {
            self.group.nodes[node].signal(Signal::KILL)?;
        }
        let api = self.group.nodes[stays].api.clone();
        as_soon_as("500", || {
            let answer = api.get_within("/api/raft-health", LOOK_WITHIN).ok()?;
            (answer.status == 500).then_some(())
        })
        .context("the one that is left")?;
        let took = began.elapsed();
        for node in others {
            self.group.nodes[node].wait_end(LIMIT)?;
            self.group.nodes[node].start()?;
        }
        self.group.wait_healthy()?;
        Ok(took)
    }
}
