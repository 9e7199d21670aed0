//! Who is out of reach, since when, and how it went: what the watches of this node noticed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use orchestrator_core::{
    InstanceKey, Timestamp,
    grace::{Absence, Departure},
};

/// One entry per watched instance that is out of reach.
#[derive(Default)]
pub(crate) struct Absences(Mutex<BTreeMap<InstanceKey, Absence>>);

impl Absences {
    /// One more sign that it is out of reach.
    pub(crate) fn notice(&self, key: &InstanceKey, departure: Departure, at: Timestamp) {
        let mut absences = self.lock();
        let noticed = Absence::noticed(absences.get(key).copied(), departure, at);
        absences.insert(key.clone(), noticed);
    }

    /// It is back, or nobody watches it any more.
    pub(crate) fn end(&self, key: &InstanceKey) {
        self.lock().remove(key);
    }

    /// `None`: it is there, as far as its watch can tell.
    pub(crate) fn of(&self, key: &InstanceKey) -> Option<Absence> {
        self.lock().get(key).copied()
    }

    /// A poisoned lock holds no half-made state: every critical section is one move.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstanceKey, Absence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
