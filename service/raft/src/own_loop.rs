//! Raft's own event loop: heartbeats and votes never queue behind the rest of the program.
//!
//! Two threads that mostly sleep. A scheduler wakes such threads soon even on an overloaded machine, while
//! a loop shared with probing and HTTP shares that work's queue and its used-up turn.
//!
//! An answer counts although it is late: when it was given up after 75 ms, and the connection with it, the next heartbeat
//! had to connect and introduce itself within 75 ms on a machine that was too slow for a plain answer.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::MissedTickBehavior;

use crate::local::Local;
use crate::types::Raft;

/// One may be busy with a large message while the other answers heartbeats.
const WORKERS: usize = 2;
/// Reading and writing raft snapshots, one file at a time in each direction, and room.
const FILE_THREADS: usize = 4;
/// An idle file thread ends after this time.
const FILE_THREAD_KEEP: Duration = Duration::from_secs(10);
/// Before others, where the system permits it: their share of the processor is tiny, and late is as bad as dead.
const NICENESS: i32 = -10;

/// The threads; dropping it ends them without waiting.
pub(crate) struct OwnLoop(Option<Runtime>);

impl OwnLoop {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(FILE_THREADS)
            .thread_keep_alive(FILE_THREAD_KEEP)
            .thread_name("raft")
            .on_thread_start(before_others)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("the runtime is there until the drop").handle()
    }
}

impl Drop for OwnLoop {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Gives the calling thread a better place in the queue for the processor, if it may have one.
pub(crate) fn before_others() {
    // Refused to an ordinary user without CAP_SYS_NICE, and raft works without.
    rustix::process::setpriority_process(None, NICENESS).unwrap_or(());
}

/// Sends the leader's heartbeats.
///
/// The raft library gives up on the answer to a heartbeat after its heartbeat interval. It gets a longer
/// interval than ours, so that an answer counts although it comes after the next heartbeat was due.
pub(crate) async fn beat(local: std::sync::Arc<Local>, raft: Raft) {
    let mut due = tokio::time::interval(local.settings.timings.heartbeat);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = local.stop.cancelled() => return,
            _ = due.tick() => {}
        }
        if raft.is_leader() && raft.trigger().heartbeat().await.is_err() {
            return;
        }
    }
}
