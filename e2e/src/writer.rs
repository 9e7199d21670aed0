//! A client that writes numbered rows and keeps the ledger: what was acknowledged, by whom, and when.
//!
//! Each id is tried once. An id without an answer is *unknown*: it may or may not be there, and neither is wrong.
//! An acknowledged id that is missing afterwards is a lost row.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;

use crate::lab::{Lab, Server};
use crate::sql::{as_app, block_on, connect, rows};
use crate::until::until;

/// A server that does not even answer the login in this time is passed over; the next round asks it again.
const LOGIN_WITHIN: Duration = Duration::from_millis(300);
/// Pause before the next round when nobody takes writes.
const ROUND_EVERY: Duration = Duration::from_millis(2);
/// Reading back a ledger of a few thousand rows.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The server with this `server_id` said yes.
    Acked(u32),
    /// The server said no: nothing was written.
    Failed,
    /// No answer.
    Unknown,
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub struct Write {
    /// Primary key of the row; never tried twice.
    pub id: u64,
    /// Before the statement went out.
    pub sent: Instant,
    /// When the outcome was known.
    pub ended: Instant,
    /// What came of it.
    pub outcome: Outcome,
}

/// How to write.
#[derive(Debug, Clone)]
pub struct WriterPlan {
    /// Servers that the client knows; it writes to the first that says it is writable.
    pub servers: Vec<Server>,
    /// Pause between writes.
    pub interval: Duration,
    /// A statement without an answer after this is given up, with its connection.
    pub patience: Duration,
    /// The first id; two writers of one lab take different ranges.
    pub first_id: u64,
}

impl WriterPlan {
    /// One insert each ten milliseconds to whoever is writable in `lab`.
    #[must_use]
    pub fn following(lab: &Lab) -> Self {
        Self {
            servers: lab.servers().cloned().collect(),
            interval: Duration::from_millis(10),
            patience: Duration::from_millis(500),
            first_id: 1,
        }
    }

    /// A client that knows one server only and never gives it up: it shows whether an old primary takes writes.
    #[must_use]
    pub fn pinned(server: &Server) -> Self {
        Self {
            servers: vec![server.clone()],
            interval: Duration::from_millis(10),
            patience: Duration::from_millis(500),
            first_id: 1_000_000_000,
        }
    }
}

/// Everything that a writer did.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// In the order of the ids.
    pub writes: Vec<Write>,
}

impl Ledger {
    /// Acknowledged writes with the `server_id` that acknowledged them.
    pub fn acked(&self) -> impl DoubleEndedIterator<Item = (&Write, u32)> {
        self.writes.iter().filter_map(|w| match w.outcome {
            Outcome::Acked(server) => Some((w, server)),
            _ => None,
        })
    }

    /// The first write that somebody other than `old` acknowledged.
    #[must_use]
    pub fn first_ack_elsewhere(&self, old: &Server) -> Option<(Write, u32)> {
        self.acked().find(|(_, by)| *by != old.id).map(|(w, by)| (*w, by))
    }

    /// Acknowledged ids that `server` does not have.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn lost_on(&self, server: &Server) -> Result<Vec<u64>> {
        let there: BTreeSet<u64> =
            rows(server, "select id from app.counter", READ_WITHIN)?.into_iter().collect();
        Ok(self.acked().map(|(w, _)| w.id).filter(|id| !there.contains(id)).collect())
    }

    /// Longest time without an acknowledged write.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        let ends: Vec<Instant> = self.acked().map(|(w, _)| w.ended).collect();
        ends.windows(2).map(|w| w[1] - w[0]).max().unwrap_or_default()
    }
}

/// Acknowledged writes that prove two servers writable at once.
///
/// A write on X that lies wholly between two writes on Y (all three acknowledged) cannot be explained by a hand-over.
#[must_use]
pub fn interleaved(ledgers: &[&Ledger]) -> Vec<String> {
    let mut acked: Vec<(&Write, u32)> = ledgers.iter().flat_map(|l| l.acked()).collect();
    acked.sort_by_key(|(w, _)| w.ended);
    let servers: BTreeSet<u32> = acked.iter().map(|(_, by)| *by).collect();
    let mut proofs = Vec::new();
    for &y in &servers {
        let mine = || acked.iter().filter(move |(_, by)| *by == y);
        let (Some((first, _)), Some((last, _))) = (mine().next(), mine().next_back()) else { continue };
        let between = acked.iter().filter(|(w, by)| *by != y && w.sent > first.ended && w.ended < last.sent);
        proofs.extend(
            between.map(|(w, by)| format!("id {} on server {by} while server {y} took writes", w.id)),
        );
    }
    proofs
}

