//! The network between places: late, lossy, cut in one direction or both, and told apart by names.
//!
//! A connection keeps its order, as TCP does: what is lost is late by a retransmission, what is sent into a cut is held
//! until that is mended, or the connection breaks. What overtakes is on another connection.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orchestrator_raft::{Acceptor, ByteStream, Dialer, Wire};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::chance::Chance;
use super::life::Life;
use super::pipe::{End, Ends, Pipe};
use super::stream::Stream;

/// Connections that may wait to be accepted.
const BACKLOG: usize = 128;
/// An attempt to connect that hears nothing is given up after this time, as by `TcpDialer`.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// A lost segment comes so many milliseconds later.
const RETRANSMISSION_MS: (u64, u64) = (200, 900);
/// What was held in a cut comes so many milliseconds after it was mended.
const RESUMPTION_MS: (u64, u64) = (20, 900);
/// In percent: a connection that a cut held breaks instead.
const BREAK_PERCENT: u64 = 40;

/// Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    state: Arc<Mutex<State>>,
    pub(crate) chance: Chance,
}

#[derive(Debug, Default)]
struct State {
    /// Who listens under a name: the place, its life, and where its connections are to go.
    listeners: BTreeMap<String, Listener>,
    /// Ways (from, to) on which nothing arrives.
    cut: BTreeSet<(usize, usize)>,
    /// Machines that are off: they refuse nothing.
    dark: BTreeSet<usize>,
    /// In percent: what is lost between any two.
    loss: u64,
    /// Milliseconds that anything is on its way.
    latency: (u64, u64),
    pipes: Vec<Pipe>,
    /// When the last of what a cut had held arrives at a place.
    late: BTreeMap<usize, Instant>,
    /// What was delivered, for whoever wonders whether anything happened.
    sent: u64,
}

#[derive(Debug, Clone)]
struct Listener {
    place: usize,
    life: Life,
    queue: mpsc::Sender<(Stream, String)>,
}

impl Net {
    pub(crate) fn new(chance: Chance, latency: (u64, u64)) -> Self {
        let state = State { latency, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), chance }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The network as one life of a process sees it; it listens under `name` from now on.
    pub(crate) fn wire(&self, place: usize, name: &str, life: &Life) -> Wire {
        let (queue, accepted) = mpsc::channel(BACKLOG);
        let listener = Listener { place, life: life.clone(), queue };
        self.with(|state| {
            state.dark.remove(&place);
            state.listeners.insert(name.to_owned(), listener);
        });
        let dialer = SimDialer { net: self.clone(), place, life: life.clone() };
        Wire { dialer: Arc::new(dialer), acceptor: Box::new(SimAcceptor { accepted, life: life.clone() }) }
    }

    /// Nothing sent from `from` reaches `to` any more.
    pub(crate) fn cut(&self, from: usize, to: usize) {
        self.with(|state| state.cut.insert((from, to)));
    }

