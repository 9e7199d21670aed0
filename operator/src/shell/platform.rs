//! What else is installed in the cluster: it decides about some of the children.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use tokio::time::Instant;

use super::apply::within;

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
    /// What is installed, as of some minutes ago at most. An API that does not answer changes nothing.
    pub async fn installed(&self, client: &Client) -> Installed {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, installed)) = known
            && at.elapsed() < LOOK_AGAIN
        {
            return installed;
        }
        let before = known.map(|(_, installed)| installed).unwrap_or_default();
        let installed = Installed {
            pod_monitors: serves(client, MONITORING, "podmonitors").await.unwrap_or(before.pod_monitors),
            openshift: serves(client, OPENSHIFT, "securitycontextconstraints")
                .await
                .unwrap_or(before.openshift),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), installed));
        installed
    }
}

/// `None`: nobody can tell.
async fn serves(client: &Client, group: &str, plural: &str) -> Option<bool> {
    match within(client.list_api_group_resources(group)).await {
        Ok(list) => Some(list.resources.iter().any(|resource| resource.name == plural)),
        Err(error) if error.code() == Some(404) => Some(false),
        Err(_) => None,
    }
}
