//! A child whose whole content is compared with what it should be: Service, ConfigMap, budget, account, policy.

use std::{fmt::Debug, marker::PhantomData};

use k8s_openapi::api::{
    core::v1::{ConfigMap, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::shell::index::{Facts, Key};

/// One child. The object is kept as text: a tenth of what it takes as a tree.
#[derive(Debug)]
pub struct Child<K> {
    /// Distinguishes it from the next one of its name.
    pub uid: String,
    /// Its `resourceVersion`.
    pub version: String,
    /// The uid of whoever controls it.
    pub controller: Option<String>,
    /// It is being deleted.
    pub terminating: bool,
    /// The object without its status and version, as JSON.
    text: Box<str>,
    cluster: Option<Box<str>>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Child<K> {
    /// The object without its status and version.
    #[must_use]
    pub fn content(&self) -> Value {
        serde_json::from_str(&self.text).expect("it was written by us")
    }
}

/// Objects without anything that we would compare but `spec`, `data` and metadata.
pub trait Plain:
    Resource<DynamicType = ()> + ResourceExt + Serialize + Send + Sync + Debug + 'static
{
    /// Takes away what its controllers say.
    fn forget_status(&mut self) {}
}

impl Plain for ConfigMap {}
impl Plain for ServiceAccount {}
impl Plain for NetworkPolicy {}

impl Plain for Service {
    fn forget_status(&mut self) {
        self.status = None;
    }
}

impl Plain for PodDisruptionBudget {
    fn forget_status(&mut self) {
        self.status = None;
    }
}

impl<K: Plain> Facts for Child<K> {
    type Object = K;

    fn of(mut object: K) -> Self {
        object.managed_fields_mut().clear();
        object.forget_status();
        let version = object.meta_mut().resource_version.take().unwrap_or_default();
        let meta = object.meta();
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            version,
            controller: super::controller(meta),
            terminating: meta.deletion_timestamp.is_some(),
            cluster: super::cluster(meta.labels.as_ref()),
            text: serde_json::to_string(&object).expect("objects of the API are JSON").into(),
            kind: PhantomData,
        }
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn wakes(&self, key: &Key) -> Option<Key> {
        super::woken(key, self.cluster.as_deref())
    }

    fn differs(&self, before: &Self) -> bool {
        self.text != before.text
    }
}
