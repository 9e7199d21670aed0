//! The resource itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt, core::DeserializeGuard};
use orchestrator_crds::OrchestratorCluster;

use crate::shell::index::{Facts, Key};

/// An `OrchestratorCluster`, or why it cannot be read.
#[derive(Debug)]
pub struct Cluster {
    /// Its metadata, without who manages which field.
    pub meta: ObjectMeta,
    /// The object as JSON, a tenth of what it takes as a tree; the error of whoever tried to read it, for one that a newer
    /// definition would refuse.
    text: Result<Box<str>, String>,
}

impl Cluster {
    /// The object.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn object(&self) -> Result<OrchestratorCluster, &str> {
        let text = self.text.as_deref().map_err(String::as_str)?;
        Ok(serde_json::from_str(text).expect("it was written by us"))
    }
}

impl Facts for Cluster {
    type Object = DeserializeGuard<OrchestratorCluster>;

    fn of(mut object: Self::Object) -> Self {
        object.managed_fields_mut().clear();
        let meta = object.meta().clone();
        let text = |object| serde_json::to_string(&object).expect("objects of the API are JSON").into();
        Self { meta, text: object.0.map(text).map_err(|invalid| invalid.error) }
    }

    fn version(&self) -> &str {
        self.meta.resource_version.as_deref().unwrap_or_default()
    }

    fn wakes(&self, key: &Key) -> Option<Key> {
        Some(key.clone())
    }

    /// Its status is written by us: looking again because of that would never end.
    fn differs(&self, before: &Self) -> bool {
        let (now, then) = (&self.meta, &before.meta);
        now.uid != then.uid
            || now.generation != then.generation
            || now.annotations != then.annotations
            || now.labels != then.labels
            || now.deletion_timestamp != then.deletion_timestamp
    }
}
