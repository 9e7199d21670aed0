//! The net catches fish: what the other stories rely on to notice a fault does notice it.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::writer::interleaved;
use orchestrator_e2e::{Flavor, Lab, LabPlan, WritableWatch, Writer, WriterPlan, sql, until};

use crate::support::writable_now;

const LIMIT: Duration = Duration::from_secs(20);

fn pair(tag: &str) -> Result<Lab> {
    Lab::up(tag, &LabPlan::new(Flavor::MariaDb1011, "a>b"))
}

fn execute(lab: &Lab, letter: &str, statement: &str) -> Result<()> {
    sql::rows::<i64>(lab.server(letter), statement, LIMIT).map(drop)
}

#[test]
fn two_writable_servers_are_seen_by_samples_and_by_writes() -> Result<()> {
    let lab = pair("fish")?;
    let watch = WritableWatch::start(&lab);
    let (one, two) = (WriterPlan::pinned(lab.server("a")), WriterPlan::pinned(lab.server("b")));
    let one = Writer::start(WriterPlan { first_id: 1, ..one });
    let two = Writer::start(two);
    one.wait_acked(20, LIMIT)?;
    ensure!(two.so_far().acked().count() == 0, "a read-only replica took a write");
    execute(&lab, "b", "set global read_only = 0")?;
    two.wait_acked(20, LIMIT)?;
    one.wait_acked(20, LIMIT)?;
    ensure!(writable_now(&lab) == ["a", "b"]);
    let (one, two) = (one.finish()?, two.finish()?);
    ensure!(!watch.finish()?.is_empty(), "the samples missed it");
    ensure!(!interleaved(&[&one, &two]).is_empty(), "the writes missed it");
    Ok(())
}

#[test]
fn a_hand_over_without_overlap_is_not_reported() -> Result<()> {
    let lab = pair("clean")?;
    let watch = WritableWatch::start(&lab);
    let writer = Writer::start(WriterPlan::following(&lab));
    writer.wait_acked(30, LIMIT)?;
    execute(&lab, "a", "set global read_only = 1")?;
    until("the replica has all", LIMIT, || {
        let ledger = writer.so_far();
        let lost = ledger.lost_on(lab.server("b")).map_err(|e| format!("{e:#}"))?;
        if lost.is_empty() { Ok(()) } else { Err(format!("{} behind", lost.len())) }
    })?;
    execute(&lab, "b", "set global read_only = 0")?;
    let (_, by) = writer.wait_elsewhere(lab.server("a"), LIMIT)?;
    ensure!(by == lab.server("b").id);
    let ledger = writer.finish()?;
    ensure!(watch.finish()?.is_empty(), "accused without reason");
    ensure!(interleaved(&[&ledger]).is_empty(), "accused without reason");
    Ok(())
}

#[test]
fn a_lost_row_is_found() -> Result<()> {
    let lab = pair("lost")?;
    let writer = Writer::start(WriterPlan::following(&lab));
    writer.wait_acked(20, LIMIT)?;
    let ledger = writer.finish()?;
    ensure!(ledger.lost_on(lab.server("a"))?.is_empty());
    execute(&lab, "a", "delete from app.counter where id = 7")?;
    ensure!(ledger.lost_on(lab.server("a"))? == [7]);
    Ok(())
}

#[test]
fn a_killed_server_is_gone_and_can_be_started_again() -> Result<()> {
    let lab = pair("kill")?;
    lab.server("a").kill9()?;
    ensure!(lab.server("a").kill9().is_err(), "killed twice");
    lab.start("a")?;
    ensure!(sql::writable(lab.server("a"))?, "a root comes back as its configuration says");
    Ok(())
}
