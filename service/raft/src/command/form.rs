//! Serialized forms of the core's types, which have none of their own.

use orchestrator_core::instance::PromotionRule;
use orchestrator_core::{InstanceKey, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `["host", port]`.
pub(super) mod key {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(key: &InstanceKey, serializer: S) -> Result<S::Ok, S::Error> {
        (&*key.hostname, key.port).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<InstanceKey, D::Error> {
        let (hostname, port) = <(String, u16)>::deserialize(deserializer)?;
        Ok(InstanceKey::new(hostname, port))
    }
}

/// A list of them.
pub(super) mod keys {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(keys: &[InstanceKey], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(keys.iter().map(|key| (&*key.hostname, key.port)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<InstanceKey>, D::Error> {
        let keys = Vec::<(String, u16)>::deserialize(deserializer)?;
        Ok(keys.into_iter().map(|(hostname, port)| InstanceKey::new(hostname, port)).collect())
    }
}

/// One of them, or null.
pub(super) mod maybe_key {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        key: &Option<InstanceKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        key.as_ref().map(|key| (&*key.hostname, key.port)).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<InstanceKey>, D::Error> {
        let key = Option::<(String, u16)>::deserialize(deserializer)?;
        Ok(key.map(|(hostname, port)| InstanceKey::new(hostname, port)))
    }
}

/// Milliseconds since the epoch.
pub(super) mod time {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        at.as_millis().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

/// The rule's word.
pub(super) mod rule {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(rule: &PromotionRule, serializer: S) -> Result<S::Ok, S::Error> {
        rule.as_str().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PromotionRule, D::Error> {
        let word = String::deserialize(deserializer)?;
        PromotionRule::parse(&word).ok_or_else(|| D::Error::custom(format!("no promotion rule {word:?}")))
    }
}
