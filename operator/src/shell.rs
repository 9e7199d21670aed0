//! What is seen and done on a real cluster; whatever is decided is decided elsewhere.
//!
//! One pass over one object: facts from the watches, answers of the members, then the plan, then its children, then its
//! one action, then the status. At most one pass over an object at a time, by at most one operator (`lease`).

pub mod act;
pub mod apply;
pub mod args;
pub mod clients;
pub mod events;
pub mod facts;
pub mod index;
pub mod lease;
pub mod logging;
pub mod members;
pub mod metrics;
pub mod observe;
pub mod pass;
pub mod platform;
pub mod queue;
pub mod rolls;
mod run;
pub mod secrets;
pub mod serve;
pub mod startup;
pub mod stores;
mod workers;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::Client;

use crate::build::OperatorPods;
use args::Arguments;
use clients::Clients;
use events::Events;
use metrics::Metrics;
use stores::Stores;

pub use run::run;

/// On a pod: the digest of the live configuration that its kubelet was told of. A changed pod makes kubelet look at the
/// pod's ConfigMaps again, at once instead of within a minute.
pub const LIVE_CONFIG: &str = orchestrator_crds::annotation::LIVE_CONFIG;

/// Labels by which a NetworkPolicy knows the operator's pods: those that chart and manifests give them under any name.
const OPERATOR_LABELS: [(&str, &str); 2] =
    [("app.kubernetes.io/component", "operator"), ("app.kubernetes.io/part-of", "orchestrator")];

/// What people set, as passes need it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Image of the service for objects that name none.
    pub default_image: Option<String>,
    /// Where members are called, for tests.
    pub member_url_template: Option<String>,
    /// How often an object is looked at when nothing happens.
    pub steady_interval: Duration,
    /// Passes at the same time.
    pub concurrency: usize,
    /// Objects whose members may be restarted for an update at the same time.
    pub max_concurrent_rollouts: usize,
    /// Pause between the end of one object's update and the beginning of the next one's.
    pub rollout_delay: Duration,
    /// Our own pod, for events.
    pub pod_name: Option<String>,
    /// What time it is: [`Timestamp::now`], but for tests.
    pub clock: fn() -> Timestamp,
    /// Our own pods, for NetworkPolicies; `None` outside of a cluster.
    pub operator_pods: Option<OperatorPods>,
}

impl From<&Arguments> for Settings {
    fn from(arguments: &Arguments) -> Self {
        let labels: BTreeMap<_, _> =
            OPERATOR_LABELS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let pods = |namespace: &String| OperatorPods { namespace: namespace.clone(), labels };
        Self {
            default_image: arguments.default_image.clone().filter(|image| !image.is_empty()),
            member_url_template: arguments
                .member_url_template
                .clone()
                .filter(|template| !template.is_empty()),
            steady_interval: arguments.steady_interval,
            concurrency: arguments.concurrency.into(),
            max_concurrent_rollouts: arguments.max_concurrent_rollouts.into(),
            rollout_delay: arguments.rollout_delay,
            pod_name: arguments.pod_name.clone(),
            clock: Timestamp::now,
            operator_pods: arguments.pod_namespace.as_ref().map(pods),
        }
    }
}

/// Everything that passes share.
pub struct Operator {
    /// The API: [`Clients::patient`].
    pub client: Client,
    once: Client,
    /// What is watched.
    pub stores: Arc<Stores>,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// What people set.
    pub settings: Settings,
    secrets: secrets::Secrets,
    trusts: pass::Trusts,
    memo: apply::Memo,
    losses: observe::Losses,
    silences: pass::Silences,
    rolls: rolls::Rolls,
    platform: platform::Platform,
    events: Events,
}

impl Operator {
    /// One that was never at work: it knows what was listed, and what objects say.
    #[must_use]
    pub fn new(clients: Clients, stores: Arc<Stores>, metrics: Arc<Metrics>, settings: Settings) -> Self {
        let Clients { patient: client, once } = clients;
        Self {
            secrets: secrets::Secrets::new(client.clone()),
            trusts: pass::Trusts::default(),
            memo: apply::Memo::default(),
            losses: observe::Losses::default(),
            silences: pass::Silences::default(),
            rolls: rolls::Rolls::new(settings.max_concurrent_rollouts, settings.rollout_delay),
            platform: platform::Platform::default(),
            events: Events::new(client.clone(), settings.pod_name.clone()),
            client,
            once,
            stores,
            metrics,
            settings,
        }
    }
}
