//! One of many alike: what clients do wrong must not fill the log.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// One of them a minute tells enough.
const EVERY: Duration = Duration::from_secs(60);

/// Lets one through each minute.
#[derive(Default)]
pub(super) struct Seldom(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Whether to speak now; then how many were left out since the last time.
    pub(super) fn pass(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_a_minute_and_the_rest_is_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.pass(), Some(0));
        assert_eq!((seldom.pass(), seldom.pass()), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!(seldom.pass(), Some(2));
        assert_eq!(seldom.pass(), None);
    }
}
