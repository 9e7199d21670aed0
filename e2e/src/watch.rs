//! Samples `@@read_only` on every server of a lab and finds out whether two were ever writable at once.
//!
//! A sample's answer was true at some instant between question and answer. So a server counts as writable only from
//! the *answer* of one sample to the *question* of a later one, and only when samples followed each other without a
//! long gap: what the watch reports is proven, and a server that slept in between is not accused of its sleep.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;

use crate::lab::{Lab, Server};
use crate::sql::{as_root, block_on, connect};

/// Between two samples of one server.
const SAMPLE_EVERY: Duration = Duration::from_millis(5);
/// A sample without an answer after this is void.
const ANSWER_WITHIN: Duration = Duration::from_millis(200);
/// Two samples further apart than this prove nothing about the time between them.
const GAP_AT_MOST: Duration = Duration::from_millis(250);

/// A time in which a server was certainly writable.
#[derive(Debug, Clone)]
pub struct Writable {
    /// The server's letter.
    pub letter: String,
    /// Answer of the first sample.
    pub from: Instant,
    /// Question of the last one.
    pub to: Instant,
}

/// Two servers that were certainly writable at the same time.
#[derive(Debug, Clone)]
pub struct Overlap {
    /// Their letters.
    pub letters: (String, String),
    /// For how long.
    pub lasted: Duration,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} and {} both writable for {} ms",
            self.letters.0,
            self.letters.1,
            self.lasted.as_millis()
        )
    }
}

/// A running watch.
#[derive(Debug)]
pub struct WritableWatch {
    seen: Arc<Mutex<Vec<Writable>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WritableWatch {
    /// Begins to watch all servers of `lab`, over their unix sockets.
    #[must_use]
    pub fn start(lab: &Lab) -> Self {
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let servers: Vec<Server> = lab.servers().cloned().collect();
        let (to, until_stopped) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            block_on(async {
                let mut watches = JoinSet::new();
                for server in servers {
                    watches.spawn(watch_one(server, to.clone(), until_stopped.clone()));
                }
                while watches.join_next().await.is_some() {}
            });
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// Ends the watch and says which two servers were writable at the same time.
    ///
    /// # Errors
    /// When the watch itself broke or never saw a writable server: then it proves nothing.
    pub fn finish(mut self) -> Result<Vec<Overlap>> {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            bail!("the watch panicked");
        }
        let seen = self.seen.lock().expect("the watch never panics while it holds the list");
        if seen.is_empty() {
            bail!("the watch never saw a writable server");
        }
        Ok(overlaps(&seen))
    }
}

impl Drop for WritableWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// All pairs of different servers whose writable times intersect.
#[must_use]
pub fn overlaps(seen: &[Writable]) -> Vec<Overlap> {
    let mut found = Vec::new();
    for (i, one) in seen.iter().enumerate() {
        for two in seen[i + 1..].iter().filter(|two| two.letter != one.letter) {
            let (from, to) = (one.from.max(two.from), one.to.min(two.to));
            if from < to {
                let letters = (one.letter.clone(), two.letter.clone());
                found.push(Overlap { letters, lasted: to - from });
            }
        }
    }
    found
}

async fn watch_one(server: Server, seen: Arc<Mutex<Vec<Writable>>>, stop: Arc<AtomicBool>) {
    let mut held: Option<Conn> = None;
    // Index of the interval that still grows, and when its last sample was answered.
    let mut open: Option<(usize, Instant)> = None;
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answer = sample(&mut held, &server).await;
        let answered = Instant::now();
        if answer == Some(true) {
            let mut seen = seen.lock().expect("nobody panics while holding the list");
            match open {
                Some((at, last)) if answered - last <= GAP_AT_MOST => {
                    seen[at].to = asked;
                    open = Some((at, answered));
                }
                _ => {
                    open = Some((seen.len(), answered));
                    seen.push(Writable { letter: server.letter.clone(), from: answered, to: answered });
                }
            }
        } else if answer == Some(false) {
            open = None;
        }
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
}

/// `Some(writable)`, or `None` when the server did not answer.
async fn sample(held: &mut Option<Conn>, server: &Server) -> Option<bool> {
    let mut conn = match held.take() {
        Some(conn) => conn,
        None => connect(as_root(server), ANSWER_WITHIN).await.ok()?,
    };
    let answer = tokio::time::timeout(ANSWER_WITHIN, conn.query_first("select @@global.read_only")).await;
    let read_only: Option<i64> = answer.ok()?.ok()?;
    *held = Some(conn);
    read_only.map(|v| v == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writable(letter: &str, from: u64, to: u64, base: Instant) -> Writable {
        let at = |ms| base + Duration::from_millis(ms);
        Writable { letter: letter.to_owned(), from: at(from), to: at(to) }
    }

    #[test]
    fn one_after_the_other_is_no_overlap() {
        let base = Instant::now();
        assert!(overlaps(&[writable("a", 0, 10, base), writable("b", 10, 20, base)]).is_empty());
    }

    #[test]
    fn two_at_once_is_an_overlap_with_its_length() {
        let base = Instant::now();
        let found = overlaps(&[writable("a", 0, 15, base), writable("b", 10, 20, base)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].lasted, Duration::from_millis(5));
    }

    #[test]
    fn a_server_does_not_overlap_with_itself() {
        let base = Instant::now();
        assert!(overlaps(&[writable("a", 0, 15, base), writable("a", 10, 20, base)]).is_empty());
    }
}
