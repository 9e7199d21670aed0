//! The life of the service: start in order, run, stop in order.

use std::{panic::AssertUnwindSafe, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use futures::{FutureExt, future::BoxFuture};
use orchestrator_backend::{BackendHandle, BackendThread, SqliteBackend, SqliteOptions};
use orchestrator_config::{BackendSettings, Settings};
use orchestrator_core::{InstanceKey, TopologyView, view::Declared};
use orchestrator_http::{Api, Identity, Metrics, Server, ports::Ports};
use orchestrator_mysql::Fleet;
use orchestrator_raft::{RaftNode, RaftSettings, Timings, machine::BackendMachine};
use orchestrator_wire::Limits as WireLimits;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    api::{NodeApi, NodeState},
    audit::Audit,
    classify::Classifier,
    clock,
    components::{self, ConfiguredFilters},
    detection::Detection,
    discovery::{Crawler, Discovery, OnRecord},
    duties::{self, Duties},
    effects,
    fleet::SharedFleet,
    picture::Pictures,
    process,
    recovery::{self, Recoveries},
    watching,
    witness::Witness,
};

/// How long a stage of a running recovery may take before the process stops all the same.
const RECOVERY_STAGE_LIMIT: Duration = Duration::from_secs(10);

/// How long handing leadership over may take.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(1);

/// How long tasks may take to end.
const TASKS_LIMIT: Duration = Duration::from_secs(3);

/// How long reading what was known before may take.
const LOAD_DEADLINE: Duration = Duration::from_secs(60);

/// How long a person waits for one operation on a server.
const OPERATION_MAX: Duration = Duration::from_secs(60);

/// Runs the service until it is told to stop.
///
/// # Errors
/// It cannot start, or cannot go on; the text is the last line of the log.
pub(crate) async fn run(settings: Settings, discovery_on: bool) -> anyhow::Result<()> {
    let Some(raft) = settings.raft.clone() else {
        bail!(
            "RaftEnabled is false: this version runs as a raft group, of one node too; set \"RaftEnabled\": true, \
             \"RaftDataDir\" and \"RaftBind\""
        );
    };
    let BackendSettings::Sqlite { file } = settings.backend.clone() else {
        bail!(
            "BackendDB is \"mysql\": this version keeps its state in SQLite; set \"BackendDB\": \"sqlite\" and \"SQLite3DataFile\""
        );
    };
    if !discovery_on {
        bail!("-discovery=false: this version cannot serve the API without discovery and raft");
    }
    let stop = Stop::new()?;
    let node = process::identity();
    let (backend, backend_thread) = open_backend(&file, &node)?;
    let result = serve(settings, raft, backend.clone(), node, &stop, &file).await;
    drop(backend);
    // The thread ends with its last handle; one that hangs on a disk must not keep the process.
    let joined = timeout(TASKS_LIMIT, tokio::task::spawn_blocking(move || backend_thread.join())).await;
    if joined.is_err() {
        warn!("the backend was not closed in time");
    }
    result
}

/// Tells who asked the process to stop.
struct Stop {
    terminate: tokio::sync::Mutex<tokio::signal::unix::Signal>,
    interrupt: tokio::sync::Mutex<tokio::signal::unix::Signal>,
    hang_up: tokio::sync::Mutex<tokio::signal::unix::Signal>,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals").map(tokio::sync::Mutex::new);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn asked(&self) -> &'static str {
        let (mut terminate, mut interrupt) = (self.terminate.lock().await, self.interrupt.lock().await);
        let mut hang_up = self.hang_up.lock().await;
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => return "SIGTERM",
                _ = interrupt.recv() => return "SIGINT",
                _ = hang_up.recv() => {
                    warn!("SIGHUP: this version reads its configuration only when it starts; nothing was changed");
                }
            }
        }
    }
}

