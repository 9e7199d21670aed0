//! Names of everything that belongs to one group: objects, addresses, labels, files.
//!
//! Names of objects and addresses of members stand in volumes, in the group's log and in people's scripts: once
//! released, none of them can change.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use orchestrator_crds::{API_VERSION, KIND, OrchestratorCluster, OrchestratorClusterSpec, label};

/// The service's container in a member's pod.
pub const CONTAINER: &str = "orchestrator";

/// Key of the immutable ConfigMap: what needs a restart.
pub const CONFIG_KEY: &str = "orchestrator.conf.json";

/// Key of the ConfigMap that changes: what a running member takes over.
pub const LIVE_KEY: &str = "live.conf.json";

/// Key of the Secret with which the operator identifies itself to members.
pub const TOKEN_KEY: &str = "token";

/// Volume of a pod whose `configMap.name` is the immutable ConfigMap.
pub const CONFIG_VOLUME: &str = "config";

/// Volume of a pod with the member's data, and the volume claim template's name.
pub const DATA_VOLUME: &str = "data";

/// Where things lie in a member's container.
pub mod path {
    /// The member's volume: log, raft snapshots, identity, and with the backend SQLite its database.
    pub const DATA: &str = "/var/lib/orchestrator";
    /// The backend, for SQLite.
    pub const DATABASE: &str = "/var/lib/orchestrator/orchestrator.sqlite3";
    /// Folder of [`super::CONFIG_KEY`].
    pub const CONFIG: &str = "/etc/orchestrator/conf";
    /// Folder of [`super::LIVE_KEY`].
    pub const LIVE: &str = "/etc/orchestrator/live";
    /// Folder of [`super::TOKEN_KEY`].
    pub const OPERATOR: &str = "/etc/orchestrator/operator";
    /// User and password for the monitored servers.
    pub const TOPOLOGY: &str = "/etc/orchestrator/topology";
    /// Client certificate for the monitored servers.
    pub const TOPOLOGY_TLS: &str = "/etc/orchestrator/topology-tls";
    /// User and password of the backend, for MySQL.
    pub const BACKEND: &str = "/etc/orchestrator/backend";
    /// User and password of the API.
    pub const API: &str = "/etc/orchestrator/api";
    /// Certificate of the member, for other members and clients.
    pub const TLS: &str = "/etc/orchestrator/tls";
    /// Programs that run when something fails or is repaired.
    pub const HOOKS: &str = "/etc/orchestrator/hooks";
    /// A folder for each Secret that these programs need.
    pub const HOOK_SECRETS: &str = "/etc/orchestrator/hook-secrets";
    /// For files that nobody misses after a restart.
    pub const RUN: &str = "/run/orchestrator";
}

/// The StatefulSet, the Service for clients, the budget, the policy: all have the object's own name.
#[must_use]
pub fn stateful_set(name: &str) -> String {
    name.to_owned()
}

/// The headless Service that gives each member its name.
#[must_use]
pub fn raft_service(name: &str) -> String {
    format!("{name}-raft")
}

/// The immutable ConfigMap with this content hash.
#[must_use]
pub fn config(name: &str, hash: &str) -> String {
    /// Of 64 digits; two contents of one group that agree in as many are not to be expected in its life.
    const DIGITS: usize = 10;
    format!("{name}-config-{}", hash.get(..DIGITS).unwrap_or(hash))
}

/// The ConfigMap that changes.
#[must_use]
pub fn live_config(name: &str) -> String {
    format!("{name}-live")
}

/// The Secret with which the operator identifies itself to members.
#[must_use]
pub fn token_secret(name: &str) -> String {
    format!("{name}-operator")
}

/// A member's pod.
#[must_use]
pub fn pod(name: &str, ordinal: u32) -> String {
    format!("{name}-{ordinal}")
}

/// A member's volume claim.
#[must_use]
pub fn claim(name: &str, ordinal: u32) -> String {
    format!("{DATA_VOLUME}-{name}-{ordinal}")
}

