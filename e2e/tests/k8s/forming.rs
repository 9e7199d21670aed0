//! A group comes to be, and clients reach it.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Service};
use orchestrator_crds::EventReason;
use orchestrator_e2e::dice::Dice;
use orchestrator_e2e::k8s::{Clients, Orc, Story};
use orchestrator_e2e::until;
use serde_json::json;

use crate::support::{BACK_WITHIN, everybody_knows, no_restarts, smallest};

/// Answered by every member.
const PATHS: &[&str] = &["/api/clusters", "/api/check-global-recoveries", "/api/raft-leader"];
const KILLS: usize = 4;
/// What clients who ask twice must be answered, as a share.
const GOOD: f64 = 0.995;

#[test]
fn e02_a_minimal_object_becomes_a_ready_group_of_three_voters_by_one_bootstrap() -> Result<()> {
    let story = Story::begin("E02", "minimal object: ready, one leader, three voters, one bootstrap")?;
    let orc = Orc::ready(&story.space, "main", &json!({}))?;
    story.note("ready");
    let members = orc.members().settled(3, BACK_WITHIN)?;
    let status = orc.object()?.status.unwrap_or_default();
    ensure!(status.voters == Some(3) && status.healthy_voters == Some(3), "{status:?}");
    let leader = status.leader.and_then(|leader| leader.pod);
    ensure!(leader == Some(orc.members().leader()?.pod), "the status names {leader:?}");
    no_restarts(&members)?;
    let bootstraps =
        orc.events()?.iter().filter(|e| **e == EventReason::ClusterBootstrapped.to_string()).count();
    ensure!(bootstraps == 1, "{bootstraps} bootstraps: {:?}", orc.events()?);
    let shown = story.space.kubectl(&["get", "orc"])?;
    println!("{shown}");
    let row: Vec<&str> = shown.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    ensure!(row.starts_with(&["main", "True", "Running"]), "{shown}");
    story.done();
    Ok(())
}

#[test]
fn e03_clients_of_the_service_are_served_while_members_are_killed_at_random() -> Result<()> {
    let story = Story::begin("E03", "Service while random members are killed one after the other")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let clients = Clients::of(&story.space, "main", PATHS, 1000)?;
    let mut dice = Dice::new(u64::from(std::process::id()));
    for _ in 0..KILLS {
        let members = orc.members().all()?;
        let victim = &members[dice.below(members.len())];
        story.note(&format!("killing {}", victim.pod));
        story.space.kubectl(&["delete", "pod", &victim.pod, "--grace-period=0", "--force"])?;
        until("another pod in its place", BACK_WITHIN, || {
            let all = orc.members().uids().map_err(|error| format!("{error:#}"))?;
            let new = all.len() == 3 && !all.iter().any(|(_, uid)| *uid == victim.uid);
            if new { Ok(()) } else { Err(format!("{all:?}")) }
        })?;
        orc.members().settled(3, BACK_WITHIN)?;
    }
    let tally = clients.ended()?;
    story.note(&format!("{} asked, {} twice, good {:.4}", tally.asked, tally.again, tally.good()));
    ensure!(tally.good() >= GOOD, "{tally:?}");
    orc.members().settled(3, BACK_WITHIN)?;
    story.done();
    Ok(())
}

#[test]
fn e04_a_command_given_to_a_follower_is_carried_out_and_known_to_all() -> Result<()> {
    let story = Story::begin("E04", "a command through a follower and through the Service")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let leader = members.leader()?;
    for follower in members.all()?.iter().filter(|member| member.pod != leader.pod) {
        members.ask(follower, "/api/disable-global-recoveries")?.details()?;
        everybody_knows(&members, "disabled")?;
        members.ask(follower, "/api/enable-global-recoveries")?.details()?;
        everybody_knows(&members, "enabled")?;
    }
    let service = story.space.get::<Service>("main")?.and_then(|s| s.spec).unwrap_or_default();
    let ip = service.cluster_ip.unwrap_or_default();
    let cluster = story.space.cluster;
    cluster.ask_service(&story.space.name, "main", &ip, 80, "/api/disable-global-recoveries")?.details()?;
    everybody_knows(&members, "disabled")?;
    story.space.delete::<Pod>(&leader.pod)?;
    members.settled(3, BACK_WITHIN)?;
    everybody_knows(&members, "disabled")?;
    story.done();
    Ok(())
}