fn open_backend(
    file: &Path,
    node: &orchestrator_backend::NodeIdentity,
) -> anyhow::Result<(BackendHandle, BackendThread)> {
    let options = SqliteOptions::new(node.clone(), env!("CARGO_PKG_VERSION"), clock::now());
    let backend = SqliteBackend::open(file, &options).context("cannot open the backend")?;
    BackendHandle::start(Box::new(backend)).context("cannot start the backend's threads")
}

/// What was known before the process started: instances, and who declared what about them.
async fn load(backend: &BackendHandle) -> anyhow::Result<(TopologyView, Vec<InstanceKey>)> {
    let (rows, discovered, declared) = backend
        .read(LOAD_DEADLINE, |backend| Ok((backend.instances()?, backend.discovered()?, backend.declared()?)))
        .await
        .context("cannot read what was known before")?;
    let mut view = TopologyView::default();
    view.declared = Arc::new(declared);
    let mut known: Vec<InstanceKey> = discovered;
    for row in rows {
        known.push(row.record.instance.key.clone());
        view.insert((*row.record).clone());
    }
    known.sort();
    known.dedup();
    Ok((view, known))
}

/// Everything that must be stopped, in its order.
struct Running {
    raft: RaftNode,
    recoveries: Arc<Recoveries>,
    tasks: TaskTracker,
    serving: TaskTracker,
    stop_all: CancellationToken,
    stop_serving: CancellationToken,
}

async fn serve(
    settings: Settings,
    raft_settings: orchestrator_config::RaftSettings,
    backend: BackendHandle,
    node: orchestrator_backend::NodeIdentity,
    stop: &Stop,
    database: &Path,
) -> anyhow::Result<()> {
    let (tasks, serving) = (TaskTracker::new(), TaskTracker::new());
    let (stop_all, stop_serving) = (CancellationToken::new(), CancellationToken::new());
    let (view, mut known) = load(&backend).await?;
    known.extend(
        settings
            .discovery
            .initial_instances
            .iter()
            .map(|(host, port)| InstanceKey::new(host.as_str(), *port)),
    );
    let filters = Arc::new(ConfiguredFilters { settings: settings.clone() });
    let pictures = Arc::new(Pictures::new(view, components::analysis_policy(&settings), filters.clone()));
    let fleet: SharedFleet = Arc::new(Fleet::new(components::probe_settings(&settings)));

    let handle = backend.clone();
    let machine = tokio::task::spawn_blocking(move || BackendMachine::shared(handle)).await?;
    let (machine, news) = machine.context("cannot read the replicated state")?;
    let started = RaftNode::start(
        to_raft_settings(&raft_settings, &node.hostname),
        Box::new(machine),
        Arc::new(Witness { fleet: fleet.clone() }),
    );
    let raft = started.await.context("cannot start raft")?;

    let metrics = Arc::new(Metrics::new());
    let audit = Audit {
        file: settings.audit.log_file.clone(),
        backend: settings.audit.to_backend.then(|| backend.clone()),
        tasks: tasks.clone(),
        writing: Arc::default(),
        metrics: metrics.clone(),
    };
    let (discovery, requests) = Discovery::new();
    let recoveries = Arc::new(Recoveries {
        raft: raft.clone(),
        journal: recovery::Journal {
            raft: raft.clone(),
            backend: backend.clone(),
            node: node.clone(),
            block_period: settings.recovery.block_period,
            detection_block_period: settings.detection.block_period,
        },
        fleet: fleet.clone(),
        pictures: pictures.clone(),
        discovery: discovery.clone(),
        policy: components::recovery_policy(&settings.recovery, settings.classification.candidate_expiry),
        hooks: settings.hooks.clone(),
        node: node.clone(),
        audit: audit.clone(),
        metrics: metrics.clone(),
        tasks: tasks.clone(),
        stop: CancellationToken::new(),
        state: recovery::State::default(),
    });
    let state = Arc::new(NodeState::default());
    let running = Running { raft, recoveries, tasks, serving, stop_all, stop_serving };
    let shared =
        Shared { settings, backend, node, pictures, discovery, fleet, audit, state, filters, metrics };
    let ended = shared.spawn(&running, requests, known, news, raft_settings.bind.clone(), database).await?;
    let result = running.until_stopped(stop, ended).await;
    running.stop().await;
    result
}

