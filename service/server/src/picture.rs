//! The one place where observations become a view, and a view becomes a picture: topology and findings.
//!
//! Readers take an immutable picture and never wait. A picture is made anew when something changed, but
//! not more often than the fleet's size allows; who must decide now asks for a fresh one.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use orchestrator_core::{
    InstanceKey, Timestamp, TopologyView,
    analysis::{self, StaleCoordinates},
    observation::Observation,
    policy::{AnalysisPolicy, Filters},
    topology::Topology,
    view::{Declared, InstanceRecord},
};
use orchestrator_http::ports::Picture;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// The shortest time between two pictures made because something changed: a person's eye and a poll of
/// one second see no difference, and a burst of probes costs one analysis.
const REPAINT_INTERVAL_MIN: Duration = Duration::from_millis(20);

/// Making pictures takes at most this share of one core, however large the fleet.
const REPAINT_SHARE: u32 = 10;

/// A picture is made at least so often: lag, downtimes and block periods change with time alone.
const REPAINT_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// The view of this node and its latest picture.
pub(crate) struct Pictures {
    view: Mutex<Folded>,
    current: ArcSwap<Picture>,
    made: watch::Sender<u64>,
    dirty: Notify,
    policy: AnalysisPolicy,
    filters: Arc<dyn Filters + Send + Sync>,
}

#[derive(Default)]
struct Folded {
    view: TopologyView,
    stale: StaleCoordinates,
    /// Instances whose record changed since somebody took this list, for writing them down.
    changed: std::collections::BTreeSet<InstanceKey>,
}

impl Pictures {
    /// Starts from what was known before.
    pub(crate) fn new(
        view: TopologyView,
        policy: AnalysisPolicy,
        filters: Arc<dyn Filters + Send + Sync>,
    ) -> Self {
        let mut folded = Folded { view, ..Folded::default() };
        let picture = paint(&mut folded, &policy, &*filters, clock::now());
        Self {
            view: Mutex::new(folded),
            current: ArcSwap::from_pointee(picture),
            made: watch::Sender::new(0),
            dirty: Notify::new(),
            policy,
            filters,
        }
    }

    /// The latest picture; may be as old as the interval between two.
    pub(crate) fn current(&self) -> Arc<Picture> {
        self.current.load_full()
    }

    /// Makes a picture of what is known at this moment.
    pub(crate) fn fresh(&self) -> Arc<Picture> {
        let mut folded = self.lock();
        let picture = Arc::new(paint(&mut folded, &self.policy, &*self.filters, clock::now()));
        // Stored under the lock, so that an older one cannot replace a newer one.
        self.current.store(picture.clone());
        drop(folded);
        self.made.send_modify(|count| *count += 1);
        picture
    }

    /// Told of each new picture.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.made.subscribe()
    }

    /// The configuration's filters.
    pub(crate) fn filters(&self) -> &Arc<dyn Filters + Send + Sync> {
        &self.filters
    }

    /// Folds an observation in.
    pub(crate) fn observe(&self, observation: &Observation) -> Arc<InstanceRecord> {
        let mut folded = self.lock();
        let record = folded.view.observe(observation);
        folded.changed.insert(record.instance.key.clone());
        drop(folded);
        self.dirty.notify_one();
        record
    }

    /// Notes that a probe began.
    pub(crate) fn attempt(&self, key: &InstanceKey, at: Timestamp) {
        self.lock().view.attempt(key, at);
    }

    /// Drops an instance.
    pub(crate) fn forget(&self, key: &InstanceKey) -> bool {
        let known = self.lock().view.forget(key);
        self.dirty.notify_one();
        known
    }

    /// Replaces what was declared. It shows at once: whoever declared something looks whether it took.
    pub(crate) fn declare(&self, declared: &Arc<Declared>) {
        let changed = {
            let mut folded = self.lock();
            let changed = !Arc::ptr_eq(&folded.view.declared, declared);
            folded.view.declare(declared.clone());
            changed
        };
        if changed {
            self.fresh();
        }
    }

    /// The name that an instance goes by.
    pub(crate) fn canonical(&self, key: &InstanceKey) -> InstanceKey {
        self.lock().view.canonical(key).clone()
    }

    /// What is known of an instance at this moment.
    pub(crate) fn record(&self, key: &InstanceKey) -> Option<Arc<InstanceRecord>> {
        self.lock().view.get(key).cloned()
    }

    /// Instances whose record changed since this was last asked.
    pub(crate) fn take_changed(&self) -> Vec<Arc<InstanceRecord>> {
        let mut folded = self.lock();
        let changed = std::mem::take(&mut folded.changed);
        changed.iter().filter_map(|key| folded.view.get(key).cloned()).collect()
    }

    /// Makes pictures until stopped.
    pub(crate) async fn paint_until(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let begun = Instant::now();
            self.fresh();
            let rest = (begun.elapsed() * REPAINT_SHARE).max(REPAINT_INTERVAL_MIN);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(rest) => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.dirty.notified() => {}
                () = sleep(REPAINT_INTERVAL_MAX) => {}
            }
        }
    }

    /// A panic while the lock was held left the view as the last complete change made it: each change is one
    /// call on it.
    fn lock(&self) -> MutexGuard<'_, Folded> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paint(folded: &mut Folded, policy: &AnalysisPolicy, filters: &dyn Filters, now: Timestamp) -> Picture {
    folded.stale.observe(&folded.view);
    let view = folded.view.clone();
    let topology = Topology::of(&view);
    let findings = analysis::analyze(&view, &topology, policy, filters, &folded.stale, now);
    Picture { view: Arc::new(view), topology: Arc::new(topology), findings: findings.into(), now }
}
