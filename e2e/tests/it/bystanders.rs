//! Failures that are seen and left alone: downtime, filters, the global switch.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::{Flavor, Server, holds, until};
use serde_json::{Value, json};

use crate::support::{RECOVERED_WITHIN, Scene, codes, recovered, successor, tree, writable_now};

/// Several times what a recovery takes; nothing may have been touched by then.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(6);

/// The failure of `old` is analysed and recorded, yet nobody is promoted and no recovery is written.
fn seen_and_left_alone(scene: &Scene, old: &Server) -> Result<()> {
    let api = scene.group.leader_api()?;
    until("the analysis says DeadMaster", RECOVERED_WITHIN, || {
        let said = codes(&api.analysis_of(old).map_err(|e| format!("{e:#}"))?);
        if said.iter().any(|c| c == "DeadMaster") { Ok(()) } else { Err(format!("{said:?}")) }
    })?;
    holds("no recovery", LEFT_ALONE_FOR, || {
        let recoveries = api.recoveries_of(old).map_err(|e| format!("{e:#}"))?;
        let writable = writable_now(&scene.lab);
        if recoveries.is_empty() && writable.is_empty() {
            Ok(())
        } else {
            Err(format!("writable: {writable:?}, recoveries: {recoveries:?}"))
        }
    })
}

#[test]
fn a_downtimed_primary_is_reported_and_not_replaced() -> Result<()> {
    let scene = Scene::set("downtime", &tree(Flavor::MariaDb1011), &[])?;
    let old = scene.lab.server("a");
    let route = format!("begin-downtime/{}/story/maintenance/10m", old.path());
    scene.group.leader_api()?.get(&route)?.details()?;
    old.kill9()?;
    seen_and_left_alone(&scene, old)?;
    scene.done();
    Ok(())
}

#[test]
fn a_cluster_outside_the_filters_is_reported_and_not_replaced() -> Result<()> {
    let keys = [("RecoverMasterClusterFilters", json!(["alias=somebody-else"]))];
    let scene = Scene::set("filter", &tree(Flavor::MariaDb1011), &keys)?;
    let old = scene.lab.server("a");
    old.kill9()?;
    seen_and_left_alone(&scene, old)?;
    let seen = scene.group.leader_api()?.detections_of(old)?;
    ensure!(!seen.is_empty(), "the failure was not recorded as detected");
    scene.done();
    Ok(())
}

#[test]
fn the_global_switch_stops_recoveries_on_every_leader_and_releases_them_again() -> Result<()> {
    let scene = Scene::set("switch", &tree(Flavor::MariaDb1011), &[])?;
    let old = scene.lab.server("a");
    let api = scene.group.leader_api()?;
    ensure!(api.get("disable-global-recoveries")?.details()? == "disabled");
    // Every node knows: it is replicated.
    for node in &scene.group.nodes {
        until("the switch on every node", RECOVERED_WITHIN, || {
            match node.api.get("check-global-recoveries") {
                Ok(reply) if reply.body["Details"] == "disabled" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })?;
    }
    old.kill9()?;
    seen_and_left_alone(&scene, old)?;
    ensure!(api.get("enable-global-recoveries")?.details()? == "enabled");
    let recovery = recovered(&scene.group, old)?;
    successor(&scene.lab, &recovery)?;
    scene.done();
    Ok(())
}

#[test]
fn a_recovery_by_hand_goes_over_the_filters() -> Result<()> {
    let keys = [("RecoverMasterClusterFilters", Value::Array(Vec::new()))];
    let scene = Scene::set("byhand", &tree(Flavor::MariaDb1011), &keys)?;
    let old = scene.lab.server("a");
    old.kill9()?;
    seen_and_left_alone(&scene, old)?;
    scene.group.leader_api()?.get(&format!("recover/{}", old.path()))?.details()?;
    let recovery = recovered(&scene.group, old)?;
    successor(&scene.lab, &recovery)?;
    scene.done();
    Ok(())
}
