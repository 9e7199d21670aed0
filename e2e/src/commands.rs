//! People's commands as a stream, with a ledger of what was promised.
//!
//! Each command declares a downtime of a server that nobody else declares, with a number as its reason. A writer
//! waits for each answer. A server whose command failed is let go: whether that command counted is not known, and it
//! may still be on its way. So for all others exactly the last number that was acknowledged must be in force.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::group::HTTP_PORT;
use crate::line::Line;
use crate::sql::block_on;

/// A person gives up after this time. Shorter than a command may take on a node that waits for a quorum.
const PATIENCE: Duration = Duration::from_secs(3);
/// After a failure, so that a group without a leader is not asked thousands of times.
const PAUSE: Duration = Duration::from_millis(100);
/// Of a writer that rests, between two looks whether it goes on.
const REST: Duration = Duration::from_millis(10);
/// Servers that a writer takes turns with.
const SERVERS_EACH: usize = 4;

/// What to send, and to whom.
#[derive(Debug, Clone)]
pub struct CommandsPlan {
    /// Writers at work at the same time.
    pub writers: usize,
    /// Pause of a writer after each answer.
    pub pace: Duration,
    /// IP addresses of nodes; each command goes to one of them by chance.
    pub addresses: Vec<String>,
    /// A command that failed is sent once more, to the next node.
    pub retry: bool,
    /// Of the choice.
    pub seed: u64,
}

/// What became of one command.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Before it was sent first.
    pub sent: Instant,
    /// After the last answer to it.
    pub ended: Instant,
    /// Why it failed; `None` = acknowledged.
    pub failure: Option<String>,
}

/// What is known of one server.
#[derive(Debug, Clone, Default)]
struct Register {
    acked: u64,
    /// Sent after `acked`, without an answer.
    open: Option<u64>,
}

/// What was promised.
#[derive(Debug, Clone, Default)]
pub struct Promises(BTreeMap<String, Register>);

impl Promises {
    /// How `rows`, reasons by server, break them; empty when all is kept.
    #[must_use]
    pub fn broken_by(&self, rows: &BTreeMap<String, String>) -> Vec<String> {
        let broken = |(host, register): (&String, &Register)| {
            let found = rows.get(host).map_or("nothing", String::as_str);
            let is = |number: u64| match number {
                0 => !rows.contains_key(host),
                number => found == number.to_string(),
            };
            let kept = is(register.acked) || register.open.is_some_and(is);
            (!kept).then(|| format!("{host}: {register:?} and {found} in force"))
        };
        self.0.iter().filter_map(broken).collect()
    }

    /// How many servers it is about.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Forgets servers whose last command has no answer, and names them.
    fn let_go(&mut self) -> Vec<String> {
        let gone: Vec<String> =
            self.0.iter().filter(|(_, it)| it.open.is_some()).map(|(host, _)| host.clone()).collect();
        self.0.retain(|_, register| register.open.is_none());
        gone
    }
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    paused: AtomicBool,
    /// Commands under way.
    busy: AtomicUsize,
    acked: AtomicUsize,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    promises: Promises,
    sent: Vec<Sent>,
    /// Servers that were let go and whose downtime is to be taken back.
    gone: Vec<String>,
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    // A note is one entry.
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream; it ends when it is finished or dropped.
#[derive(Debug)]
pub struct Commands {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Commands {
    /// Begins to send.
    #[must_use]
    pub fn start(plan: &CommandsPlan) -> Self {
        let shared = Arc::new(Shared::default());
        let writers: Vec<Writer> = (0..plan.writers).map(|n| Writer::new(n, plan, shared.clone())).collect();
        let thread = std::thread::spawn(move || {
            block_on(async {
                let mut all = JoinSet::new();
                for writer in writers {
                    all.spawn(writer.write());
                }
                while all.join_next().await.is_some() {}
            });
        });
        Self { shared, thread: Some(thread) }
    }

    /// Commands that were acknowledged so far.
    #[must_use]
    pub fn acked(&self) -> usize {
        self.shared.acked.load(Ordering::Relaxed)
    }

    /// Lets the writers rest and shows what was promised once none waits for an answer. What has no answer is let
    /// go after that, and taken back when they go on, so that the state does not grow for hours.
    ///
    /// # Errors
    /// One still waits after the longest patience.
    pub fn at_rest<T>(&self, look: impl FnOnce(&Promises) -> Result<T>) -> Result<T> {
        self.shared.paused.store(true, Ordering::SeqCst);
        let rests = || match self.shared.busy.load(Ordering::SeqCst) {
            0 => Ok(()),
            busy => Err(format!("{busy} wait for answers")),
        };
        let rested = crate::until::until("writers at rest", PATIENCE * 3, rests);
        let looked = rested.and_then(|()| {
            let mut notes = lock(&self.shared.notes);
            let looked = look(&notes.promises)?;
            let gone = notes.promises.let_go();
            notes.gone.extend(gone);
            Ok(looked)
        });
        self.shared.paused.store(false, Ordering::SeqCst);
        looked
    }

    /// What became of commands since this was last asked.
    #[must_use]
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut lock(&self.shared.notes).sent)
    }

    /// Ends, and answers what was promised.
    ///
    /// # Errors
    /// The thread panicked.
    pub fn finish(mut self) -> Result<(Promises, Vec<Sent>)> {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow::anyhow!("the stream panicked"))?;
        }
        let sent = self.take();
        Ok((std::mem::take(&mut lock(&self.shared.notes).promises), sent))
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

