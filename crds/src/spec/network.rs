//! Ports, addresses, Services, TLS, and who may reach what.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::references::{CredentialsReference, Reference};
use crate::{closed::closed, rules, schema};

/// How members find and reach one another.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::raft)]
pub struct RaftSpec {
    /// Port for other members. Cannot be changed.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
    /// Members of the same group that run outside of Kubernetes, each as name:port.
    /// They vote and count as replicas do; the operator keeps them in RaftNodes of every member and in the group's
    /// membership, and somebody else runs them.
    #[schemars(length(max = 4), inner(length(min = 1, max = 260)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub external_members: Vec<String>,
}

impl Default for RaftSpec {
    fn default() -> Self {
        Self { port: 10_008, external_members: Vec::new() }
    }
}

/// How clients reach a member.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::api)]
pub struct ApiSpec {
    /// Port of the API and the web pages. Cannot be changed.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
    /// Port for probes and metrics, without TLS and authentication. Cannot be changed.
    #[schemars(range(min = 1024, max = 65535))]
    pub probe_port: i32,
    /// Who may use the API.
    pub authentication: AuthenticationSpec,
}

impl Default for ApiSpec {
    fn default() -> Self {
        Self { port: 3000, probe_port: 3001, authentication: AuthenticationSpec::default() }
    }
}

/// Who may use the API.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::authentication)]
pub struct AuthenticationSpec {
    /// None: everybody. Basic: one user and password. Multi: the same, and a user readonly without a password that may
    /// look. Proxy: a proxy in front says who it is, see AuthUserHeader and PowerAuthUsers in config. Token: people
    /// get a token by the command line.
    pub method: AuthenticationMethod,
    /// Secret with user and password, for Basic and Multi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<CredentialsReference>,
}

impl Default for AuthenticationSpec {
    fn default() -> Self {
        Self { method: AuthenticationMethod::None, secret_ref: None }
    }
}

closed! {
    /// How the service finds out who a client is.
    AuthenticationMethod {
        /// It does not: everybody may do everything.
        None,
        /// One user and password.
        Basic,
        /// One user and password, and a user who may look.
        Multi,
        /// A header of a proxy.
        Proxy,
        /// Tokens that the command line hands out.
        Token,
    }
}

/// The Service through which clients reach any healthy member.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::service)]
pub struct ServiceSpec {
    /// ClusterIP, NodePort or LoadBalancer.
    #[serde(rename = "type")]
    pub service_type: ServiceType,
    /// Its port. Left out: 80, and 443 with tls.http.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Port on every node, for NodePort and LoadBalancer. Left out, Kubernetes chooses one.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_port: Option<i32>,
    /// Annotations of the Service, for what makes its load balancer.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// More labels of the Service. They never choose pods.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Which load balancer is meant, where there are several.
    #[schemars(length(min = 1, max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<String>,
    /// From which networks the load balancer takes connections, each as 10.0.0.0/8.
    #[schemars(length(max = 32), inner(length(min = 1, max = 64)))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_source_ranges: Vec<String>,
    /// Local keeps the client's address and uses only members on the node that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<TrafficPolicy>,
}

impl Default for ServiceSpec {
    fn default() -> Self {
        Self {
            service_type: ServiceType::ClusterIP,
            port: None,
            node_port: None,
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            load_balancer_class: None,
            load_balancer_source_ranges: Vec::new(),
            external_traffic_policy: None,
        }
    }
}

closed! {
    /// From where a Service can be reached.
    ServiceType {
        /// From within the Kubernetes cluster.
        ClusterIP,
        /// At a port of every node.
        NodePort,
        /// Through a load balancer.
        LoadBalancer,
    }
}

closed! {
    /// Where connections from outside may go.
    TrafficPolicy {
        /// To any member.
        Cluster,
        /// To members on the node that was asked.
        Local,
    }
}

/// Certificates of the members.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TlsSpec {
    /// Secret with tls.crt, tls.key and ca.crt, as cert-manager makes it.
    /// The certificate names each member that may come, NAME-0.NAME-raft.NAMESPACE.svc and so on (between members a
    /// wildcard is refused), and NAME.NAMESPACE.svc for clients; each with clusterDomain behind it if that is set.
    /// It is good for servers and for clients.
    /// A changed Secret is read again without a restart.
    pub secret_ref: Reference,
    /// Whether members prove to each other who they are.
    /// Can only be changed while the cluster is stopped: members with and without TLS do not understand each other.
    #[serde(default = "yes")]
    pub raft: bool,
    /// Whether the API is served by HTTPS.
    #[serde(default = "yes")]
    pub http: bool,
}

fn yes() -> bool {
    true
}

/// Who may reach the members.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicySpec {
    /// Whether a NetworkPolicy is made: other members reach the raft port, those named below the other ports.
    pub enabled: bool,
    /// Who reaches the API beside members and operator. Left out: everybody.
    #[schemars(schema_with = "schema::embedded_list::<NetworkPolicyPeer>")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_from: Vec<NetworkPolicyPeer>,
    /// Who reaches probes and metrics. Left out: everybody.
    #[schemars(schema_with = "schema::embedded_list::<NetworkPolicyPeer>")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics_from: Vec<NetworkPolicyPeer>,
}

/// Metrics.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct MonitoringSpec {
    /// A PodMonitor, where the Prometheus operator is installed.
    pub pod_monitor: PodMonitorSpec,
}

/// A PodMonitor for the members.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::pod_monitor)]
pub struct PodMonitorSpec {
    /// Whether one is made.
    pub enabled: bool,
    /// Labels by which Prometheus chooses it.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How often metrics are read, such as 30s.
    #[schemars(length(min = 1, max = 16))]
    pub interval: String,
}

impl Default for PodMonitorSpec {
    fn default() -> Self {
        Self { enabled: false, labels: BTreeMap::new(), interval: "30s".to_owned() }
    }
}
