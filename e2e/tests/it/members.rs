//! Members come and go while the group runs: on demand, and by a new configuration.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use orchestrator_e2e::group::HEALTHY_WITHIN;
use orchestrator_e2e::{Api, Group, GroupPlan, holds, until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Raft addresses of some nodes, in their order.
pub(crate) fn names(group: &Group, nodes: &[usize]) -> Vec<String> {
    nodes.iter().map(|&i| group.nodes[i].raft.clone()).collect()
}

/// Addresses of those who vote, as a node has them, when no change is under way.
pub(crate) fn voters(status: &Value) -> Option<Vec<String>> {
    let membership = &status["Membership"];
    let settled = membership["Joint"] == false && membership["Committed"] == true;
    let mut voters: Vec<String> = membership["Voters"].as_array()?.iter().map(address).collect();
    voters.sort();
    settled.then_some(voters)
}

fn address(member: &Value) -> String {
    member["Addr"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn wait_voters(api: &Api, wanted: &[String]) -> Result<Value> {
    until(&format!("{} has the voters {wanted:?}", api.base), HEALTHY_WITHIN, || {
        let status = api.get("raft-status").and_then(|reply| reply.raw()).map_err(|e| format!("{e:#}"))?;
        if voters(&status).as_deref() == Some(wanted) { Ok(status) } else { Err(status.to_string()) }
    })
}

/// Asks for a change and wants the member's address as the answer.
pub(crate) fn change(api: &Api, route: &str, name: &str) -> Result<()> {
    let answer = api.get(&format!("{route}/{name}"))?.raw()?;
    ensure!(answer == name, "{route}: {answer}");
    Ok(())
}

fn refused(api: &Api, route: &str, message: &str) -> Result<()> {
    let reply = api.get(route)?;
    ensure!(reply.status == 500 && reply.body["Message"] == message, "{route}: {reply:?}");
    Ok(())
}

#[test]
fn a_group_grows_from_one_to_three_and_shrinks_back_on_demand() -> Result<()> {
    let mut group = Group::prepare("members", &GroupPlan::new(3))?;
    let all = names(&group, &[0, 1, 2]);
    group.nodes[0].configure("RaftNodes", json!([all[0]]))?;
    group.nodes[0].start()?;
    group.wait_healthy()?;
    let first = group.nodes[0].api.clone();
    let status = wait_voters(&first, &all[..1])?;
    ensure!(status["DataState"] == "Present" && status["Differing"] == json!([]), "{status}");

    for i in [1, 2] {
        group.nodes[i].start()?;
        let api = &group.nodes[i].api;
        until("the new node answers", HEALTHY_WITHIN, || {
            api.get("raft-status").map(drop).map_err(|e| format!("{e:#}"))
        })?;
    }
    change(&first, "raft-add-peer", &all[1])?;
    // From here on there is somebody else to ask.
    let follower = group.nodes[1].api.clone();
    until("the new member follows", HEALTHY_WITHIN, || {
        if follower.healthy() { Ok(()) } else { Err("not healthy") }
    })?;
    change(&follower, "raft-add-peer", &all[2])?;
    group.wait_healthy()?;
    for node in &group.nodes {
        wait_voters(&node.api, &all)?;
    }
    refused(&follower, &format!("raft-add-peer/{}", all[2]), "Cannot add raft peer: peer already known")?;
    refused(&follower, "raft-remove-peer/nobody", "Cannot remove raft peer: peer is unknown")?;

    group.lead_with(0)?;
    change(&follower, "raft-remove-peer", &all[2])?;
    change(&follower, "raft-remove-peer", &all[1])?;
    let status = wait_voters(&first, &all[..1])?;
    ensure!(status["State"] == "Leader", "{status}");
    until("whoever was removed says so", HEALTHY_WITHIN, || {
        let status = group.nodes[2].api.get("raft-status").map_err(|e| format!("{e:#}"))?.body;
        let says = status["Removed"] == true && status["Healthy"] == false;
        if says { Ok(()) } else { Err(status.to_string()) }
    })?;
    group.done();
    Ok(())
}

#[test]
fn a_dead_node_is_replaced_by_a_new_list_and_a_signal_alone() -> Result<()> {
    let mut group = Group::prepare("replaced", &GroupPlan::new(4))?;
    let (before, after) = (names(&group, &[0, 1, 2]), names(&group, &[0, 1, 3]));
    for i in 0..3 {
        group.nodes[i].configure("RaftNodes", json!(before))?;
        group.nodes[i].start()?;
    }
    group.wait_healthy()?;
    wait_voters(&group.nodes[0].api, &before)?;

    group.nodes[2].kill9()?;
    group.nodes[3].configure("RaftNodes", json!(after))?;
    group.nodes[3].start()?;
    for i in 0..2 {
        group.nodes[i].configure("RaftNodes", json!(after))?;
        group.nodes[i].signal(Signal::HUP)?;
    }
    for i in [0, 1, 3] {
        wait_voters(&group.nodes[i].api, &after)?;
    }
    group.wait_healthy()?;
    group.done();
    Ok(())
}

#[test]
fn a_node_may_be_added_before_it_is_started_and_by_its_host_alone() -> Result<()> {
    let mut group = Group::prepare("early", &GroupPlan::new(2))?;
    let all = names(&group, &[0, 1]);
    group.nodes[0].configure("RaftNodes", json!([all[0]]))?;
    group.nodes[0].start()?;
    group.wait_healthy()?;
    let first = group.nodes[0].api.clone();
    let host = all[1].split(':').next().unwrap_or_default().to_owned();
    let answer = std::thread::scope(|scope| {
        let (asked, before) = (first.clone(), Instant::now());
        let adding = scope.spawn(move || asked.get(&format!("raft-add-peer/{host}")));
        // Nothing listens there yet, and nobody is turned away for it.
        holds("the call waits", Duration::from_secs(2), || {
            if adding.is_finished() { Err(format!("answered after {:?}", before.elapsed())) } else { Ok(()) }
        })?;
        group.nodes[1].start()?;
        adding.join().map_err(|_| anyhow!("the call panicked"))?
    })?;
    ensure!(answer.raw()? == all[1].as_str(), "not the member's address");
    group.wait_healthy()?;
    wait_voters(&first, &all)?;
    group.done();
    Ok(())
}

#[test]
fn a_list_that_differs_is_named_on_every_node() -> Result<()> {
    let mut group = Group::start("differing", &GroupPlan::new(3))?;
    let all = names(&group, &[0, 1, 2]);
    for odd in [group.leader()?, (group.leader()? + 1) % 3] {
        let short: Vec<&String> = all.iter().filter(|name| **name != all[(odd + 1) % 3]).collect();
        group.nodes[odd].configure("RaftNodes", json!(short))?;
        group.nodes[odd].signal(Signal::HUP)?;
        for node in &group.nodes {
            until("who differs is named", HEALTHY_WITHIN, || {
                let status = node.api.get("raft-status").and_then(|reply| reply.raw());
                let differing = status.map_err(|e| format!("{e:#}"))?["Differing"].to_string();
                let other = if node.raft == all[odd] { &all[(odd + 1) % 3] } else { &all[odd] };
                if differing.contains(other.as_str()) { Ok(()) } else { Err(differing) }
            })?;
        }
        wait_voters(&group.nodes[odd].api, &all)?;
        group.nodes[odd].configure("RaftNodes", json!(all))?;
        group.nodes[odd].signal(Signal::HUP)?;
        for node in &group.nodes {
            until("nobody differs", HEALTHY_WITHIN, || {
                let status = node.api.get("raft-status").and_then(|reply| reply.raw());
                let differing = status.map_err(|e| format!("{e:#}"))?["Differing"].clone();
                if differing == json!([]) { Ok(()) } else { Err(differing) }
            })?;
        }
    }
    group.done();
    Ok(())
}
