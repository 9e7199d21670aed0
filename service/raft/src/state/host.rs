//! Owns the machine: on one thread of its own, since it is synchronous and writes to a disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::fatal::Fatal;
use crate::port::Machine;

/// Jobs that may wait for the machine. The raft library applies one batch at a time; a snapshot and
/// a few reads may queue beside it.
const QUEUE: usize = 16;

type Work = Box<dyn FnOnce(&mut dyn Machine) + Send>;

enum Job {
    Run(Work),
    Close,
}

/// Handle of the machine's thread; dropping every clone ends the thread and drops the machine.
#[derive(Clone)]
pub(crate) struct MachineHost {
    jobs: mpsc::Sender<Job>,
    panicked: Arc<AtomicBool>,
    /// Index of the last applied entry; known here before the raft library's metrics say so.
    applied: Arc<AtomicU64>,
    fatal: Fatal,
}

/// Waits for the machine to be dropped.
pub(crate) struct MachineThread(JoinHandle<()>);

impl MachineThread {
    /// Blocks until the last handle is gone and the machine is closed.
    pub(crate) fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the state machine's thread panicked");
        }
    }
}

impl MachineHost {
    pub(super) fn start(
        mut machine: Box<dyn Machine>,
        applied: u64,
        fatal: Fatal,
    ) -> io::Result<(Self, MachineThread)> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let panicked = Arc::new(AtomicBool::new(false));
        let flag = panicked.clone();
        let thread = std::thread::Builder::new().name("raft-apply".into()).spawn(move || {
            let guard = PanicFlag(flag);
            while let Some(Job::Run(work)) = queue.blocking_recv() {
                work(machine.as_mut());
            }
            drop(guard);
        })?;
        let applied = Arc::new(AtomicU64::new(applied));
        Ok((Self { jobs, panicked, applied, fatal }, MachineThread(thread)))
    }

    /// Runs `job` on the machine's thread and waits for its answer.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Machine) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (done, answer) = oneshot::channel();
        let work: Work = Box::new(move |machine| drop(done.send(job(machine))));
        self.jobs.send(Job::Run(work)).await.map_err(|_| self.gone())?;
        // No answer means a panic or an ordinary end; the raft core says which.
        let answer = answer.await.map_err(|_| self.gone())?;
        answer.inspect_err(|error| self.fatal.fail(format!("the state machine failed: {error}")))
    }

    /// Index of the last applied entry, 0 before the first.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    pub(super) fn set_applied(&self, index: u64) {
        self.applied.store(index, Ordering::Release);
    }

    /// Drops the machine behind everything that was handed over; later calls fail.
    pub(crate) async fn close(&self) {
        // An error means that it is closed already.
        drop(self.jobs.send(Job::Close).await);
    }

    fn gone(&self) -> io::Error {
        io::Error::other(match self.panicked.load(Ordering::Relaxed) {
            true => "the state machine panicked",
            false => "the state machine has stopped",
        })
    }
}

struct PanicFlag(Arc<AtomicBool>);

impl Drop for PanicFlag {
    fn drop(&mut self) {
        self.0.store(std::thread::panicking(), Ordering::Relaxed);
    }
}
