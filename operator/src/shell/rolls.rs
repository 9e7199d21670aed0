//! How many objects may have members restarted for an update at the same time.
//!
//! In memory only: a new operator begins with nobody rolling, sees who is in the middle of it, and lets these go on.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::index::Key;

/// Hands out turns.
#[derive(Debug)]
pub struct Rolls {
    most: usize,
    delay: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rolling: HashSet<Key>,
    ended: Option<Instant>,
}

impl Rolls {
    /// At most so many, and so long between the end of one and the beginning of the next.
    #[must_use]
    pub fn new(most: usize, delay: Duration) -> Self {
        Self { most, delay, state: Mutex::default() }
    }

    /// Whether `key` may begin or go on.
    #[must_use]
    pub fn may(&self, key: &Key) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rolling.contains(key)
            || (state.rolling.len() < self.most
                && state.ended.is_none_or(|ended| ended.elapsed() >= self.delay))
    }

    /// Whether `key` is rolling now.
    pub fn set(&self, key: &Key, rolling: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if rolling {
            state.rolling.insert(key.clone());
        } else if state.rolling.remove(key) {
            state.ended = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_allowed_roll_at_once_and_whoever_began_goes_on() {
        let rolls = Rolls::new(1, Duration::from_secs(5));
        let (a, b) = (Key::new("x", "a"), Key::new("x", "b"));
        assert!(rolls.may(&a));
        rolls.set(&a, true);
        assert!(rolls.may(&a) && !rolls.may(&b));
        rolls.set(&a, false);
        assert!(!rolls.may(&b), "there is a pause between two");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(rolls.may(&b));
        rolls.set(&b, false);
        assert!(rolls.may(&a), "who never rolled does not end");
    }
}
