//! Services, who may reach the members, and who reads their metrics.

use orchestrator_crds::OrchestratorClusterSpec;
use serde_json::{Value, json};

use super::{OperatorPods, Rendering};
use crate::names;

/// The headless Service: members must find one another before they are ready.
pub(super) fn raft_service(rendering: &Rendering) -> Value {
    let Rendering { name, spec, .. } = rendering;
    let port = |name: &str, number: i32| json!({ "name": name, "port": number, "targetPort": name, "protocol": "TCP" });
    json!({
        "metadata": rendering.metadata(&names::raft_service(name)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": names::selector(name),
            "ports": [
                port("raft", spec.raft.port),
                port("http", spec.api.port),
                port("probe", spec.api.probe_port),
            ],
        },
    })
}

/// The Service for clients: any healthy member, since each hands on to the leader what is the leader's.
pub(super) fn api_service(rendering: &Rendering) -> Value {
    let Rendering { name, spec, .. } = rendering;
    let (service, scheme) = (&spec.service, names::scheme(spec));
    let mut metadata = rendering.metadata(name);
    let mut labels = service.labels.clone();
    labels.extend(names::labels(name));
    metadata["labels"] = json!(labels);
    if !service.annotations.is_empty() {
        metadata["annotations"] = json!(service.annotations);
    }
    let mut port = json!({
        "name": scheme,
        "port": names::service_port(spec),
        "targetPort": "http",
        "protocol": "TCP",
        "appProtocol": scheme,
    });
    if let Some(number) = service.node_port {
        port["nodePort"] = json!(number);
    }
    let mut body =
        json!({ "type": service.service_type, "selector": names::selector(name), "ports": [port] });
    if let Some(class) = &service.load_balancer_class {
        body["loadBalancerClass"] = json!(class);
    }
    if !service.load_balancer_source_ranges.is_empty() {
        body["loadBalancerSourceRanges"] = json!(service.load_balancer_source_ranges);
    }
    if let Some(policy) = service.external_traffic_policy {
        body["externalTrafficPolicy"] = json!(policy);
    }
    json!({ "metadata": metadata, "spec": body })
}

/// Who may reach which port. Nothing is said about where members may go: MySQL can be anywhere.
pub(super) fn network_policy(rendering: &Rendering) -> Value {
    let Rendering { name, spec, operator, .. } = rendering;
    let members = json!({ "podSelector": { "matchLabels": names::selector(name) } });
    let ports = |names: &[&str]| -> Value {
        names.iter().map(|name| json!({ "port": name, "protocol": "TCP" })).collect()
    };
    let mut api_from = vec![members.clone()];
    api_from.extend(operator.iter().map(operator_peer));
    api_from.extend(spec.network_policy.api_from.iter().map(|peer| json!(peer)));
    let mut ingress = vec![
        raft_rule(spec, &members, &ports(&["raft"])),
        rule(!spec.network_policy.api_from.is_empty(), api_from, &ports(&["http"])),
    ];
    let metrics_from: Vec<Value> = spec.network_policy.metrics_from.iter().map(|peer| json!(peer)).collect();
    ingress.push(rule(!metrics_from.is_empty(), metrics_from, &ports(&["probe"])));
    json!({
        "metadata": rendering.metadata(name),
        "spec": {
            "podSelector": { "matchLabels": names::selector(name) },
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    })
}

/// External members are known by name, and a policy knows addresses alone: with them the port is open, and
/// certificates say who is who.
fn raft_rule(spec: &OrchestratorClusterSpec, members: &Value, ports: &Value) -> Value {
    rule(spec.raft.external_members.is_empty(), vec![members.clone()], ports)
}

/// From those alone, or from everywhere.
fn rule(limited: bool, from: Vec<Value>, ports: &Value) -> Value {
    if limited { json!({ "from": from, "ports": ports }) } else { json!({ "ports": ports }) }
}

fn operator_peer(operator: &OperatorPods) -> Value {
    json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": operator.namespace } },
        "podSelector": { "matchLabels": operator.labels },
    })
}

/// For the Prometheus operator. Its type is not of Kubernetes, so it is written out.
pub(super) fn pod_monitor(rendering: &Rendering) -> Value {
    let Rendering { name, spec, .. } = rendering;
    let monitor = &spec.monitoring.pod_monitor;
    let mut metadata = rendering.metadata(name);
    let mut labels = monitor.labels.clone();
    labels.extend(names::labels(name));
    metadata["labels"] = json!(labels);
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata,
        "spec": {
            "selector": { "matchLabels": names::selector(name) },
            "podMetricsEndpoints": [
                { "port": "probe", "path": "/metrics", "interval": monitor.interval },
            ],
        },
    })
}
