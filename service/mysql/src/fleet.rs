//! The shared handle to all instances: settings, and per instance the connections held and what was learned.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use orchestrator_core::{
    InstanceKey, Timestamp,
    instance::Labels,
    observation::{Failure, FailureKind},
};
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use crate::{
    connect::Dialer,
    dialect::Dialect,
    privileges::Lacking,
    session::{Server, Session},
    settings::ProbeSettings,
};

/// Reaches all instances with one account. Cloning is cheap; all clones share connections.
///
/// Implements [`crate::Probe`] and [`crate::Execute`].
#[derive(Debug, Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: RwLock<Arc<Config>>,
    slots: Mutex<HashMap<InstanceKey, Arc<Slot>>>,
    /// Fences that wait in their sockets.
    held: Mutex<JoinSet<()>>,
}

/// Settings with what is made of them.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) settings: ProbeSettings,
    dialer: Dialer,
}

/// What is held for one instance.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// The probe's connection, while no probe uses it.
    idle: Mutex<Option<Session>>,
    /// The connection that waits for a fence. Held for watched instances only.
    reserve: Mutex<Option<Session>>,
    memory: Mutex<Memory>,
    /// Told when a new connection was refused: held ones are to be closed, since they delay the stop of a
    /// MySQL server by seconds.
    going: Notify,
}

/// What was learned about the server behind a name.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// UUID, or server id where there is none, of who answered last; 0 and empty = nobody yet.
    pub(crate) who: Option<Who>,
    pub(crate) demands_encryption: bool,
    /// What the last connection learned of it.
    pub(crate) server: Option<Arc<Server>>,
    /// Words found out, and the version for which.
    pub(crate) dialect: Option<(String, Dialect)>,
    /// A fence waits in its socket.
    pub(crate) fencing: bool,
    /// Labels as last read, when, and what could not be read of them.
    pub(crate) labels: Option<(Instant, Labels, Option<String>)>,
    /// Privileges that our account lacks, as last asked, and when.
    pub(crate) lacking: Option<(Instant, Lacking)>,
}

/// By what a server is told from another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) server_uuid: String,
    pub(crate) server_id: u32,
}

impl Who {
    /// The same server: by UUID where there is one, else by id.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        if self.server_uuid.is_empty() && other.server_uuid.is_empty() {
            self.server_id == other.server_id
        } else {
            self.server_uuid == other.server_uuid
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { server_uuid, server_id } = self;
        if server_uuid.is_empty() { write!(f, "server id {server_id}") } else { write!(f, "{server_uuid}") }
    }
}

impl Fleet {
    /// A fleet to which nothing is connected yet.
    pub fn new(settings: ProbeSettings) -> Self {
        let shared = Shared {
            config: RwLock::new(Config::new(settings)),
            slots: Mutex::default(),
            held: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes over other settings. Idle connections are closed; those in use finish what they do.
    pub fn reconfigure(&self, settings: ProbeSettings) {
        *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = Config::new(settings);
        for slot in lock(&self.shared.slots).values() {
            slot.close();
            let mut memory = lock(&slot.memory);
            (memory.labels, memory.lacking) = (None, None);
        }
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.shared.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn slot(&self, key: &InstanceKey) -> Arc<Slot> {
        let mut slots = lock(&self.shared.slots);
        if let Some(slot) = slots.get(key) {
            return slot.clone();
        }
        slots.entry(key.clone()).or_default().clone()
    }

    pub(crate) fn drop_slot(&self, key: &InstanceKey) {
        let slot = lock(&self.shared.slots).remove(key);
        if let Some(slot) = slot {
            slot.close();
        }
    }

    /// Keeps something going until it ends or the fleet is dropped.
    pub(crate) fn hold(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut held = lock(&self.shared.held);
        while held.try_join_next().is_some() {}
        held.spawn(task);
    }

    /// A new connection. Closes the held ones when it is refused.
    pub(crate) async fn connect(&self, key: &InstanceKey, deadline: Instant) -> Result<Session, Failure> {
        let slot = self.slot(key);
        let mut demands_encryption = slot.memory().demands_encryption;
        let result = self.config().dialer.connect(key, &mut demands_encryption, deadline).await;
        slot.memory().demands_encryption = demands_encryption;
        if let Err(failure) = &result
            && failure.kind == FailureKind::Refused
        {
            slot.close();
            slot.going.notify_waiters();
        }
        result
    }
}

impl Config {
    fn new(settings: ProbeSettings) -> Arc<Self> {
        let dialer = Dialer::new(&settings);
        Arc::new(Self { settings, dialer })
    }
}

impl Slot {
    pub(crate) fn take_idle(&self) -> Option<Session> {
        lock(&self.idle).take()
    }

    /// Keeps a connection for the next probe; one that is kept already is closed.
    pub(crate) fn keep_idle(&self, session: Session) {
        if session.is_usable() {
            *lock(&self.idle) = Some(session);
        }
    }

    pub(crate) fn take_reserve(&self) -> Option<Session> {
        lock(&self.reserve).take()
    }

    pub(crate) fn keep_reserve(&self, session: Session) {
        if session.is_usable() {
            *lock(&self.reserve) = Some(session);
        }
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// Ends when a new connection to this instance is refused.
    pub(crate) async fn is_going(&self) {
        self.going.notified().await;
    }

    /// Closes the connections that are not in use.
    pub(crate) fn close(&self) {
        let idle = self.take_idle();
        let reserve = self.take_reserve();
        drop((idle, reserve));
    }
}

/// A poisoned lock holds no half-made state here: every critical section is one move.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wall clock, for stamping observations.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(server_uuid: &str, server_id: u32) -> Who {
        Who { server_uuid: server_uuid.into(), server_id }
    }

    #[test]
    fn a_server_is_known_by_its_uuid_where_it_has_one() {
        assert!(who("u", 1).is_same(&who("u", 2)));
        assert!(!who("u", 1).is_same(&who("v", 1)));
        assert!(!who("u", 1).is_same(&who("", 1)));
        assert!(who("", 1).is_same(&who("", 1)));
        assert!(!who("", 1).is_same(&who("", 2)));
    }
}
