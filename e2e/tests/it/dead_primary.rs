//! The main job: a primary dies, the right replica takes over, nothing that was acknowledged is lost.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::api::key_of;
use orchestrator_e2e::{Flavor, LabPlan, WritableWatch, Writer, WriterPlan, holds, sql, until};
use serde_json::json;

use crate::support::{
    RECOVERED_WITHIN, SEEN_WITHIN, Scene, nothing_lost, one_writer, recovered, replicas_moved,
    semi_sync_tree, successor, tree,
};

fn killed(flavor: Flavor) -> Result<()> {
    let scene = Scene::set("killed", &semi_sync_tree(flavor), &[])?;
    let (lab, group) = (&scene.lab, &scene.group);
    let old = lab.server("a");
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(100, RECOVERED_WITHIN)?;

    old.kill9()?;

    // One of the direct replicas is promoted, and the client gets through to it.
    let recovery = recovered(group, old)?;
    let new = successor(lab, &recovery)?;
    ensure!(["b", "c"].contains(&new.letter.as_str()), "promoted {}", new.letter);
    ensure!(recovery["AnalysisEntry"]["Analysis"] == "DeadMaster", "{recovery}");
    let (_, by) = writer.wait_elsewhere(old, RECOVERED_WITHIN)?;
    ensure!(by == new.id, "server {by} takes writes, {} was promoted", new.id);
    writer.wait_acked(50, RECOVERED_WITHIN)?;
    replicas_moved(lab, new)?;
    let ledger = writer.finish()?;
    nothing_lost(&ledger, new)?;
    one_writer(&watch.finish()?, &[&ledger])?;

    returns_alone(&scene, new.letter.as_str())?;
    scene.done();
    Ok(())
}

/// The old primary comes back writable, as its own configuration says: it is a cluster of its own, is made
/// read-only, and is never promoted over newer data.
fn returns_alone(scene: &Scene, new: &str) -> Result<()> {
    let (lab, group) = (&scene.lab, &scene.group);
    let (old, new) = (lab.server("a"), lab.server(new));
    lab.start("a")?;
    until("the old primary is read-only", SEEN_WITHIN, || match sql::writable(old) {
        Ok(false) => Ok(()),
        other => Err(format!("writable: {other:?}")),
    })?;
    let api = group.leader_api()?;
    until("the old primary is a cluster of its own, in downtime", SEEN_WITHIN, || {
        let of = |server| api.instance(server).map_err(|e| format!("{e:#}"));
        let (a, n) = (of(old)?, of(new)?);
        let apart =
            a["ClusterName"] != n["ClusterName"] && a["IsLastCheckValid"] == true && a["IsDowntimed"] == true;
        let said = format!("{} / {}, downtime {}", a["ClusterName"], n["ClusterName"], a["IsDowntimed"]);
        if apart { Ok(()) } else { Err(said) }
    })?;
    holds("the new primary stays the only writable one", Duration::from_secs(3), || {
        match (sql::writable(new), sql::writable(old)) {
            (Ok(true), Ok(false)) => Ok(()),
            other => Err(format!("new, old writable: {other:?}")),
        }
    })?;
    ensure!(api.recoveries_of(new)?.is_empty(), "the new primary was recovered in turn");
    Ok(())
}

fn preferred(flavor: Flavor) -> Result<()> {
    // c is in the other data center, b says that it must not: the worse-looking d is no direct replica either.
    let plan = LabPlan::new(flavor, "a>b,a>c,a>d").with(&["--promotion-rule", "b=must_not,c=prefer"]);
    let scene = Scene::set("prefer", &plan, &[])?;
    let old = scene.lab.server("a");
    old.kill9()?;
    let recovery = recovered(&scene.group, old)?;
    let new = successor(&scene.lab, &recovery)?;
    ensure!(new.letter == "c", "promoted {}", new.letter);
    scene.done();
    Ok(())
}

/// Hooks of every stage run in their order, with placeholders and environment filled in.
fn hooks(flavor: Flavor) -> Result<()> {
    let notes = tempfile::NamedTempFile::new()?;
    let note =
        |stage: &str, rest: &str| json!([format!("echo {stage} {rest} >> {}", notes.path().display())]);
    let keys = [
        ("OnFailureDetectionProcesses", note("detection", "{failureType} $ORC_FAILED_HOST:$ORC_FAILED_PORT")),
        ("PreFailoverProcesses", note("pre", "{failedHost}:{failedPort}")),
        ("PostMasterFailoverProcesses", note("post-primary", "{successorHost}:{successorPort}")),
        ("PostFailoverProcesses", note("post", "$ORC_SUCCESSOR_HOST:$ORC_SUCCESSOR_PORT")),
        ("PostUnsuccessfulFailoverProcesses", note("unsuccessful", "{failedHost}")),
    ];
    let scene = Scene::set("hooks", &tree(flavor), &keys)?;
    let old = scene.lab.server("a");
    old.kill9()?;
    let recovery = recovered(&scene.group, old)?;
    let new = key_of(&recovery["SuccessorKey"]);
    let want = [
        format!("detection DeadMaster {}", old.key()),
        format!("pre {}", old.key()),
        format!("post-primary {new}"),
        format!("post {new}"),
    ];
    until("hooks of all stages", RECOVERED_WITHIN, || {
        let text = std::fs::read_to_string(notes.path()).unwrap_or_default();
        if text.lines().eq(want.iter().map(String::as_str)) { Ok(()) } else { Err(text) }
    })?;
    scene.done();
    Ok(())
}

/// The worst moment: the node that would do the work dies together with the server that needs it.
fn together(flavor: Flavor) -> Result<()> {
    let mut scene = Scene::set("together", &semi_sync_tree(flavor), &[])?;
    let old = scene.lab.server("a").clone();
    let watch = WritableWatch::start(&scene.lab);
    let writer = Writer::start(WriterPlan::following(&scene.lab));
    writer.wait_acked(50, RECOVERED_WITHIN)?;
    let leader = scene.group.leader()?;
    scene.group.nodes[leader].kill9()?;
    old.kill9()?;
    let recovery = recovered(&scene.group, &old)?;
    let new = successor(&scene.lab, &recovery)?;
    writer.wait_elsewhere(&old, RECOVERED_WITHIN)?;
    let ledger = writer.finish()?;
    nothing_lost(&ledger, new)?;
    one_writer(&watch.finish()?, &[&ledger])?;
    scene.done();
    Ok(())
}

macro_rules! on_both {
    ($($story:ident as $claim:ident),+ $(,)?) => {$(
        mod $claim {
            use orchestrator_e2e::Flavor;

            #[test]
            fn mysql_97() -> anyhow::Result<()> { super::$story(Flavor::Mysql97) }

            #[test]
            fn mariadb_1011() -> anyhow::Result<()> { super::$story(Flavor::MariaDb1011) }
        }
    )+};
}

on_both! {
    killed as a_killed_primary_is_replaced_and_no_acknowledged_row_is_lost,
    together as leader_and_primary_that_die_together_are_both_replaced,
    preferred as the_promotion_rule_decides_between_equals,
    hooks as hooks_of_every_stage_run_in_order,
}
