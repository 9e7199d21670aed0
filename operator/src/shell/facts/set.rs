//! The StatefulSet: its content to compare, and what its controller says.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use kube::ResourceExt;
use serde_json::Value;

use crate::{
    observation,
    shell::index::{Facts, Key},
};

/// A StatefulSet.
#[derive(Debug)]
pub struct Set {
    /// The uid of whoever controls it.
    pub controller: Option<String>,
    /// What decides.
    pub seen: observation::Set,
    text: Box<str>,
    cluster: Option<Box<str>>,
}

impl Set {
    /// The object without its status and version.
    #[must_use]
    pub fn content(&self) -> Value {
        serde_json::from_str(&self.text).expect("it was written by us")
    }

    /// The object without status and version.
    #[must_use]
    pub fn object(&self) -> StatefulSet {
        serde_json::from_str(&self.text).expect("it was written by us")
    }

    /// The immutable ConfigMap that its template mounts.
    #[must_use]
    pub fn config(&self) -> Option<String> {
        let volumes = self.object().spec?.template.spec?.volumes.unwrap_or_default();
        let volume = volumes.into_iter().find(|volume| volume.name == crate::names::CONFIG_VOLUME)?;
        Some(volume.config_map?.name)
    }
}

impl Facts for Set {
    type Object = StatefulSet;

    fn of(mut object: StatefulSet) -> Self {
        object.managed_fields_mut().clear();
        let status = object.status.take();
        let version = object.metadata.resource_version.take().unwrap_or_default();
        let spec = object.spec.as_ref();
        let observed = status.as_ref().and_then(|status| status.observed_generation);
        let seen = observation::Set {
            uid: object.uid().unwrap_or_default(),
            resource_version: version,
            image: spec.and_then(image).unwrap_or_default(),
            replicas: spec.and_then(|spec| spec.replicas).map_or(1, |n| u32::try_from(n).unwrap_or(0)),
            update_revision: status.and_then(|status| status.update_revision).unwrap_or_default(),
            observed: observed >= object.metadata.generation,
            storage: object.spec.as_ref().map_or(0, |spec| {
                spec.volume_claim_templates
                    .as_deref()
                    .and_then(<[_]>::first)
                    .map_or(0, super::volume::requested)
            }),
            terminating: object.metadata.deletion_timestamp.is_some(),
        };
        Self {
            controller: super::controller(&object.metadata),
            cluster: super::cluster(object.metadata.labels.as_ref()),
            text: serde_json::to_string(&object).expect("objects of the API are JSON").into(),
            seen,
        }
    }

    fn version(&self) -> &str {
        &self.seen.resource_version
    }

    fn wakes(&self, key: &Key) -> Option<Key> {
        super::woken(key, self.cluster.as_deref())
    }

    /// Counts of ready pods change with the pods, which wake by themselves.
    fn differs(&self, before: &Self) -> bool {
        let same =
            |seen: &observation::Set| observation::Set { resource_version: String::new(), ..seen.clone() };
        same(&self.seen) != same(&before.seen) || self.text != before.text
    }
}

/// The image of the service in the template.
fn image(spec: &StatefulSetSpec) -> Option<String> {
    let containers = &spec.template.spec.as_ref()?.containers;
    containers.iter().find(|container| container.name == crate::names::CONTAINER)?.image.clone()
}
