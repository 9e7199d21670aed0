//! From settings to running tasks: who gets what, and which tasks the node cannot do without.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use futures::{FutureExt, future::BoxFuture};
use orchestrator_backend::{BackendHandle, NodeIdentity};
use orchestrator_config::Settings;
use orchestrator_core::{InstanceKey, TopologyView, grace::Settling, view::Declared};
use orchestrator_http::{Api, Identity, Metrics, Server, Tls, ports::Ports};
use orchestrator_mysql::Fleet;
use orchestrator_raft::{
    RaftNode,
    machine::{BackendMachine, MachineNews},
};
use orchestrator_wire::Limits as WireLimits;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{
    absence::Absences,
    api::{NodeApi, NodeState},
    audit::Audit,
    classify::Classifier,
    clock,
    components::{self, ConfiguredFilters},
    detection::Detection,
    discovery::{Crawler, Discovery, OnRecord, Requests},
    duties::{self, Duties},
    effects,
    fleet::SharedFleet,
    picture::Pictures,
    recovery::{self, Recoveries},
    scratch::Scratch,
    service::Running,
    watching::{self, Watching},
    witness::Witness,
};

/// How long a person waits for one operation on a server.
const OPERATION_MAX: Duration = Duration::from_secs(60);

/// What most tasks share.
pub(crate) struct Shared {
    settings: Settings,
    backend: BackendHandle,
    node: NodeIdentity,
    pictures: Arc<Pictures>,
    discovery: Discovery,
    requests: Requests,
    fleet: SharedFleet,
    audit: Audit,
    state: Arc<NodeState>,
    filters: Arc<ConfiguredFilters>,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    /// The backend's name, for people.
    database: String,
}

impl Shared {
    /// From the settings and what was known before; starts nothing.
    pub(crate) fn new(
        settings: Settings,
        backend: BackendHandle,
        node: NodeIdentity,
        view: TopologyView,
        database: String,
        tasks: TaskTracker,
    ) -> Self {
        let filters = Arc::new(ConfiguredFilters { settings: settings.clone() });
        let (discovery, requests) = Discovery::new();
        let metrics = Arc::new(Metrics::new());
        let audit = Audit {
            file: settings.audit.log_file.clone(),
            backend: settings.audit.to_backend.then(|| backend.clone()),
            tasks: tasks.clone(),
            writing: Arc::default(),
            metrics: metrics.clone(),
        };
        Self {
            pictures: Arc::new(Pictures::new(view, components::analysis_policy(&settings), filters.clone())),
            fleet: Arc::new(Fleet::new(components::probe_settings(&settings))),
            state: Arc::new(NodeState::default()),
            settings,
            backend,
            node,
            discovery,
            requests,
            audit,
            filters,
            metrics,
            tasks,
            database,
        }
    }

    /// Joins or forms the group. A node without one leads itself, with a log of its own in the folder that is
    /// answered: the log need not outlive the process, since the state has what it led to.
    ///
    /// # Errors
    /// The replicated state cannot be read, or raft cannot start.
    pub(crate) async fn start_raft(&self) -> anyhow::Result<(RaftNode, MachineNews, Option<Scratch>)> {
        let handle = self.backend.clone();
        let machine = tokio::task::spawn_blocking(move || BackendMachine::shared(handle)).await?;
        let (machine, news) = machine.context("cannot read the replicated state")?;
        let (machine, witness) = (Box::new(machine), Arc::new(Witness { fleet: self.fleet.clone() }));
        let hostname = &self.node.hostname;
        let (raft, folder) = match &self.settings.raft {
            Some(raft) => {
                let settings = components::raft_settings(raft, hostname);
                let (policy, tls) = (components::raft_policy(raft), components::raft_tls(raft));
                (RaftNode::start_secured(settings, policy, tls, machine, witness).await, None)
            }
            None => {
                let folder = Scratch::new().context("cannot make a folder for the log")?;
                let log = folder.path().to_owned();
                (RaftNode::start_alone(log, hostname.clone(), machine, witness).await, Some(folder))
            }
        };
        Ok((raft.context("cannot start raft")?, news, folder))
    }

