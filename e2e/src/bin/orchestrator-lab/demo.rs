//! `make demo`: the primary dies while a client writes, and the story is told line by line.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::narrate::{Heard, Narrator};
use orchestrator_e2e::writer::interleaved;
use orchestrator_e2e::{Lab, Ledger, Server, WritableWatch, Writer, WriterPlan, until};

use crate::figures::millis;
use crate::stand::{Stand, down, is_something_left, up};

/// Enough writes for a picture of ordinary life before and after.
const WRITES_AROUND: usize = 100;
/// Only ends a demo that hangs; what it takes is what the demo shows.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// Tears down what is left of an earlier demo, starts anew, kills the primary, tells the story.
pub(crate) fn demo() -> Result<()> {
    if is_something_left() {
        println!("ending what is up …");
    }
    down()?;
    let stand = up()?;
    println!("\n{}\n", stand.drawing()?);
    let lab = &stand.lab;
    let old = lab.server("a");

    println!("a client inserts a row each 10 ms; kill -9 of the primary {} …\n", old.key());
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(WRITES_AROUND, TOLD_WITHIN)?;
    let narrator = Narrator::listen(stand.apis.clone(), old);
    let killed = old.kill9()?;

    let (first, by) = writer.wait_elsewhere(old, TOLD_WITHIN)?;
    writer.wait_acked(WRITES_AROUND, TOLD_WITHIN)?;
    let ended = wait_ended(&stand, old);
    let heard = narrator.finish()?;
    let ledger = writer.finish()?;
    let overlaps = watch.finish()?;
    let new = by_id(lab, by)?;

    tell(killed, old, &heard, (first.ended, new));
    sum_up(&ledger, new, old)?;
    println!("two servers writable at once: {}", if overlaps.is_empty() { "never" } else { "YES" });
    ended?;
    println!("\n{}\n", stand.drawing()?);
    println!("it is still up: {}; `make down` ends it and leaves nothing", stand.leader()?.base);
    ensure!(overlaps.is_empty() && interleaved(&[&ledger]).is_empty(), "two servers were writable at once");
    Ok(())
}

fn wait_ended(stand: &Stand, old: &Server) -> Result<()> {
    until("the recovery's end", TOLD_WITHIN, || {
        let recoveries =
            stand.leader().and_then(|api| api.recoveries_of(old)).map_err(|e| format!("{e:#}"))?;
        let ended =
            recoveries.iter().any(|r| r["RecoveryEndTimestamp"].as_str().is_some_and(|t| !t.is_empty()));
        if ended { Ok(()) } else { Err(format!("{recoveries:?}")) }
    })
}

fn by_id(lab: &Lab, id: u32) -> Result<&Server> {
    lab.servers().find(|s| s.id == id).context("the writer knows the lab's servers only")
}

/// One line for each thing, with the time since the kill.
fn tell(killed: Instant, old: &Server, heard: &[Heard], (first, new): (Instant, &Server)) {
    let mut lines = vec![(killed, "killed", format!("{} with -9", old.key()))];
    lines.extend(heard.iter().map(|h| (h.at, h.kind, h.text.clone())));
    lines.push((first, "writing", format!("first write accepted by {} ({})", new.key(), new.letter)));
    lines.sort_by_key(|(at, _, _)| *at);
    for (at, kind, text) in lines {
        // Heard before the kill: the lab's own past.
        let Some(after) = at.checked_duration_since(killed) else { continue };
        println!("{:>8} ms  {kind:<10} {text}", millis(after));
    }
}

fn sum_up(ledger: &Ledger, new: &Server, old: &Server) -> Result<()> {
    let acked = ledger.acked().count();
    let lost = ledger.lost_on(new)?;
    let unknown = ledger.writes.len() - acked;
    println!(
        "\nrows acknowledged: {acked} ({} by the old primary)",
        ledger.acked().filter(|(_, by)| *by == old.id).count()
    );
    println!("rows without an answer or refused: {unknown}");
    println!("rows lost: {}", lost.len());
    println!("longest time without a write: {} ms", millis(ledger.longest_gap()));
    ensure!(lost.is_empty(), "acknowledged rows are missing on {}: {lost:?}", new.key());
    Ok(())
}
