//! Image and configuration reach the members: one after the other, the leader last, and no further than the first
//! one that does not come back.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use orchestrator_crds::{ConditionStatus, ConditionType};
use orchestrator_e2e::k8s::{Clients, Members, Orc, Story, image};
use orchestrator_e2e::{holds, until};
use serde_json::{Value, json};

use crate::support::{BACK_WITHIN, smallest};

/// Three members, each waited for.
const ROLLED_WITHIN: Duration = Duration::from_secs(240);
/// An image that nobody has.
const BAD: &str = "orchestrator:there-is-none";
/// So long it is watched that a roll has stopped.
const STOPS_FOR: Duration = Duration::from_secs(20);
const PATHS: &[&str] = &["/api/clusters", "/api/check-global-recoveries", "/api/raft-leader"];

/// The same image under another name, in every node.
fn next_image(story: &Story) -> Result<String> {
    let machines = story.space.cluster.machines()?;
    let (now, next) = (image(), format!("{}-next", image()));
    for node in &machines.nodes {
        let name = |image: &str| format!("docker.io/library/{image}");
        let tag = ["ctr", "-n", "k8s.io", "images", "tag", "--force", &name(&now), &name(&next)];
        machines.run(node, &tag)?;
    }
    Ok(next)
}

/// In which order pods became others while `change` was carried out.
fn order(orc: &Orc<'_>, change: impl FnOnce() -> Result<()>) -> Result<Vec<String>> {
    let (members, ended) = (orc.members(), AtomicBool::new(false));
    let mut known = members.uids()?;
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                for pod in members.uids().unwrap_or_default() {
                    if !known.contains(&pod) {
                        seen.lock().expect("nobody panics here").push(pod.0.clone());
                        known.push(pod);
                    }
                }
            }
        });
        let changed = change();
        ended.store(true, Ordering::Relaxed);
        changed
    })?;
    Ok(seen.into_inner().unwrap_or_default())
}

fn leader_term(members: &Members<'_>) -> Result<(String, u64)> {
    let leader = members.leader()?;
    Ok((leader.pod.clone(), members.status(&leader)?.term))
}

fn with_image(image: &str) -> Value {
    json!({"image": image})
}

#[test]
fn e10_an_upgrade_goes_through_the_followers_first_and_hands_leadership_over_once() -> Result<()> {
    let story = Story::begin("E10", "image upgrade, leader last")?;
    let Ok(next) = next_image(&story) else {
        story.left_out("needs the nodes of a lab, to give them a second image");
        return Ok(());
    };
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let (leader, term) = leader_term(&members)?;
    let clients = Clients::of(&story.space, "main", PATHS, 1000)?;
    let order = order(&orc, || {
        orc.set(&with_image(&next))?;
        orc.wait_ready(ROLLED_WITHIN)
    })?;
    let tally = clients.ended()?;
    story.note(&format!("{leader} led; order {order:?}; {} requests, {} twice", tally.asked, tally.again));
    ensure!(order.len() == 3 && order.last() == Some(&leader), "{leader} led, order {order:?}");
    let (_, after) = leader_term(&members)?;
    ensure!(after <= term + 1, "{} elections", after - term);
    ensure!(members.all()?.iter().all(|m| m.image == next), "{:?}", members.all()?);
    tally.all_good()?;
    story.done();
    Ok(())
}

#[test]
fn e11_an_upgrade_begins_with_the_member_that_is_broken_already() -> Result<()> {
    let story = Story::begin("E11", "upgrade with member 0 broken")?;
    let Ok(next) = next_image(&story) else {
        story.left_out("needs the nodes of a lab, to give them a second image");
        return Ok(());
    };
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    story.space.kubectl(&["set", "image", "pod/main-0", &format!("orchestrator={BAD}")])?;
    until("member 0 broken", BACK_WITHIN, || {
        let all = orc.members().all().map_err(|error| format!("{error:#}"))?;
        let broken = all.iter().any(|m| m.pod == "main-0" && !m.ready);
        if broken { Ok(()) } else { Err(format!("{all:?}")) }
    })?;
    let clients = Clients::of(&story.space, "main", PATHS, 500)?;
    let order = order(&orc, || {
        orc.set(&with_image(&next))?;
        orc.wait_ready(ROLLED_WITHIN)
    })?;
    clients.ended()?.all_good()?;
    ensure!(order.first().is_some_and(|pod| pod == "main-0") && order.len() == 3, "{order:?}");
    story.done();
    Ok(())
}

/// Waits until a pod hangs because of its image; which one.
fn hangs(members: &Members<'_>, but: &[String]) -> Result<String> {
    until("a member that does not come back", ROLLED_WITHIN, || {
        let all = members.all().map_err(|error| format!("{error:#}"))?;
        let stuck = all.iter().find(|m| m.image == BAD && !m.ready && !but.contains(&m.pod));
        stuck.map(|m| m.pod.clone()).ok_or_else(|| format!("{all:?}"))
    })
}

#[test]
fn e12_a_bad_image_stops_after_one_member_and_a_good_one_heals_even_without_a_quorum() -> Result<()> {
    let story =
        Story::begin("E12", "bad image: stops after one; heals, also when a second one was deleted by hand")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let good = image();
    orc.set(&with_image(BAD))?;
    let first = hangs(&members, &[])?;
    let before = members.uids()?;
    holds("the other members are left alone", STOPS_FOR, || {
        let now = members.uids().map_err(|error| format!("{error:#}"))?;
        if now == before { Ok(()) } else { Err(format!("{now:?}")) }
    })?;
    let told = orc.condition(ConditionType::Degraded)?;
    story.note(&format!("{}: {}", told.reason, told.message));
    ensure!(told.message.contains(&first) && told.message.contains(BAD), "{told:?} does not name {first}");
    // Somebody deletes one more, and the quorum is lost.
    let second = members.all()?.into_iter().find(|m| m.pod != first).context("there are three")?;
    story.space.delete::<Pod>(&second.pod)?;
    hangs(&members, &[first])?;
    orc.wait(ConditionType::QuorumLost, ConditionStatus::True, ROLLED_WITHIN)?;
    orc.set(&with_image(&good))?;
    orc.wait_ready(ROLLED_WITHIN)?;
    members.settled(3, BACK_WITHIN)?;
    story.done();
    Ok(())
}

#[test]
fn e13_a_key_that_can_be_reloaded_restarts_nobody_another_restarts_all_a_reserved_one_is_refused()
-> Result<()> {
    let story = Story::begin("E13", "configuration: reload, restart, reserved key")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let before = members.uids()?;
    orc.set(&json!({"config": {"ReadOnly": true}}))?;
    orc.wait_ready(ROLLED_WITHIN)?;
    ensure!(members.uids()? == before, "pods were restarted");
    for member in members.all()? {
        let refused = members.ask(&member, "/api/disable-global-recoveries")?;
        ensure!(refused.status != 200, "{} takes commands: {refused:?}", member.pod);
    }
    story.note("reloaded without a restart");
    let (leader, _) = leader_term(&members)?;
    let order = order(&orc, || {
        orc.set(&json!({"config": {"ReadOnly": false, "InstancePollSeconds": 7}}))?;
        orc.wait_ready(ROLLED_WITHIN)
    })?;
    ensure!(order.len() == 3 && order.last() == Some(&leader), "{leader} led, order {order:?}");
    story.note("restarted, the leader last");
    match orc.set(&json!({"config": {"RaftNodes": ["elsewhere:10008"]}})) {
        Err(refused) => story.note(&format!("{refused:#}")),
        Ok(()) => bail!("a reserved key was accepted"),
    }
    story.done();
    Ok(())
}
