//! What is written down about a recovery, and what it forbids until somebody acknowledges it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{Flavor, LabPlan, holds, until};
use serde_json::json;

use crate::support::{RECOVERED_WITHIN, Scene, recovered, successor, tree, writable_now};

#[test]
fn a_recovery_is_audited_step_by_step_on_every_node() -> Result<()> {
    let scene = Scene::set("audit", &tree(Flavor::MariaDb1011), &[])?;
    let old = scene.lab.server("a");
    old.kill9()?;
    let recovery = recovered(&scene.group, old)?;
    let uid = recovery["UID"].as_str().context("a recovery has a UID")?.to_owned();
    ensure!(recovery["AnalysisEntry"]["ClusterDetails"]["ClusterAlias"] == scene.lab.name(), "{recovery}");
    ensure!(recovery["Acknowledged"] == false, "{recovery}");

    for node in &scene.group.nodes {
        let api = &node.api;
        let steps = api.steps(&uid)?;
        ensure!(steps.len() >= 5, "{}: steps {steps:?}", api.base);
        let by_uid = api.get(&format!("audit-recovery/uid/{uid}"))?.raw()?;
        ensure!(by_uid[0]["SuccessorKey"] == recovery["SuccessorKey"], "{}: {by_uid}", api.base);
        let by_alias = api.get(&format!("audit-recovery/alias/{}", scene.lab.name()))?.raw()?;
        ensure!(by_alias[0]["UID"] == uid.as_str(), "{}: {by_alias}", api.base);
        ensure!(!api.detections_of(old)?.is_empty(), "{}: no detection", api.base);
        let lost = api.instance(old)?;
        ensure!(lost["IsDowntimed"] == true && lost["DowntimeReason"] == "lost-in-recovery", "{lost}");
    }

    // Acknowledging wants a reason, and is seen by everybody.
    let api = scene.group.leader_api()?;
    let route = format!("ack-recovery/uid/{uid}");
    ensure!(api.get(&route)?.body["Message"] == "No acknowledge comment given");
    api.get(&format!("{route}?comment=seen"))?.details()?;
    for node in &scene.group.nodes {
        let of = || node.api.get(&format!("audit-recovery/uid/{uid}")).and_then(orchestrator_e2e::Reply::raw);
        until("the acknowledgement", RECOVERED_WITHIN, || match of() {
            Ok(list) if list[0]["Acknowledged"] == true && list[0]["AcknowledgedComment"] == "seen" => Ok(()),
            other => Err(format!("{other:?}")),
        })?;
    }
    scene.done();
    Ok(())
}

#[test]
fn a_second_failure_within_the_block_period_waits_for_the_acknowledgement() -> Result<()> {
    let plan = LabPlan::new(Flavor::MariaDb1011, "a>b,a>c,a>d");
    let scene = Scene::set("again", &plan, &[("RecoveryPeriodBlockSeconds", json!(600))])?;
    let first = scene.lab.server("a");
    first.kill9()?;
    let second = successor(&scene.lab, &recovered(&scene.group, first)?)?.clone();
    second.kill9()?;

    let api = scene.group.leader_api()?;
    until("the second failure is written down as blocked", RECOVERED_WITHIN, || {
        let blocked = api.get("blocked-recoveries").map_err(|e| format!("{e:#}"))?.body;
        let there = blocked[0]["FailedInstanceKey"]["Hostname"] == second.host.as_str();
        if there { Ok(()) } else { Err(blocked.to_string()) }
    })?;
    holds("nobody is promoted", Duration::from_secs(4), || {
        let writable = writable_now(&scene.lab);
        if writable.is_empty() { Ok(()) } else { Err(format!("{writable:?}")) }
    })?;

    api.get("ack-all-recoveries?comment=go+on")?.details()?;
    let recovery = recovered(&scene.group, &second)?;
    successor(&scene.lab, &recovery)?;
    scene.done();
    Ok(())
}

#[test]
fn a_failure_that_nobody_recovers_from_is_written_down_and_runs_its_hook() -> Result<()> {
    let plan = LabPlan::new(Flavor::MariaDb1011, "a>b,a>c");
    let told = std::env::temp_dir().join(format!("orchestrator-told-{}", std::process::id()));
    let hook = format!("echo {{failureType}} {{failedHost}} >> {}", told.display());
    let scene = Scene::set("outage", &plan, &[("OnFailureDetectionProcesses", json!([hook]))])?;
    for letter in ["b", "c", "a"] {
        scene.lab.server(letter).kill9()?;
    }
    let a = scene.lab.server("a");
    until("the detection", RECOVERED_WITHIN, || {
        let api = scene.group.leader_api().map_err(|e| e.to_string())?;
        let detections = api.detections_of(a).map_err(|e| format!("{e:#}"))?;
        let said = std::fs::read_to_string(&told).unwrap_or_default();
        match said.contains(&format!("DeadMasterAndReplicas {}", a.host)) && !detections.is_empty() {
            true => Ok(()),
            false => Err(format!("{detections:?}; hook: {said:?}")),
        }
    })?;
    let _ = std::fs::remove_file(&told);
    scene.done();
    Ok(())
}
