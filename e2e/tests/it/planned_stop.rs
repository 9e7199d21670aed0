//! A shutdown in order is not a crash: who restarts a server within its grace sees no failover.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::{Flavor, Group, Server, Writer, WriterPlan, holds, sql, until};
use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    RECOVERED_WITHIN, SEEN_WITHIN, Scene, nothing_lost, recovered, replicas_moved, successor, tree,
};

/// Longer than MySQL keeps its replicas connected while it stops (8 s), so that it is the grace that is waited for.
const GRACE_S: u64 = 10;
/// Longer than any restart takes, also on two busy cores.
const LONG_GRACE_S: u64 = 600;
/// What a node says when it waits.
const WAITS: &str = "it may come back before it is replaced";

/// The stop has 8 s of its own, the restarted server must be seen, and its clients must find back.
const BACK_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn a_primary_that_is_shut_down_for_good_is_replaced_when_its_grace_ends_mysql_97() -> Result<()> {
    let scene =
        Scene::set("stopped", &tree(Flavor::Mysql97), &[("CleanShutdownGraceSeconds", json!(GRACE_S))])?;
    let (lab, group) = (&scene.lab, &scene.group);
    let old = lab.server("a");
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(100, RECOVERED_WITHIN)?;

    let stopped = old.signal(Signal::TERM)?;
    let (first, _) = writer.wait_elsewhere(old, RECOVERED_WITHIN)?;
    let waited = first.ended.duration_since(stopped);
    ensure!(waited >= Duration::from_secs(GRACE_S), "replaced after {} ms", waited.as_millis());

    let recovery = recovered(group, old)?;
    let new = successor(lab, &recovery)?;
    let steps = group.leader_api()?.steps(recovery["UID"].as_str().unwrap_or_default())?.join("\n");
    let reason = format!("was shut down in order; waited {GRACE_S} s for it to come back");
    ensure!(steps.contains(&reason), "{steps}");
    replicas_moved(lab, new)?;
    // A server that is shut down sends its replicas everything that it acknowledged, also without semi-sync.
    nothing_lost(&writer.finish()?, new)?;
    scene.done();
    Ok(())
}

#[test]
fn a_primary_that_is_restarted_within_its_grace_stays_the_primary_mysql_97() -> Result<()> {
    let keys = [("CleanShutdownGraceSeconds", json!(LONG_GRACE_S))];
    let scene = Scene::set("restart", &tree(Flavor::Mysql97), &keys)?;
    scene.lab.stop("a")?;
    // Stopped for good, its replicas know, and everybody agrees: nothing but the grace holds the recovery up.
    until("the leader waits", SEEN_WITHIN, || said(&scene.group, WAITS))?;
    stays_primary(&scene)
}

#[test]
fn a_primary_that_crashes_and_is_back_within_its_grace_stays_the_primary_mariadb_1011() -> Result<()> {
    let keys = [("CrashGraceSeconds", json!(LONG_GRACE_S))];
    let scene = Scene::set("crashed", &tree(Flavor::MariaDb1011), &keys)?;
    scene.lab.server("a").kill9()?;
    until("the leader waits", SEEN_WITHIN, || said(&scene.group, WAITS))?;
    let found = scene.group.leader_api()?.analysis_of(scene.lab.server("a"))?;
    ensure!(found.iter().any(|entry| entry["Analysis"] == "DeadMaster"), "shown while waited for: {found:?}");
    stays_primary(&scene)
}

#[test]
fn a_person_need_not_wait_for_the_grace_mariadb_1011() -> Result<()> {
    let scene =
        Scene::set("byhand", &tree(Flavor::MariaDb1011), &[("CrashGraceSeconds", json!(LONG_GRACE_S))])?;
    let old = scene.lab.server("a");
    old.kill9()?;
    until("the leader waits", SEEN_WITHIN, || said(&scene.group, WAITS))?;
    scene.group.leader_api()?.get(&format!("recover/{}", old.path()))?.details()?;
    successor(&scene.lab, &recovered(&scene.group, old)?)?;
    scene.done();
    Ok(())
}

/// Starts `a` again: it takes writes, its replicas follow it, and nothing was detected nor recovered.
fn stays_primary(scene: &Scene) -> Result<()> {
    let (lab, group) = (&scene.lab, &scene.group);
    let old = lab.server("a");
    lab.start("a")?;
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(100, BACK_WITHIN)?;
    until("its replicas follow it again", BACK_WITHIN, || follow(scene, old))?;
    until("nothing is wrong with it any more", BACK_WITHIN, || {
        let found = group.leader_api().and_then(|api| api.analysis_of(old)).map_err(|e| format!("{e:#}"))?;
        if found.is_empty() { Ok(()) } else { Err(format!("{found:?}")) }
    })?;
    holds("it stays the primary", Duration::from_secs(3), || match sql::writable(old) {
        Ok(true) => follow(scene, old),
        other => Err(format!("writable: {other:?}")),
    })?;
    let ledger = writer.finish()?;
    nothing_lost(&ledger, old)?;
    let api = group.leader_api()?;
    let (detections, recoveries) = (api.detections_of(old)?, api.recoveries_of(old)?);
    ensure!(detections.is_empty() && recoveries.is_empty(), "{detections:?} {recoveries:?}");
    ensure!(said_often(group, WAITS) <= group.nodes.len(), "said more than once");
    Ok(())
}

fn follow(scene: &Scene, source: &Server) -> Result<(), String> {
    let status = scene.lab.status().map_err(|e| e.to_string())?;
    for letter in ["b", "c"] {
        let replica = &status[letter];
        if replica["source"] != source.letter.as_str() || replica["replication"]["io"] != "Yes" {
            return Err(format!("{letter}: {replica}"));
        }
    }
    Ok(())
}

fn said_often(group: &Group, text: &str) -> usize {
    group.nodes.iter().map(|node| node.said().matches(text).count()).sum()
}

fn said(group: &Group, text: &str) -> Result<(), String> {
    if said_often(group, text) > 0 { Ok(()) } else { Err(format!("nobody said {text:?}")) }
}