    /// The way is free again.
    pub(crate) fn mend(&self, from: usize, to: usize) {
        if !self.with(|state| state.cut.remove(&(from, to))) {
            return;
        }
        let both = |pipe: &&Pipe| [(from, to), (to, from)].contains(&(pipe.ends.from, pipe.ends.to));
        let pipes: Vec<Pipe> = self.with(|state| state.pipes.iter().filter(both).cloned().collect());
        for pipe in pipes.into_iter().filter(Pipe::holds) {
            if self.is_cut(pipe.ends.from, pipe.ends.to) {
                continue;
            }
            let at = Instant::now() + self.chance.ms(RESUMPTION_MS.0, RESUMPTION_MS.1);
            if self.chance.percent(BREAK_PERCENT) {
                pipe.finish(End::Reset, Some(at));
            } else {
                pipe.resume(at);
                self.with(|state| {
                    let last = state.late.entry(pipe.ends.to).or_insert(at);
                    *last = at.max(*last);
                });
            }
        }
    }

    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.with(|state| state.cut.contains(&(from, to)))
    }

    /// Until when what a cut had held arrives at `place`, with all that was sent behind it.
    pub(crate) fn late(&self, place: usize) -> Option<Instant> {
        self.with(|state| state.late.get(&place).copied())
    }

    pub(crate) fn cuts(&self) -> Vec<(usize, usize)> {
        self.with(|state| state.cut.iter().copied().collect())
    }

    pub(crate) fn set_loss(&self, percent: u64) {
        self.with(|state| state.loss = percent);
    }

    pub(crate) fn set_latency(&self, latency: (u64, u64)) {
        self.with(|state| state.latency = latency);
    }

    pub(crate) fn latency(&self) -> (u64, u64) {
        self.with(|state| state.latency)
    }

    pub(crate) fn loses(&self) -> bool {
        self.with(|state| state.loss > 0)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.with(|state| state.sent)
    }

    /// The process at `place` is gone. Its system closes its connections, unless the power failed: then nobody hears
    /// anything until the machine is back, and breaks them.
    pub(crate) fn ended(&self, place: usize, power: bool) {
        let pipes: Vec<Pipe> = self.with(|state| {
            state.listeners.retain(|_, listener| listener.place != place);
            if power {
                state.dark.insert(place);
            }
            state.pipes.iter().filter(|pipe| pipe.ends.from == place).cloned().collect()
        });
        for pipe in pipes {
            let at = if power { None } else { self.due(pipe.ends.from, pipe.ends.to) };
            pipe.finish(End::Reset, at);
        }
    }

    /// The machine at `place` is on again: what was connected to its former self breaks.
    pub(crate) fn came_back(&self, place: usize) {
        let dead = |pipe: &&Pipe| pipe.ends.from == place && pipe.ends.sender.is_over();
        let pipes: Vec<Pipe> = self.with(|state| {
            state.dark.remove(&place);
            state.pipes.retain(|pipe| !(pipe.ends.sender.is_over() && pipe.ends.reader.is_over()));
            state.pipes.iter().filter(dead).cloned().collect()
        });
        for pipe in pipes {
            let at = self.due(pipe.ends.from, pipe.ends.to);
            pipe.finish(End::Reset, at);
        }
    }

    /// When what is sent now arrives; `None` if the way is cut.
    pub(crate) fn due(&self, from: usize, to: usize) -> Option<Instant> {
        let (cut, loss, latency) = self.with(|state| {
            state.sent += 1;
            (state.cut.contains(&(from, to)), state.loss, state.latency)
        });
        let mut late = self.chance.ms(latency.0, latency.1);
        if loss > 0 && self.chance.percent(loss) {
            late += self.chance.ms(RETRANSMISSION_MS.0, RETRANSMISSION_MS.1);
        }
        (!cut).then(|| Instant::now() + late)
    }

    async fn connect(&self, from: usize, life: Life, name: String) -> io::Result<Box<dyn ByteStream>> {
        let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "connecting took too long");
        let listener = self.with(|state| state.listeners.get(&name).cloned());
        let place = listener.as_ref().map(|listener| listener.place).or_else(|| place_of(&name));
        let Some(to) = place else { return Err(io::Error::new(io::ErrorKind::NotFound, "unknown name")) };
        let (Some(there), Some(back)) = (self.due(from, to), self.due(to, from)) else {
            return self.silent(timed_out()).await;
        };
        if self.with(|state| state.dark.contains(&to)) {
            return self.silent(timed_out()).await;
        }
        let begun = Instant::now();
        tokio::time::sleep_until(there).await;
        let listener = listener.filter(|listener| !listener.life.is_over());
        let Some(listener) = listener else {
            tokio::time::sleep(back - begun).await;
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let ends = Ends { from, to, sender: life.clone(), reader: listener.life.clone() };
        let answer = Ends { from: to, to: from, sender: listener.life.clone(), reader: life };
        let (out, into) = (Pipe::new(ends), Pipe::new(answer));
        self.with(|state| state.pipes.extend([out.clone(), into.clone()]));
        let served = Stream::new(self.clone(), out.clone(), into.clone());
        if listener.queue.try_send((served, format!("place-{from}"))).is_err() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        tokio::time::sleep(back - begun).await;
        Ok(Box::new(Stream::new(self.clone(), into, out)))
    }

    async fn silent(&self, error: io::Error) -> io::Result<Box<dyn ByteStream>> {
        tokio::time::sleep(CONNECT_LIMIT).await;
        Err(error)
    }
}

/// The name of a place.
pub(crate) fn name_of(place: usize) -> String {
    format!("n{}:10008", place + 1)
}

fn place_of(name: &str) -> Option<usize> {
    let number: usize = name.strip_prefix('n')?.strip_suffix(":10008")?.parse().ok()?;
    number.checked_sub(1)
}

struct SimDialer {
    net: Net,
    place: usize,
    life: Life,
}

impl Dialer for SimDialer {
    fn dial(&self, name: String) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let (net, place, life) = (self.net.clone(), self.place, self.life.clone());
        async move {
            life.go_on().await;
            let connected = net.connect(place, life.clone(), name).await;
            life.go_on().await;
            connected
        }
        .boxed()
    }
}

struct SimAcceptor {
    accepted: mpsc::Receiver<(Stream, String)>,
    life: Life,
}

impl Acceptor for SimAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn ByteStream>, String)>> {
        async {
            let accepted = self.accepted.recv().await;
            self.life.go_on().await;
            match accepted {
                Some((stream, from)) => Ok((Box::new(stream) as Box<dyn ByteStream>, from)),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}
