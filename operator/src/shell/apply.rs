//! Children as they should be → children as they are, with as few writes as possible.
//!
//! Nothing is written that is not controlled by this very object, and nothing that is as it should be.

mod differs;
mod failure;
mod kinds;
mod leftovers;
mod report;
mod volumes;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
};
use orchestrator_crds::{KIND, MANAGER, annotation};
use serde_json::Value;
use tokio::time::Instant;

use super::{facts::owner, index::Key, metrics::Metrics, stores::Stores};
use crate::{
    build::digest,
    status::{Problem, Trouble},
};

pub use failure::{API_TIMEOUT, ApiFailure, within};
pub use kinds::Live;
pub use report::Report;

/// Somebody who changes a child again and again is told of it once a minute.
const DRIFT_SILENCE: Duration = Duration::from_secs(60);
/// What is not watched is looked at so often.
const UNWATCHED_FOR: Duration = Duration::from_secs(300);
/// Hexadecimal digits of the hash of what was applied.
const HASH_DIGITS: usize = 16;

/// What was applied last, so that equal things are not compared again and drift can be told from a change of ours; and
/// what was refused, so that what passes by itself is told from what does not.
#[derive(Debug, Default)]
pub struct Memo {
    applied: Mutex<HashMap<Key, ByChild>>,
    refused: Mutex<HashMap<Key, Refused>>,
}

/// By kind and name.
type ByChild = HashMap<(&'static str, String), Applied>;
/// Kinds and names.
type Refused = BTreeSet<(String, String)>;

#[derive(Debug, Clone)]
struct Applied {
    hash: String,
    /// Version of the live object that was found, or made, to be so.
    version: String,
    /// When that was seen.
    at: Instant,
    drift_told: Option<Instant>,
}

impl Memo {
    fn get(&self, owner: &Key, kind: &'static str, name: &str) -> Option<Applied> {
        let memo = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        memo.get(owner)?.get(&(kind, name.to_owned())).cloned()
    }

    fn set(&self, owner: &Key, kind: &'static str, name: &str, applied: Applied) {
        let mut memo = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        memo.entry(owner.clone()).or_default().insert((kind, name.to_owned()), applied);
    }

    fn remove(&self, owner: &Key, kind: &'static str, name: &str) {
        let mut memo = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(children) = memo.get_mut(owner) {
            children.remove(&(kind, name.to_owned()));
        }
    }

    /// A report for the next pass, which knows what was refused in the last one.
    #[must_use]
    pub fn report(&self, owner: &Key) -> Report {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        Report::after(refused.get(owner).cloned().unwrap_or_default())
    }

    /// Keeps what was refused until the next pass.
    pub fn keep(&self, owner: &Key, report: &Report) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if report.refused.is_empty() {
            refused.remove(owner);
        } else {
            refused.insert(owner.clone(), report.refused.clone());
        }
    }

    /// The object is gone.
    pub fn forget(&self, owner: &Key) {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
    }
}

/// Whose children they are.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// The API.
    pub client: &'a Client,
    /// What is watched.
    pub stores: &'a Stores,
    /// Numbers.
    pub metrics: &'a Metrics,
    /// What was applied.
    pub memo: &'a Memo,
    /// The object.
    pub key: &'a Key,
    /// Its uid.
    pub uid: &'a str,
}

/// What is to be done about one child.
enum Need {
    Nothing,
    /// `drifted`: what we had applied is the same, so somebody else changed it.
    Apply {
        force: bool,
        drifted: bool,
    },
    /// It is there, and controlled by somebody else.
    Conflict(Option<OwnerReference>),
}

