//! Three members that no operator looks after: a StatefulSet as people write it by hand. What works here needs nobody.

use anyhow::Result;
use serde_json::{Value, json};

use super::members::Members;
use super::space::Space;

/// The image that every node of the cluster has.
#[must_use]
pub fn image() -> String {
    std::env::var("ORCHESTRATOR_IMAGE")
        .unwrap_or_else(|_| format!("orchestrator:{}", env!("CARGO_PKG_VERSION")))
}

/// A group of members.
pub struct Plain<'s> {
    space: &'s Space,
    /// Name of the StatefulSet and of the Service for clients.
    pub name: String,
}

impl<'s> Plain<'s> {
    /// Applies a group of `size` members, on volumes.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn apply(space: &'s Space, name: &str, size: usize) -> Result<Self> {
        let labels = json!({"app.kubernetes.io/name": "orchestrator", "app.kubernetes.io/instance": name,
            "app.kubernetes.io/component": "raft-member"});
        let service = |name: &str, spec: Value| {
            let mut spec = spec;
            spec["selector"] = labels.clone();
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
        };
        let port =
            |name: &str, port: u16, target: u16| json!({"name": name, "port": port, "targetPort": target});
        let peers = json!({"clusterIP": "None", "publishNotReadyAddresses": true,
            "ports": [port("raft", 10_008, 10_008), port("http", 3000, 3000)]});
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
            "data": {"orchestrator.conf.json": configuration(&space.name, name, size).to_string()}});
        space.apply(&[
            config,
            service(&format!("{name}-raft"), peers),
            service(name, json!({"ports": [port("http", 80, 3000)]})),
            stateful_set(&space.name, name, size, &labels),
        ])?;
        Ok(Self { space, name: name.to_owned() })
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        Members::of(self.space, &self.name)
    }
}

/// The name by which peers know the member of this pod.
fn address(namespace: &str, name: &str, pod: &str) -> String {
    format!("{pod}.{name}-raft.{namespace}.svc:10008")
}

fn configuration(namespace: &str, name: &str, size: usize) -> Value {
    let nodes: Vec<String> = (0..size).map(|i| address(namespace, name, &format!("{name}-{i}"))).collect();
    json!({
        "ListenAddress": ":3000",
        "ProbeListenAddress": ":3001",
        "BackendDB": "sqlite",
        "SQLite3DataFile": "/var/lib/orchestrator/orchestrator.sqlite3",
        "RaftEnabled": true,
        "RaftDataDir": "/var/lib/orchestrator/raft",
        "RaftBind": "0.0.0.0:10008",
        "RaftNodes": nodes,
    })
}

fn stateful_set(namespace: &str, name: &str, size: usize, labels: &Value) -> Value {
    let probe =
        |path: &str, period: u8| json!({"httpGet": {"path": path, "port": 3001}, "periodSeconds": period});
    let advertise = address(namespace, name, "$(POD_NAME)");
    let http = format!("http://$(POD_NAME).{name}-raft.{namespace}.svc:3000");
    let container = json!({
        "name": "orchestrator",
        "image": image(),
        "command": ["/usr/local/orchestrator/orchestrator", "-config", "/etc/orchestrator/orchestrator.conf.json", "http"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "ORCHESTRATOR_RAFT_ADVERTISE", "value": advertise},
            {"name": "ORCHESTRATOR_HTTP_ADVERTISE", "value": http},
        ],
        // Clients are sent to a pod for some moments after it was told to end.
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
        "startupProbe": {"httpGet": {"path": "/livez", "port": 3001}, "periodSeconds": 1, "failureThreshold": 150},
        "livenessProbe": probe("/livez", 10),
        "readinessProbe": probe("/api/raft-health", 1),
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/orchestrator"},
            {"name": "data", "mountPath": "/var/lib/orchestrator"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    });
    let pod = json!({
        "enableServiceLinks": false,
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65_532, "runAsGroup": 65_532, "fsGroup": 65_532,
            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": name}}, {"name": "tmp", "emptyDir": {}}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels}}],
    });
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": {
        "serviceName": format!("{name}-raft"),
        "replicas": size,
        // All at once, or the first would wait for a quorum of which it is the only one.
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
        "volumeClaimTemplates": [claim],
    }})
}
