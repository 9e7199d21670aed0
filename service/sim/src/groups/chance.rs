//! The one source of chance of a history of a group; everything that draws from it draws in the order of events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::random::Random;

/// Clones share the sequence.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Arc<Mutex<Random>>);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Random::new(seed))))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number in `from..=to`.
    pub(crate) fn range(&self, from: u64, to: u64) -> u64 {
        self.draw(|random| random.range(from, to))
    }

    /// Milliseconds in `from..=to`.
    pub(crate) fn ms(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.range(from, to))
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&self, chance: u64) -> bool {
        self.draw(|random| random.percent(chance))
    }

    /// One of these; `None` where there are none.
    pub(crate) fn one_of<T: Copy>(&self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.draw(|random| random.index(all.len()))])
    }
}
