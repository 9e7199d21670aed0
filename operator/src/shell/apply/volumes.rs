//! Volume claims: marks that say of which group their data is and whether they go with the object; whether they may grow.

use std::sync::Arc;

use k8s_openapi::api::{core::v1::PersistentVolumeClaim, storage::v1::StorageClass};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use orchestrator_crds::{API_VERSION, KIND, MANAGER, label};
use serde_json::{Value, json};
use tracing::debug;

use super::{ApiFailure, Owner, Report, within};
use crate::shell::facts::Claim;

impl Owner<'_> {
    /// Marks one claim as it should be; no write when it is. A mark of another group is never overwritten.
    pub async fn mark(
        &self,
        name: &str,
        claim: &Claim,
        goes_with_us: bool,
        group: Option<&str>,
        report: &mut Report,
    ) {
        if claim.terminating || !differs(claim, self.uid, goes_with_us, group) {
            return;
        }
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &self.key.namespace);
        let owners = if goes_with_us { vec![self.reference()] } else { Vec::new() };
        let mut marks = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "uid": claim.uid, "ownerReferences": owners },
        });
        if let Some(group) = claim.cluster_id.as_deref().or(group) {
            marks["metadata"]["labels"] = json!({ label::CLUSTER_ID: group });
        }
        self.metrics.write("apply", "PersistentVolumeClaim");
        report.writes += 1;
        let params = PatchParams::apply(MANAGER).force();
        match within(api.patch(name, &params, &Patch::Apply(&marks))).await {
            Ok(marked) => self.stores.claims.learn(marked),
            // It is gone, or another one by now: the watch says so in a moment.
            Err(ApiFailure::Refused(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => self.failed(report, "PersistentVolumeClaim", name.to_owned(), &error),
        }
    }

    /// Not the controller, and nobody waits for it: garbage collection alone goes by it.
    fn reference(&self) -> Value {
        json!({ "apiVersion": API_VERSION, "kind": KIND, "name": &*self.key.name, "uid": self.uid })
    }

    /// Whether volumes of a storage class may grow; `None` when the operator may not read it, or it is not there.
    pub async fn expands(&self, class: &str) -> Option<bool> {
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        match within(classes.get(class)).await {
            Ok(class) => Some(class.allow_volume_expansion.unwrap_or(false)),
            Err(error) => {
                debug!(key = %self.key, class, %error, "storage class not read");
                None
            }
        }
    }

    /// What is known of a claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Arc<Claim>> {
        self.stores.claims.get(&self.key.beside(name))
    }
}

fn differs(claim: &Claim, uid: &str, goes_with_us: bool, group: Option<&str>) -> bool {
    let is_owned = claim.owners.iter().any(|owner| owner == uid);
    is_owned != goes_with_us || (claim.cluster_id.is_none() && group.is_some())
}
