//! One machine: a directory, a disk, and the process that runs on it or does not.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orchestrator_raft::{Answerer, Member, Policy, RaftNode, RaftSettings, StartError, Timings};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::chance::Chance;
use super::disk::Platter;
use super::ledger::{Ledger, Store};
use super::life::Life;
use super::net::{Net, name_of};
use super::truth::Truth;

/// What a node's process is doing.
#[derive(Clone)]
pub(crate) enum Process {
    Off,
    Starting,
    Running(RaftNode),
    /// It ended by itself, and why.
    Ended(String),
}

/// What every place is given.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) net: Net,
    pub(crate) truth: Truth,
    pub(crate) chance: Chance,
    pub(crate) timings: Timings,
    pub(crate) policy: Policy,
}

pub(crate) struct Place {
    pub(crate) index: usize,
    dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) platter: Platter,
    /// `RaftNodes` in its configuration file: places.
    pub(crate) list: Vec<usize>,
    /// How often its disk was emptied.
    pub(crate) emptied: u64,
    pub(crate) life: Life,
    process: Arc<Mutex<Process>>,
    /// What goes on in this life: clients that are connected to it, calls of people.
    pub(crate) tasks: JoinSet<()>,
    /// When it is to be started.
    pub(crate) start_at: Option<Instant>,
    /// Since when it runs.
    pub(crate) runs_since: Option<Instant>,
    /// What was told to the node about its backend.
    pub(crate) sick: bool,
    /// Its end was ordered: it drains.
    pub(crate) draining: bool,
}

struct Silent;

impl Answerer for Silent {
    fn answer(&self, _: Member, question: Vec<u8>) -> BoxFuture<'static, Vec<u8>> {
        async move { question }.boxed()
    }
}

impl Place {
    pub(crate) fn new(index: usize, root: &std::path::Path, chance: &Chance) -> Self {
        Self {
            index,
            dir: root.join(format!("n{}", index + 1)),
            store: Store::default(),
            platter: Platter::new(chance.clone()),
            list: Vec::new(),
            emptied: 0,
            life: Life::default(),
            process: Arc::new(Mutex::new(Process::Off)),
            tasks: JoinSet::new(),
            start_at: None,
            runs_since: None,
            sick: false,
            draining: false,
        }
    }

    /// The name that stories call it.
    pub(crate) fn label(&self) -> String {
        format!("n{}", self.index + 1)
    }

    pub(crate) fn process(&self) -> Process {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn node(&self) -> Option<RaftNode> {
        match self.process() {
            Process::Running(node) => Some(node),
            _ => None,
        }
    }

    /// Nothing of it runs, and nothing is about to.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.process(), Process::Off) && self.start_at.is_none()
    }

    fn set(&self, process: Process) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    fn settings(&self, timings: &Timings) -> RaftSettings {
        RaftSettings {
            data_dir: self.dir.clone(),
            bind: name_of(self.index),
            advertise: String::new(),
            nodes: self.list.iter().map(|place| name_of(*place)).collect(),
            http_uri: format!("http://n{}:3000", self.index + 1),
            hostname: self.label(),
            timings: timings.clone(),
        }
    }

    /// Begins another life.
    pub(crate) fn start(&mut self, around: &Surroundings) {
        self.life = Life::default();
        (self.sick, self.draining, self.start_at) = (false, false, None);
        self.set(Process::Starting);
        around.net.came_back(self.index);
        let wire = around.net.wire(self.index, &name_of(self.index), &self.life);
        let ledger = Ledger {
            place: self.index,
            store: self.store.clone(),
            truth: around.truth.clone(),
            life: self.life.clone(),
        };
        let starting = RaftNode::start_simulated(
            self.settings(&around.timings),
            around.policy,
            Box::new(ledger),
            Arc::new(Silent),
            wire,
            self.platter.of(self.life.clone()),
        );
        let process = self.process.clone();
        self.run(async move {
            let started = match starting.await {
                Ok(node) => Process::Running(node),
                Err(error) => Process::Ended(chain(&error)),
            };
            *process.lock().unwrap_or_else(PoisonError::into_inner) = started;
        });
    }

    /// Starts something that goes on in this life.
    pub(crate) fn run(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.life.clone().paced(task));
    }

    /// Whoever is connected to it hears nothing more from it.
    pub(crate) fn hang_up(&mut self) {
        // While it starts, its start is all that goes on in it.
        if self.node().is_some() {
            self.tasks = JoinSet::new();
        }
    }

    /// The process is gone from one moment to the next; with `power`, so is what was not synced.
    pub(crate) fn die(&mut self, around: &Surroundings, power: bool) {
        self.life.end();
        self.tasks = JoinSet::new();
        self.set(Process::Off);
        self.runs_since = None;
        around.net.ended(self.index, power);
        if power {
            let lost = around.chance.range(0, 5);
            self.store.lose(usize::try_from(lost).unwrap_or(0));
        }
    }

    /// Ends in good order.
    pub(crate) fn leave(&mut self, limit: Duration) {
        let Some(node) = self.node() else { return };
        let process = self.process.clone();
        self.draining = true;
        self.run(async move {
            node.shutdown(limit).await;
            *process.lock().unwrap_or_else(PoisonError::into_inner) = Process::Ended(String::new());
        });
    }

    /// A new disk. Only while nothing runs.
    pub(crate) fn wipe(&mut self) {
        // Nothing there is as empty as can be.
        drop(fs::remove_dir_all(&self.dir));
        self.store.wipe();
        self.emptied += 1;
    }

    /// A disk emptied of all but the number: a mistake of people, planted.
    pub(crate) fn wipe_all_but_the_number(&mut self) {
        let identity = self.dir.join("identity.json");
        let held = fs::read_to_string(&identity).unwrap_or_default();
        self.wipe();
        if !held.is_empty() {
            let unbound = held.replace("\"Epoch\": 1", "\"Epoch\": 0");
            fs::create_dir_all(&self.dir).expect("the simulation's directory can be written");
            fs::write(&identity, unbound).expect("the simulation's directory can be written");
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &StartError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
