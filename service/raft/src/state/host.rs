//! Owns the machine: on one thread of its own, since it is synchronous and writes to a disk; inline in a simulation.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::fatal::Fatal;
use crate::local::lock;
use crate::port::Machine;
use crate::work::{Access, Disk, Work};

/// Jobs that may wait for the machine. The raft library applies one batch at a time; a snapshot and
/// a few reads may queue beside it.
const QUEUE: usize = 16;

type Call = Box<dyn FnOnce(&mut dyn Machine) + Send>;

enum Job {
    Run(Call),
    Close,
}

/// Where the machine is.
#[derive(Clone)]
enum Home {
    Thread(mpsc::Sender<Job>),
    /// `None` once it is closed.
    Inline(Arc<Mutex<Option<Box<dyn Machine>>>>, Arc<dyn Disk>),
}

/// Handle of the machine; dropping every clone ends its thread and drops it.
#[derive(Clone)]
pub(crate) struct MachineHost {
    home: Home,
    panicked: Arc<AtomicBool>,
    /// Index of the last applied entry; known here before the raft library's metrics say so.
    applied: Arc<AtomicU64>,
    fatal: Fatal,
}

/// Waits for the machine to be dropped.
pub(crate) struct MachineThread(Option<JoinHandle<()>>);

impl MachineThread {
    /// Waits until the last handle is gone and the machine is closed.
    pub(crate) async fn join(self) {
        let Some(thread) = self.0 else { return };
        let joined = tokio::task::spawn_blocking(|| thread.join().is_err()).await;
        if joined.unwrap_or(true) {
            tracing::error!("the state machine's thread panicked");
        }
    }
}

impl MachineHost {
    pub(super) fn start(
        machine: Box<dyn Machine>,
        applied: u64,
        fatal: Fatal,
        work: &Work,
    ) -> io::Result<(Self, MachineThread)> {
        let panicked = Arc::new(AtomicBool::new(false));
        let (home, thread) = match work {
            Work::Threads => {
                let (jobs, thread) = on_a_thread(machine, panicked.clone())?;
                (Home::Thread(jobs), Some(thread))
            }
            Work::Inline(disk) => (Home::Inline(Arc::new(Mutex::new(Some(machine))), disk.clone()), None),
        };
        let applied = Arc::new(AtomicU64::new(applied));
        Ok((Self { home, panicked, applied, fatal }, MachineThread(thread)))
    }

    /// Runs `job` on the machine and waits for its answer.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Machine) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let answer = match &self.home {
            Home::Thread(jobs) => {
                let (done, answer) = oneshot::channel();
                let work: Call = Box::new(move |machine| drop(done.send(job(machine))));
                jobs.send(Job::Run(work)).await.map_err(|_| self.gone())?;
                // No answer means a panic or an ordinary end; the raft core says which.
                answer.await.map_err(|_| self.gone())?
            }
            Home::Inline(machine, disk) => match disk.access(Access::Machine).await {
                Ok(_) => job(lock(machine).as_mut().ok_or_else(|| self.gone())?.as_mut()),
                Err(error) => Err(error),
            },
        };
        answer.inspect_err(|error| self.fatal.fail(format!("the state machine failed: {error}")))
    }

    /// Runs `job`, which blocks, beside the machine.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let answer = Work::Threads.blocking(job).await;
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
        match &self.home {
            // An error means that it is closed already.
            Home::Thread(jobs) => drop(jobs.send(Job::Close).await),
            Home::Inline(machine, _) => *lock(machine) = None,
        }
    }

    fn gone(&self) -> io::Error {
        io::Error::other(match self.panicked.load(Ordering::Relaxed) {
            true => "the state machine panicked",
            false => "the state machine has stopped",
        })
    }
}

/// Starts the machine's thread.
fn on_a_thread(
    mut machine: Box<dyn Machine>,
    panicked: Arc<AtomicBool>,
) -> io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
    let thread = std::thread::Builder::new().name("raft-apply".into()).spawn(move || {
        let guard = PanicFlag(panicked);
        while let Some(Job::Run(work)) = queue.blocking_recv() {
            work(machine.as_mut());
        }
        drop(guard);
    })?;
    Ok((jobs, thread))
}

struct PanicFlag(Arc<AtomicBool>);

impl Drop for PanicFlag {
    fn drop(&mut self) {
        self.0.store(std::thread::panicking(), Ordering::Relaxed);
    }
}