    /// Where the audit goes.
    pub(crate) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// What drives recoveries on this node.
    pub(crate) fn recoveries(&self, raft: &RaftNode) -> Arc<Recoveries> {
        let settings = &self.settings;
        recovery::check_hooks(&settings.hooks);
        Arc::new(Recoveries {
            raft: raft.clone(),
            journal: recovery::Journal {
                raft: raft.clone(),
                backend: self.backend.clone(),
                node: self.node.clone(),
                block_period: settings.recovery.block_period,
                detection_block_period: settings.detection.block_period,
            },
            fleet: self.fleet.clone(),
            pictures: self.pictures.clone(),
            discovery: self.discovery.clone(),
            policy: components::recovery_policy(&settings.recovery, settings.classification.candidate_expiry),
            hooks: settings.hooks.clone(),
            node: self.node.clone(),
            audit: self.audit.clone(),
            metrics: self.metrics.clone(),
            tasks: self.tasks.clone(),
            stop: CancellationToken::new(),
            state: recovery::State::default(),
        })
    }

    /// Starts every task, from the instances that are known. Whoever ends for a reason of its own tells it over
    /// the channel.
    ///
    /// # Errors
    /// The API cannot be served.
    pub(crate) async fn spawn(
        self,
        running: &Running,
        mut known: Vec<InstanceKey>,
        news: MachineNews,
        tls: Arc<Tls>,
    ) -> anyhow::Result<(Api, mpsc::Receiver<String>)> {
        let seeds = self.settings.discovery.initial_instances.iter();
        known.extend(seeds.map(|(host, port)| InstanceKey::new(host.as_str(), *port)));
        let (ending, ended) = mpsc::channel(1);
        let returned = Arc::new(Notify::new());
        let api = self.api(running, news.declared.clone(), tls.clone())?;
        let server = Server::bind(api.clone()).await.context("cannot serve the API")?;
        if let Some(address) = server.local_addr() {
            info!(%address, "serving the API");
        }
        let (suspicions, suspected) = mpsc::channel(watching::SUSPICIONS_MAX);
        let Running { raft, tasks, serving, stop_all, stop_serving, .. } = running;

        let crawler = self.crawler(suspicions.clone(), returned.clone());
        let absences = Arc::<Absences>::default();
        let detection = self.detection(running, absences.clone());
        let duties = self.duties(running, returned);
        let essential = |name: &'static str, task: BoxFuture<'static, ()>| {
            tasks.spawn(watch_over(name, task, ending.clone(), stop_all.clone()));
        };
        let Self { settings, pictures, fleet, discovery, requests, state, .. } = self;
        let stop = || stop_all.clone();
        essential("health", state.mirror(raft.clone(), stop()).boxed());
        essential("effects", effects::run(news, pictures.clone(), discovery.clone(), stop()).boxed());
        essential("discovery", crawler.run(requests, known, stop()).boxed());
        let pace = components::pace(&settings);
        let watching = Watching { fleet, discovery, pace, suspicions, absences };
        essential("watching", watching.run(pictures.clone(), stop()).boxed());
        essential("pictures", pictures.paint_until(stop()).boxed());
        essential("detection", detection.run(suspected, stop()).boxed());
        essential("certificates", watch_certificates(tls, raft.clone(), stop()).boxed());
        let (giving_up, stop) = (ending.clone(), stop());
        let duties = async move {
            if let Some(reason) = duties.run(stop).await {
                // The first reason is the one that counts.
                let _ = giving_up.try_send(reason);
            }
        };
        essential("duties", duties.boxed());
        serving.spawn(server.run(stop_serving.clone()));
        Ok((api, ended))
    }

    fn crawler(&self, suspicions: mpsc::Sender<watching::Suspicion>, returned: Arc<Notify>) -> Crawler {
        Crawler {
            schedule: components::schedule(&self.settings.discovery),
            fleet: self.fleet.clone(),
            pictures: self.pictures.clone(),
            classifier: Classifier::new(self.settings.classification.clone()),
            filters: self.filters.clone(),
            metrics: self.metrics.clone(),
            on_record: self.on_record(suspicions, returned),
        }
    }

    fn detection(&self, running: &Running, absences: Arc<Absences>) -> Arc<Detection> {
        Arc::new(Detection {
            pictures: self.pictures.clone(),
            fleet: self.fleet.clone(),
            raft: running.raft.clone(),
            recoveries: running.recoveries.clone(),
            quorum: self.settings.detection.quorum,
            absences,
            graces: components::graces(&self.settings.detection),
            reconnects: Mutex::default(),
            settling: Settling { started_at: clock::now(), time: components::settle_time(&self.settings) },
            began: Instant::now(),
        })
    }

    fn duties(&self, running: &Running, returned: Arc<Notify>) -> Duties {
        Duties {
            raft: running.raft.clone(),
            backend: self.backend.clone(),
            pictures: self.pictures.clone(),
            discovery: self.discovery.clone(),
            fleet: self.fleet.clone(),
            recoveries: running.recoveries.clone(),
            audit: self.audit.clone(),
            node: self.node.clone(),
            state: self.state.clone(),
            metrics: self.metrics.clone(),
            limits: self.limits(),
            returned,
        }
    }

