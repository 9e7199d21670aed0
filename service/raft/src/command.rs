//! What the raft log carries: versioned instructions, filled in completely by the leader.
//!
//! The serialized form is this crate's own, apart from the core's types, so that the core may change
//! without changing what is on disk. A command that this version does not know fails to decode, and
//! that stops the node: skipping it would let two nodes hold different states.

mod envelope;
mod form;
mod recovery;
mod reply;

use std::fmt;

use orchestrator_core::instance::PromotionRule;
use orchestrator_core::{InstanceKey, Timestamp};
use serde::{Deserialize, Serialize};

pub use recovery::{
    Acknowledge, BeginRecovery, DeclareDowntime, EndRecovery, Expire, RecoveryProgress, RegisterDetection,
    Selector, Step,
};
pub use reply::{BlockedBy, Reply};

/// The newest form of a command that this program knows. Raised with each new or changed variant; see
/// [`Command::version`].
pub const COMMAND_VERSION: u32 = 2;

/// One replicated instruction.
///
/// *Shape*: JSON, `{"v": version, "c": command}`, the command externally tagged by the name of its variant.
/// Instances are `["host", port]`, times milliseconds since the epoch.
/// *Limits*: at most [`crate::MAX_COMMAND_BYTES`] serialized; more is refused by `propose`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub enum Command {
    /// Does nothing; proves that the log moves.
    Heartbeat {},
    /// Every node probes this instance and crawls on from it.
    Discover {
        /// Which.
        #[serde(with = "form::key")]
        key: InstanceKey,
        /// Now.
        #[serde(with = "form::time")]
        at: Timestamp,
    },
    /// Every node drops this instance.
    Forget {
        /// Which.
        #[serde(with = "form::key")]
        key: InstanceKey,
    },
    /// Every node drops the instances of a cluster, as the leader knows them.
    ForgetCluster {
        /// Its name.
        cluster: String,
        /// Its instances.
        #[serde(with = "form::keys")]
        keys: Vec<InstanceKey>,
    },
    /// Begins or replaces a downtime.
    BeginDowntime(DeclareDowntime),
    /// Ends a downtime.
    EndDowntime {
        /// Of which instance.
        #[serde(with = "form::key")]
        key: InstanceKey,
    },
    /// Declares or renews a promotion rule.
    RegisterCandidate {
        /// Of which instance.
        #[serde(with = "form::key")]
        key: InstanceKey,
        /// The rule.
        #[serde(with = "form::rule")]
        rule: PromotionRule,
        /// Now.
        #[serde(with = "form::time")]
        at: Timestamp,
    },
    /// Switches automatic recoveries off everywhere.
    DisableGlobalRecoveries {
        /// Who.
        by: String,
        /// Now.
        #[serde(with = "form::time")]
        at: Timestamp,
    },
    /// Switches automatic recoveries on again.
    EnableGlobalRecoveries {
        /// Who.
        by: String,
        /// Now.
        #[serde(with = "form::time")]
        at: Timestamp,
    },
    /// Declares the alias of a cluster.
    SetClusterAlias {
        /// Name of the cluster.
        cluster: String,
        /// Its alias; `None` takes the declaration back.
        alias: Option<String>,
    },
    /// Sets one key of the replicated key-value table.
    PutKeyValue {
        /// The key, as given.
        key: String,
        /// The new value; replaces the old one.
        value: String,
        /// Now.
        #[serde(with = "form::time")]
        at: Timestamp,
    },
    /// Notes a failure that was found.
    RegisterDetection(RegisterDetection),
    /// Begins a recovery, unless something is in the way.
    BeginRecovery(BeginRecovery),
    /// Moves a recovery on.
    RecoveryProgress(RecoveryProgress),
    /// Ends a recovery.
    EndRecovery(EndRecovery),
    /// Closes recoveries.
    AckRecovery(Acknowledge),
    /// Ends what is due.
    Expire(Expire),
    /// Adds a token by which somebody may change things, once it is redeemed.
    IssueAccessToken {
        /// The half by which it is redeemed.
        public: String,
        /// The digest of a secret that nobody knows, until it is redeemed.
        secret: String,
        /// For whom.
        owner: String,
        /// Now.
        #[serde(with = "form::time")]
        at: Timestamp,
        /// Those issued before this go.
        #[serde(with = "form::time")]
        forget_before: Timestamp,
    },
    /// Redeems a token for a secret.
    RedeemAccessToken {
        /// The half by which it is redeemed.
        public: String,
        /// The digest of the secret.
        secret: String,
        /// It must have been issued at this time or later.
        #[serde(with = "form::time")]
        not_before: Timestamp,
        /// Now.
        #[serde(with = "form::time")]
        at: Timestamp,
    },
}

impl Command {
    /// The version in which the form of this command was last changed. It is what the log carries, so that
    /// an older node stops only at commands that it does not know.
    pub fn version(&self) -> u32 {
        match self {
            Self::IssueAccessToken { .. } | Self::RedeemAccessToken { .. } => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heartbeat {} => f.write_str("heartbeat"),
            Self::Discover { key, .. } => write!(f, "discover {key}"),
            Self::Forget { key } => write!(f, "forget {key}"),
            Self::ForgetCluster { cluster, keys } => write!(f, "forget cluster {cluster} ({})", keys.len()),
            Self::BeginDowntime(downtime) => write!(f, "begin downtime of {}", downtime.key),
            Self::EndDowntime { key } => write!(f, "end downtime of {key}"),
            Self::RegisterCandidate { key, rule, .. } => write!(f, "register {key} as {}", rule.as_str()),
            Self::DisableGlobalRecoveries { by, .. } => write!(f, "disable recoveries, by {by}"),
            Self::EnableGlobalRecoveries { by, .. } => write!(f, "enable recoveries, by {by}"),
            Self::SetClusterAlias { cluster, alias } => {
                write!(f, "alias of {cluster} is {}", alias.as_deref().unwrap_or("taken back"))
            }
            // Values may be anything that a person stored there: not for logs.
            Self::PutKeyValue { key, .. } => write!(f, "put {key}"),
            Self::RegisterDetection(found) => write!(f, "detected {} of {}", found.analysis, found.key),
            Self::BeginRecovery(begin) => write!(f, "begin recovery {} of {}", begin.uid, begin.failed),
            Self::RecoveryProgress(progress) => {
                let RecoveryProgress { uid, expected_seq, stage, .. } = progress;
                write!(f, "recovery {uid} from {expected_seq} to {stage}")
            }
            Self::EndRecovery(end) => write!(f, "end recovery {}", end.uid),
            Self::AckRecovery(ack) => write!(f, "acknowledge {}, by {}", ack.selector, ack.by),
            Self::Expire(_) => f.write_str("expire what is due"),
            // Who reads it in a log within a minute could redeem it.
            Self::IssueAccessToken { owner, .. } => write!(f, "issue an access token for {owner:?}"),
            Self::RedeemAccessToken { .. } => f.write_str("redeem an access token"),
        }
    }
}

#[cfg(test)]
mod tests;
