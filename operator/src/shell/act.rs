//! Carries out what was planned. Each call says upon what it was decided, so that a stale view does nothing.

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use orchestrator_crds::{MANAGER, OrchestratorCluster, OrchestratorClusterStatus, STATUS_MANAGER};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    LIVE_CONFIG,
    apply::{ApiFailure, Owner, within},
    members::{CallError, Door},
};
use crate::{
    observation::Observation,
    plan::{Action, Target},
    status::record,
};

/// Too many requests: the disruption budget does not allow it now.
const TOO_MANY: u16 = 429;

/// Why an action was not carried out. `Display` ends up in the status.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// A member refused, or did not answer.
    #[error("{member}: {}", error.told())]
    Member {
        /// Who was asked.
        member: String,
        /// What came of it.
        error: CallError,
    },
    /// A member reads something else than what it should: its kubelet is not that far.
    #[error("{0}")]
    NotYet(String),
    /// The Kubernetes API refused, or did not answer.
    #[error(transparent)]
    Api(#[from] ApiFailure),
    /// The disruption budget does not allow it now.
    #[error("the disruption budget does not let {0} go now")]
    Budget(String),
    /// Nobody can be asked.
    #[error("{0}")]
    Nobody(&'static str),
}

impl ActError {
    /// It is refused because things are otherwise by now, or are about to be: looking again is all it takes.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Member { error: CallError::Refused { status, .. }, .. } => status.as_u16() == 409,
            Self::Api(failure) => failure.is_conflict(),
            Self::Budget(_) | Self::NotYet(_) => true,
            Self::Member { .. } | Self::Nobody(_) => false,
        }
    }
}

/// Who can be asked.
#[derive(Default)]
pub struct Doors {
    /// By ordinal: pod's name and how it is reached.
    pub seats: std::collections::BTreeMap<u32, (String, Door)>,
    /// The leader, and who that is.
    pub leader: Option<(String, Door)>,
}

/// One action upon one object.
pub struct Actor<'a> {
    /// Whose.
    pub owner: Owner<'a>,
    /// As it was read.
    pub object: &'a OrchestratorCluster,
    /// As it was seen.
    pub seen: &'a Observation,
    /// Who can be asked.
    pub doors: &'a Doors,
    /// Digest of the live configuration, by which kubelet is told to look again.
    pub live_digest: Option<&'a str>,
    /// The API for a call whose refusal is an answer: [`super::clients::Clients::once`].
    pub once: &'a Client,
}

