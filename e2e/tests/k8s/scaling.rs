//! Members come and go.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::PersistentVolumeClaim as Claim;
use orchestrator_e2e::k8s::{Clients, Orc, Story};
use serde_json::json;

use crate::support::{BACK_WITHIN, everybody_knows, of, smallest};

/// Two members that join, or leave with their volumes.
const SCALED_WITHIN: Duration = Duration::from_secs(180);
const PATHS: &[&str] = &["/api/clusters", "/api/check-global-recoveries"];

/// Scales as people do, and waits until all is as wished.
fn scale(story: &Story, orc: &Orc<'_>, replicas: usize) -> Result<()> {
    story.space.kubectl(&["scale", "orc/main", &format!("--replicas={replicas}")])?;
    orc.wait_ready(SCALED_WITHIN)?;
    orc.members().settled(replicas, BACK_WITHIN)?;
    story.note(&format!("{replicas} members"));
    Ok(())
}

#[test]
fn e08_a_group_grows_and_shrinks_through_odd_numbers_only_and_serves_all_the_time() -> Result<()> {
    let story = Story::begin("E08", "3 to 5 to 3 to 1 to 3 by kubectl scale")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    members.ask(&members.leader()?, "/api/disable-global-recoveries")?.details()?;
    let clients = Clients::of(&story.space, "main", PATHS, 1000)?;
    let ended = AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut counts = BTreeSet::new();
            while !ended.load(Ordering::Relaxed) {
                counts.extend(members.voters().ok().map(|voters| voters.len()));
            }
            counts
        });
        let scaled = [5, 3, 1, 3].into_iter().try_for_each(|replicas| scale(&story, &orc, replicas));
        ended.store(true, Ordering::Relaxed);
        scaled.map(|()| watch.join().unwrap_or_default())
    })?;
    ensure!(counts.iter().all(|count| [1, 3, 5].contains(count)), "numbers of voters seen: {counts:?}");
    let tally = clients.ended()?;
    story.note(&format!("{} requests, {} asked twice", tally.asked, tally.again));
    tally.all_good()?;
    let claims: Vec<_> = story.space.list::<Claim>("")?.into_iter().filter_map(|c| c.metadata.name).collect();
    ensure!(claims == ["data-main-0", "data-main-1", "data-main-2"], "{claims:?}");
    everybody_knows(&members, "disabled")?;
    story.done();
    Ok(())
}

#[test]
fn e09_a_volume_kept_by_scaling_down_never_votes_again_under_its_old_number() -> Result<()> {
    let story = Story::begin("E09", "5 to 3 to 5 with whenScaled=Retain")?;
    let mut spec = of(5);
    spec["storage"] = json!({"retention": {"whenScaled": "Retain"}});
    let orc = Orc::ready(&story.space, "main", &spec)?;
    let members = orc.members();
    let first = members.voters()?;
    scale(&story, &orc, 3)?;
    let kept = members.voters()?;
    let claims: Vec<_> = story.space.list::<Claim>("")?;
    ensure!(claims.len() == 5, "{} volumes of 5 were kept", claims.len());
    scale(&story, &orc, 5)?;
    let last = members.voters()?;
    let reused: Vec<&u64> = last.iter().filter(|id| first.contains(id) && !kept.contains(id)).collect();
    ensure!(reused.is_empty(), "numbers used again: {reused:?} ({first:?}, {kept:?}, {last:?})");
    story.done();
    Ok(())
}
