//! What people do to an object and to its children, meant and not meant.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim as Claim, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use orchestrator_crds::{ConditionStatus, ConditionType, Reason};
use orchestrator_e2e::k8s::{Members, Orc, Story};
use orchestrator_e2e::{holds, until};
use serde_json::{Value, json};

use crate::support::{BACK_WITHIN, everybody_knows, smallest};

/// Nothing happens for longer than the operator needs to see what was done.
const QUIET_FOR: Duration = Duration::from_secs(8);

type Uids = Vec<(Option<String>, Option<String>)>;

fn volumes(story: &Story) -> Result<Uids> {
    Ok(story.space.list::<Claim>("")?.into_iter().map(|c| (c.metadata.name, c.metadata.uid)).collect())
}

fn count(members: &Members<'_>, wanted: usize) -> Result<()> {
    until(&format!("{wanted} pods"), BACK_WITHIN, || {
        let uids = members.uids().map_err(|error| format!("{error:#}"))?;
        if uids.len() == wanted { Ok(()) } else { Err(format!("{uids:?}")) }
    })
}

/// Waits until `done` carried out on the object named shows again what it showed before.
fn corrected<K>(story: &Story, name: &str, change: &Value, spoilt: impl Fn(&K) -> bool) -> Result<()>
where
    K: orchestrator_e2e::k8s::Object,
{
    story.space.merge::<K>(name, change)?;
    story.space.until::<K, ()>(&format!("{name} as it was"), name, BACK_WITHIN, |object| {
        let object = object.ok_or("it is gone")?;
        if spoilt(object) { Err("it is as somebody changed it".into()) } else { Ok(()) }
    })
}

#[test]
fn e23_stopped_paused_and_spoilt_children_lose_no_volume_and_no_identity() -> Result<()> {
    let story = Story::begin("E23", "pause, stop, resume; drift; kubectl scale sts, delete sts")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    members.ask(&members.leader()?, "/api/disable-global-recoveries")?.details()?;
    everybody_knows(&members, "disabled")?;
    let before = (members.voters()?, orc.object()?.status.unwrap_or_default().cluster_id, volumes(&story)?);

    orc.set(&json!({"paused": true}))?;
    orc.wait(ConditionType::Paused, ConditionStatus::True, BACK_WITHIN)?;
    story.space.kubectl(&[
        "label",
        "service",
        "main",
        "app.kubernetes.io/part-of=somebody",
        "--overwrite",
    ])?;
    holds("what is paused is left alone", QUIET_FOR, || {
        let service = story.space.get::<Service>("main").map_err(|error| format!("{error:#}"))?;
        let labels = service.and_then(|s| s.metadata.labels).unwrap_or_default();
        let part = labels.get("app.kubernetes.io/part-of").cloned();
        if part.as_deref() == Some("somebody") { Ok(()) } else { Err(format!("{part:?}")) }
    })?;
    orc.set(&json!({"paused": false}))?;
    orc.wait_ready(BACK_WITHIN)?;
    story.note("paused and resumed");

    orc.set(&json!({"stopped": true}))?;
    count(&members, 0)?;
    orc.set(&json!({"stopped": false}))?;
    members.settled(3, BACK_WITHIN)?;
    orc.wait_ready(BACK_WITHIN)?;
    story.note("stopped and started");

    story.space.kubectl(&["scale", "statefulset", "main", "--replicas=0"])?;
    count(&members, 3)?;
    members.settled(3, BACK_WITHIN)?;
    story.note("the StatefulSet was scaled to 0 by hand");
    story.space.delete::<StatefulSet>("main")?;
    story.space.until::<StatefulSet, ()>("another StatefulSet", "main", BACK_WITHIN, |set| {
        let ready = set.and_then(|s| s.status.as_ref()).and_then(|s| s.ready_replicas);
        if ready == Some(3) { Ok(()) } else { Err(format!("{ready:?} ready")) }
    })?;
    members.settled(3, BACK_WITHIN)?;
    orc.wait_ready(BACK_WITHIN)?;
    story.note("the StatefulSet was deleted by hand");

    let after = (members.voters()?, orc.object()?.status.unwrap_or_default().cluster_id, volumes(&story)?);
    ensure!(after == before, "{after:?}, before {before:?}");
    everybody_knows(&members, "disabled")?;
    story.done();
    Ok(())
}

#[test]
fn e23_children_that_somebody_edits_become_again_what_the_operator_made() -> Result<()> {
    let story = Story::begin("E23b", "drift of Service, ConfigMap and PDB")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let uids = orc.members().uids()?;
    corrected::<Service>(&story, "main", &json!({"spec": {"selector": {"spoilt": "yes"}}}), |s| {
        s.spec.as_ref().and_then(|s| s.selector.as_ref()).is_some_and(|s| s.contains_key("spoilt"))
    })?;
    corrected::<ConfigMap>(&story, "main-live", &json!({"data": {"live.conf.json": "{}"}}), |map| {
        map.data.as_ref().and_then(|data| data.get("live.conf.json")).is_some_and(|text| text == "{}")
    })?;
    corrected::<PodDisruptionBudget>(&story, "main", &json!({"spec": {"maxUnavailable": 3}}), |budget| {
        let spec = budget.spec.clone().unwrap_or_default();
        json!(spec.max_unavailable) == json!(3)
    })?;
    story.space.delete::<Service>("main-raft")?;
    story.space.until::<Service, ()>("the headless Service again", "main-raft", BACK_WITHIN, |service| {
        service.map(drop).ok_or_else(|| "it is gone".into())
    })?;
    orc.wait_ready(BACK_WITHIN)?;
    ensure!(orc.members().uids()? == uids, "pods were restarted");
    story.done();
    Ok(())
}

#[test]
fn e23_a_service_of_that_name_that_is_not_ours_is_named_and_left_alone() -> Result<()> {
    let story = Story::begin("E23c", "a Service of that name that belongs to somebody else")?;
    let foreign = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "main", "labels": {"of": "them"}},
        "spec": {"selector": {"of": "them"}, "ports": [{"port": 80}]}});
    story.space.apply(&[foreign])?;
    let orc = Orc::apply(&story.space, "main", &smallest())?;
    let told = orc.wait_for("a conflict that is named", BACK_WITHIN, |orc| {
        let conditions = &orc.status.as_ref()?.conditions;
        conditions.iter().find(|c| c.reason == Reason::OwnershipConflict.to_string()).cloned()
    })?;
    story.note(&told.message);
    ensure!(told.message.contains("main"), "{told:?}");
    let service = story.space.get::<Service>("main")?.context("it is there")?;
    let selector = service.spec.unwrap_or_default().selector.unwrap_or_default();
    ensure!(selector.get("of").is_some_and(|of| of == "them") && selector.len() == 1, "{selector:?}");
    story.space.delete::<Service>("main")?;
    orc.wait_ready(Duration::from_secs(120))?;
    story.done();
    Ok(())
}
