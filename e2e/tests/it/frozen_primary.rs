//! A primary that neither lives nor dies: SIGSTOP, later SIGCONT.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::writer::interleaved;
use orchestrator_e2e::{
    Flavor, Ledger, Outcome, Server, WritableWatch, Write, Writer, WriterPlan, holds, sql, until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    RECOVERED_WITHIN, SEEN_WITHIN, Scene, nothing_lost, recovered, replicas_moved, semi_sync_tree, successor,
    tree, writable_beside, writable_now,
};

/// A thawed server obeys the statement that waited for it, or the next probe makes it read-only.
const FENCED_WITHIN: Duration = Duration::from_secs(5);

/// A second failover within this time of the first would be one under a block period of one second.
const NO_SECOND_FAILOVER_FOR: Duration = Duration::from_secs(8);

/// Asynchronous replication: the thawed server is made read-only, and stays so.
fn fenced(flavor: Flavor) -> Result<()> {
    let scene = Scene::set("frozen", &tree(flavor), &[])?;
    let (lab, group) = (&scene.lab, &scene.group);
    let old = lab.server("a");
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    let pinned = Writer::start(WriterPlan::pinned(old));
    writer.wait_acked(100, RECOVERED_WITHIN)?;

    old.signal(Signal::STOP)?;
    let recovery = recovered(group, old)?;
    let new = successor(lab, &recovery)?;
    writer.wait_elsewhere(old, RECOVERED_WITHIN)?;
    writer.wait_acked(50, RECOVERED_WITHIN)?;
    let thawed = old.signal(Signal::CONT)?;

    read_only(old, FENCED_WITHIN)?;
    holds("one writable server", Duration::from_secs(3), || {
        let writable = writable_now(lab);
        if writable == [new.letter.clone()] { Ok(()) } else { Err(format!("{writable:?}")) }
    })?;
    // What was under way when the server froze may complete after the thaw; nothing that came later may.
    let late = pinned.finish()?.acked().filter(|(w, _)| w.sent > thawed + FENCED_WITHIN).count();
    ensure!(late == 0, "the thawed primary took {late} writes after it was fenced");
    nothing_lost(&of_server(&writer.finish()?, new), new)?;
    let long: Vec<String> =
        watch.finish()?.iter().filter(|o| o.lasted > FENCED_WITHIN).map(ToString::to_string).collect();
    ensure!(long.is_empty(), "{long:?}");
    scene.done();
    Ok(())
}

/// Semi-synchronous replication: the thawed server cannot acknowledge anything, whatever it calls itself.
///
/// It need not become read-only in this time: a commit that waits for its replicas holds the lock that
/// `SET GLOBAL read_only` wants, on both kinds of server.
fn mute(flavor: Flavor) -> Result<()> {
    let scene = Scene::set("mute", &semi_sync_tree(flavor), &[])?;
    let (lab, group) = (&scene.lab, &scene.group);
    let old = lab.server("a");
    let writer = Writer::start(WriterPlan::following(lab));
    let pinned = Writer::start(WriterPlan::pinned(old));
    writer.wait_acked(100, RECOVERED_WITHIN)?;

    old.signal(Signal::STOP)?;
    let recovery = recovered(group, old)?;
    let new = successor(lab, &recovery)?;
    writer.wait_elsewhere(old, RECOVERED_WITHIN)?;
    replicas_moved(lab, new)?;
    old.signal(Signal::CONT)?;
    // Time for the client that knows only the old primary to try again, many times.
    writer.wait_acked(200, RECOVERED_WITHIN)?;

    let (ledger, stubborn) = (writer.finish()?, pinned.finish()?);
    nothing_lost(&ledger, new)?;
    nothing_lost(&stubborn, new)?;
    let writes = interleaved(&[&ledger, &stubborn]);
    ensure!(writes.is_empty(), "the thawed primary took writes: {writes:?}");
    scene.done();
    Ok(())
}

/// The original, with a short block period, began a second recovery beside the first and left two writable servers.
fn short_block(flavor: Flavor) -> Result<()> {
    let keys = [("RecoveryPeriodBlockSeconds", json!(1))];
    let scene = Scene::set("block1", &tree(flavor), &keys)?;
    let (lab, group) = (&scene.lab, &scene.group);
    let old = lab.server("a");
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(50, RECOVERED_WITHIN)?;

    old.signal(Signal::STOP)?;
    let recovery = recovered(group, old)?;
    let new = successor(lab, &recovery)?;
    writer.wait_elsewhere(old, RECOVERED_WITHIN)?;
    holds("the successor is the only replica that became writable", NO_SECOND_FAILOVER_FOR, || {
        let writable = writable_beside(lab, old);
        if writable == [new.letter.clone()] { Ok(()) } else { Err(format!("{writable:?}")) }
    })?;
    let won: Vec<_> = group.leader_api()?.recoveries_of(old)?;
    let won: Vec<_> = won.into_iter().filter(|r| r["IsSuccessful"] == true).collect();
    ensure!(won.len() == 1, "{} recoveries of one failure: {won:?}", won.len());

    old.signal(Signal::CONT)?;
    read_only(old, SEEN_WITHIN)?;
    nothing_lost(&of_server(&writer.finish()?, new), new)?;
    let seen = watch.finish()?;
    let both_replicas = seen.iter().filter(|o| o.letters.0 != old.letter && o.letters.1 != old.letter);
    let both_replicas: Vec<String> = both_replicas.map(ToString::to_string).collect();
    ensure!(both_replicas.is_empty(), "two replicas were promoted: {both_replicas:?}");
    scene.done();
    Ok(())
}

fn read_only(server: &Server, limit: Duration) -> Result<()> {
    until("the thawed primary is read-only", limit, || match sql::writable(server) {
        Ok(false) => Ok(()),
        other => Err(format!("writable: {other:?}")),
    })
}

/// The part of a ledger that `server` acknowledged: all that asynchronous replication promises after a freeze.
fn of_server(ledger: &Ledger, server: &Server) -> Ledger {
    let mine = |w: &&Write| w.outcome == Outcome::Acked(server.id);
    Ledger { writes: ledger.writes.iter().filter(mine).copied().collect() }
}

#[test]
fn a_thawed_primary_is_made_read_only_mysql_97() -> Result<()> {
    fenced(Flavor::Mysql97)
}

#[test]
fn a_thawed_primary_is_made_read_only_mariadb_1011() -> Result<()> {
    fenced(Flavor::MariaDb1011)
}

#[test]
fn with_semi_sync_a_thawed_primary_acknowledges_nothing_mysql_97() -> Result<()> {
    mute(Flavor::Mysql97)
}

#[test]
fn with_semi_sync_a_thawed_primary_acknowledges_nothing_mariadb_1011() -> Result<()> {
    mute(Flavor::MariaDb1011)
}

#[test]
fn a_short_block_period_never_makes_two_writers_mysql_97() -> Result<()> {
    short_block(Flavor::Mysql97)
}

#[test]
fn a_short_block_period_never_makes_two_writers_mariadb_1011() -> Result<()> {
    short_block(Flavor::MariaDb1011)
}