impl Actor<'_> {
    /// Does it. The object, when it was written: the rest of the pass goes by that.
    ///
    /// # Errors
    /// It was not done, or nobody knows; the next pass sees.
    pub async fn act(&self, action: &Action) -> Result<Option<OrchestratorCluster>, ActError> {
        match action {
            Action::RecordBootstrap { .. } | Action::RecordGroup { .. } | Action::ForgetGroup => {
                return self.record(action).await.map(Some);
            }
            Action::Bootstrap => self.bootstrap().await?,
            Action::Membership { change, expect, cluster_id } => {
                // A member that does not lead passes it on: the leader may be one that somebody else runs.
                let (member, door) = self.leader().or_else(|_| self.anybody())?;
                by(member, door.change(change, *expect, cluster_id).await)?;
            }
            Action::Transfer { to } => {
                let (member, door) = self.leader()?;
                by(member, door.transfer(to).await)?;
            }
            Action::Reload { ordinal } => self.reload(*ordinal).await?,
            Action::Evict(target) => self.evict(target).await?,
            Action::DeletePod(target) => {
                let version = Some(target.resource_version.clone());
                self.delete::<Pod>(&target.pod, &target.uid, version, DeleteParams::default()).await?;
            }
            Action::DeleteVolume { name, uid, resource_version } => {
                let version = Some(resource_version.clone());
                self.delete::<PersistentVolumeClaim>(name, uid, version, DeleteParams::default()).await?;
            }
            Action::GrowVolume { name, bytes } => self.grow(name, *bytes).await?,
            Action::RecreateSet { uid, resource_version } => {
                let (name, version) = (&*self.owner.key.name, Some(resource_version.clone()));
                self.delete::<StatefulSet>(name, uid, version, DeleteParams::orphan()).await?;
            }
            Action::ForceNewCluster { ordinal, cluster_id, epoch } => {
                let (member, door) = self.seat(*ordinal)?;
                by(member, door.force_new_cluster(cluster_id, *epoch).await)?;
            }
            Action::ClearVerb { key, pod: None } => return self.clear_own(key).await.map(Some),
            Action::ClearVerb { key, pod: Some(target) } => self.clear_of_pod(key, target).await?,
        }
        Ok(None)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.owner.client.clone(), &self.owner.key.namespace)
    }

    fn count(&self, verb: &'static str, kind: &str) {
        self.owner.metrics.write(verb, kind);
    }

    fn leader(&self) -> Result<(&str, &Door), ActError> {
        let leader = self.doors.leader.as_ref().map(|(name, door)| (name.as_str(), door));
        leader.ok_or(ActError::Nobody("nobody leads who could be asked"))
    }

    fn anybody(&self) -> Result<(&str, &Door), ActError> {
        let healthy = |ordinal: &u32| {
            let seat = self.seen.seats.get(ordinal);
            seat.and_then(|seat| seat.answer.status()).is_some_and(|status| status.status.healthy)
        };
        let seat = self.doors.seats.iter().find(|(ordinal, _)| healthy(ordinal));
        let seat = seat.map(|(_, (name, door))| (name.as_str(), door));
        seat.ok_or(ActError::Nobody("nobody is healthy who could be asked"))
    }

    fn seat(&self, ordinal: u32) -> Result<(&str, &Door), ActError> {
        let seat = self.doors.seats.get(&ordinal).map(|(name, door)| (name.as_str(), door));
        seat.ok_or(ActError::Nobody("the member has no address yet"))
    }

    /// Guarded by the version that was read: of two operators one is refused.
    async fn record(&self, action: &Action) -> Result<OrchestratorCluster, ActError> {
        let before = self.object.status.clone().unwrap_or_default();
        let status: OrchestratorClusterStatus = record(&before, action, self.seen.now)
            .ok_or(ActError::Nobody("there is nothing to write down"))?;
        let mut object = self.object.clone();
        object.status = Some(status);
        let params = PostParams { field_manager: Some(STATUS_MANAGER.to_owned()), ..PostParams::default() };
        self.count("update", "OrchestratorCluster");
        let api: Api<OrchestratorCluster> = self.api();
        Ok(within(api.replace_status(&self.owner.key.name, &params, &object)).await?)
    }

    async fn bootstrap(&self) -> Result<(), ActError> {
        let group = self.seen.memory.bootstrap.as_ref();
        let group = group.ok_or(ActError::Nobody("no group was written down"))?;
        let (member, door) = self.seat(0)?;
        by(member, door.bootstrap(group).await)
    }

    /// Kubelet looks at its ConfigMaps again when the pod changes, and else once a minute. The member reads what is
    /// there; whether that is the new one shows in its next status.
    async fn reload(&self, ordinal: u32) -> Result<(), ActError> {
        let (member, door) = self.seat(ordinal)?;
        let facts = self.owner.stores.pods.get(&self.owner.key.beside(member));
        if let (Some(digest), Some(pod)) = (self.live_digest, facts)
            && pod.told.as_deref() != Some(digest)
        {
            let patch = json!({ "metadata": { "uid": pod.uid, "annotations": { LIVE_CONFIG: digest } } });
            self.patch_pod(member, &patch).await?;
        }
        let reloaded = by(member, door.reload().await)?;
        if let Some(problem) = reloaded.problems.first() {
            return Err(ActError::NotYet(format!("{member} did not take over everything: {problem}")));
        }
        let expected = self.seen.seats.get(&ordinal).and_then(|seat| seat.pod.as_ref()?.config_hash.clone());
        match expected {
            Some(expected) if expected != reloaded.config_hash => Err(ActError::NotYet(format!(
                "{member} still finds its former configuration: kubelet is not that far"
            ))),
            _ => Ok(()),
        }
    }

    async fn patch_pod(&self, name: &str, patch: &Value) -> Result<(), ActError> {
        self.count("patch", "Pod");
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let pod = within(self.api::<Pod>().patch(name, &params, &Patch::Merge(patch))).await?;
        self.owner.stores.pods.learn(pod);
        Ok(())
    }

    /// The eviction API counts with everybody else who drains. The library's own call has no precondition that the API
    /// server would understand.
    async fn evict(&self, target: &Target) -> Result<(), ActError> {
        let path = format!("/api/v1/namespaces/{}/pods/{}/eviction", self.owner.key.namespace, target.pod);
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": target.pod, "namespace": &*self.owner.key.namespace },
            "deleteOptions": { "preconditions": { "uid": target.uid } },
        });
        let body = serde_json::to_vec(&body).expect("it is plain data");
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)
            .expect("names of objects can stand in a path");
        self.count("evict", "Pod");
        match within(self.once.request::<Value>(request)).await {
            Ok(_) => Ok(()),
            Err(ApiFailure::Refused(status)) if status.code == TOO_MANY => {
                Err(ActError::Budget(target.pod.clone()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn delete<K>(
        &self,
        name: &str,
        uid: &str,
        resource_version: Option<String>,
        params: DeleteParams,
    ) -> Result<(), ActError>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + DeserializeOwned,
    {
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version };
        let params = DeleteParams { preconditions: Some(preconditions), ..params };
        self.count("delete", &K::kind(&()));
        match within(self.api::<K>().delete(name, &params)).await {
            Ok(_) => Ok(()),
            // It is gone already.
            Err(error) if error.code() == Some(404) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn grow(&self, name: &str, bytes: u64) -> Result<(), ActError> {
        let patch = json!({ "spec": { "resources": { "requests": { "storage": bytes.to_string() } } } });
        self.count("patch", "PersistentVolumeClaim");
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let claims: Api<PersistentVolumeClaim> = self.api();
        let claim = within(claims.patch(name, &params, &Patch::Merge(&patch))).await?;
        self.owner.stores.claims.learn(claim);
        Ok(())
    }

    async fn clear_own(&self, key: &str) -> Result<OrchestratorCluster, ActError> {
        let value = self.object.metadata.annotations.as_ref().and_then(|all| all.get(key));
        let patch = clearing(key, value.map_or("", String::as_str));
        self.count("patch", "OrchestratorCluster");
        let api: Api<OrchestratorCluster> = self.api();
        Ok(within(api.patch(&self.owner.key.name, &PatchParams::default(), &patch)).await?)
    }

    async fn clear_of_pod(&self, key: &str, target: &Target) -> Result<(), ActError> {
        let patch = json!({ "metadata": { "uid": target.uid, "annotations": { key: null } } });
        self.patch_pod(&target.pod, &patch).await
    }

    /// Writes a member's role on its pod, for people.
    ///
    /// # Errors
    /// The API refused, or did not answer.
    pub async fn label(&self, pod: &str, uid: &str, key: &str, value: &str) -> Result<(), ActError> {
        self.patch_pod(pod, &json!({ "metadata": { "uid": uid, "labels": { key: value } } })).await
    }
}

/// Takes an annotation away if it is what it was: somebody may have asked for something else meanwhile.
fn clearing(key: &str, value: &str) -> Patch<()> {
    let path = format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1"));
    let steps = json!([
        { "op": "test", "path": path, "value": value },
        { "op": "remove", "path": path },
    ]);
    Patch::Json(serde_json::from_value(steps).expect("it is a patch"))
}

fn by<T>(member: &str, called: Result<T, CallError>) -> Result<T, ActError> {
    called.map_err(|error| ActError::Member { member: member.to_owned(), error })
}
