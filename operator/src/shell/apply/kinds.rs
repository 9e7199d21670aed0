//! The kinds of children: where each is kept, and what the API calls it.

use std::sync::Arc;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::shell::{
    facts::{Child, Set},
    index::{Facts, Index, Key},
    stores::Stores,
};

/// Kind, group, version and plural.
const KINDS: [(&str, &str, &str, &str); 8] = [
    ("ServiceAccount", "", "v1", "serviceaccounts"),
    ("Secret", "", "v1", "secrets"),
    ("ConfigMap", "", "v1", "configmaps"),
    ("Service", "", "v1", "services"),
    ("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
    ("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
    ("PodMonitor", "monitoring.coreos.com", "v1", "podmonitors"),
    ("StatefulSet", "apps", "v1", "statefulsets"),
];

/// The kind of a document, if it is one of ours.
pub(super) fn known(document: &Value) -> Option<&'static str> {
    named(document["kind"].as_str()?)
}

/// The same kind, for ever.
pub(super) fn named(kind: &str) -> Option<&'static str> {
    KINDS.iter().map(|(known, ..)| *known).find(|known| *known == kind)
}

/// How the API calls it.
pub(super) fn resource(kind: &'static str) -> ApiResource {
    let row = KINDS.iter().find(|(known, ..)| *known == kind).expect("kinds come from this table");
    let (kind, group, version, plural) = row;
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// A child as it is.
pub struct Live {
    /// Its version.
    pub version: String,
    /// Its uid.
    pub uid: String,
    /// The uid of whoever controls it.
    pub controller: Option<String>,
    /// It is being deleted.
    pub terminating: bool,
    content: Content,
}

type Content = Arc<dyn Fn() -> Value + Send + Sync>;

impl Live {
    /// The object without status and version.
    #[must_use]
    pub fn content(&self) -> Value {
        (self.content)()
    }
}

fn child<K: Send + Sync + 'static>(index: &Index<Child<K>>, key: &Key) -> Option<Live>
where
    Child<K>: Facts,
{
    let found = index.get(key)?;
    Some(Live {
        version: found.version.clone(),
        uid: found.uid.clone(),
        controller: found.controller.clone(),
        terminating: found.terminating,
        content: Arc::new(move || found.content()),
    })
}

fn set(index: &Index<Set>, key: &Key) -> Option<Live> {
    let found = index.get(key)?;
    Some(Live {
        version: found.seen.resource_version.clone(),
        uid: found.seen.uid.clone(),
        controller: found.controller.clone(),
        terminating: found.seen.terminating,
        content: Arc::new(move || found.content()),
    })
}

/// Whether objects of a kind are watched. PodMonitors are not: their definition may not be there, and they decide nothing.
pub(super) fn is_watched(kind: &str) -> bool {
    kind != "PodMonitor"
}

/// One of those that are watched.
pub(super) fn live(stores: &Stores, kind: &str, key: &Key) -> Option<Live> {
    match kind {
        "ServiceAccount" => child(&stores.accounts, key),
        "ConfigMap" => child(&stores.config_maps, key),
        "Service" => child(&stores.services, key),
        "NetworkPolicy" => child(&stores.policies, key),
        "PodDisruptionBudget" => child(&stores.budgets, key),
        "StatefulSet" => set(&stores.sets, key),
        _ => None,
    }
}

/// What the API answered to a write.
pub(super) fn learn(stores: &Stores, kind: &str, object: DynamicObject) {
    match kind {
        "ServiceAccount" => typed(&stores.accounts, object),
        "ConfigMap" => typed(&stores.config_maps, object),
        "Service" => typed(&stores.services, object),
        "NetworkPolicy" => typed(&stores.policies, object),
        "PodDisruptionBudget" => typed(&stores.budgets, object),
        "StatefulSet" => typed(&stores.sets, object),
        _ => {}
    }
}

fn typed<F: Facts>(index: &Index<F>, object: DynamicObject)
where
    F::Object: DeserializeOwned + kube::ResourceExt,
{
    // The watch says the same, a moment later.
    let Ok(value) = serde_json::to_value(object) else { return };
    if let Ok(object) = serde_json::from_value(value) {
        index.learn(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_calls_each_kind_by_its_plural() {
        let resource = resource("NetworkPolicy");
        assert_eq!(
            (resource.api_version.as_str(), resource.plural.as_str()),
            ("networking.k8s.io/v1", "networkpolicies")
        );
        assert_eq!(resource.group, "networking.k8s.io");
        assert_eq!(super::resource("Secret").api_version, "v1");
        assert_eq!(named("Deployment"), None);
    }
}
