//! What the operator saw and did: the `status` of an [`crate::OrchestratorCluster`].
//!
//! For people, deadlines and back-off; decisions come from the members and the objects. A status that was wiped
//! changes nothing but that the group is adopted again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{closed::closed, schema};

/// What the operator saw and did.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct OrchestratorClusterStatus {
    /// The generation of the spec that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// A summary for people. Programs use conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What is so, why, and what a person can do.
    #[schemars(schema_with = "schema::embedded_list::<Condition>")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Of which group the members are; it stands in every volume.
    #[serde(rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Label selector of the members' pods, for kubectl scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Pods that are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Pods of the newest template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_replicas: Option<i32>,
    /// Members that vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voters: Option<i32>,
    /// Members that vote and hear the leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_voters: Option<i32>,
    /// Members that do not vote yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learners: Option<i32>,
    /// Who leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<LeaderStatus>,
    /// The group's own list of members, as last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership: Option<MembershipStatus>,
    /// Each member.
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["pod"]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberStatus>,
    /// What is under way; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
    /// How the group was formed; written before it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<BootstrapStatus>,
    /// The image that members run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_image: Option<String>,
    /// Version of the service, as members say; the oldest, while they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Hash of the configuration that members should have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// Revision of the newest template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_revision: Option<String>,
    /// Which of the operator's templates members were made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version: Option<String>,
    /// Where clients connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<EndpointsStatus>,
    /// When the quorum was lost last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_quorum_loss: Option<QuorumLoss>,
}

closed! {
    /// A summary for people; never an input to a decision.
    Phase {
        /// Nothing runs yet.
        Pending,
        /// The group is being formed.
        Bootstrapping,
        /// All is as wished.
        Running,
        /// Members come or go.
        Scaling,
        /// Members are restarted or read their configuration again.
        Updating,
        /// A member gets new storage and a new identity.
        Replacing,
        /// Something is missing, and the group works.
        Degraded,
        /// The group does not work.
        QuorumLost,
        /// Nothing is changed, as wished.
        Paused,
        /// Nothing runs, as wished.
        Stopped,
        /// Only a person can help.
        Blocked,
        /// The object is being deleted.
        Deleting,
    }
}

/// Who leads.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LeaderStatus {
    /// Its pod; absent when an external member leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its number in the group.
    #[serde(rename = "nodeID")]
    pub node_id: i64,
    /// The term in which it was elected.
    pub term: i64,
    /// Since when the operator sees it lead.
    #[schemars(schema_with = "schema::embedded::<Time>")]
    pub since: Time,
}

/// The group's own list of members.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MembershipStatus {
    /// Log index at which it was committed.
    pub log_index: i64,
    /// Whether a change of members is half done.
    pub joint: bool,
    /// Who votes.
    #[schemars(length(max = 16))]
    pub voters: Vec<MembershipEntry>,
    /// Who does not vote yet.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<MembershipEntry>,
}

/// A member, as the group knows it.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MembershipEntry {
    /// Its number in the group, for ever bound to one volume.
    #[serde(rename = "nodeID")]
    pub node_id: i64,
    /// Its address, name:port.
    pub address: String,
}

/// A member.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its pod; the address, for an external member.
    pub pod: String,
    /// Number of its pod; absent for an external member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<i32>,
    /// Its address, name:port.
    pub address: String,
    /// Its number in the group, once it has one.
    #[serde(rename = "nodeID", skip_serializing_if = "Option::is_none")]
    pub node_id: Option<i64>,
    /// What it is in the group.
    pub role: Role,
    /// Whether its pod is ready.
    pub ready: bool,
    /// Whether the operator can call it.
    pub reachable: bool,
    /// Entries of the log that it lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// Version of the service that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Revision of its template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The node of Kubernetes on which it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Zone of that node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What is known of its volume.
    pub storage_state: StorageState,
    /// When it last answered; written only for a member that does not answer now.
    #[schemars(schema_with = "schema::embedded::<Time>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
}

/// What a member is in the group.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It leads.
    Leader,
    /// It votes.
    Follower,
    /// It does not vote yet.
    Learner,
    /// It is no member, or nobody knows.
    None,
}

closed! {
    /// What is known of a member's volume.
    StorageState {
        /// It holds this member's data.
        Ok,
        /// It holds nothing.
        Empty,
        /// It holds data of another group.
        Foreign,
        /// It holds data of a member that the group let go, or older data than the group was told.
        Stale,
        /// It cannot be read.
        Corrupt,
        /// It is gone, or its node is.
        Lost,
        /// The member does not answer.
        Unknown,
    }
}

/// What is under way.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// Distinguishes it from the next one of its type.
    pub id: String,
    /// What it is.
    #[serde(rename = "type")]
    pub operation_type: OperationType,
    /// Members whom it is about.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Where it is, in words: shown by kubectl get.
    pub step: String,
    /// When it began.
    #[schemars(schema_with = "schema::embedded::<Time>")]
    pub started_at: Time,
    /// When the present step began.
    #[schemars(schema_with = "schema::embedded::<Time>")]
    pub step_started_at: Time,
    /// How often the present step was tried.
    pub attempts: i32,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

closed! {
    /// What can be under way; each is a reason of the condition Progressing.
    OperationType {
        /// The group is being formed.
        Bootstrap,
        /// Members come.
        ScaleUp,
        /// Members go.
        ScaleDown,
        /// The list of members reaches each of them.
        PeerListRoll,
        /// A changed configuration reaches members while they run.
        ConfigReload,
        /// Members are restarted.
        RollingUpdate,
        /// A member gets new storage and a new identity.
        MemberReplacement,
        /// Another member is to lead.
        LeaderTransfer,
        /// Volumes grow.
        StorageExpansion,
        /// One member goes on without the others, as somebody wished.
        ForceNewCluster,
    }
}

/// How the group was formed: written before it is, so that nobody forms a second one.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapStatus {
    /// Names this one attempt.
    pub token: String,
    /// The group that is formed.
    #[serde(rename = "clusterID")]
    pub cluster_id: String,
    /// Its first members.
    #[schemars(length(max = 16))]
    pub members: Vec<MembershipEntry>,
    /// When it began.
    #[schemars(schema_with = "schema::embedded::<Time>")]
    pub started_at: Time,
    /// When a leader had committed it.
    #[schemars(schema_with = "schema::embedded::<Time>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
}

/// Where clients connect.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EndpointsStatus {
    /// Any healthy member.
    pub api: String,
    /// Each member, for ORCHESTRATOR_API.
    #[schemars(length(max = 16))]
    pub members: Vec<String>,
}

/// When the quorum was lost.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct QuorumLoss {
    /// Since when.
    #[schemars(schema_with = "schema::embedded::<Time>")]
    pub since: Time,
    /// Until when; absent while it is lost.
    #[schemars(schema_with = "schema::embedded::<Time>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}
