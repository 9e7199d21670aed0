//! Whether the loops of this process still go round: what `/livez` is about.
//!
//! The loop of the health hears each tick of raft's own event loop on the program's, so that it stands when either
//! does. What raft says in those ticks, who leads and whether anybody does, is no matter of life.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A loop that stands for so long will not go on: each wait in it has a deadline that is shorter, and the longest
/// pause of a machine that moves or swaps is too.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// The loops that are watched.
#[derive(Debug, Default)]
pub(super) struct Pulses {
    /// Goes round at each tick of raft, ten times a second.
    pub(super) health: Pulse,
    /// Goes round once a second.
    pub(super) duties: Pulse,
}

impl Pulses {
    /// Why only a restart would help.
    pub(super) fn stuck(&self) -> Option<String> {
        self.health.stuck("health").or_else(|| self.duties.stuck("duties"))
    }
}

/// When one loop last went round. A loop that did not begin yet is not stuck: its process starts.
#[derive(Debug)]
pub(super) struct Pulse {
    origin: Instant,
    /// Milliseconds since `origin`, and one, so that 0 is never.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { origin: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Pulse {
    pub(super) fn beat(&self) {
        self.beat_at(Instant::now());
    }

    fn beat_at(&self, now: Instant) {
        let ms = u64::try_from((now - self.origin).as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(ms + 1, Ordering::Relaxed);
    }

    fn stuck(&self, name: &str) -> Option<String> {
        self.stuck_at(name, Instant::now())
    }

    fn stuck_at(&self, name: &str, now: Instant) -> Option<String> {
        let last = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        let silent = now.saturating_duration_since(self.origin + Duration::from_millis(last));
        (silent >= STUCK_AFTER)
            .then(|| format!("the loop of the {name} has not gone round for {} s", silent.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_for_half_a_minute_is_stuck_until_it_goes_round_again() {
        let pulse = Pulse::default();
        let start = pulse.origin;
        assert_eq!(pulse.stuck_at("health", start + STUCK_AFTER * 2), None, "it did not begin yet");
        pulse.beat_at(start);
        assert_eq!(pulse.stuck_at("health", start + STUCK_AFTER / 2), None);
        let said = pulse.stuck_at("health", start + STUCK_AFTER);
        assert_eq!(said.as_deref(), Some("the loop of the health has not gone round for 30 s"));
        pulse.beat_at(start + STUCK_AFTER);
        assert_eq!(pulse.stuck_at("health", start + STUCK_AFTER), None);
    }
}
