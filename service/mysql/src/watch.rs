//! The pulse of an instance: one held connection that breaks within milliseconds when the process dies, and
//! misses its deadline when the process is frozen or cut off.

use std::time::Duration;

use orchestrator_core::{Timestamp, grace::Departure, observation::Failure};
use tokio::{sync::mpsc, task::JoinSet};

/// What a pulse may take beyond its own length before it can be called overdue: scheduling on both sides.
pub const PULSE_SLACK: Duration = Duration::from_millis(100);

/// Events that wait for a slow reader; then the watch itself waits. Small, since old news is worthless.
const EVENT_QUEUE: usize = 16;

/// News of a watched instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// It lives.
    Pulse {
        /// When it said so.
        at: Timestamp,
        /// `@@read_only` at that moment; `None` when it did not say.
        read_only: Option<bool>,
    },
    /// It is silent though the connection stands; repeated as long as that lasts.
    Overdue {
        /// Time since its last sign of life.
        silent_for: Duration,
    },
    /// The connection broke, or none could be made; repeated with each failed attempt to get it back.
    Lost {
        /// What happened to the connection, or to the attempt.
        failure: Failure,
        /// Whether the server took its leave. Only the connection that it ended can tell: later attempts say
        /// [`Departure::Abrupt`] again.
        departure: Departure,
    },
    /// It can be watched again, or answered after having been overdue.
    Back,
}

/// A watch in progress. Dropping it ends it and closes its connection.
#[derive(Debug)]
pub struct Watch {
    events: mpsc::Receiver<WatchEvent>,
    /// Owns the watching task, if there is one.
    _task: JoinSet<()>,
}

impl Watch {
    /// A watch that tells what is sent to it: for fakes.
    pub fn from_events(events: mpsc::Receiver<WatchEvent>) -> Self {
        Self { events, _task: JoinSet::new() }
    }

    /// The next event; `None` when the watch has ended. Safe to cancel.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        self.events.recv().await
    }

    pub(crate) fn run<F>(watching: impl FnOnce(mpsc::Sender<WatchEvent>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let mut task = JoinSet::new();
        task.spawn(watching(sender));
        Self { events, _task: task }
    }
}