fn to_raft_settings(settings: &orchestrator_config::RaftSettings, hostname: &str) -> RaftSettings {
    RaftSettings {
        data_dir: settings.data_dir.clone(),
        bind: settings.bind.clone(),
        advertise: settings.advertise.clone(),
        nodes: settings.nodes.clone(),
        http_uri: settings.http_advertise.clone(),
        hostname: hostname.into(),
        timings: Timings::default(),
    }
}

/// What most tasks share.
struct Shared {
    settings: Settings,
    backend: BackendHandle,
    node: orchestrator_backend::NodeIdentity,
    pictures: Arc<Pictures>,
    discovery: Discovery,
    fleet: SharedFleet,
    audit: Audit,
    state: Arc<NodeState>,
    filters: Arc<ConfiguredFilters>,
    metrics: Arc<Metrics>,
}

impl Shared {
    /// Starts every task. Whoever ends for a reason of its own tells it over the channel.
    async fn spawn(
        self,
        running: &Running,
        requests: crate::discovery::Requests,
        known: Vec<InstanceKey>,
        news: orchestrator_raft::machine::MachineNews,
        raft_bind: String,
        database: &Path,
    ) -> anyhow::Result<mpsc::Receiver<String>> {
        let (ending, ended) = mpsc::channel(1);
        let returned = Arc::new(Notify::new());
        let server = self.bind(running, raft_bind, news.declared.clone()).await?;
        let (suspicions, suspected) = mpsc::channel(watching::SUSPICIONS_MAX);
        let Running { raft, tasks, serving, stop_all, stop_serving, .. } = running;

        let on_record = self.on_record(suspicions.clone(), returned.clone());
        let crawler = Crawler {
            schedule: components::schedule(&self.settings.discovery),
            fleet: self.fleet.clone(),
            pictures: self.pictures.clone(),
            classifier: Classifier::new(self.settings.classification.clone()),
            filters: self.filters.clone(),
            metrics: self.metrics.clone(),
            on_record,
        };
        let detection = self.detection(running);
        let duties = self.duties(running, returned, database);
        let essential = |name: &'static str, task: BoxFuture<'static, ()>| {
            tasks.spawn(watch_over(name, task, ending.clone(), stop_all.clone()));
        };
        let (pictures, fleet, discovery) =
            (self.pictures.clone(), self.fleet.clone(), self.discovery.clone());
        let stop = || stop_all.clone();
        essential("health", self.state.clone().mirror(raft.clone(), stop()).boxed());
        essential("effects", effects::run(news, pictures.clone(), discovery.clone(), stop()).boxed());
        essential("discovery", crawler.run(requests, known, stop()).boxed());
        let pace = components::pace(&self.settings);
        essential(
            "watching",
            watching::run(pictures.clone(), fleet, discovery, pace, suspicions, stop()).boxed(),
        );
        essential("pictures", pictures.paint_until(stop()).boxed());
        essential("detection", detection.run(suspected, stop()).boxed());
        let (giving_up, stop) = (ending.clone(), stop());
        let duties = async move {
            if let Some(reason) = duties.run(stop).await {
                // The first reason is the one that counts.
                let _ = giving_up.try_send(reason);
            }
        };
        essential("duties", duties.boxed());
        serving.spawn(server.run(stop_serving.clone()));
        Ok(ended)
    }

    fn detection(&self, running: &Running) -> Arc<Detection> {
        Arc::new(Detection {
            pictures: self.pictures.clone(),
            fleet: self.fleet.clone(),
            raft: running.raft.clone(),
            recoveries: running.recoveries.clone(),
            quorum: self.settings.detection.quorum,
            started_at: clock::now(),
            settle_time: components::settle_time(&self.settings),
        })
    }

