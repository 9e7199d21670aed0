//! No task of raft ends by a panic unnoticed: the node stops and says so, where it would have waited for ever for what
//! that task was to do. In a simulation, none runs while its node's process is stopped.
//!
//! The raft library starts tasks of its own, and notices the panic of some of them only. It starts all of them through
//! its runtime, which is [`GuardedRuntime`] here; what they belong to goes along from task to task.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures::FutureExt;
use openraft::{AsyncRuntime, OptionalSend, TokioRuntime};

use crate::fatal::Fatal;
use crate::work::Work;

tokio::task_local! {
    /// What the present task belongs to.
    static NODE: Node;
}

/// What a task belongs to.
#[derive(Clone)]
pub(crate) struct Node {
    /// Where it is said that the node must stop.
    pub(crate) fatal: Fatal,
    /// Who knows whether its process runs, in a simulation.
    pub(crate) work: Work,
}

/// Runs `future` as a part of a node: a panic ends the node, also one in a task that the raft library starts from it.
pub(crate) async fn guarded<F: Future>(node: Node, future: F) -> F::Output {
    let watched = AssertUnwindSafe(node.work.clone().paced(future)).catch_unwind();
    match NODE.scope(node.clone(), watched).await {
        Ok(output) => output,
        Err(panic) => {
            node.fatal.fail(format!("a task panicked: {}", message(&*panic)));
            resume_unwind(panic)
        }
    }
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

/// Tokio, with every task [`guarded`] that is started from a guarded one.
#[derive(Debug)]
pub(crate) struct GuardedRuntime(TokioRuntime);

impl AsyncRuntime for GuardedRuntime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <TokioRuntime as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        match NODE.try_with(Node::clone) {
            Ok(node) => TokioRuntime::spawn(guarded(node, future)),
            // Only the library's own tests start something outside of a node.
            Err(_) => TokioRuntime::spawn(future),
        }
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        TokioRuntime::thread_rng()
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why the node ended, after `task` ran as a part of it.
    async fn reason_after(task: impl Future<Output = ()>) -> Option<String> {
        let node = Node { fatal: Fatal::of("n"), work: Work::Threads };
        // The panic goes on, as it would in a task.
        drop(AssertUnwindSafe(guarded(node.clone(), task)).catch_unwind().await);
        let reason = node.fatal.watch().borrow().clone();
        reason.map(|reason| reason.to_string())
    }

    #[tokio::test]
    async fn a_panic_ends_the_node_with_what_it_said() {
        let reason = reason_after(async { panic!("entry {} is missing", 7) }).await;
        assert_eq!(reason.as_deref(), Some("a task panicked: entry 7 is missing"));
        assert_eq!(reason_after(async {}).await, None);
    }

    #[tokio::test]
    async fn a_panic_of_a_task_that_the_library_starts_ends_the_node_however_deep_it_lies() {
        let reason = reason_after(async {
            let outer = GuardedRuntime::spawn(async {
                let inner = GuardedRuntime::spawn(async { panic!("deep") });
                assert!(GuardedRuntime::is_panic(&inner.await.unwrap_err()), "its starter sees it too");
            });
            outer.await.expect("only the inner one ends");
        });
        assert_eq!(reason.await.as_deref(), Some("a task panicked: deep"));
    }

    #[test]
    fn the_runtime_is_what_the_library_expects() {
        openraft::testing::runtime::Suite::<GuardedRuntime>::test_all();
    }
}
