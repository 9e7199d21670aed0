//! News from applied commands on their way to the rest of the node.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_core::InstanceKey;
use tokio::sync::Notify;

/// News that may wait. A node drains them at once; when it cannot keep up, it is told to look at everything
/// instead, so that applying commands never waits for it.
const WAITING: usize = 1024;

/// What a node does about an applied command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Probe this instance and crawl on from it.
    Probe(InstanceKey),
    /// Drop these instances from the view, and do not rediscover them for a while.
    Forgotten(Vec<InstanceKey>),
    /// Downtimes, rules, aliases, the switch or active recoveries changed.
    DeclaredChanged,
    /// A recovery began, moved on, ended or was acknowledged.
    RecoveryChanged {
        /// Its name; empty = several.
        uid: String,
    },
    /// A detection was noted.
    Detected {
        /// Its number.
        id: i64,
    },
    /// A pair was set.
    KeyValue {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Anything may have changed: a raft snapshot was installed, or this node was too slow to be told each change.
    Everything,
}

impl Effect {
    pub(super) fn changes_declared(&self) -> bool {
        matches!(
            self,
            Self::DeclaredChanged | Self::RecoveryChanged { .. } | Self::Forgotten(_) | Self::Everything
        )
    }
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<VecDeque<Effect>>,
    closed: std::sync::atomic::AtomicBool,
    arrived: Notify,
}

/// The machine's end.
#[derive(Debug)]
pub(super) struct EffectQueue(Arc<Shared>);

/// The node's end. One task should drain it.
#[derive(Debug)]
pub struct EffectReceiver(Arc<Shared>);

pub(super) fn queue() -> (EffectQueue, EffectReceiver) {
    let shared = Arc::new(Shared::default());
    (EffectQueue(shared.clone()), EffectReceiver(shared))
}

impl EffectQueue {
    pub(super) fn push(&self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() + effects.len() > WAITING {
            tracing::warn!(waiting = waiting.len(), "effects not drained: the node will reread its state");
            waiting.clear();
            waiting.push_back(Effect::Everything);
        } else {
            waiting.extend(effects);
        }
        drop(waiting);
        self.0.arrived.notify_one();
    }
}

impl Drop for EffectQueue {
    fn drop(&mut self) {
        self.0.closed.store(true, std::sync::atomic::Ordering::Release);
        self.0.arrived.notify_one();
    }
}

impl EffectReceiver {
    /// The next effect; `None` once the machine is gone and all were taken.
    ///
    /// Waits as long as nothing happens. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Effect> {
        loop {
            let closed = self.0.closed.load(std::sync::atomic::Ordering::Acquire);
            if let Some(effect) = self.take() {
                return Some(effect);
            }
            if closed {
                return None;
            }
            self.0.arrived.notified().await;
        }
    }

    /// The next effect, if one waits.
    pub fn take(&mut self) -> Option<Effect> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
