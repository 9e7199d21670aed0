//! The pods of the members: what the operator writes, what a person adds, and what stays the operator's.
//!
//! Templates are numbered. Members of an object stay with the template that they were made from until somebody wishes
//! otherwise, so a change below belongs under a condition on a new number, never into an old one.

use orchestrator_crds::{AntiAffinity, OrchestratorCluster, annotation, verb};
use serde_json::{Map, Value, json};

use super::{mounts::Mount, patch};
use crate::names::{self, CONTAINER, path};

/// Every template that this operator can write, the newest last.
pub(super) const TEMPLATES: &[&str] = &["1"];

/// Nobody in the image; the group that may read mounted Secrets.
const UID: i64 = 65_532;

/// Seconds in which kube-proxy of each node knows that a pod ends; measured: a few tenths. Without them one request in
/// a thousand finds a closed port.
const ENDPOINTS_PROPAGATE: u64 = 2;

/// Settings of one pod template.
pub(super) struct PodInput<'i> {
    pub(super) cluster: &'i OrchestratorCluster,
    pub(super) name: &'i str,
    pub(super) namespace: &'i str,
    pub(super) image: &'i str,
    pub(super) template_version: &'i str,
    pub(super) restart_hash: Option<&'i str>,
    pub(super) mounts: &'i [Mount],
    /// The cluster gives users to pods by itself and refuses those that name one.
    pub(super) openshift: bool,
}

/// The pod template as plain JSON, with `spec.pod.template` merged into it.
///
/// # Errors
/// `spec.pod.template` cannot be merged; where and why.
pub(super) fn template(input: &PodInput<'_>) -> Result<Value, String> {
    let own = without_nulls(own(input));
    let mut template = own.clone();
    let wished = Value::Object(input.cluster.spec.pod.template.clone());
    patch::merge(&mut template, &wished, "spec.pod.template")?;
    restore(&mut template, &own, input.mounts)?;
    Ok(template)
}

fn own(input: &PodInput<'_>) -> Value {
    let pod = &input.cluster.spec.pod;
    let spec = &input.cluster.spec;
    let pull_secrets: Vec<Value> =
        spec.image_pull_secrets.iter().map(|secret| json!({ "name": secret.name })).collect();
    let or_absent = |list: Vec<Value>| if list.is_empty() { Value::Null } else { Value::Array(list) };
    json!({
        "metadata": { "labels": labels(input), "annotations": annotations(input) },
        "spec": {
            "serviceAccountName": input.name,
            // Members need nothing of the API server.
            "automountServiceAccountToken": false,
            // Services of the namespace as variables could be taken for settings.
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": pod.termination_grace_period_seconds,
            "priorityClassName": pod.priority_class_name,
            "nodeSelector": if pod.node_selector.is_empty() { Value::Null } else { json!(pod.node_selector) },
            "tolerations": if pod.tolerations.is_empty() { Value::Null } else { json!(pod.tolerations) },
            "affinity": affinity(input),
            "topologySpreadConstraints": spread(input),
            "imagePullSecrets": or_absent(pull_secrets),
            "securityContext": security(input.openshift),
            "containers": [container(input)],
            "volumes": input.mounts.iter().filter_map(Mount::volume).collect::<Vec<_>>(),
        },
    })
}

fn labels(input: &PodInput<'_>) -> Value {
    let mut labels = input.cluster.spec.pod.labels.clone();
    labels.extend(names::labels(input.name));
    json!(labels)
}

fn annotations(input: &PodInput<'_>) -> Value {
    let mut annotations = input.cluster.spec.pod.annotations.clone();
    let mut add = |key: &str, value: &str| annotations.insert(key.to_owned(), value.to_owned());
    add("kubectl.kubernetes.io/default-container", CONTAINER);
    add(annotation::TEMPLATE_VERSION, input.template_version);
    if let Some(hash) = input.restart_hash {
        add(annotation::RESTART_HASH, hash);
    }
    let asked = input.cluster.metadata.annotations.as_ref();
    if let Some(when) = asked.and_then(|asked| asked.get(verb::RESTARTED_AT)) {
        add(verb::RESTARTED_AT, when);
    }
    json!(annotations)
}

/// Two members in one place fall together.
fn affinity(input: &PodInput<'_>) -> Value {
    let pod = &input.cluster.spec.pod;
    if let Some(affinity) = &pod.affinity {
        return json!(affinity);
    }
    let apart = json!({
        "topologyKey": pod.topology_key,
        "labelSelector": { "matchLabels": names::selector(input.name) },
    });
    match pod.anti_affinity {
        AntiAffinity::Disabled => Value::Null,
        AntiAffinity::Required => {
            json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [apart] } })
        }
        AntiAffinity::Preferred => {
            let term = json!({ "weight": 100, "podAffinityTerm": apart });
            json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [term] } })
        }
    }
}

