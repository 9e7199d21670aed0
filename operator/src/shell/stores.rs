//! Everything that is watched, kept as facts, by one watch for each kind and namespace.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::NamespaceResourceScope,
    runtime::{WatchStreamExt, watcher},
};
use orchestrator_crds::MANAGER;
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time::Duration};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    facts::{Child, Claim, Cluster, Node, PersistentVolume, Pod, Set},
    index::{Facts, Index, Listing},
    metrics::Metrics,
    queue::Queue,
};

/// Objects in one page of a list: what is decoded at the same time.
const PAGE_SIZE: u32 = 50;
/// Changes come in bursts: a pod says within milliseconds that it runs, has an address, and is ready.
pub const BURST: Duration = Duration::from_millis(100);

/// What is watched.
#[derive(Debug, Default)]
pub struct Stores {
    /// The objects that this is all about.
    pub clusters: Index<Cluster>,
    /// Their StatefulSets.
    pub sets: Index<Set>,
    /// Their pods.
    pub pods: Index<Pod>,
    /// Their volume claims.
    pub claims: Index<Claim>,
    /// Their Services.
    pub services: Index<Child<Service>>,
    /// Their ConfigMaps.
    pub config_maps: Index<Child<ConfigMap>>,
    /// Their disruption budgets.
    pub budgets: Index<Child<PodDisruptionBudget>>,
    /// Their service accounts.
    pub accounts: Index<Child<ServiceAccount>>,
    /// Their network policies.
    pub policies: Index<Child<NetworkPolicy>>,
    /// Nodes of Kubernetes, if they may be read.
    pub nodes: Index<Node>,
    /// Volumes, if they may be read.
    pub volumes: Index<PersistentVolume>,
    /// Whether nodes and volumes are watched.
    pub sees_nodes: bool,
}

/// Which objects are watched.
#[derive(Debug, Clone)]
pub struct Scope {
    /// These namespaces; none = all.
    pub namespaces: Vec<String>,
    /// Nodes and volumes as well.
    pub nodes: bool,
}

impl Stores {
    /// What was not listed once yet, as the API calls it: before that we would make what is there and not seen.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let nodes = !self.sees_nodes || self.nodes.is_complete();
        let volumes = !self.sees_nodes || self.volumes.is_complete();
        let listed = [
            ("orchestratorclusters", self.clusters.is_complete()),
            ("statefulsets", self.sets.is_complete()),
            ("pods", self.pods.is_complete()),
            ("persistentvolumeclaims", self.claims.is_complete()),
            ("services", self.services.is_complete()),
            ("configmaps", self.config_maps.is_complete()),
            ("poddisruptionbudgets", self.budgets.is_complete()),
            ("serviceaccounts", self.accounts.is_complete()),
            ("networkpolicies", self.policies.is_complete()),
            ("nodes", nodes),
            ("persistentvolumes", volumes),
        ];
        listed.into_iter().filter(|(_, complete)| !complete).map(|(kind, _)| kind).collect()
    }
}

/// What each watch needs.
#[derive(Clone)]
pub struct Watcher {
    /// Where facts go.
    pub stores: Arc<Stores>,
    /// Who is to be looked at.
    pub queue: Arc<Queue>,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// Ends the watches.
    pub stop: CancellationToken,
    /// The API.
    pub client: Client,
}

/// Which index of [`Stores`] a kind has.
type Of<F> = fn(&Stores) -> &Index<F>;

