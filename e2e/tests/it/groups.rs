//! Raft groups of real processes, without any MySQL server.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::group::LEADER_WITHIN;
use orchestrator_e2e::{Group, GroupPlan, holds, until};
use rustix::process::Signal;

/// A planned end must not outlive what a supervisor allows.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

fn all_at_once(size: usize) -> Result<()> {
    let group = Group::start("group", &GroupPlan::new(size))?;
    let leader = group.leader()?;
    ensure!(group.leaders() == [leader], "leaders: {:?}", group.leaders());
    // All name the same leader and the same members.
    let status = |i: usize| group.nodes[i].api.get("raft-status")?.raw();
    let first = status(0)?;
    for i in 0..size {
        let mine = status(i)?;
        ensure!(mine["Leader"] == first["Leader"], "node {i}: {mine} against {first}");
        ensure!(mine["Peers"].as_array().map(Vec::len) == Some(size), "node {i}: {mine}");
    }
    group.done();
    Ok(())
}

#[test]
fn one_node_is_a_group() -> Result<()> {
    all_at_once(1)
}

#[test]
fn three_nodes_started_at_once_are_one_group() -> Result<()> {
    all_at_once(3)
}

#[test]
fn five_nodes_started_at_once_are_one_group() -> Result<()> {
    all_at_once(5)
}

#[test]
fn nodes_started_one_by_one_are_one_group() -> Result<()> {
    let mut group = Group::prepare("onebyone", &GroupPlan::new(3))?;
    group.nodes[2].start()?;
    // One of three is no quorum, and says so.
    holds("no leader without a quorum", Duration::from_secs(2), || {
        if group.leaders().is_empty() && !group.nodes[2].api.healthy() { Ok(()) } else { Err("it leads") }
    })?;
    group.nodes[1].start()?;
    group.nodes[0].start()?;
    group.wait_healthy()?;
    ensure!(group.leaders().len() == 1, "leaders: {:?}", group.leaders());
    group.done();
    Ok(())
}

#[test]
fn a_killed_leader_is_followed_by_another_and_returns_as_a_follower() -> Result<()> {
    let mut group = Group::start("killed", &GroupPlan::new(3))?;
    let old = group.leader()?;
    group.nodes[old].kill9()?;
    until("another leader", LEADER_WITHIN, || match group.leaders()[..] {
        [new] if new != old => Ok(()),
        _ => Err(format!("{:?}", group.leaders())),
    })?;
    group.nodes[old].start()?;
    group.wait_healthy()?;
    ensure!(!group.nodes[old].api.leads(), "the one that returned leads at once");
    group.done();
    Ok(())
}

#[test]
fn a_frozen_leader_is_followed_by_another_and_does_not_lead_after_the_thaw() -> Result<()> {
    let mut group = Group::start("stopped", &GroupPlan::new(3))?;
    let old = group.leader()?;
    group.nodes[old].signal(Signal::STOP)?;
    let new = until("another leader", LEADER_WITHIN, || {
        let found = (0..3).find(|&i| i != old && group.nodes[i].api.leads());
        found.ok_or("nobody else leads")
    })?;
    group.nodes[old].signal(Signal::CONT)?;
    until("the thawed one knows that it does not lead", LEADER_WITHIN, || {
        let leaders = group.leaders();
        if leaders == [new] { Ok(()) } else { Err(format!("{leaders:?}")) }
    })?;
    group.wait_healthy()?;
    group.done();
    Ok(())
}

#[test]
fn without_a_quorum_nobody_is_healthy_and_with_it_all_are_again() -> Result<()> {
    let mut group = Group::start("quorum", &GroupPlan::new(3))?;
    let survivor = group.leader()?;
    let others: Vec<usize> = (0..3).filter(|&i| i != survivor).collect();
    for &i in &others {
        group.nodes[i].kill9()?;
    }
    until("the survivor says that it is unhealthy", LEADER_WITHIN, || {
        let reply = group.nodes[survivor].api.get("raft-health").map_err(|e| e.to_string())?;
        if reply.status == 500 && reply.body["Code"] == "ERROR" { Ok(()) } else { Err(format!("{reply:?}")) }
    })?;
    ensure!(!group.nodes[survivor].api.leads(), "it leads without a quorum");
    for &i in &others {
        group.nodes[i].start()?;
    }
    group.wait_healthy()?;
    group.done();
    Ok(())
}

#[test]
fn a_leader_told_to_end_hands_over_and_ends_well() -> Result<()> {
    let mut group = Group::start("sigterm", &GroupPlan::new(3))?;
    let old = group.leader()?;
    let (status, took) = group.nodes[old].terminate(ENDED_WITHIN)?;
    ensure!(status.success(), "exit {status} after {took:?}");
    let leaders = group.leaders();
    ensure!(leaders.len() == 1 && leaders != [old], "handed over before the end: {leaders:?}");
    group.done();
    Ok(())
}

#[test]
fn what_was_committed_survives_a_restart_of_everybody() -> Result<()> {
    let mut group = Group::start("restart", &GroupPlan::new(3))?;
    group.leader_api()?.get("disable-global-recoveries")?.details()?;
    for node in &mut group.nodes {
        node.kill9()?;
    }
    group.start_all()?;
    let said = group.leader_api()?.get("check-global-recoveries")?.details()?;
    ensure!(said == "disabled", "after the restart: {said}");
    group.done();
    Ok(())
}