/// A running writer; it has a thread of its own, so that a busy story never looks like an outage.
#[derive(Debug)]
pub struct Writer {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts writing.
    #[must_use]
    pub fn start(plan: WriterPlan) -> Self {
        let (ledger, stop) = (Arc::new(Mutex::new(Ledger::default())), Arc::new(AtomicBool::new(false)));
        let (to, until_stopped) = (ledger.clone(), stop.clone());
        let thread = std::thread::spawn(move || block_on(write_loop(plan, &to, &until_stopped)));
        Self { ledger, stop, thread: Some(thread) }
    }

    /// What has been done so far.
    ///
    /// # Panics
    /// When the writer's thread panicked.
    #[must_use]
    pub fn so_far(&self) -> Ledger {
        self.ledger.lock().expect("the writer never panics while it holds the ledger").clone()
    }

    /// Waits until `count` further writes are acknowledged.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub fn wait_acked(&self, count: usize, limit: Duration) -> Result<()> {
        let before = self.so_far().acked().count();
        until(&format!("{count} more acknowledged writes"), limit, || {
            let now = self.so_far().acked().count();
            if now >= before + count { Ok(()) } else { Err(format!("{} so far", now - before)) }
        })
    }

    /// Waits for the first write that somebody other than `old` acknowledges.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub fn wait_elsewhere(&self, old: &Server, limit: Duration) -> Result<(Write, u32)> {
        until("a write acknowledged elsewhere", limit, || {
            let ledger = self.so_far();
            ledger.first_ack_elsewhere(old).ok_or_else(|| format!("last write: {:?}", ledger.writes.last()))
        })
    }

    /// Stops and hands over the ledger.
    ///
    /// # Errors
    /// When the writer's thread panicked.
    pub fn finish(mut self) -> Result<Ledger> {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            bail!("the writer panicked");
        }
        Ok(self.so_far())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn write_loop(plan: WriterPlan, ledger: &Mutex<Ledger>, stop: &AtomicBool) {
    let mut held: Option<(Conn, u32)> = None;
    let mut id = plan.first_id;
    while !stop.load(Ordering::Relaxed) {
        let Some((mut conn, server)) = (match held.take() {
            Some(conn) => Some(conn),
            None => find_writable(&plan.servers).await,
        }) else {
            tokio::time::sleep(ROUND_EVERY).await;
            continue;
        };
        let sent = Instant::now();
        let sql =
            format!("insert into app.counter (id, writer, server_id) values ({id}, 'story', @@server_id)");
        let outcome = match tokio::time::timeout(plan.patience, conn.query_drop(sql)).await {
            Ok(Ok(())) => Outcome::Acked(server),
            Ok(Err(mysql_async::Error::Server(e))) if refused(e.code) => Outcome::Failed,
            _ => Outcome::Unknown,
        };
        let write = Write { id, sent, ended: Instant::now(), outcome };
        ledger.lock().expect("nobody panics while holding the ledger").writes.push(write);
        id += 1;
        if matches!(outcome, Outcome::Acked(_)) {
            held = Some((conn, server));
            tokio::time::sleep(plan.interval.saturating_sub(sent.elapsed())).await;
        }
    }
}

/// Errors that say that nothing was written: read-only in its several forms.
fn refused(code: u16) -> bool {
    matches!(code, 1290 | 1792 | 1836 | 3100)
}

/// Asks all servers at once and takes the first that says it is writable.
async fn find_writable(servers: &[Server]) -> Option<(Conn, u32)> {
    let mut asked = JoinSet::new();
    for server in servers {
        let (opts, id) = (as_app(server), server.id);
        asked.spawn(async move {
            let mut conn = connect(opts, LOGIN_WITHIN).await.ok()?;
            let answer =
                tokio::time::timeout(LOGIN_WITHIN, conn.query_first("select @@global.read_only")).await;
            let read_only: Option<i64> = answer.ok()?.ok()?;
            (read_only == Some(0)).then_some((conn, id))
        });
    }
    while let Some(answer) = asked.join_next().await {
        if let Ok(Some(found)) = answer {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(id: u64, at: u64, server: u32, base: Instant) -> Write {
        let sent = base + Duration::from_millis(at);
        Write { id, sent, ended: sent + Duration::from_millis(1), outcome: Outcome::Acked(server) }
    }

    #[test]
    fn a_hand_over_is_not_two_writers() {
        let base = Instant::now();
        let ledger =
            Ledger { writes: vec![write(1, 0, 1, base), write(2, 10, 1, base), write(3, 20, 2, base)] };
        assert!(interleaved(&[&ledger]).is_empty());
    }

    #[test]
    fn an_old_primary_that_takes_a_write_is_found_out() {
        let base = Instant::now();
        let follower =
            Ledger { writes: vec![write(1, 0, 1, base), write(2, 20, 2, base), write(3, 60, 2, base)] };
        let pinned = Ledger { writes: vec![write(9, 40, 1, base)] };
        assert!(!interleaved(&[&follower, &pinned]).is_empty());
    }
}
