//! Cut networks: who is alone has no say.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, LabPlan, Writer, WriterPlan, holds, until};

use crate::support::{RECOVERED_WITHIN, TREE, nothing_lost, recovered, sees_all, successor, writable_now};

const HOSTS: [&str; 3] = ["o1", "o2", "o3"];
/// Longer than any path from suspicion to promotion.
const NOTHING_HAPPENS_FOR: Duration = Duration::from_secs(8);

/// A lab on a bridge of its own, and a group whose nodes are hosts on it.
fn on_a_bridge(tag: &str) -> Result<(Lab, Group)> {
    let lab =
        Lab::up(tag, &LabPlan::new(Flavor::MariaDb1011, TREE).with(&["--netns", "--hosts", "o1,o2,o3"]))?;
    let mut group = Group::prepare_in(&lab, &HOSTS, &GroupPlan::for_lab(&lab)?)?;
    group.start_all()?;
    group.leader_api()?.discover(lab.server("a"))?;
    for node in &group.nodes {
        sees_all(&node.api, &lab)?;
    }
    Ok((lab, group))
}

/// The primary lives and takes writes, nobody was promoted, no recovery was written.
fn nothing_was_done(lab: &Lab, group: &Group) -> Result<()> {
    holds("nothing happens", NOTHING_HAPPENS_FOR, || {
        let writable = writable_now(lab);
        if writable == ["a"] { Ok(()) } else { Err(format!("writable: {writable:?}")) }
    })?;
    let recoveries = group.leader_api()?.recoveries_of(lab.server("a"))?;
    ensure!(recoveries.is_empty(), "{recoveries:?}");
    Ok(())
}

#[test]
fn a_leader_that_alone_is_cut_off_from_the_primary_starts_nothing() -> Result<()> {
    let (lab, group) = on_a_bridge("alone")?;
    let leader = group.leader()?;
    // It keeps its peers and sees the replicas; only the primary is out of its reach.
    lab.isolate(HOSTS[leader], &["a"])?;
    nothing_was_done(&lab, &group)?;
    lab.heal()?;
    group.done();
    Ok(())
}

#[test]
fn a_leader_that_is_cut_off_from_the_whole_fleet_starts_nothing() -> Result<()> {
    let (lab, group) = on_a_bridge("fleet")?;
    let leader = group.leader()?;
    lab.isolate(HOSTS[leader], &["a", "b", "c", "d"])?;
    nothing_was_done(&lab, &group)?;
    lab.heal()?;
    group.done();
    Ok(())
}

#[test]
fn a_leader_cut_off_from_its_peers_steps_back_and_says_so() -> Result<()> {
    let (lab, mut group) = on_a_bridge("peers")?;
    let old = group.leader()?;
    let others: Vec<&str> = HOSTS.iter().copied().filter(|h| *h != HOSTS[old]).collect();
    lab.isolate(HOSTS[old], &others)?;
    until("a new leader, and the old one unhealthy", RECOVERED_WITHIN, || {
        let leaders = group.leaders();
        let well = leaders.len() == 1 && leaders != [old] && !group.nodes[old].api.healthy();
        if well { Ok(()) } else { Err(format!("leaders {leaders:?}, was {old}")) }
    })?;
    nothing_was_done(&lab, &group)?;
    lab.heal()?;
    group.wait_healthy()?;
    ensure!(group.leaders().len() == 1, "one leader after healing: {:?}", group.leaders());
    group.done();
    Ok(())
}

#[test]
fn a_primary_whose_machine_vanished_is_replaced() -> Result<()> {
    let (lab, group) = on_a_bridge("vanish")?;
    let old = lab.server("a");
    let writer = Writer::start(WriterPlan::following(&lab));
    writer.wait_acked(50, RECOVERED_WITHIN)?;
    lab.isolate("a", &[])?;
    let recovery = recovered(&group, old)?;
    let new = successor(&lab, &recovery)?;
    writer.wait_elsewhere(old, RECOVERED_WITHIN)?;
    let ledger = writer.finish()?;
    // Asynchronous replication: what the cut server acknowledged while it was silent is not promised.
    // What was acknowledged by the new one is.
    let mut kept = ledger.clone();
    kept.writes.retain(|w| w.outcome == orchestrator_e2e::Outcome::Acked(new.id));
    nothing_lost(&kept, new)?;

    // It returns: read-only, and alone.
    lab.heal()?;
    until("one writable server", RECOVERED_WITHIN, || {
        let writable = writable_now(&lab);
        if writable == [new.letter.clone()] { Ok(()) } else { Err(format!("{writable:?}")) }
    })?;
    group.done();
    Ok(())
}
