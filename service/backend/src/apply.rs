//! Replicated state and its mark change together, also while a server comes and goes.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{BackendError, SnapshotError};
use crate::port::Backend;

/// Pause between two attempts at a server that is away.
const AWAY_RETRY: Duration = Duration::from_millis(100);

impl dyn Backend + '_ {
    /// Does `work` and stores `mark`, both or neither. Not to be called inside a transaction.
    ///
    /// A server that is away is waited for until `patience` is over: then `work` is done once more, unless the
    /// mark shows that a commit whose answer was lost has been carried out after all. SQLite is never away.
    ///
    /// # Errors
    /// Those of `work` and of the commit, the last one of the server's absence included. After
    /// [`BackendError::Away`] whoever goes on must read the mark first.
    pub fn apply_with_mark<T>(
        &mut self,
        mark: &[u8],
        patience: Duration,
        mut work: impl FnMut(&mut Self) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let begun = Instant::now();
        loop {
            let mut done = None;
            let result: Result<(), BackendError> = self.in_transaction(|backend| {
                let value = work(backend)?;
                backend.set_applied_mark(mark)?;
                done = Some(value);
                Ok(())
            });
            match (result, done) {
                (Ok(()), Some(value)) => return Ok(value),
                (Err(BackendError::Away(_)), done) if begun.elapsed() < patience => {
                    let carried_out = self.mark_once_back(begun, patience)?.as_deref() == Some(mark);
                    if let (true, Some(value)) = (carried_out, done) {
                        return Ok(value);
                    }
                }
                (result, _) => return Err(result.expect_err("work that was committed has a result")),
            }
        }
    }

    /// Does `work`, and all of it again while a server is away, until `patience` is over. For what may be done twice.
    ///
    /// # Errors
    /// Those of `work`, the last one of the server's absence included.
    pub fn outlast<T>(
        &mut self,
        patience: Duration,
        mut work: impl FnMut(&mut Self) -> Result<T, SnapshotError>,
    ) -> Result<T, SnapshotError> {
        let begun = Instant::now();
        loop {
            match work(self) {
                Err(SnapshotError::Backend(BackendError::Away(_))) if begun.elapsed() < patience => {
                    thread::sleep(AWAY_RETRY);
                }
                result => return result,
            }
        }
    }

    fn mark_once_back(
        &mut self,
        begun: Instant,
        patience: Duration,
    ) -> Result<Option<Vec<u8>>, BackendError> {
        loop {
            match self.applied_mark() {
                Err(BackendError::Away(_)) if begun.elapsed() < patience => thread::sleep(AWAY_RETRY),
                result => return result,
            }
        }
    }
}
