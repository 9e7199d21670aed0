//! From start to end of the process.

use std::{pin::pin, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use kube::Config;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Operator, Settings,
    args::Arguments,
    clients::Clients,
    lease::{Election, Terms},
    metrics::Metrics,
    queue::Queue,
    serve::{self, Told},
    startup::{self, Definition},
    stores::{Scope, Stores, Watcher},
    workers,
};

/// Whoever works at the end gets so long; a pass that is cut off is resumed by the next operator.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// While the first lists come.
const LISTED_PAUSE: Duration = Duration::from_millis(50);

/// What probes and Prometheus are told.
struct State {
    stores: Arc<Stores>,
    metrics: Arc<Metrics>,
    queue: Arc<Queue>,
}

impl Told for State {
    fn unready(&self) -> Option<String> {
        let missing = self.stores.missing();
        (!missing.is_empty()).then(|| format!("not listed yet: {}", missing.join(", ")))
    }

    fn numbers(&self) -> Vec<u8> {
        self.metrics.set_queue_depth(self.queue.depth());
        self.metrics.page()
    }
}

/// Works until SIGTERM or SIGINT.
///
/// # Errors
/// Why it ended before: the definition is missing or too old, the lease was lost, a watch ended. The text is the last
/// line of the log.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(signals(stop.clone())?);
    let config = Config::infer().await.context("there is no Kubernetes to connect to")?;
    let clients = Clients::new(config).context("cannot connect to Kubernetes")?;
    let client = clients.patient.clone();
    let stores = Arc::new(Stores { sees_nodes: arguments.nodes, ..Stores::default() });
    let (metrics, queue) = (Arc::new(Metrics::default()), Arc::new(Queue::default()));
    let state = State { stores: stores.clone(), metrics: metrics.clone(), queue: queue.clone() };
    let listener = serve::listen(arguments.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    tasks.spawn(serve::serve(listener, Arc::new(state), stop.clone()));
    tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        found = startup::definition(&client) => {
            metrics.set_crd_mismatch(found? == Definition::Usable { same: false });
        }
    }
    tasks.spawn(startup::follow(client, metrics.clone(), stop.clone()));
    let watcher = Watcher {
        stores: stores.clone(),
        queue: queue.clone(),
        metrics: metrics.clone(),
        stop: stop.clone(),
        // A watch that cannot be had is told and counted, with pauses of its own.
        client: clients.once.clone(),
    };
    let scope = Scope { namespaces: arguments.namespaces(), nodes: arguments.nodes };
    watcher.start(&scope, &mut tasks);
    info!(version = env!("CARGO_PKG_VERSION"), namespaces = ?scope.namespaces, "started");
    let operator = Operator::new(clients, stores, metrics, Settings::from(arguments));
    let mut works = pin!(elected(arguments, Arc::new(operator), &queue, &stop));
    loop {
        let ended = tokio::select! {
            biased;
            ended = &mut works => return ended,
            Some(ended) = tasks.join_next() => ended,
        };
        // Without a watch we would be blind and not know it. After a stop they all end.
        ended.context("a task ended that must not")?;
        ensure!(stop.is_cancelled(), "a task ended that must not");
    }
}

/// Ends everything in order at the first SIGTERM or SIGINT.
fn signals(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to signals")?;
    Ok(async move {
        let name = tokio::select! {
            biased;
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(signal = name, "stopping");
        stop.cancel();
        // A task that ends is taken for a failure while we work.
        std::future::pending().await
    })
}

/// Works while the lease is ours; without leader election, at once.
async fn elected(
    arguments: &Arguments,
    operator: Arc<Operator>,
    queue: &Arc<Queue>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    if !arguments.leader_election {
        return work(operator, queue, stop).await;
    }
    let mut election = Election::new(operator.client.clone(), terms(arguments));
    if !election.acquire(stop).await {
        return Ok(());
    }
    let ended = tokio::select! {
        biased;
        // It is kept until the last pass is over, whatever asked us to stop.
        lost = election.keep() => Err(lost.into()),
        ended = work(operator, queue, stop) => ended,
    };
    if ended.is_ok() {
        election.release().await;
    }
    ended
}

async fn work(operator: Arc<Operator>, queue: &Arc<Queue>, stop: &CancellationToken) -> anyhow::Result<()> {
    while !operator.stores.missing().is_empty() {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = sleep(LISTED_PAUSE) => {}
        }
    }
    operator.metrics.set_leader(true);
    for key in operator.stores.clusters.keys() {
        queue.add(key, Duration::ZERO);
    }
    let mut passes = JoinSet::new();
    workers::work(&operator, queue, &mut passes, stop).await?;
    let drained = timeout(DRAIN_TIMEOUT, async { while passes.join_next().await.is_some() {} }).await;
    info!(complete = drained.is_ok(), "stopped");
    Ok(())
}

fn terms(arguments: &Arguments) -> Terms {
    let name = arguments.pod_name.clone().unwrap_or_else(|| "orchestrator-operator".to_owned());
    Terms {
        name: arguments.lease_name.clone(),
        namespace: arguments.lease_namespace().unwrap_or_default().to_owned(),
        // A container that is started again is another holder: what it did before may still be under way.
        holder: format!("{name}_{:016x}", rand::random::<u64>()),
        duration: arguments.lease_duration,
        renew_deadline: arguments.renew_deadline,
        retry: arguments.retry_period,
    }
}
