//! Members that no operator looks after: what Kubernetes and the service do by themselves.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use orchestrator_e2e::k8s::{Clients, Members, Plain, Story};
use orchestrator_e2e::until::until_every;

use crate::support::{BACK_WITHIN, everybody_knows, lead_away_from_names};

/// How often all pods are deleted.
const ROUNDS: usize = 20;
/// What we promise: from the moment at which a majority of the new processes runs.
const QUORUM_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The first one pulls nothing, but three volumes are made.
const FORMED_WITHIN: Duration = Duration::from_secs(90);
/// Answered by every member: some of it by the leader, some by whoever is asked.
const PATHS: &[&str] =
    &["/api/clusters", "/api/check-global-recoveries", "/api/raft-leader", "/web/clusters"];
const REQUESTS: usize = 1000;

/// When a majority of new processes ran, and when it was healthy.
struct Round {
    ran: Duration,
    healthy: Duration,
}

fn delete_all(story: &Story, members: &Members<'_>) -> Result<Round> {
    let before = members.uids()?;
    let began = Instant::now();
    story.space.kubectl(&["delete", "pods", "--all", "--wait=false"])?;
    let mut ran = None;
    let healthy = until_every(LOOK_EVERY, "a healthy majority of new pods", BACK_WITHIN, || {
        let all = members.all().map_err(|error| format!("{error:#}"))?;
        let new: Vec<_> = all.iter().filter(|m| !before.iter().any(|(_, uid)| *uid == m.uid)).collect();
        let majority = before.len() / 2 + 1;
        if ran.is_none() && new.iter().filter(|m| members.lives(m)).count() >= majority {
            ran = Some(began.elapsed());
        }
        let healthy = new.iter().filter(|m| members.healthy(m)).count();
        if healthy >= majority { Ok(began.elapsed()) } else { Err(members.told()) }
    })?;
    Ok(Round { ran: ran.unwrap_or(healthy), healthy })
}

#[test]
fn p01_all_pods_deleted_at_once_with_new_addresses_have_a_quorum_in_five_seconds_each_time() -> Result<()> {
    let story = Story::alone("P01", "all pods deleted at once, without an operator, 20 times")?;
    let plain = Plain::apply(&story.space, "main", 3)?;
    let members = plain.members();
    let first = members.settled(3, FORMED_WITHIN)?;
    story.note("three members formed a group");
    members.ask(&first[0], "/api/disable-global-recoveries")?.details()?;
    let voters = members.voters()?;
    let mut late = Vec::new();
    let mut moved = 0;
    for round in 1..=ROUNDS {
        let old = members.all()?;
        let Round { ran, healthy } = delete_all(&story, &members)?;
        let took = healthy.saturating_sub(ran);
        let new = members.settled(3, BACK_WITHIN)?;
        moved += new.iter().zip(&old).filter(|(new, old)| new.ip != old.ip).count();
        story.note(&format!(
            "round {round}: processes ran after {:.1} s, quorum {:.2} s later",
            ran.as_secs_f64(),
            took.as_secs_f64()
        ));
        if took > QUORUM_WITHIN {
            late.push(format!("round {round}: {took:?}"));
        }
    }
    ensure!(late.is_empty(), "{late:?}");
    ensure!(moved > ROUNDS, "only {moved} new addresses: the story tells nothing");
    ensure!(members.voters()? == voters, "other members than before: {:?} and {voters:?}", members.voters()?);
    everybody_knows(&members, "disabled")?;
    story.done();
    Ok(())
}

#[test]
fn p02_clients_of_the_service_are_served_while_members_are_killed_ended_and_drained() -> Result<()> {
    let story = Story::alone(
        "P02",
        "1,000 requests through the Service during each of four disturbances, no operator",
    )?;
    let plain = Plain::apply(&story.space, "main", 3)?;
    let members = plain.members();
    members.settled(3, FORMED_WITHIN)?;
    let mut broken = Vec::new();
    let mut during = |what: &str, disturb: &dyn Fn() -> Result<()>| -> Result<()> {
        let clients = Clients::of(&story.space, "main", PATHS, REQUESTS)?;
        let disturbed = disturb();
        let tally = clients.ended()?;
        disturbed?;
        story.note(&format!(
            "{what}: {} requests, {} asked twice, {} failed, longest {:?} {:#?}",
            tally.asked,
            tally.again,
            tally.failed.len(),
            tally.longest,
            tally.failed
        ));
        if let Err(error) = tally.all_good() {
            broken.push(format!("{what}: {error:#}"));
        }
        members.settled(3, BACK_WITHIN).map(drop)
    };
    during("the leader ended", &|| story.space.delete::<Pod>(&members.leader()?.pod))?;
    during("a member killed", &|| {
        let name = members.leader()?.pod;
        story.space.kubectl(&["delete", "pod", &name, "--grace-period=0", "--force"]).map(drop)
    })?;
    during("all members ended one after the other", &|| {
        for member in members.all()? {
            story.space.delete::<Pod>(&member.pod)?;
            until_every(LOOK_EVERY, "another pod", BACK_WITHIN, || {
                let new = members.all().map_err(|error| format!("{error:#}"))?;
                let gone = !new.iter().any(|m| m.uid == member.uid);
                if gone && new.len() == 3 { Ok(()) } else { Err("the old one is there".to_owned()) }
            })?;
            members.settled(3, BACK_WITHIN)?;
        }
        Ok(())
    })?;
    if let Ok(machines) = story.space.cluster.machines() {
        during("the leader's node cut off from the other members", &|| {
            let leader = lead_away_from_names(&members)?;
            let here = leader.node.clone().unwrap_or_default();
            let others: Vec<&str> =
                machines.nodes.iter().map(String::as_str).filter(|node| **node != here).collect();
            let cut = machines.divides(&here, &others)?;
            until_every(
                LOOK_EVERY,
                "another leader, and the old one out of the Service",
                BACK_WITHIN,
                || {
                    let all = members.all().map_err(|error| format!("{error:#}"))?;
                    let old = all.iter().find(|m| m.pod == leader.pod).ok_or("it is gone")?;
                    let leads = members.leader().map_err(|error| format!("{error:#}"))?;
                    if leads.pod != leader.pod && !old.ready { Ok(()) } else { Err(members.told()) }
                },
            )?;
            cut.mend()
        })?;
    }
    ensure!(broken.is_empty(), "{broken:#?}");
    story.done();
    Ok(())
}
