//! `kubectl get events`: one recorder for the process, which takes repetitions for one event.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use orchestrator_crds::{API_VERSION, KIND, MANAGER};
use tokio::time::timeout;
use tracing::{debug, info};

use super::{apply::API_TIMEOUT, index::Key};
use crate::plan;

/// The API server takes a kilobyte.
const NOTE_CHARS_MAX: usize = 900;

/// Reports.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// As the operator of this pod.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Reports one. An event that cannot be written is only that.
    pub async fn report(&self, key: &Key, uid: &str, event: &plan::Event) {
        let reason = event.reason.as_str();
        info!(namespace = %key.namespace, name = %key.name, pod = event.pod, reason, "{}", event.note);
        let regarding = ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(KIND.to_owned()),
            name: Some(key.name.to_string()),
            namespace: Some(key.namespace.to_string()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        // Events without a second object are the same for the recorder, whatever they say of whom.
        let secondary = event.pod.as_ref().map(|pod| ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(pod.clone()),
            namespace: Some(key.namespace.to_string()),
            ..ObjectReference::default()
        });
        let type_ = if event.reason.is_warning() { EventType::Warning } else { EventType::Normal };
        let note = event.note.chars().take(NOTE_CHARS_MAX).collect();
        let published = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note),
            action: reason.to_owned(),
            secondary,
        };
        match timeout(API_TIMEOUT, self.recorder.publish(&published, &regarding)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                debug!(%key, reason, error = &error as &dyn std::error::Error, "event not written")
            }
            Err(_) => debug!(%key, reason, "event not written in time"),
        }
    }
}
