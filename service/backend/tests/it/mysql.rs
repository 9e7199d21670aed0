//! What is particular about a database on a server.

mod adopting;
mod away;
mod crash;
mod fitting;
mod mixed;
mod opening;
mod proxy;

use std::time::Duration;

use orchestrator_backend::{Backend, MySqlBackend, MySqlOptions};

pub(crate) fn open(options: &MySqlOptions) -> Box<dyn Backend> {
    Box::new(MySqlBackend::open(options).unwrap())
}

/// Options that wait for a predecessor only shortly: the servers of tests are next door.
pub(crate) fn impatient(options: MySqlOptions) -> MySqlOptions {
    MySqlOptions { takeover_patience: Duration::from_secs(1), ..options }
}