impl Owner<'_> {
    /// Makes `documents` so, in their order. What fails holds back the StatefulSet, whose pods would need it, and nothing
    /// else.
    pub async fn apply(&self, documents: Vec<Value>, report: &mut Report) {
        for document in documents {
            let Some(kind) = kinds::known(&document) else {
                debug_assert!(false, "an unknown kind is rendered: {document}");
                continue;
            };
            if kind == "StatefulSet" && report.lacks(holds_back) {
                continue;
            }
            self.apply_one(kind, document, report).await;
        }
    }

    async fn apply_one(&self, kind: &'static str, mut document: Value, report: &mut Report) {
        let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let hash: String = digest(document.to_string().as_bytes()).chars().take(HASH_DIGITS).collect();
        document["metadata"]["annotations"][annotation::APPLIED_HASH] = hash.as_str().into();
        let need = match self.need(kind, &name, &document, &hash).await {
            Ok(need) => need,
            Err(error) => return self.failed(report, kind, name, &error),
        };
        match need {
            Need::Nothing => {}
            Need::Conflict(owner) => report.troubles.push(self.conflict(kind, name, owner.as_ref())),
            Need::Apply { force, drifted } => {
                report.writes += 1;
                match self.patch(kind, &name, &document, force).await {
                    Ok(version) => {
                        report.rewritten |= matches!(kind, "ConfigMap" | "StatefulSet");
                        self.applied(report, kind, name, hash, version, drifted);
                    }
                    Err(error) => self.failed(report, kind, name, &error),
                }
            }
        }
    }

    /// What is said of a child that is not ours. One of a former object of our name goes by itself: the garbage collector
    /// takes it within seconds.
    #[must_use]
    pub fn conflict(&self, kind: &str, name: String, owner: Option<&OwnerReference>) -> Trouble {
        let is_former = owner.is_some_and(|owner| owner.kind == KIND && *owner.name == *self.key.name);
        let (problem, message) = if is_former {
            let message =
                format!("{kind} {name} is of a former object of this name, and about to be deleted");
            (Problem::Other, message)
        } else {
            let whose = owner.map_or("nobody".to_owned(), |owner| format!("{} {}", owner.kind, owner.name));
            (Problem::OwnershipConflict, format!("{kind} {name} is there and controlled by {whose}"))
        };
        Trouble { kind: kind.to_owned(), name, problem, message }
    }

    fn applied(
        &self,
        report: &mut Report,
        kind: &'static str,
        name: String,
        hash: String,
        version: String,
        drifted: bool,
    ) {
        let before = self.memo.get(self.key, kind, &name).and_then(|applied| applied.drift_told);
        let told = drifted && before.is_none_or(|told| told.elapsed() >= DRIFT_SILENCE);
        let drift_told = if told { Some(Instant::now()) } else { before };
        self.memo.set(self.key, kind, &name, Applied { hash, version, at: Instant::now(), drift_told });
        if told {
            report.drifted.push((kind.to_owned(), name));
        }
    }

    /// Notes what was not done, and why.
    pub fn failed(&self, report: &mut Report, kind: &str, name: String, error: &ApiFailure) {
        self.metrics.error(error.reason());
        report.failed(kind, name, error);
    }

    async fn need(
        &self,
        kind: &'static str,
        name: &str,
        document: &Value,
        hash: &str,
    ) -> Result<Need, ApiFailure> {
        let memo = self.memo.get(self.key, kind, name);
        let Some(live) = kinds::live(self.stores, kind, &self.key.beside(name)) else {
            return self.need_unseen(kind, name, document, hash, memo).await;
        };
        if live.controller.as_deref() != Some(self.uid) {
            let meta = serde_json::from_value::<ObjectMeta>(live.content()["metadata"].take());
            return Ok(Need::Conflict(meta.ok().and_then(|meta| owner(&meta).cloned())));
        }
        // It comes back when it is gone.
        if live.terminating
            || memo.as_ref().is_some_and(|memo| memo.hash == hash && memo.version == live.version)
        {
            return Ok(Need::Nothing);
        }
        Ok(self.compare(kind, name, &live.content(), &live.version, document, hash))
    }

    fn compare(
        &self,
        kind: &'static str,
        name: &str,
        live: &Value,
        version: &str,
        document: &Value,
        hash: &str,
    ) -> Need {
        let was_ours = live["metadata"]["annotations"][annotation::APPLIED_HASH].as_str() == Some(hash);
        if !was_ours || !differs::contains(live, document) {
            return Need::Apply { force: true, drifted: was_ours };
        }
        let drift_told = self.memo.get(self.key, kind, name).and_then(|memo| memo.drift_told);
        let (hash, version) = (hash.to_owned(), version.to_owned());
        self.memo.set(self.key, kind, name, Applied { hash, version, at: Instant::now(), drift_told });
        Need::Nothing
    }

    /// It is not among those that we watch: not there, without our labels, or of a kind that is not watched. That costs a
    /// question.
    async fn need_unseen(
        &self,
        kind: &'static str,
        name: &str,
        document: &Value,
        hash: &str,
        memo: Option<Applied>,
    ) -> Result<Need, ApiFailure> {
        let is_fresh = |memo: &Applied| memo.hash == hash && memo.at.elapsed() < UNWATCHED_FOR;
        if !kinds::is_watched(kind) && memo.as_ref().is_some_and(is_fresh) {
            return Ok(Need::Nothing);
        }
        let found = within(self.api(kind).get_opt(name)).await?;
        let Some(found) = found else { return Ok(Need::Apply { force: false, drifted: memo.is_some() }) };
        let owner = owner(&found.metadata).cloned();
        if owner.as_ref().is_none_or(|owner| owner.uid != self.uid) {
            return Ok(Need::Conflict(owner));
        }
        let version = found.metadata.resource_version.clone().unwrap_or_default();
        let live = serde_json::to_value(found).expect("objects of the API are JSON");
        Ok(self.compare(kind, name, &live, &version, document, hash))
    }

    /// Applies, and answers the version that it has now.
    async fn patch(
        &self,
        kind: &'static str,
        name: &str,
        document: &Value,
        force: bool,
    ) -> Result<String, ApiFailure> {
        let mut params = PatchParams::apply(MANAGER);
        params.force = force;
        self.metrics.write("apply", kind);
        let made = within(self.api(kind).patch(name, &params, &Patch::Apply(document))).await?;
        let version = made.metadata.resource_version.clone().unwrap_or_default();
        kinds::learn(self.stores, kind, made);
        Ok(version)
    }

    fn api(&self, kind: &'static str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.key.namespace, &kinds::resource(kind))
    }
}

/// Whether pods cannot do without one of this kind.
fn holds_back(kind: &str) -> bool {
    matches!(kind, "ConfigMap" | "Secret" | "Service" | "ServiceAccount")
}
