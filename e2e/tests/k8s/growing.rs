//! Volumes that grow.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim as Claim;
use orchestrator_crds::EventReason;
use orchestrator_e2e::k8s::{Clients, Orc, Story};
use serde_json::{Value, json};

use crate::support::{BACK_WITHIN, no_restarts, smallest};

/// Three volumes one after the other, and a StatefulSet made anew.
const GROWN_WITHIN: Duration = Duration::from_secs(180);
const PATHS: &[&str] = &["/api/clusters", "/api/check-global-recoveries"];
const GIBIBYTE: u64 = 1 << 30;

/// Whether volumes of the default class can grow here.
fn can_grow(story: &Story) -> Result<bool> {
    let classes: Value =
        serde_json::from_str(&story.space.cluster.kubectl(&["get", "storageclasses", "-o", "json"], "")?)?;
    let default = "storageclass.kubernetes.io/is-default-class";
    let mut items = classes["items"].as_array().into_iter().flatten();
    let main = items.find(|class| class["metadata"]["annotations"][default] == "true");
    Ok(main.is_some_and(|class| class["allowVolumeExpansion"] == true))
}

/// Bytes, of a quantity that is written as a number or in gibibytes.
fn bytes(quantity: &Value) -> Option<u64> {
    let text = quantity.as_str()?;
    let gibibytes = text.strip_suffix("Gi").and_then(|number| number.parse::<u64>().ok());
    gibibytes.map(|number| number * GIBIBYTE).or_else(|| text.parse().ok())
}

/// Real kubelets; the lab's volumes are folders, which have the size that is asked for.
#[test]
fn e25_volumes_grow_while_the_members_run_and_the_set_is_made_anew_around_them() -> Result<()> {
    let story = Story::begin("E25", "volumes grow from 1Gi to 2Gi: no pod restarted")?;
    if !can_grow(&story)? {
        story.left_out("needs a default storage class that allows volumes to grow");
        return Ok(());
    }
    let mut spec = smallest();
    spec["storage"] = json!({"size": "1Gi"});
    let orc = Orc::ready(&story.space, "main", &spec)?;
    let members = orc.members();
    let (pods, voters) = (members.uids()?, members.voters()?);
    let set = story.space.get::<StatefulSet>("main")?.context("it is there")?.metadata.uid;
    let volumes = |claims: Vec<Claim>| -> Vec<_> { claims.into_iter().map(|c| c.metadata.uid).collect() };
    let before = volumes(story.space.list::<Claim>("")?);
    let clients = Clients::of(&story.space, "main", PATHS, 500)?;

    orc.set(&json!({"storage": {"size": "2Gi"}}))?;
    story.space.until::<StatefulSet, ()>("another StatefulSet", "main", GROWN_WITHIN, |now| {
        let now = now.and_then(|set| set.metadata.uid.clone());
        if now.is_some() && now != set { Ok(()) } else { Err(format!("{now:?}")) }
    })?;
    orc.wait_ready(GROWN_WITHIN)?;
    clients.ended()?.all_good()?;
    for claim in story.space.list::<Claim>("")? {
        let claim = json!(claim);
        let sizes = [&claim["spec"]["resources"]["requests"], &claim["status"]["capacity"]];
        let grown = sizes.iter().all(|size| bytes(&size["storage"]) == Some(2 * GIBIBYTE));
        ensure!(grown, "{claim:#}");
    }
    let made = json!(story.space.get::<StatefulSet>("main")?);
    let template = &made["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"];
    ensure!(bytes(template) == Some(2 * GIBIBYTE), "{made:#}");
    let all = members.settled(3, BACK_WITHIN)?;
    no_restarts(&all)?;
    ensure!(members.uids()? == pods, "pods were replaced");
    ensure!(members.voters()? == voters, "other members than before");
    ensure!(volumes(story.space.list::<Claim>("")?) == before, "volumes were replaced");
    for reason in [EventReason::StatefulSetRecreated, EventReason::StorageExpanded] {
        ensure!(orc.events()?.contains(&reason.to_string()), "no {reason}: {:?}", orc.events()?);
    }
    story.done();
    Ok(())
}
