//! Nodes are drained, lost, cut off from one another.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::PersistentVolumeClaim as Claim;
use orchestrator_e2e::k8s::{Fault, Member, Members, Orc, Story};
use orchestrator_e2e::{holds, until};
use serde_json::json;

use crate::support::{BACK_WITHIN, lead_away_from_names, no_restarts, smallest};

/// An eviction waits for the budget; a node that comes back gives its volume back to a pod.
const DRAINED: &str = "--timeout=120s";
/// From a power cut to a node that is not ready: 20 s in the lab; then a pod elsewhere, and a member replaced.
const MOVED_WITHIN: Duration = Duration::from_secs(180);
/// Longer than an election and than readiness needs to notice.
const CUT_FOR: Duration = Duration::from_secs(30);

fn node_of(member: &Member) -> Result<String> {
    member.node.clone().with_context(|| format!("{} runs nowhere", member.pod))
}

/// Drains `node` of the group's members only: the cluster's own pods are no part of the story.
fn drain(story: &Story, node: &str) -> Result<()> {
    let arguments =
        ["drain", node, "--delete-emptydir-data", "--pod-selector=app.kubernetes.io/component=raft-member"];
    story.space.cluster.kubectl(&[&arguments[..], &[DRAINED]].concat(), "").map(drop)
}

/// Takes the cordon away, however the story ends.
struct Uncordon<'s>(&'s Story, String);

impl Drop for Uncordon<'_> {
    fn drop(&mut self) {
        // It was cordoned by a drain; a node that is not changes nothing.
        let _ = self.0.space.cluster.kubectl(&["uncordon", &self.1], "");
    }
}

fn quorum(members: &Members<'_>) -> Result<(), String> {
    let all = members.all().map_err(|error| format!("{error:#}"))?;
    let healthy = all.iter().filter(|m| members.healthy(m)).count();
    if healthy >= 2 { Ok(()) } else { Err(members.told()) }
}

#[test]
fn e14_two_nodes_drained_at_once_take_one_member_at_a_time() -> Result<()> {
    let story = Story::alone("E14", "drain of the leader's node and of another at once")?;
    let nodes = story.space.cluster.kubectl(&["get", "nodes", "-o", "name"], "")?;
    if nodes.lines().count() < 2 {
        story.left_out("needs two nodes");
        return Ok(());
    }
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let leader = members.leader()?;
    let first = node_of(&leader)?;
    let other = members.all()?.into_iter().find(|m| m.pod != leader.pod).context("there are three")?;
    let second = node_of(&other)?;
    ensure!(first != second, "two members on {first}");
    let (one, two) = (Uncordon(&story, first.clone()), Uncordon(&story, second.clone()));
    std::thread::scope(|scope| -> Result<()> {
        let drains = [&first, &second].map(|node| scope.spawn(|| drain(&story, node)));
        // Volumes lie on the nodes: whoever is drained waits there, and the second drain for the budget.
        until("one of two drained", BACK_WITHIN, || {
            let done = drains.iter().filter(|drain| drain.is_finished()).count();
            quorum(&members)?;
            if done == 1 { Ok(()) } else { Err(format!("{done} of two drains have ended")) }
        })?;
        holds("the other one waits", Duration::from_secs(5), || {
            quorum(&members)?;
            let waiting = drains.iter().filter(|drain| !drain.is_finished()).count();
            if waiting == 1 { Ok(()) } else { Err("both have ended".to_owned()) }
        })?;
        let done = usize::from(!drains[0].is_finished());
        let (done, node) = if done == 0 { (one, &first) } else { (two, &second) };
        story.note(&format!("{node} is drained; back to work"));
        drop(done);
        for drain in drains {
            drain.join().unwrap_or_else(|_| anyhow::bail!("the drain panicked"))?;
        }
        quorum(&members).map_err(anyhow::Error::msg)
    })?;
    for node in [&first, &second] {
        story.space.cluster.kubectl(&["uncordon", node], "")?;
    }
    let all = members.settled(3, BACK_WITHIN)?;
    orc.wait_ready(BACK_WITHIN)?;
    no_restarts(&all)?;
    story.done();
    Ok(())
}

