//! The StatefulSet, the budget for disruptions, and the small objects beside them.

use orchestrator_crds::annotation;
use serde_json::{Value, json};

use super::Rendering;
use crate::names;

/// How many templates of the past are kept for `kubectl rollout history`.
const HISTORY: i32 = 5;

/// The StatefulSet. It makes pods and volumes in parallel and restarts nothing by itself; volumes it never deletes,
/// since it does not know who still needs them.
pub(super) fn stateful_set(rendering: &Rendering, replicas: u32) -> Value {
    let Rendering { name, spec, template, claims, .. } = rendering;
    let mut body = json!({
        "serviceName": names::raft_service(name),
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "updateStrategy": { "type": "OnDelete" },
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "minReadySeconds": spec.update.min_ready_seconds,
        "revisionHistoryLimit": HISTORY,
        "selector": { "matchLabels": names::selector(name) },
        "template": template,
    });
    if !spec.storage.ephemeral {
        body["volumeClaimTemplates"] = claims.clone().unwrap_or_else(|| json!([claim(rendering)]));
    }
    let mut metadata = rendering.metadata(&names::stateful_set(name));
    metadata["annotations"] = json!({ annotation::TEMPLATE_VERSION: rendering.template_version });
    json!({ "metadata": metadata, "spec": body })
}

/// What every volume is made from. Nothing in it may ever depend on a version: Kubernetes refuses to change it.
fn claim(rendering: &Rendering) -> Value {
    let storage = &rendering.spec.storage;
    let mut spec = json!({
        "accessModes": [storage.access_mode],
        "resources": { "requests": { "storage": storage.size } },
    });
    if let Some(class) = &storage.storage_class_name {
        spec["storageClassName"] = json!(class);
    }
    json!({ "metadata": { "name": names::DATA_VOLUME, "labels": names::labels(&rendering.name) }, "spec": spec })
}

/// One member at a time. Chosen by labels that never change, not by roles: during an election there is no leader. A
/// member that is not ready counts as one that is gone, since during an election all may be.
pub(super) fn disruption_budget(rendering: &Rendering) -> Value {
    let name = &rendering.name;
    json!({
        "metadata": rendering.metadata(name),
        "spec": {
            "maxUnavailable": 1,
            "selector": { "matchLabels": names::selector(name) },
            "unhealthyPodEvictionPolicy": "IfHealthyBudget",
        },
    })
}

/// For the pods; it has no rights and is not mounted.
pub(super) fn service_account(rendering: &Rendering) -> Value {
    json!({ "metadata": rendering.metadata(&rendering.name), "automountServiceAccountToken": false })
}

/// Without the token itself, which is random and made once.
pub(super) fn token(rendering: &Rendering) -> Value {
    json!({ "metadata": rendering.metadata(&names::token_secret(&rendering.name)), "type": "Opaque" })
}

/// The immutable part of the configuration.
pub(super) fn config(rendering: &Rendering) -> Value {
    json!({
        "metadata": rendering.metadata(&rendering.config_name),
        "immutable": true,
        "data": { names::CONFIG_KEY: rendering.config_text() },
    })
}

/// The part that members take over while they run.
pub(super) fn live(rendering: &Rendering, peers: &[String]) -> Value {
    json!({
        "metadata": rendering.metadata(&names::live_config(&rendering.name)),
        "data": { names::LIVE_KEY: rendering.live_text(peers) },
    })
}
