//! The life of the service: start in order, run, stop in order.

use std::{future::pending, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use orchestrator_backend::{BackendHandle, NodeIdentity};
use orchestrator_raft::{RaftNode, YieldError};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    components,
    configuration::Read,
    corrupt, notify, process,
    recovery::Recoveries,
    reload::{Door, Reloading, Wish},
    signals::{Asked, Signals},
    storage, tls_files,
    wiring::Shared,
};

/// How long a stage of a running recovery may take before the process stops all the same.
const RECOVERY_STAGE_LIMIT: Duration = Duration::from_secs(10);

/// How long handing leadership over may take.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(1);

/// How long tasks may take to end.
const TASKS_LIMIT: Duration = Duration::from_secs(3);

/// Runs the service until it is told to stop. `named` are the only configuration files, if any were named.
///
/// # Errors
/// It cannot start, or cannot go on; the text is the last line of the log.
pub(crate) async fn run(read: Read, named: Vec<PathBuf>, discovery_on: bool) -> anyhow::Result<()> {
    if !discovery_on {
        bail!("-discovery=false: this version cannot serve the API without discovery and raft");
    }
    let mut signals = Signals::new()?;
    let (settings, hash) = (read.loaded.settings.clone(), read.hash.clone());
    match live(read, named, &mut signals).await {
        Err(problem) if corrupt::is_told(&problem, &settings) => {
            corrupt::tell(&settings, &hash, &problem, &mut signals).await
        }
        ended => ended,
    }
}

/// From the first file that is opened to the last that is closed.
async fn live(read: Read, named: Vec<PathBuf>, signals: &mut Signals) -> anyhow::Result<()> {
    let node = process::identity();
    tls_files::check_backend(&read.loaded.settings)
        .await
        .context("the state's database cannot be reached")?;
    tls_files::check_fleet(&read.loaded.settings).await;
    let (wanted, identity) = (read.loaded.settings.clone(), node.clone());
    let opened = tokio::task::spawn_blocking(move || storage::open(&wanted, &identity)).await?;
    let (backend, backend_thread, database) = opened?;
    let result = serve(read, named, backend.clone(), node, database, signals).await;
    drop(backend);
    // The thread ends with its last handle; one that hangs on a disk must not keep the process.
    let joined = timeout(TASKS_LIMIT, tokio::task::spawn_blocking(move || backend_thread.join())).await;
    if joined.is_err() {
        warn!("the backend was not closed in time");
    }
    result
}

async fn serve(
    Read { loaded, hash }: Read,
    named: Vec<PathBuf>,
    backend: BackendHandle,
    node: NodeIdentity,
    database: String,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let tls = components::api_tls(&loaded.settings.tls).await.context("cannot serve HTTPS")?;
    let (view, known) = storage::load(&backend).await?;
    let tasks = TaskTracker::new();
    let shared = Shared::new(loaded.settings.clone(), backend, node, view, database, tasks.clone());
    // Its folder goes with it, at the end.
    let (raft, news, _log) = shared.start_raft().await?;
    let (door, wishes, told) = Door::new(hash);
    let running = Running {
        recoveries: shared.recoveries(&raft),
        raft,
        tasks,
        serving: TaskTracker::new(),
        stop_all: CancellationToken::new(),
        stop_serving: CancellationToken::new(),
        door,
    };
    let audit = shared.audit();
    let (api, ended) = shared.spawn(&running, known, news, tls.clone()).await?;
    let (started, current) = (loaded.file.clone(), loaded.file);
    let raft = running.raft.clone();
    let reloading = Reloading { named, started, current, raft, api, tls, audit, told };
    let join_timeout = loaded.settings.raft.and_then(|raft| raft.join_timeout);
    notify::ready();
    let result = running.until_stopped(signals, (reloading, wishes), ended, join_timeout).await;
    notify::stopping();
    running.stop().await;
    result
}

/// Everything that must be stopped, in its order.
pub(crate) struct Running {
    pub(crate) raft: RaftNode,
    pub(crate) recoveries: Arc<Recoveries>,
    pub(crate) tasks: TaskTracker,
    pub(crate) serving: TaskTracker,
    pub(crate) stop_all: CancellationToken,
    pub(crate) stop_serving: CancellationToken,
    pub(crate) door: Door,
}

impl Running {
    /// Waits for a signal, or for a reason to give up.
    async fn until_stopped(
        &self,
        signals: &mut Signals,
        (mut reloading, mut wishes): (Reloading, mpsc::Receiver<Wish>),
        mut ended: mpsc::Receiver<String>,
        join_timeout: Option<Duration>,
    ) -> anyhow::Result<()> {
        let mut fatal = self.raft.fatal();
        let mut outside = pin!(left_outside(&self.raft, join_timeout));
        loop {
            tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    Asked::Stop(signal) => {
                        info!(signal, "stopping");
                        return Ok(());
                    }
                    // What went wrong is in the log.
                    Asked::Reload => drop(reloading.reload("SIGHUP").await),
                },
                reason = async { fatal.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()) } => {
                    bail!("raft stopped: {}", reason.unwrap_or_else(|| "for an unknown reason".into()))
                }
                Some(reason) = ended.recv() => bail!(reason),
                reason = &mut outside => bail!(reason),
                Some(wish) = wishes.recv() => reloading.grant(wish).await,
            }
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
        match self.raft.yield_to(None, HAND_OVER_LIMIT).await {
            // Who leads nobody, or leads alone, has nothing to hand over.
            Ok(_) | Err(YieldError::NotLeader { .. } | YieldError::NoFollower) => {}
            Err(error) => info!(%error, "leadership was not handed over"),
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

/// Ends, with the reason, when this node has known no live leader for `limit` since its start, itself included. Never
/// once it has: a quorum that is lost later comes back by itself or not, and a restart of this node mends nothing.
async fn left_outside(raft: &RaftNode, limit: Option<Duration>) -> String {
    let Some(limit) = limit else { return pending().await };
    let mut health = raft.watch_health();
    if timeout(limit, health.wait_for(|health| health.is_part_of_quorum)).await.is_ok() {
        return pending().await;
    }
    let health = raft.health();
    let mut reasons: Vec<&str> = health.waiting_for.iter().map(String::as_str).collect();
    reasons.extend(health.reason.as_deref().filter(|_| reasons.is_empty()));
    let limit = limit.as_secs();
    format!("no raft group was joined within {limit} s (RaftJoinTimeoutSeconds): {}", reasons.join("; "))
}