#[test]
fn e28_a_leader_cut_off_from_the_others_is_unready_and_not_restarted_while_the_majority_serves() -> Result<()>
{
    let story = Story::alone("E28", "the leader's node cut off from the other members")?;
    let Ok(machines) = story.space.cluster.machines() else {
        story.left_out("needs nodes that may be cut off");
        return Ok(());
    };
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let leader = lead_away_from_names(&members)?;
    let here = node_of(&leader)?;
    let others: Vec<&str> = machines.nodes.iter().map(String::as_str).filter(|node| *node != here).collect();
    let uids = members.uids()?;
    let cut = machines.divides(&here, &others)?;
    until("another leader, and the old one unready", BACK_WITHIN, || {
        let next = members.leader().map_err(|error| format!("{error:#}"))?;
        let all = members.all().map_err(|error| format!("{error:#}"))?;
        let old = all.iter().find(|m| m.pod == leader.pod).ok_or("it is gone")?;
        if next.pod != leader.pod && !old.ready { Ok(()) } else { Err(members.told()) }
    })?;
    story.note("the majority has a leader, the minority is unready");
    members.ask(&members.leader()?, "/api/disable-global-recoveries")?.details()?;
    holds("one leader, nobody restarted", CUT_FOR, || {
        quorum(&members)?;
        let all = members.all().map_err(|error| format!("{error:#}"))?;
        let leads = |m: &&Member| members.ask(m, "/api/leader-check").is_ok_and(|reply| reply.status == 200);
        let leaders = all.iter().filter(leads).count();
        if leaders <= 1 { Ok(()) } else { Err(members.told()) }
    })?;
    cut.mend()?;
    let all = members.settled(3, BACK_WITHIN)?;
    orc.wait_ready(BACK_WITHIN)?;
    no_restarts(&all)?;
    ensure!(members.uids()? == uids, "pods were replaced");
    crate::support::everybody_knows(&members, "disabled")?;
    story.done();
    Ok(())
}

/// Takes the taint away, however the story ends.
struct Untaint<'s>(&'s Story, String);

const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";

impl Drop for Untaint<'_> {
    fn drop(&mut self) {
        // Nothing to do about a failure here; the next story says that a node is missing.
        let _ = self.0.space.cluster.kubectl(&["taint", "node", &self.1, &format!("{OUT_OF_SERVICE}-")], "");
    }
}

#[test]
fn e16_a_member_on_a_dead_node_that_somebody_gives_up_moves_and_is_replaced() -> Result<()> {
    let story =
        Story::alone("E16", "power cut of a node, out-of-service taint (volumes that go with the pod)")?;
    let Ok(machines) = story.space.cluster.machines() else {
        story.left_out("needs nodes that may be killed");
        return Ok(());
    };
    let mut spec = smallest();
    spec["storage"] = json!({"ephemeral": true});
    let orc = Orc::ready(&story.space, "main", &spec)?;
    let members = orc.members();
    let voters = members.voters()?;
    let leader = members.leader()?.pod;
    let victim = members.all()?.into_iter().find(|m| m.pod != leader).context("there are three")?;
    let node = node_of(&victim)?;
    let killed = machines.breaks(&node, Fault::Killed)?;
    holds("nothing is given up by itself", Duration::from_secs(25), || {
        let uids = members.uids().map_err(|error| format!("{error:#}"))?;
        let there = uids.iter().any(|(_, uid)| *uid == victim.uid);
        if there { Ok(()) } else { Err(format!("{uids:?}")) }
    })?;
    let untaint = Untaint(&story, node.clone());
    story.space.cluster.kubectl(&["taint", "node", &node, OUT_OF_SERVICE], "")?;
    let all = members.settled(3, MOVED_WITHIN)?;
    ensure!(all.iter().all(|m| m.node.as_deref() != Some(node.as_str())), "{all:?}");
    let now = members.voters()?;
    let kept = voters.iter().filter(|id| now.contains(id)).count();
    ensure!(kept == 2, "voters {now:?}, before {voters:?}");
    drop(untaint);
    killed.mend()?;
    orc.wait_ready(BACK_WITHIN)?;
    story.done();
    Ok(())
}

#[test]
fn members_of_a_killed_node_come_back_with_it_as_the_same_members() -> Result<()> {
    let story = Story::alone("C06", "power cut of a node, back after it was not ready")?;
    let Ok(machines) = story.space.cluster.machines() else {
        story.left_out("needs nodes that may be killed");
        return Ok(());
    };
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let voters = members.voters()?;
    let node = node_of(&members.leader()?)?;
    let killed = machines.breaks(&node, Fault::Killed)?;
    until("the node is known to be lost", MOVED_WITHIN, || {
        let all = members.all().map_err(|error| format!("{error:#}"))?;
        let lost = all.iter().any(|m| m.node.as_deref() == Some(node.as_str()) && !m.ready);
        quorum(&members)?;
        if lost { Ok(()) } else { Err(members.told()) }
    })?;
    let told = orc.object()?.status.unwrap_or_default();
    story.note(&format!("{:?}", told.conditions.iter().map(|c| &c.message).collect::<Vec<_>>()));
    killed.mend()?;
    members.settled(3, MOVED_WITHIN)?;
    orc.wait_ready(MOVED_WITHIN)?;
    ensure!(members.voters()? == voters, "numbers changed: {:?}, before {voters:?}", members.voters()?);
    ensure!(story.space.list::<Claim>("")?.len() == 3, "volumes");
    story.done();
    Ok(())
}
