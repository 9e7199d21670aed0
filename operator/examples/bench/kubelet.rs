//! Nodes that do not exist, and their kubelet: a pod that is placed on one runs at once, and one that shall go is gone.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Node, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use orchestrator_crds::MANAGER;
use orchestrator_operator::names;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::{NAMESPACE, group::Groups, say};

/// On our nodes, and demanded by our pods.
pub(crate) const LABEL: &str = "orchestrator.rs/bench";
/// Enough for some thousand pods.
const NODES: usize = 20;
/// Far below the time after which a node is taken for lost.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Pods that are answered for at the same time.
const PODS_AT_ONCE: usize = 16;

pub(crate) async fn start(
    client: &Client,
    groups: &Arc<Groups>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    for number in 0..NODES {
        beat(client, number, true).await?;
        // Each by itself: a node whose heart beats late is taken for lost, and its pods for unready.
        let heart = client.clone();
        tasks.spawn(async move {
            loop {
                sleep(HEARTBEAT).await;
                if let Err(error) = beat(&heart, number, false).await {
                    say(&format!("node {number} did not say that it is there: {error:#}"));
                }
            }
        });
    }
    tasks.spawn(configs(client.clone(), groups.clone()));
    tasks.spawn(pods(client.clone(), groups.clone()));
    Ok(())
}

/// Says that a node is there.
async fn beat(client: &Client, number: usize, first: bool) -> anyhow::Result<()> {
    let (name, now) = (format!("bench-{number}"), Timestamp::now());
    let params = PatchParams::apply("bench").force();
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name },
        "spec": { "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": format!("{now:.6}") } });
    if first {
        let nodes: Api<Node> = Api::all(client.clone());
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": { LABEL: "true" } } });
        nodes.patch(&name, &params, &Patch::Apply(&node)).await?;
        let space = json!({ "cpu": "1000", "memory": "4Ti", "pods": "1000", "ephemeral-storage": "4Ti" });
        let ready = json!({ "type": "Ready", "status": "True", "reason": "Bench", "message": "it does not exist",
            "lastHeartbeatTime": now, "lastTransitionTime": now });
        let status = json!({ "apiVersion": "v1", "kind": "Node", "status": { "capacity": space, "allocatable": space,
            "conditions": [ready] } });
        nodes.patch_status(&name, &params, &Patch::Apply(&status)).await?;
    }
    leases.patch(&name, &params, &Patch::Apply(&lease)).await?;
    Ok(())
}

fn ours() -> watcher::Config {
    watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={MANAGER}"))
}

async fn configs(client: Client, groups: Arc<Groups>) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let mut maps = watcher(api, ours()).default_backoff().applied_objects().boxed();
    while let Some(map) = maps.try_next().await? {
        let data = map.data.clone().unwrap_or_default();
        let text = [names::CONFIG_KEY, names::LIVE_KEY].iter().find_map(|key| data.get(*key));
        groups.configured(map.name_any(), text.cloned().unwrap_or_default());
    }
    Ok(())
}

async fn pods(client: Client, groups: Arc<Groups>) -> anyhow::Result<()> {
    let api: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let pods = watcher(api.clone(), ours()).default_backoff().touched_objects();
    let handled = pods.map(|pod| {
        let (api, groups) = (api.clone(), groups.clone());
        async move {
            if let Ok(pod) = pod {
                handle(&api, &groups, &pod).await;
            }
        }
    });
    let mut handled = std::pin::pin!(handled.buffer_unordered(PODS_AT_ONCE));
    while handled.next().await.is_some() {}
    Ok(())
}

/// What fails is tried again with the pod's next change; nothing waits for that here.
async fn handle(api: &Api<Pod>, groups: &Groups, pod: &Pod) {
    let name = pod.name_any();
    if pod.metadata.deletion_timestamp.is_some() {
        let _ = api.delete(&name, &DeleteParams::default().grace_period(0)).await;
        return;
    }
    let spec = pod.spec.clone().unwrap_or_default();
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    if spec.node_name.is_none() || ready {
        return;
    }
    let volumes = spec.volumes.unwrap_or_default();
    let mounts = volumes.into_iter().find(|volume| volume.name == names::CONFIG_VOLUME);
    let config = mounts.and_then(|volume| volume.config_map).map(|map| map.name).unwrap_or_default();
    groups.placed(name.clone(), config);
    let now = Timestamp::now();
    let conditions: Vec<_> = ["Ready", "ContainersReady", "Initialized"]
        .iter()
        .map(|of| json!({ "type": of, "status": "True", "lastTransitionTime": now }))
        .collect();
    let status = json!({ "status": { "phase": "Running", "podIP": "127.0.0.1", "startTime": now, "conditions": conditions } });
    let _ = api.patch_status(&name, &PatchParams::default(), &Patch::Strategic(&status)).await;
}
