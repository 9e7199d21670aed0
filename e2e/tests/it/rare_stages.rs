//! As `leader_dies`, at the stages that an ordinary recovery passes by: each needs a special occasion.

use std::path::Path;

use anyhow::{Result, ensure};
use orchestrator_e2e::lab::tool;
use orchestrator_e2e::{
    Flavor, Lab, LabPlan, Ledger, Server, WritableWatch, Writer, WriterPlan, holds, sql, until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    RECOVERED_WITHIN, SEEN_WITHIN, SETTLED_FOR, nothing_lost, one_writer, successor, writable_now,
};
use crate::victim::Victim;

/// One statement on one server, as root.
fn execute(server: &Server, statement: &str) -> Result<()> {
    sql::rows::<i64>(server, statement, SEEN_WITHIN).map(drop)
}

/// Semi-synchronous replication that never falls back: what was acknowledged is on a replica.
fn semi_sync(flavor: Flavor, topology: &str) -> LabPlan {
    LabPlan::new(flavor, topology).with(&["--semi-sync", "--semi-sync-timeout", "3600000"])
}

/// Waits until these replicas receive from `source`.
fn follow(lab: &Lab, replicas: &[&str], source: &Server) -> Result<()> {
    until(&format!("{replicas:?} receive from {}", source.letter), RECOVERED_WITHIN, || {
        let status = lab.status().map_err(|e| e.to_string())?;
        for letter in replicas {
            let replica = &status[letter];
            if replica["source"] != source.letter.as_str() || replica["replication"]["io"] != "Yes" {
                return Err(format!("{letter}: {replica}"));
            }
        }
        Ok(())
    })
}

/// A semi-synchronous topology in which `letter` alone acknowledges nothing: it may be missed.
fn all_acknowledge_but(letter: &str, flavor: Flavor, topology: &str) -> LabPlan {
    let word = if flavor == Flavor::Mysql97 { "replica" } else { "slave" };
    let off = format!("{letter}:rpl_semi_sync_{word}_enabled=OFF");
    semi_sync(flavor, topology).with(&["--cnf", &off])
}

/// The successor takes writes, and has all that were acknowledged, also in `before`.
fn takes_over(lab: &Lab, new: &Server, before: &Ledger, writer: Writer) -> Result<Ledger> {
    writer.wait_elsewhere(lab.server("a"), RECOVERED_WITHIN)?;
    writer.wait_acked(20, RECOVERED_WITHIN)?;
    let ledger = writer.finish()?;
    nothing_lost(before, new)?;
    nothing_lost(&ledger, new)?;
    Ok(ledger)
}

/// The only replica that may be promoted received less than the others: it fetches the rest before it opens.
fn catch_up(flavor: Flavor, fault: &str) -> Result<()> {
    let plan = semi_sync(flavor, "a>b,a>c,a>d").with(&["--promotion-rule", "b=must_not,d=must_not"]);
    let mut victim = Victim::leads("catchup", &plan, &[], fault)?;
    let lab = &victim.scene.lab;
    let old = lab.server("a").clone();
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(20, RECOVERED_WITHIN)?;
    // From now on only b and d have what clients are promised.
    execute(lab.server("c"), "stop replica io_thread")?;
    writer.wait_acked(50, RECOVERED_WITHIN)?;
    ensure!(
        !writer.so_far().lost_on(lab.server("c"))?.is_empty(),
        "c is not behind: there is nothing to fetch"
    );

    old.kill9()?;
    victim.dies()?;

    let recovery = victim.finished_by_another(&old)?;
    let lab = &victim.scene.lab;
    let new = successor(lab, &recovery)?;
    ensure!(new.letter == "c", "promoted {}", new.letter);
    let ledger = takes_over(lab, new, &Ledger::default(), writer)?;
    follow(lab, &["b", "d"], new)?;
    one_writer(&watch.finish()?, &[&ledger])?;
    victim.told(&recovery, "it fetches what it lacks from ")?;
    victim.returns()
}

/// A replica does not answer during the recovery and returns while it is given up: it is detached, once.
fn lost(flavor: Flavor, fault: &str) -> Result<()> {
    let plan = all_acknowledge_but("d", flavor, "a>b,a>c,a>d");
    let mut victim = Victim::leads("lost", &plan, &[], fault)?;
    let lab = &victim.scene.lab;
    let (old, lost) = (lab.server("a").clone(), lab.server("d").clone());
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(50, RECOVERED_WITHIN)?;

    lost.signal(Signal::STOP)?;
    old.kill9()?;
    // The successor is open, so `d` is lost already: now it returns.
    writer.wait_elsewhere(&old, RECOVERED_WITHIN)?;
    lost.signal(Signal::CONT)?;
    victim.dies()?;

    let recovery = victim.finished_by_another(&old)?;
    let new = successor(&victim.scene.lab, &recovery)?;
    let ledger = writer.finish()?;
    nothing_lost(&ledger, new)?;
    one_writer(&watch.finish()?, &[&ledger])?;
    victim.told(&recovery, &format!("{} was detached", lost.key()))?;
    let api = victim.scene.group.leader_api()?;
    until("the lost replica is detached and keeps the name of its source", SEEN_WITHIN, || {
        let source = api.instance(&lost).map_err(|e| format!("{e:#}"))?["MasterKey"]["Hostname"].clone();
        if source == format!("//{}", old.host) { Ok(()) } else { Err(format!("source {source}")) }
    })?;
    victim.returns()
}

