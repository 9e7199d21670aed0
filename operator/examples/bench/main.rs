//! What one operator costs with many objects: a real API server, scheduler and controller manager, simulated members.
//!
//! `bench OPERATOR COUNT [STRANGERS]`, with `KUBECONFIG` set. Pods run nowhere: this program is the kubelet of some nodes
//! that do not exist, and answers for every member. With STRANGERS, the memory is measured again beside so many pods and
//! Secrets of somebody else. See `make bench-operator`.

mod group;
mod kubelet;
mod process;
mod strangers;

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::{StreamExt, stream};
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use orchestrator_crds::{CRD_NAME, OrchestratorCluster};
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use group::Groups;
use process::Process;

/// Where everything happens.
const NAMESPACE: &str = "bench";
/// Objects that are created at the same time.
const CREATIONS: usize = 16;
/// Longer than the controller manager needs for a thousand StatefulSets at its usual rate.
const PATIENCE: Duration = Duration::from_secs(2400);
/// Passes under way end, and labels follow the status.
const SETTLE: Duration = Duration::from_secs(30);
/// Nothing happens for so long, and writes are counted.
const IDLE: Duration = Duration::from_secs(60);
/// What the operator counts: writes but for the Lease, and passes.
const WRITES: &str = "api_writes_total";
const PASSES: &str = "reconcile_duration_seconds_count";
/// Passes over each object before the memory beside strangers is compared.
const PASSES_BESIDE: f64 = 3.0;

fn say(line: &str) {
    // A reader that went away is not our problem.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let operator = arguments.next().context("which operator?")?;
    let count: usize =
        arguments.next().unwrap_or_else(|| "1000".to_owned()).parse().context("how many objects?")?;
    let strangers: usize =
        arguments.next().unwrap_or_else(|| "0".to_owned()).parse().context("how many strangers?")?;
    let client = Client::try_default().await?;
    let mut tasks = JoinSet::new();
    let groups = Arc::new(Groups::default());
    let port = group::serve(groups.clone(), &mut tasks).await?;
    definition(&client).await?;
    // Before anything is deleted: pods of an earlier run go when their kubelet lets them.
    kubelet::start(&client, &groups, &mut tasks).await?;
    namespace(&client, NAMESPACE).await?;
    let measured = async {
        measure(&client, &groups, &operator, count, port).await?;
        if strangers > 0 {
            beside(&client, &operator, count, strangers, port).await?;
        }
        Ok(())
    };
    tokio::select! {
        biased;
        Some(ended) = tasks.join_next() => { ended??; Ok(()) }
        measured = measured => measured,
    }
}

async fn measure(
    client: &Client,
    groups: &Groups,
    operator: &str,
    count: usize,
    port: u16,
) -> anyhow::Result<()> {
    let mut process = Process::start(operator, port)?;
    process.wait(|_| true, "answers").await?;
    let began = Instant::now();
    create(client, count).await?;
    say(&format!("{count} objects created: {:.1} s", began.elapsed().as_secs_f64()));
    let all = count as f64;
    process.wait(move |page| page.get("clusters{phase=\"Running\"}") >= all, "all are as wished").await?;
    let (decided, placed) = (began.elapsed(), groups.last_placed().duration_since(began));
    say(&format!("all as wished: {:.1} s", decided.as_secs_f64()));
    say(&format!("  of which after the last pod ran: {:.1} s", decided.saturating_sub(placed).as_secs_f64()));
    say(&format!("memory then: {}", process.memory()?));
    sleep(SETTLE).await;
    let (before, cpu) = (process.page().await?, process.cpu_seconds()?);
    sleep(IDLE).await;
    let after = process.page().await?;
    let cpu = process.cpu_seconds()? - cpu;
    let writes = after.get(WRITES) - before.get(WRITES);
    say(&format!("writes in a minute without changes: {writes}"));
    for (series, more) in after.since(&before, &["api_request_total", "errors_total", "clusters{"]) {
        say(&format!("  {series}: {more:+}"));
    }
    say(&format!("CPU in it: {cpu:.1} s, in all: {:.1} s", process.cpu_seconds()?));
    say(&format!("memory after it: {}", process.memory()?));
    process.stop().await?;
    let mut process = Process::start(operator, port)?;
    process.wait(move |page| page.get(PASSES) >= all, "a pass over each").await?;
    let page = process.page().await?;
    say(&format!("restart to a pass over each: {:.1} s", process.age().as_secs_f64()));
    say(&format!("  writes in it: {}", page.get(WRITES)));
    say(&format!("memory of the new one: {}", process.memory()?));
    process.stop().await?;
    ensure!(writes == 0.0, "an operator at rest writes");
    Ok(())
}

/// The memory of an operator beside pods and Secrets of somebody else, and of the same one before they come.
async fn beside(
    client: &Client,
    operator: &str,
    count: usize,
    strangers: usize,
    port: u16,
) -> anyhow::Result<()> {
    let passes = PASSES_BESIDE * count as f64;
    let mut process = Process::start(operator, port)?;
    process.wait(move |page| page.get(PASSES) >= passes, "some passes over each").await?;
    say(&format!("memory after {PASSES_BESIDE} passes over each: {}", process.memory()?));
    process.stop().await?;
    strangers::create(client, strangers).await?;
    let mut process = Process::start(operator, port)?;
    process.wait(move |page| page.get(PASSES) >= passes, "some passes over each").await?;
    say(&format!("the same beside {strangers} other pods and Secrets: {}", process.memory()?));
    process.stop().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(strangers::NAMESPACE, &DeleteParams::background()).await?;
    Ok(())
}

/// The definition of this release, served.
async fn definition(client: &Client) -> anyhow::Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply("bench").force();
    definitions.patch(CRD_NAME, &params, &Patch::Apply(&orchestrator_crds::definition())).await?;
    let objects: Api<OrchestratorCluster> = Api::all(client.clone());
    while objects.list(&ListParams::default().limit(1)).await.is_err() {
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// An empty namespace of that name.
async fn namespace(client: &Client, name: &str) -> anyhow::Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    if api.get_opt(name).await?.is_some() {
        api.delete(name, &DeleteParams::background()).await?;
        while api.get_opt(name).await?.is_some() {
            sleep(Duration::from_secs(1)).await;
        }
    }
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    api.patch(name, &PatchParams::apply("bench"), &Patch::Apply(&namespace)).await?;
    Ok(())
}

async fn create(client: &Client, count: usize) -> anyhow::Result<()> {
    let api: Api<OrchestratorCluster> = Api::namespaced(client.clone(), NAMESPACE);
    let made = stream::iter(0..count).map(|number| {
        let api = api.clone();
        let object = json!({
            "apiVersion": orchestrator_crds::API_VERSION,
            "kind": orchestrator_crds::KIND,
            "metadata": { "name": format!("c{number:04}"), "namespace": NAMESPACE },
            "spec": {
                "storage": { "ephemeral": true },
                "pod": {
                    "nodeSelector": { kubelet::LABEL: "true" },
                    "antiAffinity": "Disabled",
                    "topologySpreadConstraints": [],
                },
            },
        });
        async move {
            let object = serde_json::from_value(object)?;
            api.create(&PostParams::default(), &object).await?;
            anyhow::Ok(())
        }
    });
    let mut made = made.buffer_unordered(CREATIONS);
    while let Some(one) = made.next().await {
        one?;
    }
    Ok(())
}
