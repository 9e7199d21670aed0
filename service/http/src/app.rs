//! What all requests share.

use std::sync::Arc;

use crate::{
    metrics::Metrics,
    ports::{HealthView, Ports},
    settings::Settings,
};

/// What all requests share.
pub(crate) struct App {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
}

impl App {
    /// The newest health.
    pub(crate) fn health(&self) -> Arc<HealthView> {
        self.ports.node.health()
    }
}
