//! Probing the fleet: every known instance once per poll interval, spread in time, and whatever is found
//! along replication.
//!
//! One loop owns the schedule. An instance has at most one probe under way; a request for one that is
//! under way is answered by that one. Suspicions do not wait for this loop (see [`crate::detection`]).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use orchestrator_core::{InstanceKey, view::InstanceRecord};
use orchestrator_http::Metrics;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{classify::Classifier, clock, fleet::SharedFleet, picture::Pictures};

/// Requests that wait for the loop. Two full rounds of the largest fleet we promise would be 20,000; a caller
/// that finds the queue full waits, and what the crawl finds comes again with the next probe.
const REQUESTS_MAX: usize = 1_000;

/// An instance that was never reached is asked for again after this, doubling up to the configured ceiling.
const UNSEEN_RETRY: Duration = Duration::from_secs(1);

/// When to probe.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// Time between two probes of one instance.
    pub(crate) poll_interval: Duration,
    /// Probes under way at once.
    pub(crate) concurrency: usize,
    /// The wait for a dead instance grows by this factor with each failure,
    pub(crate) dead_factor: f64,
    /// up to this.
    pub(crate) dead_interval_max: Duration,
}

/// Asks the loop for probes.
#[derive(Debug, Clone)]
pub(crate) struct Discovery {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
enum Request {
    Probe(InstanceKey, Option<oneshot::Sender<Arc<InstanceRecord>>>),
    Forget(InstanceKey),
}

/// The loop has ended, or did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("discovery gave no answer within {} s", .0.as_secs())]
pub(crate) struct NoAnswer(Duration);

impl Discovery {
    /// A handle and what the loop reads from it.
    pub(crate) fn new() -> (Self, Requests) {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        (Self { requests }, Requests(receiver))
    }

    /// Probes `key` now and waits for what came of it.
    pub(crate) async fn probe(
        &self,
        key: InstanceKey,
        deadline: Duration,
    ) -> Result<Arc<InstanceRecord>, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.requests.send(Request::Probe(key, Some(answer))).await.ok()?;
            answered.await.ok()
        };
        timeout(deadline, asked).await.ok().flatten().ok_or(NoAnswer(deadline))
    }

    /// Probes `key` soon. A full queue drops the wish: the schedule comes round.
    pub(crate) fn request(&self, key: InstanceKey) {
        if self.requests.try_send(Request::Probe(key.clone(), None)).is_err() {
            debug!(instance = %key, "too many probes are asked for, this one waits for its turn");
        }
    }

    /// Stops probing `key`, until somebody finds it again.
    pub(crate) async fn forget(&self, key: InstanceKey) {
        // An ended loop probes nobody.
        let _ = self.requests.send(Request::Forget(key)).await;
    }
}

/// The loop's end of a [`Discovery`].
#[derive(Debug)]
pub(crate) struct Requests(mpsc::Receiver<Request>);

/// Which instances are not to be looked at.
pub(crate) trait DiscoveryFilters: Send + Sync {
    /// Never probed.
    fn ignores(&self, key: &InstanceKey) -> bool;
    /// Not followed to from its source.
    fn ignores_replica(&self, key: &InstanceKey) -> bool;
    /// Not followed to from its replica.
    fn ignores_source(&self, key: &InstanceKey) -> bool;
}

/// What is called with each new record.
pub(crate) type OnRecord = Box<dyn Fn(&Arc<InstanceRecord>) + Send + Sync>;

/// Everything the loop works with.
pub(crate) struct Crawler {
    pub(crate) schedule: Schedule,
    pub(crate) fleet: SharedFleet,
    pub(crate) pictures: Arc<Pictures>,
    pub(crate) classifier: Classifier,
    pub(crate) filters: Arc<dyn DiscoveryFilters>,
    pub(crate) metrics: Arc<Metrics>,
    /// Told of each record as it is made.
    pub(crate) on_record: OnRecord,
}

#[derive(Debug, Default)]
struct Entry {
    due: Option<Instant>,
    under_way: bool,
    failures: u32,
    waiting: Vec<oneshot::Sender<Arc<InstanceRecord>>>,
}

/// The schedule: pure, but for the clock of the runtime.
#[derive(Debug, Default)]
struct Agenda {
    entries: HashMap<InstanceKey, Entry>,
    due: BTreeSet<(Instant, InstanceKey)>,
    forgotten: BTreeMap<InstanceKey, Instant>,
}

impl Agenda {
    fn schedule(&mut self, key: &InstanceKey, at: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        if let Some(before) = entry.due.replace(at) {
            self.due.remove(&(before, key.clone()));
        }
        self.due.insert((at, key.clone()));
    }

    fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the next instance whose time has come and that is not under way.
    fn take_due(&mut self, now: Instant) -> Option<InstanceKey> {
        while let Some((at, key)) = self.due.first().cloned()
            && at <= now
        {
            self.due.pop_first();
            let entry = self.entries.entry(key.clone()).or_default();
            entry.due = None;
            if !entry.under_way {
                entry.under_way = true;
                return Some(key);
            }
        }
        None
    }

    fn remove(&mut self, key: &InstanceKey) {
        if let Some(entry) = self.entries.remove(key)
            && let Some(at) = entry.due
        {
            self.due.remove(&(at, key.clone()));
        }
    }
}

