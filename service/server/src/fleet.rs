//! The fleet as the rest of this crate uses it: shared, and replaceable by a fake.

use std::sync::Arc;

use orchestrator_mysql::{Execute, Probe};

/// Reads and changes instances.
pub(crate) trait Servers: Probe + Execute {}

impl<T: Probe + Execute> Servers for T {}

/// The one fleet of a node.
pub(crate) type SharedFleet = Arc<dyn Servers>;
