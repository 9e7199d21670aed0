//! A namespace of a story's own.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams, PropagationPolicy};
use kube::runtime::watcher::watch_object;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cluster::Cluster;

/// Who the stories are to the API server.
const MANAGER: &str = "orchestrator-e2e";
/// An eviction that is granted is granted at once.
const EVICTED_WITHIN: Duration = Duration::from_secs(2);

/// What can be looked at and changed in a namespace.
pub trait Object:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Object for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// A namespace in which the strictest pod security holds; it goes when this value is dropped.
pub struct Space {
    /// The cluster in which it is.
    pub cluster: &'static Cluster,
    /// Its name.
    pub name: String,
    keep: bool,
}

impl Space {
    /// Makes a namespace whose name begins with `tag`.
    ///
    /// # Errors
    /// Without a cluster, or when it refuses.
    pub fn new(tag: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let cluster = Cluster::get()?;
        let name = format!("{tag}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let strict = ["enforce", "warn"]
            .map(|mode| (format!("pod-security.kubernetes.io/{mode}"), json!("restricted")));
        let labels: serde_json::Map<String, Value> = strict.into_iter().collect();
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        cluster.kubectl(&["create", "-f", "-"], &namespace.to_string())?;
        // Pods are refused until it has its account.
        cluster
            .kubectl(&["wait", "-n", &name, "--for=create", "serviceaccount/default", "--timeout=30s"], "")?;
        Ok(Self { cluster, name, keep: false })
    }

    /// Leaves it there, for people to look at.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Objects of one type in here.
    #[must_use]
    pub fn api<K: Object>(&self) -> Api<K> {
        Api::namespaced(self.cluster.client(), &self.name)
    }

    /// One object, if it is there.
    ///
    /// # Errors
    /// When the API server does not answer or refuses.
    pub fn get<K: Object>(&self, name: &str) -> Result<Option<K>> {
        Ok(self.cluster.block_on(self.api::<K>().get_opt(name))?)
    }

    /// Objects with these labels, by name; an empty selector means all.
    ///
    /// # Errors
    /// When the API server does not answer or refuses.
    pub fn list<K: Object>(&self, selector: &str) -> Result<Vec<K>> {
        let found = self.cluster.block_on(self.api::<K>().list(&ListParams::default().labels(selector)))?;
        let mut items = found.items;
        items.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
        Ok(items)
    }

    /// Deletes an object and what depends on it; it may be there for a while. One that is not there is fine.
    ///
    /// # Errors
    /// When the API server does not answer or refuses.
    pub fn delete<K: Object>(&self, name: &str) -> Result<()> {
        let how = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        match self.cluster.block_on(self.api::<K>().delete(name, &how)) {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            done => done.map(drop).with_context(|| format!("delete {name}")),
        }
    }

    /// Evicts a pod, as `kubectl drain` does; `false` when the budget does not let it go now, or it is gone already. The
    /// client asks again by itself while it is refused: two seconds long, not longer.
    ///
    /// # Errors
    /// When the API server does not answer or refuses for another reason.
    pub fn evict(&self, pod: &str) -> Result<bool> {
        let (pods, how) = (self.api::<Pod>(), EvictParams::default());
        let evicted = async { tokio::time::timeout(EVICTED_WITHIN, pods.evict(pod, &how)).await };
        match self.cluster.block_on(evicted) {
            Ok(Ok(_)) => Ok(true),
            Err(_) => Ok(false),
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 429) => Ok(false),
            Ok(Err(error)) => Err(error).with_context(|| format!("evict {pod}")),
        }
    }

    /// Merges `change` into an object; answers it as it is then.
    ///
    /// # Errors
    /// When it is not there, or the API server refuses.
    pub fn merge<K: Object>(&self, name: &str, change: &Value) -> Result<K> {
        let by = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let done = self.cluster.block_on(self.api::<K>().patch(name, &by, &Patch::Merge(change)));
        done.with_context(|| format!("change {name}"))
    }

    /// Runs `kubectl` in here; what it printed.
    ///
    /// # Errors
    /// With its own words.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.kubectl(&[&["-n", &self.name], arguments].concat(), "")
    }

    /// Applies these objects, as `kubectl apply --server-side` does; what it printed.
    ///
    /// # Errors
    /// When one of them is refused: with the API server's words.
    pub fn apply(&self, objects: &[Value]) -> Result<String> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let arguments = ["-n", &self.name, "apply", "--server-side", "--field-manager", MANAGER, "-f", "-"];
        self.cluster.kubectl(&arguments, &list.to_string())
    }

    /// Watches an object until `look` gives a value, for at most `limit`; `look` says otherwise what it sees.
    ///
    /// # Errors
    /// After `limit`: names `what` was waited for, how long, and what was seen last.
    pub fn until<K: Object, T>(
        &self,
        what: &str,
        name: &str,
        limit: Duration,
        mut look: impl FnMut(Option<&K>) -> Result<T, String>,
    ) -> Result<T> {
        let began = Instant::now();
        let mut seen = "nothing yet".to_owned();
        let watch = async {
            let mut changes = pin!(watch_object(self.api::<K>(), name));
            while let Some(change) = changes.next().await {
                // A watch that broke begins again by itself.
                match change.map_err(|error| error.to_string()).and_then(|object| look(object.as_ref())) {
                    Ok(value) => return Ok(value),
                    Err(state) => seen = state,
                }
            }
            Err(anyhow!("the watch of {name} ended"))
        };
        match self.cluster.block_on(async { tokio::time::timeout(limit, watch).await }) {
            Ok(ended) => ended,
            Err(_) => bail!("waited {:.1} s for: {what}; last state: {seen}", began.elapsed().as_secs_f64()),
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        if !self.keep {
            // Whoever runs the stories takes the cluster down, or sees what is left in it.
            let _ = self.cluster.kubectl(&["delete", "namespace", &self.name, "--wait=false"], "");
        }
    }
}
