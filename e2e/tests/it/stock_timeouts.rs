//! Replicas with the timeouts that servers come with: a minute until they notice that their source is gone.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, LabPlan, Writer, WriterPlan, holds, until};
use rustix::process::Signal;

use crate::support::{
    RECOVERED_WITHIN, SEEN_WITHIN, Scene, TREE, recovered, sees_all, successor, writable_now,
};

/// `replica_net_timeout` and heartbeat period as they are unless somebody changes them.
const STOCK: [&str; 4] = ["--net-timeout", "60", "--heartbeat", "30"];

/// A heartbeat that does not come tells after 33 s, the timeout after 60.
const BEFORE_ANY_HEARTBEAT: Duration = Duration::from_secs(25);

#[test]
fn a_frozen_primary_is_revealed_by_replicas_that_connect_anew_mysql_97() -> Result<()> {
    let plan = LabPlan::new(Flavor::Mysql97, TREE).with(&STOCK);
    let scene = Scene::set("stock", &plan, &[])?;
    let (lab, group) = (&scene.lab, &scene.group);
    let old = lab.server("a");
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(100, RECOVERED_WITHIN)?;

    let frozen = old.signal(Signal::STOP)?;
    let (first, _) = writer.wait_elsewhere(old, RECOVERED_WITHIN)?;
    let took = first.ended.duration_since(frozen);
    ensure!(took < BEFORE_ANY_HEARTBEAT, "replaced after {} ms", took.as_millis());
    successor(lab, &recovered(group, old)?)?;
    writer.finish()?;
    scene.done();
    Ok(())
}

/// The group loses sight of a primary that lives: one replica connects anew, finds it, and that is all.
#[test]
fn a_primary_that_only_the_group_cannot_reach_loses_one_replica_for_a_moment_mysql_97() -> Result<()> {
    let hosts = ["o1", "o2", "o3"];
    let plan = LabPlan::new(Flavor::Mysql97, TREE).with(&STOCK).with(&["--netns", "--hosts", "o1,o2,o3"]);
    let lab = Lab::up("unseen", &plan)?;
    let audit = tempfile::NamedTempFile::new()?;
    let keys = GroupPlan::for_lab(&lab)?.set("AuditLogFile", audit.path().display().to_string());
    let mut group = Group::prepare_in(&lab, &hosts, &keys)?;
    group.start_all()?;
    group.leader_api()?.discover(lab.server("a"))?;
    group.nodes.iter().try_for_each(|node| sees_all(&node.api, &lab))?;

    hosts.iter().try_for_each(|host| lab.isolate(host, &["a"]))?;
    until("a replica connects anew", SEEN_WITHIN, || match restarts(&audit)? {
        0 => Err("none yet".to_owned()),
        _ => Ok(()),
    })?;
    holds("nothing else happens", Duration::from_secs(8), || {
        let (writable, restarts) = (writable_now(&lab), restarts(&audit)?);
        if writable == ["a"] && restarts == 1 {
            Ok(())
        } else {
            Err(format!("{writable:?}, {restarts} restarts"))
        }
    })?;
    let status = lab.status()?;
    for letter in ["b", "c"] {
        ensure!(status[letter]["replication"]["io"] == "Yes", "{letter}: {}", status[letter]);
    }
    let recoveries = group.leader_api()?.recoveries_of(lab.server("a"))?;
    ensure!(recoveries.is_empty(), "{recoveries:?}");
    lab.heal()?;
    group.done();
    Ok(())
}

fn restarts(audit: &tempfile::NamedTempFile) -> Result<usize, String> {
    let text = std::fs::read_to_string(audit.path()).map_err(|e| e.to_string())?;
    Ok(text.matches("restart-replica-io-thread").count())
}
