//! Members come and go while the group runs: on demand, and by a new configuration.

use anyhow::{Result, ensure};
use orchestrator_e2e::group::HEALTHY_WITHIN;
use orchestrator_e2e::{Api, Group, GroupPlan, until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Raft addresses of some nodes, in their order.
fn names(group: &Group, nodes: &[usize]) -> Vec<String> {
    nodes.iter().map(|&i| group.nodes[i].raft.clone()).collect()
}

/// Addresses of those who vote, as a node has them, when no change is under way.
fn voters(status: &Value) -> Option<Vec<String>> {
    let membership = &status["Membership"];
    let settled = membership["Joint"] == false && membership["Committed"] == true;
    let mut voters: Vec<String> = membership["Voters"].as_array()?.iter().map(address).collect();
    voters.sort();
    settled.then_some(voters)
}

fn address(member: &Value) -> String {
    member["Addr"].as_str().unwrap_or_default().to_owned()
}

fn wait_voters(api: &Api, wanted: &[String]) -> Result<Value> {
    until(&format!("{} has the voters {wanted:?}", api.base), HEALTHY_WITHIN, || {
        let status = api.get("raft-status").and_then(|reply| reply.raw()).map_err(|e| format!("{e:#}"))?;
        if voters(&status).as_deref() == Some(wanted) { Ok(status) } else { Err(status.to_string()) }
    })
}

/// Asks for a change and wants the member's address as the answer.
fn change(api: &Api, route: &str, name: &str) -> Result<()> {
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