struct Writer {
    name: String,
    plan: CommandsPlan,
    shared: Arc<Shared>,
    dice: Dice,
    lines: BTreeMap<usize, Line>,
    /// Servers of this writer, and how many there ever were.
    servers: Vec<String>,
    made: usize,
    number: u64,
}

impl Writer {
    fn new(n: usize, plan: &CommandsPlan, shared: Arc<Shared>) -> Self {
        Self {
            name: format!("w{n}"),
            plan: plan.clone(),
            shared,
            dice: Dice::new(plan.seed.wrapping_add(n as u64 + 1)),
            lines: BTreeMap::new(),
            servers: Vec::new(),
            made: 0,
            number: 0,
        }
    }

    async fn write(mut self) {
        while !self.shared.stop.load(Ordering::SeqCst) {
            // Counted before the look at the pause, so that whoever paused waits for this command too.
            self.shared.busy.fetch_add(1, Ordering::SeqCst);
            let rest = match self.shared.paused.load(Ordering::SeqCst) {
                true => REST,
                false if self.turn().await.is_ok() => self.plan.pace,
                false => PAUSE,
            };
            self.shared.busy.fetch_sub(1, Ordering::SeqCst);
            tokio::time::sleep(rest).await;
        }
    }

    /// What was let go is taken back first.
    async fn turn(&mut self) -> Result<()> {
        let gone = lock(&self.shared.notes).gone.pop();
        let Some(server) = gone else { return self.once().await };
        let node = self.dice.below(self.plan.addresses.len());
        let done = self.send(node, &format!("/api/end-downtime/{server}/3306")).await;
        if done.is_err() {
            lock(&self.shared.notes).gone.push(server);
        }
        done
    }

    /// One command, and the note of what became of it.
    async fn once(&mut self) -> Result<()> {
        while self.servers.len() < SERVERS_EACH {
            self.made += 1;
            self.servers.push(format!("{}-{}.example", self.name, self.made));
        }
        self.number += 1;
        let (turn, number) = (self.dice.below(SERVERS_EACH), self.number);
        let server = self.servers[turn].clone();
        lock(&self.shared.notes).promises.0.entry(server.clone()).or_default().open = Some(number);
        let (path, node) = (declare(&server, number), self.dice.below(self.plan.addresses.len()));
        let sent = Instant::now();
        let mut done = self.send(node, &path).await;
        if done.is_err() && self.plan.retry {
            done = self.send((node + 1) % self.plan.addresses.len(), &path).await;
        }
        let failure = done.as_ref().err().map(|error| format!("{error:#}"));
        let mut notes = lock(&self.shared.notes);
        notes.sent.push(Sent { sent, ended: Instant::now(), failure });
        if done.is_ok() {
            self.shared.acked.fetch_add(1, Ordering::Relaxed);
            notes.promises.0.insert(server, Register { acked: number, open: None });
        } else {
            self.servers.remove(turn);
        }
        done
    }

    async fn send(&mut self, node: usize, path: &str) -> Result<()> {
        let exchange = async {
            let line = match self.lines.remove(&node) {
                Some(line) => line,
                None => Line::to(&format!("{}:{HTTP_PORT}", self.plan.addresses[node])).await?,
            };
            let mut line = line;
            let answer = line.get(path).await?;
            anyhow::Ok((line, answer))
        };
        let (line, (status, body)) =
            tokio::time::timeout(PATIENCE, exchange).await.context("no answer")??;
        self.lines.insert(node, line);
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        ensure!(status == 200 && body["Code"] == "OK", "node {}: {status} {}", node + 1, body["Message"]);
        Ok(())
    }
}

fn declare(server: &str, number: u64) -> String {
    format!("/api/begin-downtime/{server}/3306/stream/{number}/90d")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promises(entries: &[(&str, u64, Option<u64>)]) -> Promises {
        let entry = |(host, acked, open): &(&str, u64, Option<u64>)| {
            ((*host).to_owned(), Register { acked: *acked, open: *open })
        };
        Promises(entries.iter().map(entry).collect())
    }

    fn rows(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(host, reason)| ((*host).to_owned(), (*reason).to_owned())).collect()
    }

    #[test]
    fn what_was_acknowledged_must_be_in_force_and_what_has_no_answer_may_be() {
        let promises = promises(&[("a", 7, None), ("b", 3, Some(5)), ("c", 0, Some(1))]);
        for kept in [&[("a", "7"), ("b", "3")][..], &[("a", "7"), ("b", "5"), ("c", "1")]] {
            assert!(promises.broken_by(&rows(kept)).is_empty(), "{kept:?}");
        }
        for broken in [
            &[("a", "6"), ("b", "3")][..],
            &[("b", "3")],
            &[("a", "7")],
            &[("a", "7"), ("b", "4")],
            &[("a", "7"), ("b", "3"), ("c", "2")],
        ] {
            assert_eq!(promises.broken_by(&rows(broken)).len(), 1, "{broken:?}");
        }
    }

    #[test]
    fn servers_without_an_answer_are_let_go() {
        let mut promises = promises(&[("a", 7, None), ("b", 3, Some(5))]);
        assert_eq!(promises.let_go(), ["b"]);
        assert_eq!(promises.count(), 1);
    }
}
