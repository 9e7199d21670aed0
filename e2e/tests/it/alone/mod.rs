//! Stories that use both cores for themselves, or measure: one of them at a time. The labs run them beside the others.

mod haproxy;
mod health;
mod hostile;
mod soak;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by each of them.
fn exclusive() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    // A story that failed has spoilt nothing that the next one uses.
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
