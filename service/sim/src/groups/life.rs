//! One life of a node's process: what belongs to it stops having effects when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Clones share it. Ended once, for ever: the next start is another life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life(Arc<AtomicBool>);

impl Life {
    pub(crate) fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns while the process lives, and never again once it is dead.
    pub(crate) async fn go_on(&self) {
        if self.is_over() {
            std::future::pending::<()>().await;
        }
    }
}