impl Watcher {
    /// Starts all watches.
    pub fn start(&self, scope: &Scope, tasks: &mut JoinSet<()>) {
        let all = watcher::Config::default().page_size(PAGE_SIZE);
        let ours = all.clone().labels(&format!("app.kubernetes.io/managed-by={MANAGER}"));
        let namespaces = &scope.namespaces;
        self.namespaced::<Cluster>(|stores| &stores.clusters, &all, namespaces, tasks);
        self.namespaced::<Set>(|stores| &stores.sets, &ours, namespaces, tasks);
        self.namespaced::<Pod>(|stores| &stores.pods, &ours, namespaces, tasks);
        self.namespaced::<Claim>(|stores| &stores.claims, &ours, namespaces, tasks);
        self.namespaced::<Child<Service>>(|stores| &stores.services, &ours, namespaces, tasks);
        self.namespaced::<Child<ConfigMap>>(|stores| &stores.config_maps, &ours, namespaces, tasks);
        self.namespaced::<Child<PodDisruptionBudget>>(|stores| &stores.budgets, &ours, namespaces, tasks);
        self.namespaced::<Child<ServiceAccount>>(|stores| &stores.accounts, &ours, namespaces, tasks);
        self.namespaced::<Child<NetworkPolicy>>(|stores| &stores.policies, &ours, namespaces, tasks);
        if scope.nodes {
            self.everywhere::<Node>(|stores| &stores.nodes, &all, tasks);
            self.everywhere::<PersistentVolume>(|stores| &stores.volumes, &all, tasks);
        }
    }

    fn namespaced<F>(
        &self,
        of: Of<F>,
        config: &watcher::Config,
        namespaces: &[String],
        tasks: &mut JoinSet<()>,
    ) where
        F: Facts,
        F::Object: Watched<Scope = NamespaceResourceScope>,
    {
        if namespaces.is_empty() {
            return self.everywhere(of, config, tasks);
        }
        // The index is complete when the last of them was listed.
        let missing = Arc::new(AtomicUsize::new(namespaces.len()));
        for namespace in namespaces {
            let api: Api<F::Object> = Api::namespaced(self.client.clone(), namespace);
            let listing = Listing::new(Some(namespace.as_str().into()));
            tasks.spawn(self.clone().follow(
                of,
                watcher(api, config.clone()).boxed(),
                listing,
                missing.clone(),
            ));
        }
    }

    fn everywhere<F>(&self, of: Of<F>, config: &watcher::Config, tasks: &mut JoinSet<()>)
    where
        F: Facts,
        F::Object: Watched,
    {
        let api: Api<F::Object> = Api::all(self.client.clone());
        let missing = Arc::new(AtomicUsize::new(1));
        tasks.spawn(self.clone().follow(
            of,
            watcher(api, config.clone()).boxed(),
            Listing::new(None),
            missing,
        ));
    }

    /// One watch, until the end. What goes wrong with it is told and tried again, with growing pauses.
    async fn follow<F>(
        self,
        of: Of<F>,
        events: Events<F::Object>,
        mut listing: Listing<F>,
        missing: Arc<AtomicUsize>,
    ) where
        F: Facts,
        F::Object: Watched,
    {
        let mut events = events.default_backoff().boxed();
        let mut listed = false;
        loop {
            let event = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                event = events.next() => event,
            };
            let kind = F::Object::kind(&());
            let index = of(&self.stores);
            match event {
                Some(Ok(event)) => {
                    let (wake, complete) = index.take(event, &mut listing);
                    if complete && !listed {
                        listed = true;
                        debug!(%kind, "listed");
                        if missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                            index.set_complete();
                        }
                    }
                    wake.into_iter().for_each(|key| self.queue.add(key, BURST));
                }
                Some(Err(error)) => {
                    self.metrics.watch_error(&kind);
                    warn!(%kind, error = &error as &dyn std::error::Error, "watch interrupted");
                }
                // The library's watches do not end; without one the facts would grow old unnoticed.
                None => return,
            }
        }
    }
}

/// What a watch says, in time.
type Events<K> = BoxStream<'static, Result<watcher::Event<K>, watcher::Error>>;

/// An object that can be watched.
pub trait Watched:
    Resource<DynamicType = ()> + ResourceExt + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}
impl<K> Watched for K where
    K: Resource<DynamicType = ()> + ResourceExt + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}