    /// A replica that lost its source makes the source a suspect; an old primary that is open is met at once.
    fn on_record(&self, suspicions: mpsc::Sender<watching::Suspicion>, returned: Arc<Notify>) -> OnRecord {
        let pictures = self.pictures.clone();
        Box::new(move |record| {
            if let Some(source) = watching::lost_source(record) {
                let reason = format!("{} lost its connection to it", record.instance.key);
                let key = pictures.canonical(&source);
                // A full queue holds enough suspicions; this one comes again with the next probe.
                let _ = suspicions.try_send(watching::Suspicion::new(key, reason));
            }
            if duties::is_open_old_primary(&pictures.current(), record) {
                returned.notify_one();
            }
        })
    }

    fn limits(&self) -> duties::Limits {
        let settings = &self.settings;
        duties::Limits {
            block_period: settings.recovery.block_period,
            detection_block_period: settings.detection.block_period,
            candidate_expiry: settings.classification.candidate_expiry,
            audit_age: settings.audit.purge_after,
            forget_after: settings.discovery.forget_after,
            close_old_primaries: settings.recovery.failed_primary_read_only,
            database: self.database.clone(),
            log_lasts: settings.raft.is_some(),
        }
    }

    fn api(
        &self,
        running: &Running,
        declared: watch::Receiver<Arc<Declared>>,
        tls: Arc<Tls>,
    ) -> anyhow::Result<Api> {
        let settings = &self.settings;
        let raft = settings.raft.as_ref();
        let http = http_settings(settings, &self.node, tls)?;
        let api = Arc::new(NodeApi {
            raft: running.raft.clone(),
            group: raft.cloned(),
            door: running.door.clone(),
            backend: self.backend.clone(),
            pictures: self.pictures.clone(),
            declared,
            discovery: self.discovery.clone(),
            filters: self.filters.clone(),
            fleet: self.fleet.clone(),
            recoveries: running.recoveries.clone(),
            audit: self.audit.clone(),
            node: self.node.clone(),
            state: self.state.clone(),
            tasks: running.tasks.clone(),
            operation_timeout: settings.topology.operation_read_timeout.min(OPERATION_MAX),
            probe_timeout: settings.topology.connect_timeout + settings.topology.discovery_read_timeout,
            closes_old_primaries: settings.recovery.failed_primary_read_only,
        });
        let ports = Ports {
            reads: api.clone(),
            history: api.clone(),
            commands: api.clone(),
            node: api.clone(),
            raft: raft.is_some().then(|| api.clone() as _),
            tokens: Some(api),
            filters: self.filters.clone(),
        };
        Ok(Api::new(http, ports, self.metrics.clone()))
    }
}

/// How the API is served.
///
/// # Errors
/// The authentication method is not complete.
pub(crate) fn http_settings(
    settings: &Settings,
    node: &NodeIdentity,
    tls: Arc<Tls>,
) -> anyhow::Result<orchestrator_http::Settings> {
    let raft = settings.raft.as_ref();
    let identity = Identity {
        hostname: node.hostname.clone(),
        token: node.token.clone(),
        raft_advertise: raft.map_or_else(String::new, |raft| raft.advertise.clone()),
        own_uri: raft.map_or_else(String::new, |raft| raft.http_advertise.clone()),
    };
    let limits = WireLimits {
        analysis: components::analysis_policy(settings),
        maintenance_lag: settings.recovery.maintenance_lag,
    };
    let http = orchestrator_http::Settings::new(&settings.listen, &settings.auth, identity, limits)?;
    Ok(orchestrator_http::Settings { default_instance_port: settings.topology.default_port, tls, ..http })
}

/// Has certificates that were renewed taken over without a signal.
async fn watch_certificates(tls: Arc<Tls>, raft: RaftNode, stop: CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = tls.watch_files() => {}
        () = raft.watch_tls_files() => {}
    }
}

/// Runs a task that the node cannot do without: one that ends or panics ends the process, so that a supervisor
/// starts it anew, instead of a node that looks alive and does half its work.
async fn watch_over(
    name: &'static str,
    task: BoxFuture<'static, ()>,
    ending: mpsc::Sender<String>,
    stop: CancellationToken,
) {
    let ended = AssertUnwindSafe(task).catch_unwind().await;
    if !stop.is_cancelled() {
        let how = if ended.is_ok() { "ended" } else { "panicked" };
        // The first reason is the one that counts.
        let _ = ending.try_send(format!("the task {name:?} {how}"));
    }
}