/// The number of a pod of this group; `None` for any other name.
#[must_use]
pub fn ordinal_of(name: &str, pod: &str) -> Option<u32> {
    let digits = pod.strip_prefix(name)?.strip_prefix('-')?;
    // `main-01` is no pod of `main`.
    let canonical = digits == "0" || !digits.starts_with('0');
    (canonical && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Behind a Service's name: `.<namespace>.svc`, and the cluster's domain where the object names one. The domain comes
/// from the object alone, since a flag of the operator that changes would rename every member.
#[must_use]
pub fn domain(namespace: &str, spec: &OrchestratorClusterSpec) -> String {
    match &spec.cluster_domain {
        Some(domain) => format!(".{namespace}.svc.{domain}"),
        None => format!(".{namespace}.svc"),
    }
}

/// Host name of whoever has the pod name `pod`, which may be `$(POD_NAME)`.
#[must_use]
pub fn host(name: &str, namespace: &str, spec: &OrchestratorClusterSpec, pod: &str) -> String {
    format!("{pod}.{}{}", raft_service(name), domain(namespace, spec))
}

/// Raft address of a member, `host:port`: what stands in `RaftNodes` and in the group's membership.
#[must_use]
pub fn address(name: &str, namespace: &str, spec: &OrchestratorClusterSpec, ordinal: u32) -> String {
    format!("{}:{}", host(name, namespace, spec, &pod(name, ordinal)), spec.raft.port)
}

/// Raft addresses of the members that the spec wishes for: those that run here by number, then the external ones.
#[must_use]
pub fn addresses(name: &str, namespace: &str, spec: &OrchestratorClusterSpec) -> Vec<String> {
    let here = (0..u32::try_from(spec.replicas).unwrap_or(0)).map(|i| address(name, namespace, spec, i));
    here.chain(spec.raft.external_members.iter().cloned()).collect()
}

/// `http` or `https`, for the API.
#[must_use]
pub fn scheme(spec: &OrchestratorClusterSpec) -> &'static str {
    if spec.tls.as_ref().is_some_and(|tls| tls.http) { "https" } else { "http" }
}

/// Where a member's API is, for whoever resolves names of the cluster.
#[must_use]
pub fn member_url(name: &str, namespace: &str, spec: &OrchestratorClusterSpec, ordinal: u32) -> String {
    format!("{}://{}:{}", scheme(spec), host(name, namespace, spec, &pod(name, ordinal)), spec.api.port)
}

/// Port of the Service for clients.
#[must_use]
pub fn service_port(spec: &OrchestratorClusterSpec) -> i32 {
    spec.service.port.unwrap_or(if scheme(spec) == "https" { 443 } else { 80 })
}

/// Where any healthy member's API is.
#[must_use]
pub fn service_url(name: &str, namespace: &str, spec: &OrchestratorClusterSpec) -> String {
    let (scheme, port) = (scheme(spec), service_port(spec));
    let host = format!("{name}{}", domain(namespace, spec));
    match (scheme, port) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

/// Labels by which members' pods are chosen. None of them ever changes: a selector cannot.
#[must_use]
pub fn selector(name: &str) -> BTreeMap<String, String> {
    let [named, component, ..] = label::FIXED;
    [named, component, (label::INSTANCE, name)].into_iter().map(owned).collect()
}

/// The selector as Kubernetes writes it on one line.
#[must_use]
pub fn selector_text(name: &str) -> String {
    selector(name).iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Labels of every object of this group.
#[must_use]
pub fn labels(name: &str) -> BTreeMap<String, String> {
    let own = [(label::INSTANCE, name), (label::CLUSTER, name)];
    label::FIXED.into_iter().chain(own).map(owned).collect()
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// What makes an object a child of `cluster`; `None` for one that was never stored.
#[must_use]
pub fn owner(cluster: &OrchestratorCluster) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        name: cluster.metadata.name.clone()?,
        uid: cluster.metadata.uid.clone()?,
        controller: Some(true),
        block_owner_deletion: Some(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_of_the_group_whose_name_stands_before_its_number() {
        assert_eq!(ordinal_of("main", "main-0"), Some(0));
        assert_eq!(ordinal_of("main", "main-12"), Some(12));
        for other in ["main", "main-", "main-01", "main-x", "main-0-1", "main-raft-0", "mai-0", "main-+1"] {
            assert_eq!(ordinal_of("main", other), None, "{other}");
        }
        assert_eq!(ordinal_of("main-raft", "main-raft-0"), Some(0));
    }

    #[test]
    fn a_member_is_known_by_name_and_the_domain_is_the_objects() {
        let mut spec = OrchestratorClusterSpec::default();
        assert_eq!(address("main", "db", &spec, 2), "main-2.main-raft.db.svc:10008");
        assert_eq!(member_url("main", "db", &spec, 0), "http://main-0.main-raft.db.svc:3000");
        spec.cluster_domain = Some("cluster.local".into());
        spec.replicas = 1;
        spec.raft.external_members = vec!["far.example.net:10008".into()];
        let both = ["main-0.main-raft.db.svc.cluster.local:10008", "far.example.net:10008"];
        assert_eq!(addresses("main", "db", &spec), both);
    }

    #[test]
    fn a_port_that_the_scheme_implies_is_left_out() {
        let mut spec = OrchestratorClusterSpec::default();
        assert_eq!(service_url("main", "db", &spec), "http://main.db.svc");
        spec.service.port = Some(8080);
        assert_eq!(service_url("main", "db", &spec), "http://main.db.svc:8080");
    }

    #[test]
    fn the_longest_name_leaves_room_for_what_is_added_to_it() {
        const LABEL_MAX: usize = 63;
        let name = "a".repeat(48);
        for long in
            [raft_service(&name), config(&name, &"0".repeat(64)), token_secret(&name), claim(&name, 6)]
        {
            // Names of ConfigMaps and claims may be longer; nothing here needs to be.
            assert!(long.len() <= LABEL_MAX + 4, "{long}");
        }
        assert!(raft_service(&name).len() <= LABEL_MAX && pod(&name, 6).len() <= LABEL_MAX);
    }

    #[test]
    fn pods_are_chosen_by_labels_that_every_object_of_the_group_has() {
        let labels = labels("main");
        assert!(selector("main").iter().all(|(key, value)| labels.get(key) == Some(value)));
        assert_eq!(
            selector_text("main"),
            "app.kubernetes.io/component=raft-member,app.kubernetes.io/instance=main,app.kubernetes.io/name=orchestrator"
        );
    }
}
