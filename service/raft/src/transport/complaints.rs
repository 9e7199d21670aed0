//! What was said about strangers at the port, so that it is not said at each of their attempts.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::local::lock;

/// Whoever goes on trying is mentioned again after this time.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Strangers choose what is written here, so there is a limit to it.
const MAX_REMEMBERED: usize = 64;

/// Longer than any reason that a node gives.
const LONGEST_TEXT: usize = 1000;

/// What a peer had a part in, as one line that is not too long.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Who was complained about, why, and when.
#[derive(Default)]
pub(crate) struct Complaints(Mutex<HashMap<(String, String), Instant>>);

impl Complaints {
    /// Whether this is news: the same about the same peer was not said lately.
    pub(super) fn is_new(&self, peer: &str, reason: &str) -> bool {
        self.is_new_at(Instant::now(), peer, reason)
    }

    fn is_new_at(&self, now: Instant, peer: &str, reason: &str) -> bool {
        let mut said = lock(&self.0);
        said.retain(|_, at| now.duration_since(*at) < FORGET_AFTER);
        let key = (peer.to_owned(), reason.to_owned());
        if said.len() >= MAX_REMEMBERED || said.contains_key(&key) {
            return false;
        }
        said.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_until_it_is_forgotten() {
        let (said, now) = (Complaints::default(), Instant::now());
        let news = |peer, reason| said.is_new_at(now, peer, reason);
        assert!(news("a", "why") && news("b", "why") && news("a", "another") && !news("a", "why"));
        assert!(said.is_new_at(now + FORGET_AFTER, "a", "why"));
    }

    #[test]
    fn strangers_write_no_lines_of_their_own_into_the_log() {
        assert_eq!(printable("a\n2026 INFO all is well\x1b[2J"), "a 2026 INFO all is well [2J");
        assert_eq!(printable(&"é".repeat(LONGEST_TEXT + 1)), "é".repeat(LONGEST_TEXT));
    }

    #[test]
    fn strangers_cannot_fill_the_log() {
        let said = Complaints::default();
        let news = (0..1000).filter(|n| said.is_new("a", &n.to_string())).count();
        assert_eq!(news, MAX_REMEMBERED);
    }
}