/// What makes the receiver of `c` sit in a reconnect attempt to its frozen source when it is told to stop.
fn reconnect(script: &Path, lab: &Lab) -> Result<()> {
    let sql = format!("python3 {} sql -N {}/c", tool().display(), lab.name());
    let attempts = "select count(*) from information_schema.processlist where state like 'Connecting to %'";
    let lines = [
        "set -e".to_owned(),
        format!("{sql} 'stop replica io_thread'"),
        format!("{sql} 'start replica io_thread'"),
        format!("until [ \"$({sql} \"{attempts}\")\" -ge 1 ]; do :; done"),
    ];
    Ok(std::fs::write(script, lines.join("\n"))?)
}

/// A replica's receiver is slow to stop: nobody waits for it, and it is moved in the end.
fn slow(flavor: Flavor, fault: &str) -> Result<()> {
    let script = tempfile::NamedTempFile::new()?;
    let keys = [("PreFailoverProcesses", json!([format!("sh {}", script.path().display())]))];
    // The receiver that sits in an attempt ends it within the net timeout, on MariaDB 11.
    let plan = all_acknowledge_but("c", flavor, "a>b,a>c,a>d").with(&["--net-timeout", "10"]);
    let mut victim = Victim::leads("slow", &plan, &keys, fault)?;
    let lab = &victim.scene.lab;
    let old = lab.server("a").clone();
    reconnect(script.path(), lab)?;
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(50, RECOVERED_WITHIN)?;
    let before = writer.finish()?;
    for replica in ["b", "c", "d"].map(|letter| lab.server(letter)) {
        until("the replicas have all", SEEN_WITHIN, || match before.lost_on(replica) {
            Ok(lost) if lost.is_empty() => Ok(()),
            other => Err(format!("{}: {other:?}", replica.letter)),
        })?;
    }

    old.signal(Signal::STOP)?;
    let writer = Writer::start(WriterPlan { first_id: 500_000, ..WriterPlan::following(lab) });
    victim.dies()?;

    let recovery = victim.finished_by_another(&old)?;
    let lab = &victim.scene.lab;
    let new = successor(lab, &recovery)?;
    ensure!(new.letter != "c", "the slow one was promoted");
    let ledger = takes_over(lab, new, &before, writer)?;
    one_writer(&watch.finish()?, &[&ledger])?;
    let c = lab.server("c").key();
    victim.told(&recovery, &format!("{c} stopped receiving (its receiving thread does not stop yet)"))?;
    victim.told(&recovery, &format!("{c} follows {}", new.key()))?;
    follow(lab, &["c"], new)?;
    victim.returns()
}

/// A frozen primary was fenced, and then nobody could take its place: all is put back, and it takes writes again.
fn restore(flavor: Flavor, fault: &str) -> Result<()> {
    // c alone may be promoted, and cannot execute what it received.
    let plan = semi_sync(flavor, "a>b,a>c").with(&["--promotion-rule", "b=must_not"]);
    let mut victim = Victim::leads("restore", &plan, &[], fault)?;
    let lab = &victim.scene.lab;
    let old = lab.server("a").clone();
    lab.break_replication("c")?;
    let watch = WritableWatch::start(lab);
    let writer = Writer::start(WriterPlan::following(lab));
    writer.wait_acked(50, RECOVERED_WITHIN)?;

    old.signal(Signal::STOP)?;
    victim.dies()?;
    old.signal(Signal::CONT)?;

    let recovery = victim.finished_by_another(&old)?;
    ensure!(recovery["IsSuccessful"] == false, "{recovery}");
    let lab = &victim.scene.lab;
    let before = writer.so_far().acked().count();
    until("the primary takes writes again", SEEN_WITHIN, || {
        let ledger = writer.so_far();
        let more = ledger.acked().count() - before;
        let last = ledger.writes.last().map(|write| write.outcome);
        let state = || format!("{more} more; the last: {last:?}; writable: {:?}", writable_now(lab));
        if more >= 50 { Ok(()) } else { Err(state()) }
    })?;
    follow(lab, &["b", "c"], &old)?;
    // The fence that waited for the primary to wake must not come after it was taken back.
    holds("the primary, and it alone, stays open", SETTLED_FOR, || {
        let writable = writable_now(lab);
        if writable == ["a"] { Ok(()) } else { Err(format!("writable: {writable:?}")) }
    })?;
    let ledger = writer.finish()?;
    nothing_lost(&ledger, &old)?;
    one_writer(&watch.finish()?, &[&ledger])?;
    ensure!(ledger.first_ack_elsewhere(&old).is_none(), "somebody else took writes");
    victim.told(&recovery, &format!("{} was opened again", old.key()))?;
    victim.returns()
}

macro_rules! around {
    ($($claim:ident: $story:ident at $stage:literal on $($flavor:ident as $name:ident),+;)+) => {$(
        mod $claim {
            $(mod $name {
                use orchestrator_e2e::Flavor;

                #[test]
                fn before() -> anyhow::Result<()> {
                    super::super::$story(Flavor::$flavor, concat!("exit-before:", $stage))
                }

                #[test]
                fn after() -> anyhow::Result<()> {
                    super::super::$story(Flavor::$flavor, concat!("exit-after:", $stage))
                }
            })+
        }
    )+};
}

around! {
    a_candidate_that_is_behind_still_gets_all: catch_up at "catch-up" on
        Mysql97 as mysql_97, MariaDb1011 as mariadb_1011;
    a_lost_replica_that_returns_is_detached_once: lost at "late" on
        Mysql97 as mysql_97, MariaDb1011 as mariadb_1011;
    // MariaDB 10.11 stops its receiver at once, whatever it waits for.
    a_replica_that_is_slow_to_stop_is_still_moved: slow at "late" on
        Mysql97 as mysql_97, MariaDb118 as mariadb_118;
    a_fence_that_nobody_needed_is_still_taken_back: restore at "restore" on
        Mysql97 as mysql_97, MariaDb1011 as mariadb_1011;
}