/// Over zones and nodes, as far as that is possible: one node must be enough to try it out.
fn spread(input: &PodInput<'_>) -> Value {
    if let Some(constraints) = &input.cluster.spec.pod.topology_spread_constraints {
        return if constraints.is_empty() { Value::Null } else { json!(constraints) };
    }
    let over = |key: &str| {
        json!({
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": names::selector(input.name) },
        })
    };
    json!([over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")])
}

fn security(openshift: bool) -> Value {
    let mut context = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    if !openshift {
        for key in ["runAsUser", "runAsGroup", "fsGroup"] {
            context[key] = json!(UID);
        }
        context["fsGroupChangePolicy"] = json!("OnRootMismatch");
    }
    context
}

fn container(input: &PodInput<'_>) -> Value {
    let spec = &input.cluster.spec;
    let port = |name: &str, number: i32| json!({ "name": name, "containerPort": number, "protocol": "TCP" });
    let probe = |endpoint: &str, period: i32, timeout: i32, failures: i32| {
        json!({
            "httpGet": { "path": endpoint, "port": "probe", "scheme": "HTTP" },
            "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures,
        })
    };
    json!({
        "name": CONTAINER,
        "image": input.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": [
            "orchestrator",
            "-config", format!("{}/{}", path::CONFIG, names::CONFIG_KEY),
            "-config", format!("{}/{}", path::LIVE, names::LIVE_KEY),
            "http",
        ],
        "env": environment(input),
        "ports": [port("http", spec.api.port), port("raft", spec.raft.port), port("probe", spec.api.probe_port)],
        "resources": spec.pod.resources,
        // Five minutes for tables to be made and a raft snapshot to be installed.
        "startupProbe": probe("/livez", 2, 2, 150),
        // Liveness knows nothing of leaders: a restart cannot bring a peer back.
        "livenessProbe": probe("/livez", 10, 5, 6),
        // Rides over an election, which takes a second.
        "readinessProbe": probe("/api/raft-health", 5, 3, 3),
        // Until every node knows that this pod gets no more clients, it goes on serving those who come.
        "lifecycle": { "preStop": { "sleep": { "seconds": ENDPOINTS_PROPAGATE } } },
        // The last lines of a member that ends say why; without them its pod tells that it ended.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "volumeMounts": input.mounts.iter().map(Mount::mount).collect::<Vec<_>>(),
    })
}

/// What is each member's own, since all share their files. Kubernetes expands `$(…)` of what stands before.
fn environment(input: &PodInput<'_>) -> Vec<Value> {
    let spec = &input.cluster.spec;
    let own = names::host(input.name, input.namespace, spec, "$(POD_NAME)");
    let field =
        |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let value = |name: &str, value: String| json!({ "name": name, "value": value });
    let mut variables = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_IP", "status.podIP"),
        field("NODE_NAME", "spec.nodeName"),
        value("ORCHESTRATOR_RAFT_ADVERTISE", format!("{own}:{}", spec.raft.port)),
        value("ORCHESTRATOR_HTTP_ADVERTISE", format!("{}://{own}:{}", names::scheme(spec), spec.api.port)),
    ];
    if let Some(mysql) = &spec.backend.mysql {
        let host = mysql.host_template.replace("{ordinal}", "$(POD_INDEX)");
        variables.push(field("POD_INDEX", "metadata.labels['apps.kubernetes.io/pod-index']"));
        variables.push(value("ORCHESTRATOR_MYSQL_HOST", host));
    }
    variables
}

/// Puts back what members need in order to find one another and to be watched, and what has fields of its own in the
/// spec.
fn restore(template: &mut Value, own: &Value, mounts: &[Mount]) -> Result<(), String> {
    for field in ["labels", "annotations"] {
        let Some(kept) = own["metadata"][field].as_object() else { continue };
        put_all(&mut template["metadata"][field], kept);
    }
    let grace = "terminationGracePeriodSeconds";
    template["spec"][grace] = own["spec"][grace].clone();
    let reserved = mounts.iter().filter(|mount| mount.reserved);
    let volumes: Vec<Value> = reserved.clone().filter_map(Mount::volume).collect();
    put_first(&mut template["spec"]["volumes"], &volumes, &["name"]);
    let container = template["spec"]["containers"].as_array_mut();
    let container =
        container.and_then(|list| list.iter_mut().find(|container| container["name"] == CONTAINER));
    let Some(container) = container else {
        return Err(format!(
            "spec.pod.template takes the container {CONTAINER} away: without it there is no member"
        ));
    };
    let own = &own["spec"]["containers"][0];
    for field in ["image", "command"] {
        container[field] = own[field].clone();
    }
    if let Some(container) = container.as_object_mut() {
        container.remove("args");
    }
    let listed = |field: &str| own[field].as_array().cloned().unwrap_or_default();
    put_first(&mut container["ports"], &listed("ports"), &["containerPort", "name"]);
    put_first(&mut container["env"], &listed("env"), &["name"]);
    let mounted: Vec<Value> = reserved.map(Mount::mount).collect();
    put_first(&mut container["volumeMounts"], &mounted, &["mountPath"]);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        restore_probe(&mut container[probe], &own[probe]);
    }
    Ok(())
}

/// How often is a person's; what is asked is not.
fn restore_probe(probe: &mut Value, own: &Value) {
    if !probe.is_object() {
        *probe = own.clone();
    }
    if let Some(fields) = probe.as_object_mut() {
        ["exec", "tcpSocket", "grpc"].iter().for_each(|handler| drop(fields.remove(*handler)));
        fields.insert("httpGet".to_owned(), own["httpGet"].clone());
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn put_all(into: &mut Value, kept: &Map<String, Value>) {
    if !into.is_object() {
        *into = json!({});
    }
    if let Some(map) = into.as_object_mut() {
        map.extend(kept.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

/// Makes `own` the first elements, in their order, and takes away others that have one of `keys` in common with them.
fn put_first(list: &mut Value, own: &[Value], keys: &[&str]) {
    let same =
        |one: &Value, other: &Value| keys.iter().any(|key| !one[*key].is_null() && one[*key] == other[*key]);
    let others = list.as_array().cloned().unwrap_or_default();
    let others = others.into_iter().filter(|element| !own.iter().any(|mine| same(mine, element)));
    *list = Value::Array(own.iter().cloned().chain(others).collect());
}
