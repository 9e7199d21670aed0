//! Making the children as they should be.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use orchestrator_crds::{DeletionRetention, MANAGER};

use super::Pass;
use crate::{
    build::{ReferenceKind, Rendering},
    names,
    observation::Observation,
    plan::Plan,
    shell::apply::{Report, within},
};

/// Bytes of the operator's token: more than anybody guesses.
const TOKEN_BYTES: usize = 32;

impl Pass<'_> {
    /// Children, leftovers, marks on volumes.
    pub(super) async fn apply(
        &self,
        rendering: Option<&Rendering>,
        plan: &Plan,
        seen: &Observation,
        report: &mut Report,
    ) {
        let owner = self.owner();
        if let Some(rendering) = rendering {
            let children = rendering.children(plan.replicas, &plan.peers);
            self.ensure_token(&children.token, report).await;
            let wanted = children.config.metadata.name.clone();
            owner.apply(children.documents(), report).await;
            owner.remove(&children.unwanted(), report).await;
            owner.collect_configs(wanted.as_deref(), report).await;
        }
        let goes_with_us = self.spec.storage.retention.when_deleted == DeletionRetention::Delete;
        for seat in seen.seats.values() {
            let Some(volume) = &seat.volume else { continue };
            let Some(claim) = owner.claim(&volume.name) else { continue };
            let group = seat.answer.status().map(|of| of.cluster_id.as_str()).filter(|id| !id.is_empty());
            owner.mark(&volume.name, &claim, goes_with_us, group, report).await;
        }
    }

    /// Made once, and never changed: members compare with it.
    async fn ensure_token(&self, wished: &Secret, report: &mut Report) {
        let name = names::token_secret(&self.key.name);
        let key = self.key.beside(name.as_str());
        match self.operator.secrets.get(ReferenceKind::Secret, &key).await {
            Ok(Some(found)) if found.controller.as_ref().is_some_and(|owner| owner.uid == self.uid) => return,
            Ok(Some(found)) => {
                // It may be gone by the next time.
                self.operator.secrets.forget(ReferenceKind::Secret, &key);
                let owner = found.controller.as_ref();
                return report.troubles.push(self.owner().conflict("Secret", name.clone(), owner));
            }
            Ok(None) => {}
            Err(error) => return self.owner().failed(report, ReferenceKind::Secret.as_str(), name, &error),
        }
        let mut secret = wished.clone();
        secret.string_data = Some([(names::TOKEN_KEY.to_owned(), random_hex(TOKEN_BYTES))].into());
        let api: Api<Secret> = Api::namespaced(self.operator.client.clone(), &self.key.namespace);
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        self.operator.metrics.write("create", "Secret");
        report.writes += 1;
        let made = within(api.create(&params, &secret)).await;
        self.operator.secrets.forget(ReferenceKind::Secret, &key);
        match made {
            Ok(_) => {}
            Err(error) if error.is_conflict() => {}
            Err(error) => self.owner().failed(report, ReferenceKind::Secret.as_str(), name, &error),
        }
    }
}

fn random_hex(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}
