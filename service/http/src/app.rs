//! What all requests share.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{
    auth::Auth,
    metrics::Metrics,
    ports::{HealthView, Ports},
    settings::Settings,
};

/// What all requests share.
pub(crate) struct App {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    admission: ArcSwap<Admission>,
}

/// Who is let in and who may change things: the part of the settings that changes without a restart.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    pub(crate) auth: Auth,
    pub(crate) read_only: bool,
}

impl App {
    pub(crate) fn new(settings: Settings, ports: Ports, metrics: Arc<Metrics>) -> Self {
        let auth = with_tokens(&ports, settings.auth.clone());
        let admission = Admission { auth, read_only: settings.read_only };
        Self { ports, settings, metrics, admission: ArcSwap::from_pointee(admission) }
    }

    /// The same, with a place to keep tokens where the method needs one.
    pub(crate) fn with_tokens(&self, auth: Auth) -> Auth {
        with_tokens(&self.ports, auth)
    }

    /// The rules of the moment.
    pub(crate) fn admission(&self) -> Arc<Admission> {
        self.admission.load_full()
    }

    /// Other rules, from the next request on.
    pub(crate) fn set_admission(&self, admission: Admission) {
        self.admission.store(Arc::new(admission));
    }

    /// The newest health.
    pub(crate) fn health(&self) -> Arc<HealthView> {
        self.ports.node.health()
    }
}

fn with_tokens(ports: &Ports, auth: Auth) -> Auth {
    match &ports.tokens {
        Some(tokens) => auth.with_tokens(tokens.clone()),
        None => auth,
    }
}
