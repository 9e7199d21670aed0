//! How changes reach members, and what is done about lost ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;

/// How a change of image, configuration or pod reaches the members.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateSpec {
    /// LeaderLast: one member after the other, the leader last. Manual: whoever deletes a pod gets it back changed.
    pub strategy: UpdateStrategy,
    /// How long a member must be healthy before the next one is restarted.
    #[schemars(range(min = 0, max = 3600))]
    pub min_ready_seconds: i32,
    /// How long the leader is spared while it repairs a topology.
    #[schemars(range(min = 0, max = 86400))]
    pub recovery_hold_seconds: i32,
    /// How long one member may take to come back, or to catch up when it joins, before the operator says that it is
    /// stuck. It goes on trying.
    #[schemars(range(min = 60, max = 86400))]
    pub member_timeout_seconds: i32,
    /// Whether an upgrade of the operator changes image and pods, if image is left out.
    pub follow_operator: bool,
}

impl Default for UpdateSpec {
    fn default() -> Self {
        Self {
            strategy: UpdateStrategy::LeaderLast,
            min_ready_seconds: 10,
            recovery_hold_seconds: 600,
            member_timeout_seconds: 600,
            follow_operator: false,
        }
    }
}

closed! {
    /// Who restarts members.
    UpdateStrategy {
        /// The operator, the leader last.
        LeaderLast,
        /// People.
        Manual,
    }
}

/// What happens when a member's storage is proven to be lost: its volume is gone, or its node with it.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplacementSpec {
    /// Automatic: the member gets new storage and joins as a new one. Manual: it waits for the annotation
    /// orchestrator.rs/replace on its pod.
    pub policy: ReplacementPolicy,
    /// How long storage must be lost before anything is deleted.
    #[schemars(range(min = 0, max = 86400))]
    pub storage_lost_after_seconds: i32,
}

impl Default for ReplacementSpec {
    fn default() -> Self {
        Self { policy: ReplacementPolicy::Automatic, storage_lost_after_seconds: 300 }
    }
}

closed! {
    /// Who replaces a member whose storage is lost.
    ReplacementPolicy {
        /// The operator.
        Automatic,
        /// People, by an annotation.
        Manual,
    }
}

/// Keeps voluntary disruptions to one member at a time. Not made for one replica, whose node could never be drained.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(default)]
pub struct DisruptionBudgetSpec {
    /// Whether one is made.
    pub enabled: bool,
}

impl Default for DisruptionBudgetSpec {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Wishes that are refused unless they are meant.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct UnsafeFlags {
    /// 4 or 6 members: they tolerate no more failures than 3 or 5.
    pub even_replicas: bool,
    /// storage.ephemeral with fewer than 3 replicas: one restart loses everything.
    pub ephemeral_storage: bool,
}
