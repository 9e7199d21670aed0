//! The disks of the nodes: they take their time, fill up, lie on demand, and are gone with their process.
//!
//! The files behind them are real ones. A transaction of the log that was not synced when its process died is not in
//! them, since it is written when its time is over; that a synced one survives is SQLite's business.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orchestrator_raft::{Access, Disk, Fate};

use super::chance::Chance;
use super::life::Life;

/// The disk of one place; it outlives processes. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Platter {
    state: Arc<Mutex<State>>,
    chance: Chance,
}

#[derive(Debug, Default)]
struct State {
    /// A sync takes up to so many milliseconds.
    sync_ms_max: u64,
    full: bool,
    /// It acknowledges from here on what it does not keep.
    lies: bool,
    /// It forgets votes.
    forgets_votes: bool,
}

/// What an ordinary sync takes at most, milliseconds.
const SYNC_MS_MAX: u64 = 2;
/// In percent: the sync that waits for somebody else's.
const HICCUP_PERCENT: u64 = 1;
/// How long that one takes, milliseconds.
const HICCUP_MS: (u64, u64) = (20, 120);

impl Platter {
    pub(crate) fn new(chance: Chance) -> Self {
        let state = State { sync_ms_max: SYNC_MS_MAX, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), chance }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every write fails from here on, or none does any more.
    pub(crate) fn set_full(&self, full: bool) {
        self.with(|state| state.full = full);
    }

    /// Syncs take up to so many milliseconds; `None` as usual.
    pub(crate) fn set_slow(&self, ms_max: Option<u64>) {
        self.with(|state| state.sync_ms_max = ms_max.unwrap_or(SYNC_MS_MAX));
    }

    pub(crate) fn set_lies(&self, lies: bool) {
        self.with(|state| state.lies = lies);
    }

    pub(crate) fn set_forgets_votes(&self) {
        self.with(|state| state.forgets_votes = true);
    }

    /// Neither full nor slow.
    pub(crate) fn is_well(&self) -> bool {
        self.with(|state| !state.full && state.sync_ms_max == SYNC_MS_MAX)
    }

    fn delay(&self, access: Access) -> Duration {
        let sync = self.with(|state| state.sync_ms_max);
        match access {
            Access::Log { .. } if self.chance.percent(HICCUP_PERCENT) => {
                self.chance.ms(HICCUP_MS.0, HICCUP_MS.1)
            }
            Access::Log { .. } | Access::File => self.chance.ms(0, sync),
            // Mostly none; but to die between a sync and its acknowledgement must be possible.
            Access::Acknowledge | Access::Machine => self.chance.ms(0, u64::from(self.chance.percent(5))),
        }
    }

    fn fate(&self, access: Access) -> io::Result<Fate> {
        self.with(|state| match access {
            Access::Acknowledge => Ok(Fate::Kept),
            _ if state.full => Err(io::ErrorKind::StorageFull.into()),
            Access::Log { vote } if state.lies || (vote && state.forgets_votes) => Ok(Fate::Lost),
            _ => Ok(Fate::Kept),
        })
    }

    /// The disk as one life of a process sees it.
    pub(crate) fn of(&self, life: Life) -> Arc<dyn Disk> {
        Arc::new(Mounted { platter: self.clone(), life })
    }
}

struct Mounted {
    platter: Platter,
    life: Life,
}

impl Disk for Mounted {
    fn access(&self, access: Access) -> BoxFuture<'static, io::Result<Fate>> {
        let (platter, life) = (self.platter.clone(), self.life.clone());
        async move {
            life.go_on().await;
            let delay = platter.delay(access);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            life.go_on().await;
            platter.fate(access)
        }
        .boxed()
    }

    fn poll_running(&self, context: &mut Context<'_>) -> Poll<()> {
        self.life.poll_running(context)
    }
}
