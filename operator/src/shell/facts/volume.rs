//! A volume claim, and quantities.

use jiff::Timestamp;
use k8s_openapi::{api::core::v1::PersistentVolumeClaim, apimachinery::pkg::api::resource::Quantity};
use kube::ResourceExt;

use crate::shell::index::{Facts, Key};

/// A volume claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Distinguishes it from the next one of its name.
    pub uid: String,
    /// Its `resourceVersion`.
    pub version: String,
    /// When it was made.
    pub created: Timestamp,
    /// It is being deleted.
    pub terminating: bool,
    /// `Pending`, `Bound`, `Lost`.
    pub phase: String,
    /// The volume that it is bound to.
    pub volume: Option<String>,
    /// Bytes asked for.
    pub requested: u64,
    /// Bytes that it has.
    pub capacity: u64,
    /// Its storage class.
    pub class: Option<String>,
    /// Uids of its owners.
    pub owners: Vec<String>,
    /// Of which group its data is, as its label says.
    pub cluster_id: Option<String>,
    cluster: Option<Box<str>>,
}

/// Bytes that a claim asks for.
pub(super) fn requested(claim: &PersistentVolumeClaim) -> u64 {
    let resources = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    let storage = resources.and_then(|resources| resources.requests.as_ref()?.get("storage"));
    storage.and_then(bytes).unwrap_or(0)
}

impl Facts for Claim {
    type Object = PersistentVolumeClaim;

    fn of(object: PersistentVolumeClaim) -> Self {
        let status = object.status.as_ref();
        let capacity = status.and_then(|status| status.capacity.as_ref()?.get("storage"));
        let owners = object.owner_references().iter().map(|owner| owner.uid.clone()).collect();
        Self {
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
            created: object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            terminating: object.metadata.deletion_timestamp.is_some(),
            phase: status.and_then(|status| status.phase.clone()).unwrap_or_default(),
            volume: object.spec.as_ref().and_then(|spec| spec.volume_name.clone()),
            requested: requested(&object),
            capacity: capacity.and_then(bytes).unwrap_or(0),
            class: object.spec.as_ref().and_then(|spec| spec.storage_class_name.clone()),
            owners,
            cluster_id: object.labels().get(orchestrator_crds::label::CLUSTER_ID).cloned(),
            cluster: super::cluster(object.metadata.labels.as_ref()),
        }
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn wakes(&self, key: &Key) -> Option<Key> {
        super::woken(key, self.cluster.as_deref())
    }
}

/// What Kubernetes may write behind a number of bytes.
const SUFFIXES: [(&str, u32, u32); 12] = [
    ("Ki", 2, 10),
    ("Mi", 2, 20),
    ("Gi", 2, 30),
    ("Ti", 2, 40),
    ("Pi", 2, 50),
    ("Ei", 2, 60),
    ("k", 10, 3),
    ("M", 10, 6),
    ("G", 10, 9),
    ("T", 10, 12),
    ("P", 10, 15),
    ("E", 10, 18),
];

/// Bytes of a quantity, rounded up; `None` for what is none, or is negative.
#[must_use]
pub fn bytes(quantity: &Quantity) -> Option<u64> {
    let text = quantity.0.trim();
    let suffixed = SUFFIXES.iter().find_map(|(suffix, base, power)| {
        let number = text.strip_suffix(suffix)?;
        Some((number, f64::from(*base).powi(i32::try_from(*power).ok()?)))
    });
    let (number, factor) = match (suffixed, text.strip_suffix('m')) {
        (Some(found), _) => found,
        (None, Some(thousandths)) => (thousandths, 0.001),
        (None, None) => (text, 1.0),
    };
    if let (Ok(whole), true) = (number.parse::<u64>(), factor >= 1.0) {
        // Exact, also above 2^53.
        return (u128::from(whole) * factor as u128).try_into().ok();
    }
    let value = number.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0)? * factor;
    Some(value.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_bytes() {
        let of = |text: &str| bytes(&Quantity(text.to_owned()));
        assert_eq!(of("1Gi"), Some(1 << 30));
        assert_eq!(of("1.5Gi"), Some(3 << 29));
        assert_eq!(of("10G"), Some(10_000_000_000));
        assert_eq!(of("128974848"), Some(128_974_848));
        assert_eq!(of("129e6"), Some(129_000_000));
        assert_eq!(of("1500m"), Some(2));
        assert_eq!(of("7Ei"), Some(7 << 60));
        assert_eq!((of("-1Gi"), of("much"), of("")), (None, None, None));
    }
}
