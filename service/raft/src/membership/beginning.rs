//! Who joins begins with the state of the group, not with its first entry.
//!
//! What the group began with is in no entry of its log, and who joins may bring rows of its own. A raft snapshot
//! replaces them, and it is sent to whoever needs entries that the leader's log has no more.
//!
//! Whoever takes a node in lets the beginning of its own log go before. Another node may lead by the time that the new one
//! asks for its first entry, so each leader does the same, and no leader sends its first entries to a node that joined.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::time::timeout;

use super::change::Leading;
use super::joined_later;

/// A raft snapshot is written within this time: intent is small.
const LIMIT: Duration = Duration::from_secs(10);
/// What was asked for is asked for again: a request is dropped while an older one is carried out.
const RETRY: Duration = Duration::from_millis(100);

impl Leading {
    /// Whether somebody follows who must not be sent this log from its first entry on.
    pub(super) fn must_let_beginning_go(&self) -> bool {
        let stored = &self.metrics.membership_config;
        self.metrics.purged.is_none() && stored.membership().nodes().any(|(id, _)| joined_later(*id))
    }

    /// Makes sure that this log does not reach back to its first entry.
    pub(super) async fn let_beginning_go(&self) -> Result<(), String> {
        let mut metrics = self.raft.metrics();
        let gone = async {
            loop {
                let (snapshot, purged) = {
                    let now = metrics.borrow_watched();
                    (now.snapshot, now.purged)
                };
                if purged.is_some() {
                    return Ok(());
                }
                let asked = match snapshot {
                    None => self.raft.trigger().snapshot().await,
                    Some(reached) => self.raft.trigger().purge_log(reached.index).await,
                };
                asked.map_err(|fatal| fatal.to_string())?;
                // Not at each change: the request itself is one, and asking at each would turn round without end.
                let carried_out = async {
                    while metrics.changed().await.is_ok() {
                        let now = metrics.borrow_watched();
                        if (now.snapshot, now.purged) != (snapshot, purged) {
                            return Ok(());
                        }
                    }
                    Err("the raft core is gone".to_owned())
                };
                if let Ok(Err(gone)) = timeout(RETRY, carried_out).await {
                    return Err(gone);
                }
            }
        };
        timeout(LIMIT, gone).await.unwrap_or_else(|_| Err("there is no raft snapshot for it yet".to_owned()))
    }
}
