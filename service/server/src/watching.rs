//! Holding the pulse of every primary, so that a death is noticed when it happens and not at the next poll.
//!
//! Watched are instances that others replicate from, and old primaries that a recovery left behind: those
//! must be met at the door when they return.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use orchestrator_core::{
    InstanceKey, Timestamp,
    grace::Departure,
    instance::ThreadState,
    observation::Failure,
    view::{InstanceRecord, LOST_IN_RECOVERY},
};
use orchestrator_http::ports::Picture;
use orchestrator_mysql::{Pace, WatchEvent};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{absence::Absences, clock, discovery::Discovery, fleet::SharedFleet, picture::Pictures};

/// Suspicions that wait for detection. One per primary is under way at a time; more add nothing.
pub(crate) const SUSPICIONS_MAX: usize = 1_000;

/// A reason to look at an instance at once.
#[derive(Debug, Clone)]
pub(crate) struct Suspicion {
    /// The suspect.
    pub(crate) key: InstanceKey,
    /// What was seen, for people.
    pub(crate) reason: String,
    /// When.
    pub(crate) at: Timestamp,
}

impl Suspicion {
    /// Seen now.
    pub(crate) fn new(key: InstanceKey, reason: impl Into<String>) -> Self {
        Self { key, reason: reason.into(), at: clock::now() }
    }
}

/// Who is to be watched in this picture.
fn wanted(picture: &Picture) -> BTreeSet<InstanceKey> {
    let with_replicas = picture
        .view
        .records()
        .map(|(key, _)| key)
        .filter(|key| picture.topology.place(key).is_some_and(|place| !place.replicas.is_empty()));
    let left_behind = picture.view.declared.downtimes.iter();
    let left_behind =
        left_behind.filter(|(_, downtime)| downtime.reason == LOST_IN_RECOVERY).map(|(key, _)| key);
    with_replicas.chain(left_behind.filter(|key| picture.view.get(key).is_some())).cloned().collect()
}

/// The source that a replica was cut off from, as its receiving thread says.
pub(crate) fn lost_source(record: &InstanceRecord) -> Option<InstanceKey> {
    let replication = record.instance.replication.as_ref().filter(|_| record.checks.is_valid())?;
    let source = record.instance.source().filter(|source| !source.is_detached())?;
    (replication.io_thread == ThreadState::Other).then(|| source.clone())
}

/// What a watch works with.
#[derive(Clone)]
pub(crate) struct Watching {
    pub(crate) fleet: SharedFleet,
    pub(crate) discovery: Discovery,
    pub(crate) pace: Pace,
    pub(crate) suspicions: mpsc::Sender<Suspicion>,
    pub(crate) absences: Arc<Absences>,
}

impl Watching {
    /// Keeps a watch on everybody who is to be watched, until stopped.
    pub(crate) async fn run(self, pictures: Arc<Pictures>, stop: CancellationToken) {
        let mut changes = pictures.changes();
        let mut watchers = JoinSet::new();
        let mut watched: HashMap<InstanceKey, AbortHandle> = HashMap::new();
        loop {
            let wanted = wanted(&pictures.current());
            watched.retain(|key, watcher| {
                let keep = wanted.contains(key);
                if !keep {
                    debug!(instance = %key, "not watched any more");
                    watcher.abort();
                    self.absences.end(key);
                }
                keep
            });
            for key in wanted {
                watched.entry(key).or_insert_with_key(|key| {
                    debug!(instance = %key, "watched from now on");
                    watchers.spawn(self.clone().follow(key.clone()))
                });
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = changed(&mut changes) => if !changed { return },
                // Aborted watchers are collected; one that ended by itself is started again with the next picture.
                Some(_) = watchers.join_next() => watched.retain(|_, watcher| !watcher.is_finished()),
            }
        }
    }

    /// Turns what a watch tells into absences, suspicions and probes.
    async fn follow(self, key: InstanceKey) {
        // A watch that begins anew does not say `Back`: what the one before it noticed is over.
        self.absences.end(&key);
        let mut watch = self.fleet.watch(&key, self.pace);
        let mut well = true;
        while let Some(event) = watch.next().await {
            let reason = match event {
                WatchEvent::Pulse { .. } => continue,
                WatchEvent::Back => {
                    info!(instance = %key, "instance answers again");
                    well = true;
                    self.absences.end(&key);
                    self.discovery.request(key.clone());
                    continue;
                }
                WatchEvent::Overdue { silent_for } => {
                    self.absences.notice(&key, Departure::Abrupt, clock::now());
                    format!("silent for {} ms", silent_for.as_millis())
                }
                WatchEvent::Lost { failure, departure } => self.lost(&key, &failure, departure),
            };
            if std::mem::replace(&mut well, false) {
                info!(instance = %key, %reason, "instance is suspected");
            }
            // A full queue holds this suspicion already, or will take its next repetition.
            let _ = self.suspicions.try_send(Suspicion::new(key.clone(), reason));
        }
    }

    /// Notes how it went, and says so.
    fn lost(&self, key: &InstanceKey, failure: &Failure, departure: Departure) -> String {
        if !failure.kind.proves_alive() {
            self.absences.notice(key, departure, clock::now());
        }
        match departure {
            Departure::Abrupt => failure.to_string(),
            Departure::InOrder => format!("{departure}; {failure}"),
        }
    }
}

async fn changed(changes: &mut watch::Receiver<u64>) -> bool {
    changes.changed().await.is_ok()
}
