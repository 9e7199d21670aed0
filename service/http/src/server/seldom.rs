//! One of many alike: what clients do wrong, or meet, must not fill the log.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// One of them a minute tells enough.
const EVERY: Duration = Duration::from_secs(60);

/// Reasons that are told apart; more than this in a minute are as good as one.
const REASONS_MAX: usize = 16;

/// Lets one of each reason through each minute.
#[derive(Default)]
pub(crate) struct Seldom(Mutex<HashMap<String, Told>>);

struct Told {
    at: Instant,
    left_out: u64,
}

impl Seldom {
    /// Whether to speak now; then how many were left out since the last time.
    pub(crate) fn pass(&self, reason: &str) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_over = |told: &Told| now.duration_since(told.at) >= EVERY;
        if told.len() >= REASONS_MAX {
            told.retain(|_, told| !is_over(told));
        }
        let is_full = told.len() >= REASONS_MAX;
        match told.get_mut(reason) {
            Some(told) if !is_over(told) => {
                told.left_out += 1;
                None
            }
            Some(told) => Some(std::mem::replace(told, Told { at: now, left_out: 0 }).left_out),
            None if is_full => None,
            None => {
                told.insert(reason.to_owned(), Told { at: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_a_minute_and_the_rest_is_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.pass("a"), Some(0));
        assert_eq!((seldom.pass("a"), seldom.pass("a")), (None, None));
        assert_eq!(seldom.pass("b"), Some(0), "another reason is news");
        tokio::time::advance(EVERY).await;
        assert_eq!(seldom.pass("a"), Some(2));
        assert_eq!(seldom.pass("a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn many_reasons_do_not_fill_the_log_either() {
        let seldom = Seldom::default();
        let told = || (0..1000).filter(|n| seldom.pass(&n.to_string()).is_some()).count();
        assert_eq!(told(), REASONS_MAX);
        tokio::time::advance(EVERY).await;
        assert_eq!(told(), REASONS_MAX);
    }
}
