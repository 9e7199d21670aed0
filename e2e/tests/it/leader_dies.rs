//! The leader dies in the middle of a recovery, at every stage, before and after: another node finishes it.

use anyhow::{Result, ensure};
use orchestrator_e2e::{Flavor, WritableWatch, Writer, WriterPlan, until};
use serde_json::json;

use crate::support::{
    RECOVERED_WITHIN, Scene, nothing_lost, one_writer, recovered, replicas_moved, semi_sync_tree, successor,
};

/// The node that leads, and dies.
const VICTIM: usize = 0;

/// `fault` is `exit-before:<stage>` or `exit-after:<stage>`: the process exits as if killed, at once.
fn dies(flavor: Flavor, fault: &str) -> Result<()> {
    // Hooks that do nothing give every stage something to do.
    let keys = [
        ("PreFailoverProcesses", json!(["true"])),
        ("PostMasterFailoverProcesses", json!(["true"])),
        ("PostFailoverProcesses", json!(["true"])),
    ];
    let mut scene = Scene::set_with("dies", &semi_sync_tree(flavor), &keys, |group| {
        group.nodes[VICTIM].env = vec![("ORCHESTRATOR_FAULT".to_owned(), fault.to_owned())];
    })?;
    scene.group.lead_with(VICTIM)?;
    let old = scene.lab.server("a").clone();
    let watch = WritableWatch::start(&scene.lab);
    let writer = Writer::start(WriterPlan::following(&scene.lab));
    writer.wait_acked(50, RECOVERED_WITHIN)?;

    old.kill9()?;
    let victim = &mut scene.group.nodes[VICTIM];
    until(&format!("the leader exits at {fault}"), RECOVERED_WITHIN, || {
        if victim.runs() { Err("still runs") } else { Ok(()) }
    })?;

    // Somebody else finishes what it began.
    let recovery = recovered(&scene.group, &old)?;
    let new = successor(&scene.lab, &recovery)?;
    let (_, by) = writer.wait_elsewhere(&old, RECOVERED_WITHIN)?;
    ensure!(by == new.id, "server {by} takes writes, {} was promoted", new.id);
    replicas_moved(&scene.lab, new)?;
    ensure!(scene.group.leader()? != VICTIM, "the dead leader leads");
    let won = scene.group.leader_api()?.recoveries_of(&old)?;
    ensure!(won.len() == 1, "one failure, {} recoveries: {won:?}", won.len());
    let ledger = writer.finish()?;
    nothing_lost(&ledger, new)?;
    one_writer(&watch.finish()?, &[&ledger])?;

    // And the dead one comes back as an ordinary member.
    scene.group.nodes[VICTIM].env.clear();
    scene.group.nodes[VICTIM].start()?;
    scene.group.wait_healthy()?;
    scene.done();
    Ok(())
}

macro_rules! at_each_stage {
    ($($name:ident = $stage:literal),+ $(,)?) => {$(
        mod $name {
            use orchestrator_e2e::Flavor;

            #[test]
            fn before_mysql_97() -> anyhow::Result<()> {
                super::dies(Flavor::Mysql97, concat!("exit-before:", $stage))
            }

            #[test]
            fn after_mysql_97() -> anyhow::Result<()> {
                super::dies(Flavor::Mysql97, concat!("exit-after:", $stage))
            }

            #[test]
            fn before_mariadb_1011() -> anyhow::Result<()> {
                super::dies(Flavor::MariaDb1011, concat!("exit-before:", $stage))
            }

            #[test]
            fn after_mariadb_1011() -> anyhow::Result<()> {
                super::dies(Flavor::MariaDb1011, concat!("exit-after:", $stage))
            }
        }
    )+};
}

// The stages that every recovery passes; `catch-up`, `late` and `restore` need a special occasion.
at_each_stage! {
    at_pre_hooks = "pre-hooks",
    at_stop = "stop",
    at_drain = "drain",
    at_promote = "promote",
    at_announce = "announce",
    at_post_hooks = "post-hooks",
}
