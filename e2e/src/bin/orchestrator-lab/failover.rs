//! `make bench-failover`: from the failure of a primary to the first acknowledged write on its successor.
//!
//! Each run has a fresh lab and a fresh group: a primary, two replicas, three nodes, one insert each ten milliseconds.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::writer::interleaved;
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, LabPlan, WritableWatch, Writer, WriterPlan, until};
use rustix::process::Signal;

use crate::figures::{percentile, seconds};

/// Runs of each row.
pub(crate) const RUNS: usize = 20;
/// Ends a run that hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Life before the failure, and on the successor after it.
const WRITES_AROUND: usize = 50;

#[derive(Clone, Copy)]
enum Failure {
    Killed,
    Frozen,
}

impl Failure {
    fn name(self) -> &'static str {
        match self {
            Self::Killed => "kill -9",
            Self::Frozen => "frozen, replica_net_timeout 4 s",
        }
    }

    /// What the original took on the same machine with one-second polling: p50 / p99.
    fn original(self) -> &'static str {
        match self {
            Self::Killed => "2.33 / 3.17",
            Self::Frozen => "7.9 / 10.5",
        }
    }

    fn reach(self) -> &'static str {
        match self {
            Self::Killed => "0.30 / 0.80",
            Self::Frozen => "4 / 5",
        }
    }
}

struct Run {
    took: Duration,
    two_writers: usize,
    lost: usize,
}

/// Prints the table.
pub(crate) fn bench(runs: usize) -> Result<()> {
    println!(
        "| failure | server | runs | p50 s | p99 s | max s | to reach p50 / p99 | the original p50 / p99 | runs with two writers | acknowledged rows lost |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for failure in [Failure::Killed, Failure::Frozen] {
        for flavor in [Flavor::Mysql97, Flavor::MariaDb1011] {
            let done: Vec<Run> = (0..runs).map(|_| one(flavor, failure)).collect::<Result<_>>()?;
            let took: Vec<Duration> = done.iter().map(|r| r.took).collect();
            println!(
                "| {} | {} | {runs} | {} | {} | {} | {} | {} | {} | {} |",
                failure.name(),
                flavor.name(),
                seconds(percentile(&took, 50)),
                seconds(percentile(&took, 99)),
                seconds(percentile(&took, 100)),
                failure.reach(),
                failure.original(),
                done.iter().filter(|r| r.two_writers > 0).count(),
                done.iter().map(|r| r.lost).sum::<usize>(),
            );
        }
    }
    Ok(())
}

fn one(flavor: Flavor, failure: Failure) -> Result<Run> {
    let plan = LabPlan::new(flavor, "a>b,a>c").with(&["--semi-sync", "--semi-sync-timeout", "3600000"]);
    let lab = Lab::up("bench", &plan)?;
    let group = Group::start("bench", &GroupPlan::for_lab(&lab)?.set("Debug", false))?;
    let api = group.leader_api()?;
    api.discover(lab.server("a"))?;
    until("all nodes see all servers", LIMIT, || {
        for (node, server) in group.nodes.iter().flat_map(|n| lab.servers().map(move |s| (n, s))) {
            let seen = node.api.instance(server).map_err(|e| format!("{e:#}"))?;
            if seen["IsLastCheckValid"] != true {
                return Err(format!("{} is not valid", server.letter));
            }
        }
        Ok(())
    })?;
    let run = fail(&lab, failure)?;
    group.done();
    Ok(run)
}

fn fail(lab: &Lab, failure: Failure) -> Result<Run> {
    let old = lab.server("a");
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(WRITES_AROUND, LIMIT)?;
    let at = match failure {
        Failure::Killed => old.signal(Signal::KILL)?,
        Failure::Frozen => old.signal(Signal::STOP)?,
    };
    let (first, by) = writer.wait_elsewhere(old, LIMIT)?;
    writer.wait_acked(WRITES_AROUND, LIMIT)?;
    let ledger = writer.finish()?;
    let new = lab.servers().find(|s| s.id == by);
    ensure!(new.is_some(), "server {by} is not in the lab");
    let lost = new.map(|s| ledger.lost_on(s)).transpose()?.unwrap_or_default();
    let two_writers = watch.finish()?.len() + interleaved(&[&ledger]).len();
    Ok(Run { took: first.ended - at, two_writers, lost: lost.len() })
}
