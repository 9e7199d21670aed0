//! How many connections a listener holds, and who goes when there is no room.
//!
//! Who has been quiet the longest gives way to who comes: connections that were opened and say nothing must not keep
//! a load balancer from asking.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::proxy::{Body, BodyError};

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Crowd {
    limit: Arc<Semaphore>,
    quiet: Arc<Mutex<Quiet>>,
}

/// Connections without a request under way, in the order in which they fell quiet.
#[derive(Debug, Default)]
struct Quiet {
    next: u64,
    since: BTreeMap<u64, CancellationToken>,
}

impl Quiet {
    fn add(&mut self, leave: &CancellationToken) -> u64 {
        self.next += 1;
        self.since.insert(self.next, leave.clone());
        self.next
    }
}

fn lock(quiet: &Mutex<Quiet>) -> MutexGuard<'_, Quiet> {
    // One entry comes or goes at a time.
    quiet.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crowd {
    /// Room for so many.
    pub(super) fn of(limit: usize) -> Self {
        Self { limit: Arc::new(Semaphore::new(limit)), quiet: Arc::default() }
    }

    /// Room for one more. Where there is none, the one that has been quiet the longest is told to leave; where
    /// nobody is quiet, whoever comes waits in the system's queue.
    pub(super) async fn room(&self) -> Option<Guest> {
        let permit = match self.limit.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                if let Some((_, longest)) = lock(&self.quiet).since.pop_first() {
                    longest.cancel();
                }
                self.limit.clone().acquire_owned().await.ok()?
            }
        };
        Some(Guest {
            quiet: self.quiet.clone(),
            leave: CancellationToken::new(),
            seat: Mutex::new(None),
            _permit: permit,
        })
    }
}

/// One connection's place; dropping it makes room.
#[derive(Debug)]
pub(super) struct Guest {
    quiet: Arc<Mutex<Quiet>>,
    leave: CancellationToken,
    /// Its number among the quiet ones.
    seat: Mutex<Option<u64>>,
    _permit: OwnedSemaphorePermit,
}

impl Guest {
    /// It has no request under way from now on.
    pub(super) fn falls_quiet(&self) {
        let seat = lock(&self.quiet).add(&self.leave);
        self.sits(Some(seat));
    }

    /// It has one.
    pub(super) fn speaks(&self) {
        self.sits(None);
    }

    fn sits(&self, seat: Option<u64>) {
        let old = std::mem::replace(&mut *self.seat.lock().unwrap_or_else(PoisonError::into_inner), seat);
        if let Some(old) = old {
            lock(&self.quiet).since.remove(&old);
        }
    }

    /// Waits until somebody else needs the room.
    pub(super) async fn told_to_leave(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.sits(None);
    }
}

/// The answer to a connection, which is quiet again once all of it was handed over.
pub(super) struct Answering {
    pub(super) body: Body,
    pub(super) guest: Arc<Guest>,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.guest.falls_quiet();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn guest(crowd: &Crowd) -> Guest {
        let guest = crowd.room().await.unwrap();
        guest.falls_quiet();
        guest
    }

    fn leaves(guest: &Guest) -> bool {
        guest.told_to_leave().now_or_never().is_some()
    }

    #[tokio::test]
    async fn who_was_quiet_the_longest_gives_way() {
        let crowd = Crowd::of(3);
        let (one, two, three) = (guest(&crowd).await, guest(&crowd).await, guest(&crowd).await);
        one.speaks();
        one.falls_quiet();
        assert!(crowd.room().now_or_never().is_none(), "there is no room yet");
        assert!(leaves(&two) && !leaves(&one) && !leaves(&three));
        drop(two);
        assert!(crowd.room().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_is_being_answered_stays_and_the_next_one_waits() {
        let crowd = Crowd::of(1);
        let busy = guest(&crowd).await;
        busy.speaks();
        assert!(crowd.room().now_or_never().is_none());
        assert!(!leaves(&busy));
        drop(busy);
        assert!(crowd.room().now_or_never().is_some());
        assert!(lock(&crowd.quiet).since.is_empty());
    }
}
