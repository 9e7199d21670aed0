//! Asks every node the questions of load balancers and supervisors, over and over, and notes when each was sent, when
//! it was answered, and what was said.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::group::{HTTP_PORT, PROBE_PORT};
use crate::line::Line;
use crate::sql::block_on;

/// Pause between two looks by one eye.
pub const PACE: Duration = Duration::from_millis(20);
/// As a supervisor that gives up after a second.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What is asked of one node by one eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// `leader-check`, over a connection that is kept.
    Leader,
    /// `raft-health`, over a connection that is kept.
    Health,
    /// `lb-check`, over a connection that is kept.
    Answers,
    /// `/livez`, over a connection that is kept.
    Live,
    /// `/readyz`, over a connection that is kept.
    Ready,
    /// `leader-check` at the listener for probes, each time over a new connection.
    ProbedLeader,
    /// `raft-health` there.
    ProbedHealth,
    /// `/livez` there.
    ProbedLive,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Leader,
        Self::Health,
        Self::Answers,
        Self::Live,
        Self::Ready,
        Self::ProbedLeader,
        Self::ProbedHealth,
        Self::ProbedLive,
    ];

    /// Those that a node without a listener for probes answers too.
    pub const KEPT: [Self; 5] = [Self::Leader, Self::Health, Self::Answers, Self::Live, Self::Ready];

    fn path(self) -> &'static str {
        match self {
            Self::Leader | Self::ProbedLeader => "/api/leader-check",
            Self::Health | Self::ProbedHealth => "/api/raft-health",
            Self::Answers => "/api/lb-check",
            Self::Live | Self::ProbedLive => "/livez",
            Self::Ready => "/readyz",
        }
    }

    fn is_probed(self) -> bool {
        matches!(self, Self::ProbedLeader | Self::ProbedHealth | Self::ProbedLive)
    }

    /// Whether it asks who leads, which is one node's to say at most.
    #[must_use]
    pub fn asks_who_leads(self) -> bool {
        matches!(self, Self::Leader | Self::ProbedLeader)
    }

    /// Whether yes is a promise about the group and not about the process alone.
    #[must_use]
    pub fn needs_majority(self) -> bool {
        !matches!(self, Self::Answers | Self::Live | Self::ProbedLive)
    }

    /// What a report calls it.
    #[must_use]
    pub fn name(self) -> String {
        let at = if self.is_probed() { ", probe listener" } else { "" };
        format!("{}{at}", self.path().trim_start_matches("/api/"))
    }
}

/// One question and its answer.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Before it was sent.
    pub sent: Instant,
    /// After the answer, or after giving up.
    pub ended: Instant,
    /// The status; `None` = no answer in time, or no connection.
    pub status: Option<u16>,
}

impl Look {
    /// It was answered 200.
    #[must_use]
    pub fn yes(&self) -> bool {
        self.status == Some(200)
    }
}

/// What was seen, by node and question, each in its order.
pub type Seen = BTreeMap<(usize, Question), Vec<Look>>;

/// Goes on until it is finished or dropped.
#[derive(Debug)]
pub struct Looks {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Looks {
    /// Begins to ask `questions` of the nodes at these IP addresses, on the ports that nodes of a group have.
    #[must_use]
    pub fn start(addresses: &[String], questions: &[Question]) -> Self {
        let (seen, stop) = (Arc::new(Mutex::new(Seen::new())), Arc::new(AtomicBool::new(false)));
        let eyes: Vec<Eye> = addresses
            .iter()
            .enumerate()
            .flat_map(|(node, address)| {
                questions.iter().map(move |question| Eye::new(node, *question, address))
            })
            .collect();
        let (notes, end) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            block_on(async {
                let mut all = JoinSet::new();
                for eye in eyes {
                    all.spawn(eye.look(notes.clone(), end.clone()));
                }
                while all.join_next().await.is_some() {}
            });
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// What was seen since it was last taken.
    #[must_use]
    pub fn take(&self) -> Seen {
        std::mem::take(&mut *lock(&self.seen))
    }

    /// Ends and answers what was seen since it was last taken.
    ///
    /// # Errors
    /// The thread panicked.
    pub fn finish(mut self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow::anyhow!("the watch panicked"))?;
        }
        Ok(self.take())
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // A note is one push.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One question to one node.
struct Eye {
    node: usize,
    question: Question,
    authority: String,
    line: Option<Line>,
}

impl Eye {
    fn new(node: usize, question: Question, address: &str) -> Self {
        let port = if question.is_probed() { PROBE_PORT } else { HTTP_PORT };
        Self { node, question, authority: format!("{address}:{port}"), line: None }
    }

    async fn look(mut self, seen: Arc<Mutex<Seen>>, stop: Arc<AtomicBool>) {
        let mut turns = tokio::time::interval(PACE);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.load(Ordering::Relaxed) {
            turns.tick().await;
            let sent = Instant::now();
            let answer = tokio::time::timeout(ANSWER_WITHIN, self.ask()).await;
            let status = answer.ok().and_then(Result::ok);
            if status.is_none() || self.question.is_probed() {
                self.line = None;
            }
            let look = Look { sent, ended: Instant::now(), status };
            lock(&seen).entry((self.node, self.question)).or_default().push(look);
        }
    }

    async fn ask(&mut self) -> Result<u16> {
        let line = match &mut self.line {
            Some(line) => line,
            empty => empty.insert(Line::to(&self.authority).await?),
        };
        Ok(line.get(self.question.path()).await?.0)
    }
}
