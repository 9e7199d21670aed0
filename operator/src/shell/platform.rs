//! What else is installed in the cluster: it decides about some of the children.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use tokio::time::Instant;

use super::apply::{ApiFailure, within};

/// The Prometheus operator may be installed at any time.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// Group of PodMonitors.
const MONITORING: &str = "monitoring.coreos.com/v1";
/// Group of the security context constraints of OpenShift.
const OPENSHIFT: &str = "security.openshift.io/v1";

/// What is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Installed {
    /// PodMonitors can be made.
    pub pod_monitors: bool,
    /// Pods may not choose their users.
    pub openshift: bool,
}

/// Remembers it.
#[derive(Debug, Default)]
pub struct Platform(Mutex<Option<(Instant, Installed)>>);

impl Platform {
    /// What is installed, as of some minutes ago. An API that does not answer changes nothing of that.
    ///
    /// # Errors
    /// It was never known. Nothing may be rendered then: a guess would take children away, or restart every member.
    pub async fn installed(&self, client: &Client) -> Result<Installed, ApiFailure> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, installed)) = known
            && at.elapsed() < LOOK_AGAIN
        {
            return Ok(installed);
        }
        let installed = match (look(client).await, known) {
            (Ok(installed), _) | (Err(_), Some((_, installed))) => installed,
            (Err(error), None) => return Err(error),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), installed));
        Ok(installed)
    }
}

async fn look(client: &Client) -> Result<Installed, ApiFailure> {
    Ok(Installed {
        pod_monitors: serves(client, MONITORING, "podmonitors").await?,
        openshift: serves(client, OPENSHIFT, "securitycontextconstraints").await?,
    })
}

/// Not where there is no such group; nor for whom it is hidden, who could not use it either.
async fn serves(client: &Client, group: &str, plural: &str) -> Result<bool, ApiFailure> {
    match within(client.list_api_group_resources(group)).await {
        Ok(list) => Ok(list.resources.iter().any(|resource| resource.name == plural)),
        Err(error) if matches!(error.code(), Some(403 | 404)) => Ok(false),
        Err(error) => Err(error),
    }
}
