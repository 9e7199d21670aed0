//! The one place where it is written that a node must stop, and why.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::error;

/// Clones share it. The first reason stays: what follows is its consequence.
#[derive(Debug, Clone)]
pub(crate) struct Fatal {
    node: Arc<str>,
    reason: watch::Sender<Option<Arc<str>>>,
}

impl Fatal {
    pub(crate) fn of(node: &str) -> Self {
        Self { node: node.into(), reason: watch::Sender::new(None) }
    }

    /// The node must stop.
    pub(crate) fn fail(&self, reason: impl Into<Arc<str>>) {
        let reason = reason.into();
        let first = self.reason.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(reason.clone());
            }
            first
        });
        if first {
            error!(node = %self.node, error = %reason, "raft stops");
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.reason.subscribe()
    }
}
