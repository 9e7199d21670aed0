//! One life of a node's process: what belongs to it stops having effects when it ends, and stands still while it is stopped.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// Clones share it. Ended once, for ever: the next start is another life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    over: bool,
    /// It is stopped, and these wait for it to go on.
    stopped: Option<Vec<Waker>>,
}

impl Life {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn end(&self) {
        self.state().over = true;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state().over
    }

    /// The process stands still from here on; time does not.
    pub(crate) fn stop(&self) {
        self.state().stopped.get_or_insert_default();
    }

    /// It goes on.
    pub(crate) fn resume(&self) {
        let waiting = self.state().stopped.take();
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state().stopped.is_some()
    }

    /// Whether the process runs; `context` is woken when it goes on.
    pub(crate) fn poll_running(&self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.state().stopped {
            None => Poll::Ready(()),
            Some(waiting) => {
                waiting.push(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// `task`, as a part of the process: it stands still while that does.
    pub(crate) async fn paced<F: Future>(self, task: F) -> F::Output {
        let mut task = pin!(task);
        poll_fn(|context| {
            ready!(self.poll_running(context));
            task.as_mut().poll(context)
        })
        .await
    }

    /// Returns while the process lives, and never again once it is dead.
    pub(crate) async fn go_on(&self) {
        if self.is_over() {
            std::future::pending::<()>().await;
        }
    }
}
