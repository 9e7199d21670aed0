//! The objects, as files to look at: `UPDATE_EXPECT=1 cargo test -p orchestrator-operator` writes them anew.

use expect_test::expect_file;
use orchestrator_crds::yaml;
use orchestrator_operator::{
    build::{Children, render},
    names,
};
use serde_json::Value;

use super::{cluster, context, rendered, seen};

/// All of the children in one file.
const ALL: &[&str] = &[];

/// The children of `main` with `spec`, those of `kinds`, beside the spec.
fn check(case: &str, spec: &str, kinds: &[&str]) {
    let rendering = rendered(spec);
    let object = cluster(spec);
    let peers = names::addresses("main", "db", &object.spec);
    let replicas = u32::try_from(object.spec.replicas).expect("it is positive");
    write(case, spec, kinds, &rendering.children(if object.spec.stopped { 0 } else { replicas }, &peers));
}

fn write(case: &str, spec: &str, kinds: &[&str], children: &Children) {
    let shown = |document: &&Value| kinds.is_empty() || kinds.iter().any(|kind| document["kind"] == *kind);
    let documents = children.documents();
    let comment: String = spec.trim().lines().map(|line| format!("#   {line}\n")).collect();
    let names: Vec<String> = documents
        .iter()
        .map(|document| format!("{} {}", text(&document["kind"]), text(&document["metadata"]["name"])))
        .collect();
    let mut file = format!("# spec:\n{comment}# children: {}\n", names.join(", "));
    for document in documents.iter().filter(shown) {
        file.push_str("---\n");
        file.push_str(&yaml::to_string(document).expect("nothing in it is ambiguous"));
    }
    expect_file![format!("{}/tests/golden/{case}.yaml", env!("CARGO_MANIFEST_DIR"))].assert_eq(&file);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn the_smallest_spec_makes_a_whole_group() {
    check("smallest", "{}", ALL);
}

#[test]
fn one_member_has_no_budget_that_would_keep_its_node_from_being_drained() {
    check("one-member", "replicas: 1", &["ConfigMap"]);
}

#[test]
fn external_members_are_peers_and_reach_the_raft_port() {
    let spec = "
replicas: 4
raft: {externalMembers: [far.example.net:10008]}
clusterDomain: cluster.local
networkPolicy: {enabled: true}
";
    check("external-member", spec, &["ConfigMap", "NetworkPolicy"]);
}

#[test]
fn certificates_serve_members_and_clients() {
    check("tls", "tls: {secretRef: {name: main-tls}}", &["ConfigMap", "Service", "StatefulSet"]);
}

#[test]
fn accounts_come_from_secrets_and_stand_in_no_configuration() {
    let spec = "
api: {authentication: {method: Basic, secretRef: {name: web}}}
topology:
  credentialsSecretRef: {name: fleet, userKey: user, passwordKey: pass}
  tlsSecretRef: {name: fleet-tls}
";
    check("accounts", spec, &["ConfigMap", "StatefulSet"]);
}

#[test]
fn with_mysql_each_member_has_a_database_of_its_own() {
    let spec = "
backend:
  type: mysql
  mysql: {hostTemplate: 'backend-{ordinal}.databases.svc', credentialsSecretRef: {name: backend}}
config: {MySQLOrchestratorMaxPoolConnections: 16}
";
    check("mysql-backend", spec, &["ConfigMap", "StatefulSet"]);
}

#[test]
fn ephemeral_storage_is_limited_and_claims_nothing() {
    check("ephemeral", "storage: {ephemeral: true, size: 2Gi}", &["StatefulSet"]);
}

#[test]
fn hooks_are_mounted_with_what_they_need() {
    let spec = "
hooks: {configMapRef: {name: hooks}, secretRefs: [{name: consul}, {name: pager}]}
config: {PostMasterFailoverProcesses: [/etc/orchestrator/hooks/publish]}
";
    check("hooks", spec, &["ConfigMap", "StatefulSet"]);
}

#[test]
fn a_load_balancer_gets_what_it_is_to_get_and_chooses_the_same_pods() {
    let spec = "
service:
  type: LoadBalancer
  port: 8080
  nodePort: 30080
  annotations: {lb.example.net/internal: 'true'}
  labels: {team: dba}
  loadBalancerClass: example.net/lb
  loadBalancerSourceRanges: [10.0.0.0/8]
  externalTrafficPolicy: Local
";
    check("load-balancer", spec, &["Service"]);
}

#[test]
fn a_network_policy_lets_in_members_operator_and_who_is_named() {
    let spec = "
networkPolicy:
  enabled: true
  apiFrom: [{namespaceSelector: {matchLabels: {team: dba}}}]
  metricsFrom: [{podSelector: {matchLabels: {app: prometheus}}}]
";
    check("network-policy", spec, &["NetworkPolicy"]);
}

#[test]
fn a_pod_monitor_reads_the_probe_port() {
    let spec = "monitoring: {podMonitor: {enabled: true, labels: {release: prom}, interval: 15s}}";
    check("pod-monitor", spec, &["PodMonitor"]);
}

#[test]
fn members_are_placed_as_wished() {
    let spec = "
pod:
  antiAffinity: Required
  topologyKey: topology.kubernetes.io/zone
  topologySpreadConstraints: []
  nodeSelector: {disk: ssd}
  tolerations: [{key: dedicated, operator: Exists}]
  priorityClassName: high
  terminationGracePeriodSeconds: 120
  labels: {team: dba}
  annotations: {example.net/why: because}
  resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
";
    check("placement", spec, &["StatefulSet"]);
}

#[test]
fn a_pod_template_is_merged_as_kubectl_patch_does_it() {
    let spec = "
pod:
  template:
    metadata: {annotations: {sidecar.istio.io/inject: 'false'}}
    spec:
      serviceAccountName: hooks
      automountServiceAccountToken: true
      volumes: [{name: tmp, emptyDir: {medium: Memory}}, {name: extra, configMap: {name: extra}}]
      containers:
      - name: orchestrator
        env: [{name: TZ, value: Europe/Berlin}]
        volumeMounts: [{name: extra, mountPath: /extra}]
        readinessProbe: {periodSeconds: 2}
      - {name: sidecar, image: 'sidecar:1'}
";
    check("pod-template", spec, &["StatefulSet"]);
}

#[test]
fn a_configuration_is_divided_by_what_reaches_a_running_member() {
    let spec = "
config:
  InstancePollSeconds: 2
  readonly: true
  PowerAuthUsers: [dba]
  RecoverMasterClusterFilters: ['.*']
  ClusterNameToAlias: {b: two, a: one}
  '#': a remark
";
    check("configuration", spec, &["ConfigMap"]);
}

#[test]
fn a_stopped_group_keeps_everything_but_its_pods_and_the_budget() {
    check("stopped", "stopped: true", &["PodDisruptionBudget"]);
}

#[test]
fn where_the_cluster_gives_users_to_pods_none_is_named() {
    let cluster =
        cluster("imagePullSecrets: [{name: registry}]\nimage: 'registry.example.net/orchestrator@sha256:0'");
    let context = orchestrator_operator::build::Context { openshift: true, ..context() };
    let rendering = render(&cluster, &context, &seen(&cluster)).expect("it makes sense");
    let peers = names::addresses("main", "db", &cluster.spec);
    let spec = "imagePullSecrets: [{name: registry}]\nimage: registry.example.net/orchestrator@sha256:0";
    write("openshift", spec, &["StatefulSet"], &rendering.children(3, &peers));
}
