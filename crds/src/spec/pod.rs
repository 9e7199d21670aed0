//! What the members' pods look like.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Affinity, ResourceRequirements, Toleration, TopologySpreadConstraint},
    apimachinery::pkg::api::resource::Quantity,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{closed::closed, rules, schema};

/// What the members' pods look like. A change restarts the members, the leader last.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::pod)]
pub struct PodSpec {
    /// More labels.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// More annotations.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What a member asks for and may use.
    #[schemars(schema_with = "schema::embedded::<ResourceRequirements>")]
    pub resources: ResourceRequirements,
    /// Labels of the nodes on which members may run.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that members tolerate.
    #[schemars(schema_with = "schema::embedded_list::<Toleration>")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Whether two members may run in the same place, see topologyKey.
    /// Preferred: only if there is no other. Required: never. Disabled: it does not matter.
    pub anti_affinity: AntiAffinity,
    /// The label of nodes that says what the same place is: a node, or a zone.
    #[schemars(length(min = 1, max = 317))]
    pub topology_key: String,
    /// In place of what antiAffinity says.
    #[schemars(schema_with = "schema::embedded::<Affinity>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// How members spread. Left out: over zones and nodes, as far as that is possible.
    #[schemars(schema_with = "schema::embedded_list::<TopologySpreadConstraint>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
    /// Priority class.
    #[schemars(length(min = 1, max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// How long a member may take to hand over and end: a repair that is under way is not cut off before.
    #[schemars(range(min = 30, max = 3600))]
    pub termination_grace_period_seconds: i64,
    /// Anything else of a pod template, merged into the operator's as kubectl patch does it: further containers,
    /// volumes, environment variables, security contexts. The service's container is called orchestrator.
    /// What members need in order to find one another and to be watched cannot be changed by it.
    #[schemars(schema_with = "schema::opaque")]
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub template: Map<String, Value>,
}

impl Default for PodSpec {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            resources: resources(),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            anti_affinity: AntiAffinity::Preferred,
            topology_key: "kubernetes.io/hostname".to_owned(),
            affinity: None,
            topology_spread_constraints: None,
            priority_class_name: None,
            termination_grace_period_seconds: 60,
            template: Map::new(),
        }
    }
}

/// No limit of CPU: a node that is slowed down loses elections.
fn resources() -> ResourceRequirements {
    let of = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect()
    };
    ResourceRequirements {
        requests: Some(of(&[("cpu", "100m"), ("memory", "128Mi")])),
        limits: Some(of(&[("memory", "512Mi")])),
        claims: None,
    }
}

closed! {
    /// Whether two members may run in the same place.
    AntiAffinity {
        /// Only if there is no other.
        Preferred,
        /// Never.
        Required,
        /// It does not matter.
        Disabled,
    }
}
