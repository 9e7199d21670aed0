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
    instance::ThreadState,
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

use crate::{clock, discovery::Discovery, fleet::SharedFleet, picture::Pictures};

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

/// Keeps a watch on everybody who is to be watched, until stopped.
pub(crate) async fn run(
    pictures: Arc<Pictures>,
    fleet: SharedFleet,
    discovery: Discovery,
    pace: Pace,
    suspicions: mpsc::Sender<Suspicion>,
    stop: CancellationToken,
) {
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
            }
            keep
        });
        for key in wanted {
            watched.entry(key).or_insert_with_key(|key| {
                debug!(instance = %key, "watched from now on");
                watchers.spawn(follow(
                    fleet.clone(),
                    discovery.clone(),
                    key.clone(),
                    pace,
                    suspicions.clone(),
                ))
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

async fn changed(changes: &mut watch::Receiver<u64>) -> bool {
    changes.changed().await.is_ok()
}

/// Turns what a watch tells into suspicions and probes.
async fn follow(
    fleet: SharedFleet,
    discovery: Discovery,
    key: InstanceKey,
    pace: Pace,
    suspicions: mpsc::Sender<Suspicion>,
) {
    let mut watch = fleet.watch(&key, pace);
    let mut well = true;
    while let Some(event) = watch.next().await {
        let reason = match event {
            WatchEvent::Pulse { .. } => continue,
            WatchEvent::Back => {
                info!(instance = %key, "instance answers again");
                well = true;
                discovery.request(key.clone());
                continue;
            }
            WatchEvent::Overdue { silent_for } => format!("silent for {} ms", silent_for.as_millis()),
            WatchEvent::Lost(failure) => failure.to_string(),
        };
        if std::mem::replace(&mut well, false) {
            info!(instance = %key, %reason, "instance is suspected");
        }
        // A full queue holds this suspicion already, or will take its next repetition.
        let _ = suspicions.try_send(Suspicion::new(key.clone(), reason));
    }
}
