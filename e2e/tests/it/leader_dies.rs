//! The leader dies in the middle of a recovery, at every stage, before and after: another node finishes it.

use anyhow::{Result, ensure};
use orchestrator_e2e::{Flavor, WritableWatch, Writer, WriterPlan};
use serde_json::json;

use crate::support::{RECOVERED_WITHIN, nothing_lost, one_writer, replicas_moved, semi_sync_tree, successor};
use crate::victim::Victim;

/// `fault` is `exit-before:<stage>` or `exit-after:<stage>`: the process exits as if killed, at once.
fn dies(flavor: Flavor, fault: &str) -> Result<()> {
    // Hooks that do nothing give every stage something to do.
    let keys = [
        ("PreFailoverProcesses", json!(["true"])),
        ("PostMasterFailoverProcesses", json!(["true"])),
        ("PostFailoverProcesses", json!(["true"])),
    ];
    let mut victim = Victim::leads("dies", &semi_sync_tree(flavor), &keys, fault)?;
    let lab = &victim.scene.lab;
    let old = lab.server("a").clone();
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(50, RECOVERED_WITHIN)?;

    old.kill9()?;
    victim.dies()?;

    // Somebody else finishes what it began.
    let recovery = victim.finished_by_another(&old)?;
    let lab = &victim.scene.lab;
    let new = successor(lab, &recovery)?;
    let (_, by) = writer.wait_elsewhere(&old, RECOVERED_WITHIN)?;
    ensure!(by == new.id, "server {by} takes writes, {} was promoted", new.id);
    replicas_moved(lab, new)?;
    let ledger = writer.finish()?;
    nothing_lost(&ledger, new)?;
    one_writer(&watch.finish()?, &[&ledger])?;
    victim.returns()
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

// The stages that every recovery passes; `rare_stages` has those that need a special occasion.
at_each_stage! {
    at_pre_hooks = "pre-hooks",
    at_stop = "stop",
    at_drain = "drain",
    at_promote = "promote",
    at_announce = "announce",
    at_post_hooks = "post-hooks",
}
