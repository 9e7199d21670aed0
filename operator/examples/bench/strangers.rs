//! Pods and Secrets that are nobody's business here: an operator must not pay for them.

use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{CREATIONS, namespace};

/// Where they are.
pub(crate) const NAMESPACE: &str = "bench-strangers";
/// Variables of each pod, which then is as large as one usually is.
const VARIABLES: usize = 30;
/// Bytes of each Secret.
const SECRET_BYTES: usize = 1024;

/// So many pods, which no scheduler places, and as many Secrets.
pub(crate) async fn create(client: &Client, count: usize) -> anyhow::Result<()> {
    namespace(client, NAMESPACE).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    while accounts.get_opt("default").await?.is_none() {
        sleep(Duration::from_millis(200)).await;
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let made = stream::iter(0..count).map(|number| {
        let (pods, secrets) = (pods.clone(), secrets.clone());
        async move {
            pods.create(&PostParams::default(), &serde_json::from_value(pod(number))?).await?;
            secrets.create(&PostParams::default(), &serde_json::from_value(secret(number))?).await?;
            anyhow::Ok(())
        }
    });
    let mut made = made.buffer_unordered(CREATIONS);
    while let Some(one) = made.next().await {
        one?;
    }
    Ok(())
}

fn pod(number: usize) -> Value {
    let variable =
        |at: usize| json!({ "name": format!("VARIABLE_{at}"), "value": format!("value {number} {at}") });
    json!({
        "metadata": { "name": format!("s{number:05}"), "labels": { "app.kubernetes.io/name": "stranger" } },
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "stranger", "image": "stranger:1",
                "env": (0..VARIABLES).map(variable).collect::<Vec<_>>(),
            }],
        },
    })
}

fn secret(number: usize) -> Value {
    json!({
        "metadata": { "name": format!("s{number:05}") },
        "stringData": { "value": "s".repeat(SECRET_BYTES) },
    })
}
