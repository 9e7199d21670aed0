//! Children that are not wanted any more.

use kube::api::{DeleteParams, Preconditions};
use orchestrator_crds::annotation;

use tokio::time::Instant;

use super::{ApiFailure, Applied, Owner, Report, kinds, within};
use crate::{
    names,
    shell::{facts::controller, index::Key},
};

impl Owner<'_> {
    /// Deletes what is named, if it is ours.
    pub async fn remove(&self, unwanted: &[(&'static str, String)], report: &mut Report) {
        for (kind, name) in unwanted {
            let Some(kind) = kinds::named(kind) else { continue };
            if !kinds::is_watched(kind) {
                self.remove_unwatched(kind, name, report).await;
                continue;
            }
            let Some(live) = kinds::live(self.stores, kind, &self.key.beside(name.as_str())) else {
                continue;
            };
            if live.controller.as_deref() != Some(self.uid) || live.terminating {
                continue;
            }
            self.delete(kind, name, live.uid, report).await;
        }
    }

    /// Looked for once, and again when it was made meanwhile.
    async fn remove_unwatched(&self, kind: &'static str, name: &str, report: &mut Report) {
        if self.memo.get(self.key, kind, name).is_some_and(|memo| memo.hash.is_empty()) {
            return;
        }
        match within(self.api(kind).get_opt(name)).await {
            Ok(Some(found)) if controller(&found.metadata).as_deref() == Some(self.uid) => {
                return self.delete(kind, name, found.metadata.uid.unwrap_or_default(), report).await;
            }
            // It is looked for again.
            Err(error) if error.may_pass() => return,
            // Where there is no such definition, or it may not be read, there is none of ours either.
            Ok(_) | Err(_) => {}
        }
        let nothing =
            Applied { hash: String::new(), version: String::new(), at: Instant::now(), drift_told: None };
        self.memo.set(self.key, kind, name, nothing);
    }

    /// Deletes immutable configurations that neither the set, nor what it shall be, nor a pod refers to.
    pub async fn collect_configs(&self, wanted: Option<&str>, report: &mut Report) {
        let name = &*self.key.name;
        let Some(set) = self.stores.sets.get(&self.key.beside(names::stateful_set(name))) else { return };
        let current = set.config();
        let maps = self.stores.config_maps.beginning(&self.key.beside(format!("{name}-config-")));
        for (key, map) in maps {
            let is_ours = map.controller.as_deref() == Some(self.uid) && !map.terminating;
            let is_used =
                wanted == Some(&*key.name) || current.as_deref() == Some(&*key.name) || self.is_mounted(&key);
            // Without our mark it was not applied by us, whatever its name is.
            let is_marked = map.content()["metadata"]["annotations"][annotation::APPLIED_HASH].is_string();
            if is_ours && is_marked && !is_used {
                self.delete("ConfigMap", &key.name, map.uid.clone(), report).await;
            }
        }
    }

    fn is_mounted(&self, map: &Key) -> bool {
        let pods = self.stores.pods.beginning(&self.key.beside(format!("{}-", self.key.name)));
        pods.iter().any(|(_, pod)| pod.config.as_deref() == Some(&*map.name))
    }

    async fn delete(&self, kind: &'static str, name: &str, uid: String, report: &mut Report) {
        let preconditions = Preconditions { uid: Some(uid), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        self.metrics.write("delete", kind);
        report.writes += 1;
        match within(self.api(kind).delete(name, &params)).await {
            Ok(_) => self.memo.remove(self.key, kind, name),
            // It is gone, or another one by now: the watch says so in a moment.
            Err(ApiFailure::Refused(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => self.failed(report, kind, name.to_owned(), &error),
        }
    }
}
