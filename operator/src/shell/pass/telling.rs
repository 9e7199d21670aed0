//! Saying what was seen and done: status, events, labels.

use kube::{
    Api,
    api::{ObjectMeta, Patch, PatchParams},
};
use orchestrator_crds::{
    API_VERSION, EventReason, KIND, OrchestratorCluster, OrchestratorClusterStatus, STATUS_MANAGER, label,
};
use serde_json::json;
use tracing::{debug, warn};

use super::Pass;
use crate::{
    observation::Observation,
    plan::{Event, Plan},
    shell::{
        act::{Actor, Doors},
        apply::{Report, within},
    },
    status::{Applied, events},
};

impl Pass<'_> {
    /// Writes the status if it says anything new, and reports what happened. Whether it was written.
    pub(super) async fn tell(
        &self,
        current: &OrchestratorCluster,
        seen: &Observation,
        plan: &Plan,
        applied: &Applied,
        report: &Report,
        next: &OrchestratorClusterStatus,
    ) -> Result<bool, ()> {
        let nothing = OrchestratorClusterStatus::default();
        let previous = current.status.as_ref().unwrap_or(&nothing);
        let written = match next == previous {
            true => Ok(false),
            false => self.write_status(current, next).await.map(|()| true),
        };
        self.operator.metrics.status(self.key, next, self.now.as_second());
        // What was seen is seen again, and told then.
        written?;
        let mut told = events(previous, next);
        if applied.outcome.failure().is_none() && !seen.deleting {
            told.extend(plan.events.iter().cloned());
        }
        told.extend(report.drifted.iter().map(|(kind, name)| Event {
            reason: EventReason::DriftCorrected,
            pod: None,
            note: format!(
                "{kind} {name} was changed or deleted by somebody else; it is as it should be again."
            ),
        }));
        for event in &told {
            self.operator.events.report(self.key, self.uid, event).await;
        }
        written
    }

    async fn write_status(
        &self,
        current: &OrchestratorCluster,
        next: &OrchestratorClusterStatus,
    ) -> Result<(), ()> {
        // With uid and version: an object that was made anew meanwhile does not get the status of the former, and what
        // somebody else wrote down of its group is not taken back.
        let patch = json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": ObjectMeta {
                name: Some(self.key.name.to_string()),
                uid: Some(self.uid.to_owned()),
                resource_version: current.metadata.resource_version.clone(),
                ..ObjectMeta::default()
            },
            "status": next,
        });
        let api: Api<OrchestratorCluster> =
            Api::namespaced(self.operator.client.clone(), &self.key.namespace);
        let params = PatchParams::apply(STATUS_MANAGER).force();
        self.operator.metrics.write("apply", "OrchestratorCluster/status");
        match within(api.patch_status(&self.key.name, &params, &Patch::Apply(&patch))).await {
            Ok(object) => {
                self.learn(object);
                Ok(())
            }
            // The object is gone, another one, or otherwise by now.
            Err(error) if matches!(error.code(), Some(404 | 409)) => Err(()),
            Err(error) => {
                warn!(namespace = %self.key.namespace, name = %self.key.name, %error, "status not written");
                self.operator.metrics.error("status");
                Err(())
            }
        }
    }

    /// Members' roles on their pods, for `kubectl get pods -L`.
    pub(super) async fn label(&self, next: &OrchestratorClusterStatus, seen: &Observation, doors: &Doors) {
        for member in &next.members {
            let facts = self.operator.stores.pods.get(&self.key.beside(member.pod.as_str()));
            let Some(pod) = facts.filter(|pod| !pod.terminating) else { continue };
            let role = json!(member.role);
            let Some(role) = role.as_str().filter(|role| pod.role.as_deref() != Some(*role)) else {
                continue;
            };
            let (owner, once) = (self.owner(), &self.operator.once);
            let actor = Actor { owner, object: self.object, seen, doors, live_digest: None, once };
            if let Err(error) = actor.label(&member.pod, &pod.uid, label::RAFT_ROLE, role).await {
                debug!(namespace = %self.key.namespace, name = %self.key.name, pod = member.pod, %error, "not labelled");
            }
        }
    }
}
