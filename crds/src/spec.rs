//! What people wish: the `spec` of an [`OrchestratorCluster`].
//!
//! Defaults stand in one place, each `Default`: the schema is generated from it, and a field that is absent is read
//! as it. What a value must not be is in [`crate::rules`].

mod backend;
mod network;
mod pod;
mod references;
mod rollout;

pub use backend::{
    AccessMode, BackendSpec, BackendType, DeletionRetention, MysqlBackendSpec, RetentionSpec, ScaleRetention,
    StorageSpec,
};
pub use network::{
    ApiSpec, AuthenticationMethod, AuthenticationSpec, MonitoringSpec, NetworkPolicySpec, PodMonitorSpec,
    RaftSpec, ServiceSpec, ServiceType, TlsSpec, TrafficPolicy,
};
pub use pod::{AntiAffinity, PodSpec};
pub use references::{CredentialsReference, HooksSpec, Reference, TopologySpec};
pub use rollout::{
    DisruptionBudgetSpec, ReplacementPolicy, ReplacementSpec, UnsafeFlags, UpdateSpec, UpdateStrategy,
};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{closed::closed, rules, schema, status::OrchestratorClusterStatus};

/// A raft group of orchestrator nodes that watches MySQL and MariaDB topologies and repairs them.
#[expect(clippy::duplicated_attributes, reason = "columns have types in common")]
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "orchestrator.rs",
    version = "v1alpha1",
    kind = "OrchestratorCluster",
    plural = "orchestratorclusters",
    shortname = "orc",
    shortname = "orcs",
    category = "orchestrator",
    namespaced,
    status = "OrchestratorClusterStatus",
    derive = "PartialEq",
    doc = "A raft group of orchestrator nodes that watches MySQL and MariaDB topologies and repairs them.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    selectable = ".spec.paused",
    selectable = ".status.phase",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.operation.step"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Healthy", type_ = "integer", json_path = ".status.healthyVoters"),
    printcolumn(name = "Leader", type_ = "string", json_path = ".status.leader.pod"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", priority = 1),
    printcolumn(
        name = "Quorum",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Available")].status"#,
        priority = 1
    ),
    printcolumn(name = "Operation", type_ = "string", json_path = ".status.operation.type", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    ),
    printcolumn(name = "ClusterID", type_ = "string", json_path = ".status.clusterID", priority = 1)
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::spec)]
pub struct OrchestratorClusterSpec {
    /// Members that vote: 1, 3, 5 or 7, counted together with raft.externalMembers.
    /// One tolerates no failure, three tolerate one, five tolerate two.
    /// Changing it adds or removes members one after the other, without a gap for clients.
    #[schemars(range(min = 1, max = 7))]
    pub replicas: i32,

    /// Image of the service.
    /// Left out, the operator's default at the time of creation is used and stays, also when the operator is
    /// upgraded, unless update.followOperator is true.
    /// A change restarts the members, the leader last.
    #[schemars(length(min = 1, max = 512))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,

    /// When the image is pulled.
    pub image_pull_policy: ImagePullPolicy,

    /// Secrets with which the image is pulled.
    #[schemars(length(max = 10))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<Reference>,

    /// How members find and reach one another.
    pub raft: RaftSpec,

    /// How clients reach a member.
    pub api: ApiSpec,

    /// In what each member keeps its state.
    pub backend: BackendSpec,

    /// The volume of each member.
    pub storage: StorageSpec,

    /// Keys of the service's configuration file, with the names and values of its documentation, for example
    /// RecoverMasterClusterFilters.
    /// A few can be taken over while a member runs, all others restart the members, the leader last.
    /// Keys that the operator decides are refused, with what to set instead.
    #[schemars(schema_with = "schema::config")]
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,

    /// The account with which members reach the MySQL and MariaDB servers.
    pub topology: TopologySpec,

    /// Programs that run when something fails or is repaired.
    pub hooks: HooksSpec,

    /// The Service through which clients reach any healthy member.
    pub service: ServiceSpec,

    /// Certificates. Left out, members and clients talk without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,

    /// What the members' pods look like.
    pub pod: PodSpec,

    /// How a change of image, configuration or pod reaches the members.
    pub update: UpdateSpec,

    /// What happens when a member's storage is proven to be lost.
    pub replacement: ReplacementSpec,

    /// Keeps voluntary disruptions, such as the draining of nodes, to one member at a time.
    pub pod_disruption_budget: DisruptionBudgetSpec,

    /// Who may reach the members.
    pub network_policy: NetworkPolicySpec,

    /// Metrics.
    pub monitoring: MonitoringSpec,

    /// The operator looks and tells, and changes nothing.
    pub paused: bool,

    /// No member runs. Volumes and membership are kept; setting it back to false starts the same group again.
    pub stopped: bool,

    /// Whether deleting this object is refused. Enforced by the admission policy, where that is installed.
    pub deletion_protection: bool,

    /// Domain of the cluster, such as cluster.local, with which members' names end.
    /// Left out, names end with .svc, which is enough unless raft.externalMembers must resolve them.
    /// Cannot be changed.
    #[schemars(length(min = 1, max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_domain: Option<String>,

    /// Wishes that are refused unless they are meant.
    pub unsafe_flags: UnsafeFlags,
}

impl Default for OrchestratorClusterSpec {
    fn default() -> Self {
        Self {
            replicas: 3,
            image: None,
            image_pull_policy: ImagePullPolicy::IfNotPresent,
            image_pull_secrets: Vec::new(),
            raft: RaftSpec::default(),
            api: ApiSpec::default(),
            backend: BackendSpec::default(),
            storage: StorageSpec::default(),
            config: Map::new(),
            topology: TopologySpec::default(),
            hooks: HooksSpec::default(),
            service: ServiceSpec::default(),
            tls: None,
            pod: PodSpec::default(),
            update: UpdateSpec::default(),
            replacement: ReplacementSpec::default(),
            pod_disruption_budget: DisruptionBudgetSpec::default(),
            network_policy: NetworkPolicySpec::default(),
            monitoring: MonitoringSpec::default(),
            paused: false,
            stopped: false,
            deletion_protection: false,
            cluster_domain: None,
            unsafe_flags: UnsafeFlags::default(),
        }
    }
}

closed! {
    /// When the image is pulled.
    ImagePullPolicy {
        /// At each start.
        Always,
        /// When the node does not have it.
        IfNotPresent,
        /// Not at all: the node must have it.
        Never,
    }
}
