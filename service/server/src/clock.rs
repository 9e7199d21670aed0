//! The only place of this crate that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use orchestrator_core::Timestamp;

/// Now, by this machine's clock.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
