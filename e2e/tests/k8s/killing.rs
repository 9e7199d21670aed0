//! Pods go, and come back with other addresses.

use std::time::Instant;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use orchestrator_e2e::k8s::{Orc, Story};
use orchestrator_e2e::until;

use crate::support::{BACK_WITHIN, everybody_knows, smallest};

const KILLS: usize = 20;

#[test]
fn e05_the_leaders_pod_is_deleted_twenty_times_and_comes_back_as_the_same_member() -> Result<()> {
    let story = Story::begin("E05", "the leader's pod deleted 20 times")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let voters = members.voters()?;
    let mut same_address = 0;
    for round in 1..=KILLS {
        let leader = members.leader()?;
        let began = Instant::now();
        story.space.delete::<Pod>(&leader.pod)?;
        until("another leads", BACK_WITHIN, || match members.leader() {
            Ok(next) if next.uid != leader.uid => Ok(()),
            other => Err(format!("{other:?}")),
        })?;
        let next = began.elapsed();
        until("another pod of that name", BACK_WITHIN, || {
            let all = members.all().map_err(|error| format!("{error:#}"))?;
            let new = all.iter().any(|m| m.pod == leader.pod && m.uid != leader.uid);
            if new { Ok(()) } else { Err(format!("{all:?}")) }
        })?;
        let all = members.settled(3, BACK_WITHIN)?;
        same_address += usize::from(all.iter().any(|m| m.pod == leader.pod && m.ip == leader.ip));
        story.note(&format!(
            "round {round}: another led after {next:.1?}, whole after {:.1?}",
            began.elapsed()
        ));
    }
    ensure!(members.voters()? == voters, "numbers changed: {:?}, before {voters:?}", members.voters()?);
    ensure!(same_address < KILLS, "addresses never changed: the story tells nothing");
    orc.wait_ready(BACK_WITHIN)?;
    story.done();
    Ok(())
}

#[test]
fn e06_all_pods_deleted_at_once_come_back_as_the_same_group_with_its_data() -> Result<()> {
    let story = Story::begin("E06", "all pods deleted at once")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    members.ask(&members.leader()?, "/api/disable-global-recoveries")?.details()?;
    let (voters, id) = (members.voters()?, orc.object()?.status.unwrap_or_default().cluster_id);
    let before = members.uids()?;
    story.space.kubectl(&["delete", "pods", "-l", "app.kubernetes.io/instance=main", "--wait=false"])?;
    until("new pods in the place of all", BACK_WITHIN, || {
        let now = members.uids().map_err(|error| format!("{error:#}"))?;
        let new = now.len() == 3 && !now.iter().any(|pod| before.contains(pod));
        if new { Ok(()) } else { Err(format!("{now:?}")) }
    })?;
    members.settled(3, BACK_WITHIN)?;
    orc.wait_ready(BACK_WITHIN)?;
    ensure!(members.voters()? == voters, "numbers changed: {:?}, before {voters:?}", members.voters()?);
    ensure!(orc.object()?.status.unwrap_or_default().cluster_id == id, "another group");
    everybody_knows(&members, "disabled")?;
    story.done();
    Ok(())
}
