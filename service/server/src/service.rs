//! The life of the service: start in order, run, stop in order.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use orchestrator_backend::{BackendHandle, NodeIdentity};
use orchestrator_config::Loaded;
use orchestrator_raft::RaftNode;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    components, process,
    recovery::Recoveries,
    reload::Reloading,
    signals::{Asked, Signals},
    storage,
    wiring::Shared,
};

/// How long a stage of a running recovery may take before the process stops all the same.
const RECOVERY_STAGE_LIMIT: Duration = Duration::from_secs(10);

/// How long handing leadership over may take.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(1);

/// How long tasks may take to end.
const TASKS_LIMIT: Duration = Duration::from_secs(3);

/// Runs the service until it is told to stop. `file` is the only configuration file, if one was named.
///
/// # Errors
/// It cannot start, or cannot go on; the text is the last line of the log.
pub(crate) async fn run(loaded: Loaded, file: Option<PathBuf>, discovery_on: bool) -> anyhow::Result<()> {
    if !discovery_on {
        bail!("-discovery=false: this version cannot serve the API without discovery and raft");
    }
    let mut signals = Signals::new()?;
    let node = process::identity();
    let (wanted, identity) = (loaded.settings.backend.clone(), node.clone());
    let opened = tokio::task::spawn_blocking(move || storage::open(&wanted, &identity)).await?;
    let (backend, backend_thread, database) = opened?;
    let result = serve(loaded, file, backend.clone(), node, database, &mut signals).await;
    drop(backend);
    // The thread ends with its last handle; one that hangs on a disk must not keep the process.
    let joined = timeout(TASKS_LIMIT, tokio::task::spawn_blocking(move || backend_thread.join())).await;
    if joined.is_err() {
        warn!("the backend was not closed in time");
    }
    result
}

async fn serve(
    loaded: Loaded,
    file: Option<PathBuf>,
    backend: BackendHandle,
    node: NodeIdentity,
    database: String,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let tls = components::api_tls(&loaded.settings.tls).await.context("cannot serve HTTPS")?;
    let (view, known) = storage::load(&backend).await?;
    let tasks = TaskTracker::new();
    let shared = Shared::new(loaded.settings.clone(), backend, node, view, database, tasks.clone());
    let (raft, news) = shared.start_raft().await?;
    let running = Running {
        recoveries: shared.recoveries(&raft),
        raft,
        tasks,
        serving: TaskTracker::new(),
        stop_all: CancellationToken::new(),
        stop_serving: CancellationToken::new(),
    };
    let (api, ended) = shared.spawn(&running, known, news, tls.clone()).await?;
    let reloading = Reloading { only: file, current: loaded.file, raft: running.raft.clone(), api, tls };
    let result = running.until_stopped(signals, reloading, ended).await;
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
}

impl Running {
    /// Waits for a signal, or for a reason to give up.
    async fn until_stopped(
        &self,
        signals: &mut Signals,
        mut reloading: Reloading,
        mut ended: mpsc::Receiver<String>,
    ) -> anyhow::Result<()> {
        let mut fatal = self.raft.fatal();
        loop {
            tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    Asked::Stop(signal) => {
                        info!(signal, "stopping");
                        return Ok(());
                    }
                    Asked::Reload => reloading.reload().await,
                },
                reason = async { fatal.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()) } => {
                    bail!("raft stopped: {}", reason.unwrap_or_else(|| "for an unknown reason".into()))
                }
                Some(reason) = ended.recv() => bail!(reason),
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