impl Crawler {
    /// Probes until stopped. `known` are instances to begin with.
    pub(crate) async fn run(self, mut requests: Requests, known: Vec<InstanceKey>, stop: CancellationToken) {
        let mut agenda = Agenda::default();
        let begun = Instant::now();
        for key in known {
            agenda.schedule(&key, begun + self.phase(&key));
        }
        let mut probes = JoinSet::new();
        loop {
            while probes.len() < self.schedule.concurrency
                && let Some(key) = agenda.take_due(Instant::now())
            {
                self.begin(&mut probes, key);
            }
            let full = probes.len() >= self.schedule.concurrency;
            let due = agenda.next_due().filter(|_| !full);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(done) = probes.join_next() => {
                    if let Ok((key, record)) = done {
                        self.finished(&mut agenda, &key, record);
                    }
                }
                Some(request) = requests.0.recv() => self.requested(&mut agenda, request),
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
            }
        }
    }

    /// Instances are probed at moments spread over the interval, each always at its own.
    fn phase(&self, key: &InstanceKey) -> Duration {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let share = f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        self.schedule.poll_interval.min(UNSEEN_RETRY).mul_f64(share)
    }

    fn begin(&self, probes: &mut JoinSet<(InstanceKey, Arc<InstanceRecord>)>, key: InstanceKey) {
        let (fleet, pictures, classifier) =
            (self.fleet.clone(), self.pictures.clone(), self.classifier.clone());
        pictures.attempt(&key, clock::now());
        self.metrics.discoveries_attempted.inc();
        probes.spawn(async move {
            let mut observation = fleet.probe(&key).await;
            classifier.classify(&mut observation);
            let record = pictures.observe(&observation);
            (key, record)
        });
    }

    fn requested(&self, agenda: &mut Agenda, request: Request) {
        match request {
            Request::Probe(key, answer) => {
                agenda.forgotten.remove(&key);
                if !key.is_valid() || self.filters.ignores(&key) {
                    return;
                }
                let entry = agenda.entries.entry(key.clone()).or_default();
                entry.waiting.extend(answer);
                if !entry.under_way {
                    agenda.schedule(&key, Instant::now());
                }
            }
            Request::Forget(key) => {
                agenda.remove(&key);
                let until = Instant::now() + self.schedule.poll_interval * 3;
                agenda.forgotten.insert(key, until);
            }
        }
    }

    fn finished(&self, agenda: &mut Agenda, asked: &InstanceKey, record: Arc<InstanceRecord>) {
        let key = record.instance.key.clone();
        let Some(entry) = agenda.entries.get_mut(asked) else {
            self.pictures.forget(&key);
            return;
        };
        entry.under_way = false;
        let valid = record.checks.is_valid();
        self.metrics.discovery_seconds.observe(record.checks.latency.as_secs_f64());
        if !valid {
            self.metrics.discoveries_failed.inc();
        }
        if record.checks.latency > self.schedule.poll_interval {
            self.metrics.discoveries_slow.inc();
        }
        entry.failures = if valid { 0 } else { entry.failures.saturating_add(1) };
        let wait = self.wait(entry.failures, record.checks.last_seen.is_some());
        for waiting in entry.waiting.drain(..) {
            // Whoever asked may have given up.
            let _ = waiting.send(record.clone());
        }
        if key == *asked {
            agenda.schedule(asked, Instant::now() + wait);
        } else {
            agenda.remove(asked);
            if !agenda.entries.contains_key(&key) {
                info!(instance = %key, asked = %asked, "instance goes by another name");
                agenda.schedule(&key, Instant::now() + wait);
            }
        }
        if valid {
            self.follow(agenda, &record);
        }
        (self.on_record)(&record);
    }

    fn wait(&self, failures: u32, seen: bool) -> Duration {
        let interval = self.schedule.poll_interval;
        match failures {
            0 => interval,
            1..=4 if !seen => UNSEEN_RETRY.min(interval),
            _ => {
                let exponent = i32::try_from(failures.min(64)).unwrap_or(64) - 1;
                let grown = interval.as_secs_f64() * self.schedule.dead_factor.powi(exponent);
                Duration::from_secs_f64(grown.min(self.schedule.dead_interval_max.as_secs_f64()))
                    .max(interval)
            }
        }
    }

    /// Goes along replication to what is not known yet.
    fn follow(&self, agenda: &mut Agenda, record: &InstanceRecord) {
        let now = Instant::now();
        agenda.forgotten.retain(|_, until| *until > now);
        let instance = &record.instance;
        let replicas = instance.replicas.iter().filter(|key| !self.filters.ignores_replica(key));
        let members = instance.group.iter().flat_map(|group| &group.members);
        let source = instance.source().filter(|key| !self.filters.ignores_source(key));
        for key in replicas.chain(members).chain(source) {
            let key = self.pictures.canonical(key);
            let skip = !key.is_valid()
                || agenda.entries.contains_key(&key)
                || agenda.forgotten.contains_key(&key)
                || self.filters.ignores(&key);
            if !skip {
                info!(instance = %key, found_at = %instance.key, "instance found");
                agenda.schedule(&key, now);
            }
        }
    }
}
