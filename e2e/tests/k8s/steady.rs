//! Where nothing changes, nothing is written; and what stays broken is not told again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_crds::{ConditionStatus, ConditionType, KIND};
use orchestrator_e2e::k8s::{Orc, Story};
use orchestrator_e2e::{holds, until};
use serde_json::{Value, json};

use crate::support::{BACK_WITHIN, OPERATOR, operator, smallest};

/// Everything that an operator makes of an object, and the object itself.
const MADE: &str = "orc,statefulsets,services,configmaps,secrets,serviceaccounts,poddisruptionbudgets,networkpolicies,\
                    persistentvolumeclaims,pods";
/// Longer than the operator's steady interval of 30 s.
const STEADY_FOR: Duration = Duration::from_secs(45);
/// So long nothing is written before it counts: what was said last of a new group has arrived.
const CALM_FOR: Duration = Duration::from_secs(10);
/// A broken object is watched for so long.
const BROKEN_FOR: Duration = Duration::from_secs(150);
/// Events of one reason in a minute.
const A_MINUTE_MAX: u64 = 1;
/// From a broken wish to a condition that says so.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// Version of each object, by kind and name.
fn versions(story: &Story) -> Result<BTreeMap<String, String>> {
    let list: Value = serde_json::from_str(&story.space.kubectl(&["get", MADE, "-o", "json"])?)?;
    let items = list["items"].as_array().into_iter().flatten();
    let versions = items.map(|item| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let meta = &item["metadata"];
        (format!("{} {}", text(&item["kind"]), text(&meta["name"])), text(&meta["resourceVersion"]))
    });
    Ok(versions.collect())
}

/// Many features at once, so that many kinds of children are compared with what they should be.
fn rich() -> Value {
    json!({"replicas": 3, "update": {"minReadySeconds": 1},
        "config": {"InstancePollSeconds": 7, "RecoverMasterClusterFilters": ["*"]},
        "networkPolicy": {"enabled": true, "apiFrom": [{"podSelector": {}}]},
        "service": {"annotations": {"example.net/team": "dba"}, "labels": {"team": "dba"}},
        "pod": {"template": {"metadata": {"annotations": {"example.net/a": "b"}},
            "spec": {"tolerations": [{"key": "db", "operator": "Exists"}]}}}})
}

/// Real kubelets; the operator in its pods, and another one after it: nothing that the first one knew is left.
#[test]
fn c07_an_operator_that_finds_everything_as_it_should_be_writes_nothing() -> Result<()> {
    let story =
        Story::alone("C07", "applied twice, the second time by another operator: no version changes")?;
    let cluster = story.space.cluster;
    let plain = Orc::apply(&story.space, "plain", &smallest())?;
    let rich = Orc::apply(&story.space, "rich", &rich())?;
    for orc in [&plain, &rich] {
        orc.wait_ready(Duration::from_secs(180))?;
        orc.members().settled(3, BACK_WITHIN)?;
    }
    let before = until("a group about which all is said", Duration::from_secs(90), || {
        let now = versions(&story)?;
        holds("nothing is written", CALM_FOR, || unchanged(&story, &now)).map(|()| now)
    })?;
    ensure!(before.keys().any(|kind| kind.starts_with("NetworkPolicy")), "{before:?}");
    operator(cluster, &["rollout", "restart", "deployment", "-l", OPERATOR])?;
    operator(cluster, &["rollout", "status", "deployment", "-l", OPERATOR, "--timeout=90s"])?;
    story.note(&format!("another operator; {} objects", before.len()));
    holds("nothing is written", STEADY_FOR, || unchanged(&story, &before))?;
    story.done();
    Ok(())
}

fn unchanged(story: &Story, before: &BTreeMap<String, String>) -> Result<(), String> {
    let now = versions(story).map_err(|error| format!("{error:#}"))?;
    let changed: Vec<&String> =
        now.iter().filter(|(of, version)| before.get(*of) != Some(version)).map(|(of, _)| of).collect();
    if changed.is_empty() && now.len() == before.len() { Ok(()) } else { Err(format!("{changed:?}")) }
}

/// How often each reason was told about any object of the namespace.
fn told(story: &Story) -> Result<BTreeMap<String, u64>> {
    let about = format!("regarding.kind={KIND}");
    let arguments = ["get", "events.events.k8s.io", "-o", "json", "--field-selector", &about];
    let list: Value = serde_json::from_str(&story.space.kubectl(&arguments)?)?;
    let mut counts = BTreeMap::new();
    for event in list["items"].as_array().into_iter().flatten() {
        let of = format!("{} {}", event["regarding"]["name"], event["reason"]);
        *counts.entry(of).or_default() += event["series"]["count"].as_u64().unwrap_or(1);
    }
    Ok(counts)
}

/// Real kubelets; the operator in its pods.
#[test]
fn c09_what_stays_broken_is_told_at_most_once_a_minute() -> Result<()> {
    let story =
        Story::begin("C09", "an image that nobody has, a Secret that is not there: how often it is told")?;
    let image = Orc::ready(&story.space, "image", &smallest())?;
    image.set(&json!({"image": "orchestrator:there-is-none"}))?;
    let mut spec = smallest();
    spec["topology"] = json!({"credentialsSecretRef": {"name": "nowhere"}});
    let secret = Orc::apply(&story.space, "secret", &spec)?;
    image.wait(ConditionType::Degraded, ConditionStatus::True, Duration::from_secs(120))?;
    secret.wait(ConditionType::ConfigValid, ConditionStatus::False, TOLD_WITHIN)?;
    let before = told(&story)?;
    ensure!(before.keys().any(|of| of.contains("MemberDown")), "{before:?}");
    ensure!(before.keys().any(|of| of.contains("SecretNotFound")), "{before:?}");
    let most = BROKEN_FOR.as_secs().div_ceil(60) * A_MINUTE_MAX;
    holds("events are few", BROKEN_FOR, || {
        let now = told(&story).map_err(|error| format!("{error:#}"))?;
        let more = |of: &String, count: &u64| count - before.get(of).unwrap_or(&0);
        let loud = now.iter().find(|(of, count)| more(of, count) > most);
        loud.map_or(Ok(()), |(of, count)| Err(format!("{of}: {count}, before {before:?}")))
    })?;
    story.note(&format!("before {before:?}, {} s later {:?}", BROKEN_FOR.as_secs(), told(&story)?));
    story.done();
    Ok(())
}
