//! One direction of a connection: bytes in order, each at its time, or held while the way is cut.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use tokio::time::Instant;

use super::life::Life;

/// Who sends to whom: places, and the lives of their processes.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) sender: Life,
    pub(crate) reader: Life,
}

/// How a direction ends for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side closed it.
    Closed,
    /// It broke.
    Reset,
}

/// Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    pub(crate) ends: Ends,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// When due, and what; `None` while the way is cut.
    queue: VecDeque<(Option<Instant>, Vec<u8>)>,
    /// Bytes of the first chunk that were read.
    taken: usize,
    /// Nothing arrives before this.
    last: Option<Instant>,
    end: Option<(Option<Instant>, End)>,
    reader: Option<Waker>,
}

/// What a reader finds.
pub(crate) enum Found {
    Bytes,
    End(End),
    /// Look again then.
    Due(Instant),
    /// Woken when there is something.
    Nothing,
}

impl Pipe {
    pub(crate) fn new(ends: Ends) -> Self {
        Self { ends, state: Arc::default() }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends `bytes`, due at `at`, or held.
    pub(crate) fn send(&self, bytes: &[u8], at: Option<Instant>) {
        self.with(|state| {
            if state.end.is_some() {
                return;
            }
            let at = state.in_order(at);
            state.queue.push_back((at, bytes.to_vec()));
            state.wake();
        });
    }

    /// Ends it behind what was sent; a reset also throws that away.
    pub(crate) fn finish(&self, end: End, at: Option<Instant>) {
        self.with(|state| {
            // A break that nobody heard of yet gets its time.
            if matches!(state.end, Some((Some(_), End::Reset))) || (state.end.is_some() && end == End::Closed)
            {
                return;
            }
            if end == End::Reset {
                state.queue.clear();
                state.taken = 0;
                state.end = Some((at, end));
            } else {
                let at = state.in_order(at);
                state.end = Some((at, end));
            }
            state.wake();
        });
    }

    /// What was held is due from `at` on.
    pub(crate) fn resume(&self, at: Instant) {
        self.with(|state| {
            let held =
                state.queue.iter_mut().map(|(due, _)| due).chain(state.end.iter_mut().map(|(due, _)| due));
            held.filter(|due| due.is_none()).for_each(|due| *due = Some(at));
            state.last = state.last.max(Some(at));
            state.wake();
        });
    }

    /// Whether something waits for the way to be mended.
    pub(crate) fn holds(&self) -> bool {
        self.with(|state| {
            state.queue.iter().any(|(due, _)| due.is_none()) || matches!(state.end, Some((None, _)))
        })
    }

    /// Whether it ended, for whoever sends.
    pub(crate) fn is_reset(&self) -> bool {
        self.with(|state| matches!(state.end, Some((Some(at), End::Reset)) if at <= Instant::now()))
    }

    /// Reads what is due into `into`.
    pub(crate) fn read(&self, into: &mut tokio::io::ReadBuf<'_>, waker: &Waker) -> Found {
        self.with(|state| {
            let now = Instant::now();
            match (state.queue.front(), state.end) {
                (Some((Some(due), _)), _) if *due <= now => {
                    state.take(into);
                    Found::Bytes
                }
                (Some((due, _)), _) => state.wait(*due, waker),
                (None, Some((Some(due), end))) if due <= now => Found::End(end),
                (None, Some((due, _))) => state.wait(due, waker),
                (None, None) => state.wait(None, waker),
            }
        })
    }
}

impl State {
    /// Nothing overtakes on one connection: not what is held either.
    fn in_order(&mut self, at: Option<Instant>) -> Option<Instant> {
        if self.queue.back().is_some_and(|(due, _)| due.is_none()) {
            return None;
        }
        self.last = self.last.max(Some(at?));
        self.last
    }

    fn wait(&mut self, due: Option<Instant>, waker: &Waker) -> Found {
        self.reader = Some(waker.clone());
        due.map_or(Found::Nothing, Found::Due)
    }

    fn take(&mut self, into: &mut tokio::io::ReadBuf<'_>) {
        let (_, bytes) = self.queue.front().expect("the caller saw a chunk");
        let rest = &bytes[self.taken..];
        let count = rest.len().min(into.remaining());
        into.put_slice(&rest[..count]);
        self.taken += count;
        if self.taken == bytes.len() {
            self.queue.pop_front();
            self.taken = 0;
        }
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
