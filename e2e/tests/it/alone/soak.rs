//! Commands under faults: a short soak (`make soak MINUTES=n` is the long one), and planned ends that nobody notices.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::commands::{Commands, CommandsPlan};
use orchestrator_e2e::soak::{SoakPlan, run};
use orchestrator_e2e::{Group, GroupPlan, until};

use super::exclusive;

/// A handful of rounds.
const LASTS: Duration = Duration::from_secs(15);
/// Rounds of another seed are played by `make soak`; a story is the same each time, as far as chance permits.
const SEED: u64 = 4;
/// SIGTERM to the end.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// Commands before and after each end.
const AROUND: usize = 50;
/// Ends a hung story.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_group_that_is_killed_frozen_and_cut_at_random_keeps_what_it_acknowledged() -> Result<()> {
    let _alone = exclusive();
    let summary = run(&SoakPlan { size: 3, seed: SEED, lasts: LASTS }, |line| println!("{line}"))?;
    summary.lines().iter().for_each(|line| println!("{line}"));
    ensure!(summary.rounds > 0 && summary.acked > 20, "hardly anything happened: {summary:?}");
    Ok(())
}

/// IP address of a node's API.
fn address(group: &Group, node: usize) -> String {
    let base = group.nodes[node].api.base.trim_start_matches("http://");
    base.rsplit_once(':').map_or(base, |(host, _)| host).to_owned()
}

fn more(commands: &Commands) -> Result<()> {
    let wanted = commands.acked() + AROUND;
    until("more commands acknowledged", LIMIT, || {
        let acked = commands.acked();
        if acked >= wanted { Ok(()) } else { Err(format!("{acked} of {wanted}")) }
    })
}

#[test]
fn who_sends_commands_through_another_node_does_not_notice_a_planned_end_of_the_leader() -> Result<()> {
    let _alone = exclusive();
    let mut group = Group::start("planned", &GroupPlan::new(3).set("Debug", false))?;
    for seed in 0..3 {
        let leader = group.leader()?;
        let commands = Commands::start(&CommandsPlan {
            writers: 4,
            pace: Duration::from_millis(2),
            addresses: (0..3).filter(|node| *node != leader).map(|node| address(&group, node)).collect(),
            retry: true,
            seed,
        });
        more(&commands)?;
        let (status, took) = group.nodes[leader].terminate(ENDED_WITHIN)?;
        ensure!(status.success(), "exit {status} after {took:?}");
        more(&commands)?;
        let (_, sent) = commands.finish()?;
        let failed: Vec<_> = sent.into_iter().filter_map(|it| it.failure).collect();
        ensure!(failed.is_empty(), "failed after one retry: {failed:?}");
        group.nodes[leader].start()?;
        group.wait_healthy()?;
    }
    group.done();
    Ok(())
}
