//! What is written by hand has the fields that Kubernetes knows.

use serde_json::json;

use super::*;

/// A spec that asks for everything.
fn everything() -> Rendering {
    let object = json!({
        "apiVersion": "orchestrator.rs/v1alpha1",
        "kind": "OrchestratorCluster",
        "metadata": { "name": "main", "namespace": "db", "uid": "u" },
        "spec": {
            "networkPolicy": { "enabled": true, "apiFrom": [{ "podSelector": {} }] },
            "service": {
                "type": "LoadBalancer", "nodePort": 30000, "loadBalancerClass": "a.b/c",
                "loadBalancerSourceRanges": ["10.0.0.0/8"], "externalTrafficPolicy": "Local",
            },
            "storage": { "storageClassName": "fast" },
            "backend": {
                "type": "mysql",
                "mysql": { "hostTemplate": "b-{ordinal}", "credentialsSecretRef": { "name": "b" } },
            },
            "hooks": { "configMapRef": { "name": "h" }, "secretRefs": [{ "name": "s" }] },
            "tls": { "secretRef": { "name": "t" } },
            "imagePullSecrets": [{ "name": "r" }],
            "pod": { "antiAffinity": "Required", "priorityClassName": "p", "nodeSelector": { "a": "b" } },
        },
    });
    let cluster: OrchestratorCluster = serde_json::from_value(object).expect("it is one");
    let mut seen = Seen::default();
    for reference in references(&cluster.spec) {
        let keys = reference.keys.iter().map(|key| (key.clone(), digest(key.as_bytes()))).collect();
        seen.objects.insert((reference.kind, reference.name), Some(keys));
    }
    let context = Context { default_image: Some("i".into()), ..Context::default() };
    render(&cluster, &context, &seen).expect("it makes sense")
}

#[test]
fn nothing_that_is_written_is_unknown_to_kubernetes() {
    let rendering = everything();
    let peers = ["main-0:1".to_owned()];
    let children = rendering.children(3, &peers);
    let pairs = [
        (set::service_account(&rendering), json!(children.service_account)),
        (set::token(&rendering), json!(children.token)),
        (set::config(&rendering), json!(children.config)),
        (set::live(&rendering, &peers), json!(children.live)),
        (network::raft_service(&rendering), json!(children.raft_service)),
        (network::api_service(&rendering), json!(children.api_service)),
        (network::network_policy(&rendering), json!(children.network_policy)),
        (set::disruption_budget(&rendering), json!(children.disruption_budget)),
        (set::stateful_set(&rendering, 3), json!(children.stateful_set)),
    ];
    for (written, read) in pairs {
        let mut unknown = Vec::new();
        patch::unknown(&written, &read, &read["kind"].to_string(), &mut unknown);
        assert!(unknown.is_empty(), "{unknown:?}");
    }
    assert!(rendering.remarks.is_empty(), "{:?}", rendering.remarks);
}

#[test]
fn what_a_pod_needs_is_applied_before_the_stateful_set() {
    let documents = everything().children(3, &[]).documents();
    assert_eq!(documents.last().map(|last| last["kind"].clone()), Some(json!("StatefulSet")));
    let kinds: Vec<&str> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
    let wanted = [
        "ServiceAccount",
        "ConfigMap",
        "ConfigMap",
        "Service",
        "Service",
        "NetworkPolicy",
        "PodDisruptionBudget",
    ];
    assert_eq!(kinds[..7], wanted);
}

#[test]
fn what_is_not_wished_any_more_is_named() {
    let children = everything().children(3, &[]);
    assert_eq!(children.unwanted(), [("PodMonitor", "main".to_owned())]);
}
