//! Where a node does what blocks: on threads of its own, or inline where a simulator owns its disks and its time.
//!
//! Invariant: every write of a node passes here or through the log's queue, so that a simulated disk can be slow, fail,
//! or be gone with its node.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;

/// The disks of a simulated node, asked before each access.
pub trait Disk: Send + Sync + 'static {
    /// Resolves when `access` is carried out; never, where the node died meanwhile.
    ///
    /// An error is one of the disk, and stops the node.
    fn access(&self, access: Access) -> BoxFuture<'static, io::Result<Fate>>;

    /// Whether the node's process runs. One that was stopped and goes on later, as a sleeping machine does, finds that
    /// time has passed; `context` is woken then.
    fn poll_running(&self, context: &mut Context<'_>) -> Poll<()> {
        let _ = context;
        Poll::Ready(())
    }
}

/// What a node does with its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// One transaction of the log, up to its sync. It leaves nothing if the node dies before this resolves.
    Log {
        /// A vote is part of it.
        vote: bool,
    },
    /// What was synced is about to be acknowledged.
    Acknowledge,
    /// Identity, wish, raft snapshots.
    File,
    /// One call of the machine.
    Machine,
}

/// What becomes of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is on the disk.
    Kept,
    /// The disk says so and lies: to see that a simulation notices. Only for [`Access::Log`].
    Lost,
}

/// How blocking work is done.
#[derive(Clone)]
pub(crate) enum Work {
    /// Beside the event loop.
    Threads,
    /// On it, when the disk says so.
    Inline(Arc<dyn Disk>),
}

impl Work {
    /// `task`, which stands still while its process does.
    pub(crate) async fn paced<F: Future>(self, task: F) -> F::Output {
        let Self::Inline(disk) = self else { return task.await };
        let mut task = pin!(task);
        poll_fn(|context| {
            ready!(disk.poll_running(context));
            task.as_mut().poll(context)
        })
        .await
    }

    /// Does `work`, which reads or writes files.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Threads => tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?,
            Self::Inline(disk) => {
                disk.access(Access::File).await?;
                work()
            }
        }
    }
}