    fn duties(&self, running: &Running, returned: Arc<Notify>, database: &Path) -> Duties {
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
            limits: self.limits(database),
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

    fn limits(&self, database: &Path) -> duties::Limits {
        let settings = &self.settings;
        duties::Limits {
            block_period: settings.recovery.block_period,
            detection_block_period: settings.detection.block_period,
            candidate_expiry: settings.classification.candidate_expiry,
            audit_age: settings.audit.purge_after,
            forget_after: settings.discovery.forget_after,
            close_old_primaries: settings.recovery.failed_primary_read_only,
            database: database.display().to_string(),
        }
    }

    async fn bind(
        &self,
        running: &Running,
        raft_bind: String,
        declared: watch::Receiver<Arc<Declared>>,
    ) -> anyhow::Result<Server> {
        let settings = &self.settings;
        let raft = settings.raft.as_ref();
        let identity = Identity {
            hostname: self.node.hostname.clone(),
            token: self.node.token.clone(),
            raft_advertise: raft.map_or_else(String::new, |raft| raft.advertise.clone()),
            own_uri: raft.map_or_else(String::new, |raft| raft.http_advertise.clone()),
        };
        let limits = WireLimits {
            analysis: components::analysis_policy(settings),
            maintenance_lag: settings.recovery.maintenance_lag,
        };
        let http = orchestrator_http::Settings::new(&settings.listen, &settings.auth, identity, limits)?;
        let http =
            orchestrator_http::Settings { default_instance_port: settings.topology.default_port, ..http };
        let api = Arc::new(NodeApi {
            raft: running.raft.clone(),
            raft_bind,
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
        });
        let ports = Ports {
            reads: api.clone(),
            history: api.clone(),
            commands: api.clone(),
            node: api.clone(),
            raft: Some(api),
            filters: self.filters.clone(),
        };
        let server = Server::bind(Api::new(http, ports, self.metrics.clone()))
            .await
            .context("cannot serve the API")?;
        if let Some(address) = server.local_addr() {
            info!(%address, "serving the API");
        }
        Ok(server)
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

impl Running {
    /// Waits for a signal, or for a reason to give up.
    async fn until_stopped(&self, stop: &Stop, mut ended: mpsc::Receiver<String>) -> anyhow::Result<()> {
        let mut fatal = self.raft.fatal();
        tokio::select! {
            biased;
            signal = stop.asked() => {
                info!(signal, "stopping");
                Ok(())
            }
            reason = async { fatal.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()) } => {
                bail!("raft stopped: {}", reason.unwrap_or_else(|| "for an unknown reason".into()))
            }
            Some(reason) = ended.recv() => bail!(reason),
        }
    }

    /// Unready first; no new recovery, a running one ends its stage; hand over; let requests end; stop the rest.
    async fn stop(self) {
        let begun = Instant::now();
        self.raft.drain();
        self.recoveries.stop.cancel();
        let idle = async {
            while self.recoveries.is_driving() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(RECOVERY_STAGE_LIMIT, idle).await.is_err() {
            error!("a recovery's stage did not end in time; another node repeats it");
        }
        if self.raft.leadership().is_me
            && let Err(error) = self.raft.yield_to(None, HAND_OVER_LIMIT).await
        {
            info!(%error, "leadership was not handed over");
        }
        self.stop_serving.cancel();
        self.serving.close();
        if timeout(TASKS_LIMIT, self.serving.wait()).await.is_err() {
            warn!("requests did not end in time");
        }
        self.stop_all.cancel();
        self.tasks.close();
        if timeout(TASKS_LIMIT, self.tasks.wait()).await.is_err() {
            warn!("tasks did not end in time");
        }
        self.raft.stop().await;
        info!(elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), "stopped");
    }
}
