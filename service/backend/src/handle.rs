//! One thread owns the writing connection, one the reading connection; everybody else sends them work.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::error::{BackendError, HandleError};
use crate::port::Backend;

/// Calls that may wait for a connection. Each node has a few dozen tasks that call at all; more than this
/// means that the disk hangs, and callers should hear of it by their deadlines.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut dyn Backend) + Send>;

/// A cheap handle to the threads that own the database.
///
/// Calls are carried out one after the other, in the order of their arrival; reads in a queue of their own.
#[derive(Debug, Clone)]
pub struct BackendHandle {
    writer: mpsc::Sender<Job>,
    /// The same as `writer` where the database allows no second connection.
    reader: mpsc::Sender<Job>,
}

/// The threads themselves. They end when the last handle is dropped and all calls are done.
#[derive(Debug)]
pub struct BackendThread {
    threads: Vec<JoinHandle<()>>,
}

impl BackendThread {
    /// Waits until both threads have ended and the database is closed. Drop every handle first.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a database thread panicked");
            }
        }
    }
}

impl BackendHandle {
    /// Starts the threads.
    ///
    /// # Errors
    /// The second connection or a thread cannot be had.
    pub fn start(backend: Box<dyn Backend>) -> io::Result<(Self, BackendThread)> {
        let reading = backend.reader().map_err(io::Error::other)?;
        let (writer, jobs) = mpsc::channel(QUEUE);
        let mut threads = vec![spawn("backend-writer", backend, jobs)?];
        let mut reader = writer.clone();
        if let Some(backend) = reading {
            let (sender, jobs) = mpsc::channel(QUEUE);
            threads.push(spawn("backend-reader", backend, jobs)?);
            reader = sender;
        }
        Ok((Self { writer, reader }, BackendThread { threads }))
    }

    /// Runs `work` on the connection that may write.
    ///
    /// # Errors
    /// [`HandleError::Timeout`] after `deadline`: if it had begun, it may still take effect.
    pub async fn call<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, HandleError> {
        run(&self.writer, deadline, work).await
    }

    /// Runs `work` on the connection that can only read. It sees everything that was committed before.
    ///
    /// # Errors
    /// As [`call`](Self::call); [`BackendError::ReadOnly`] when it tries to write.
    pub async fn read<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, HandleError> {
        run(&self.reader, deadline, work).await
    }

    /// As [`call`](Self::call), for threads that may block.
    ///
    /// # Errors
    /// [`HandleError::Closed`]; there is no deadline, since the caller cannot go on without the result.
    ///
    /// # Panics
    /// Inside an asynchronous task.
    pub fn call_blocking<T: Send + 'static, E: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, HandleError> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |backend| drop(answer.send(work(backend))));
        self.writer.blocking_send(job).map_err(|_| HandleError::Closed)?;
        result.blocking_recv().map_err(|_| HandleError::Closed)
    }

    /// A connection for one long read, on which neither writing nor other reads wait. `None` where the database allows
    /// no more of them. Belongs on a thread that may block.
    ///
    /// # Errors
    /// As [`call_blocking`](Self::call_blocking), and where it cannot be made.
    ///
    /// # Panics
    /// Inside an asynchronous task.
    pub fn long_reader(&self) -> Result<Option<Box<dyn Backend>>, HandleError> {
        Ok(self.call_blocking(|backend| backend.reader())??)
    }
}

fn spawn(
    name: &str,
    mut backend: Box<dyn Backend>,
    mut jobs: mpsc::Receiver<Job>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        while let Some(job) = jobs.blocking_recv() {
            job(&mut *backend);
        }
    })
}

async fn run<T: Send + 'static>(
    queue: &mpsc::Sender<Job>,
    deadline: Duration,
    work: impl FnOnce(&mut dyn Backend) -> Result<T, BackendError> + Send + 'static,
) -> Result<T, HandleError> {
    let (answer, result) = oneshot::channel();
    let job: Job = Box::new(move |backend| {
        // Nobody waits for it any more: a call that timed out in the queue must not take effect later.
        if !answer.is_closed() {
            drop(answer.send(work(backend)));
        }
    });
    let asked = async {
        queue.send(job).await.map_err(|_| HandleError::Closed)?;
        result.await.map_err(|_| HandleError::Closed)?.map_err(HandleError::Failed)
    };
    tokio::time::timeout(deadline, asked).await.unwrap_or(Err(HandleError::Timeout { waited: deadline }))
}
