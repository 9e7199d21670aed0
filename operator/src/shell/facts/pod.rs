//! A member's pod.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod as Object, PodCondition, PodStatus};
use kube::ResourceExt;
use orchestrator_crds::{label, verb};

use crate::{
    names,
    observation::Trouble,
    shell::{
        LIVE_CONFIG,
        index::{Facts, Key},
    },
};

/// Set by the StatefulSet controller: of which revision of the template the pod is.
const REVISION: &str = "controller-revision-hash";
/// States through which each container goes: no reason to worry.
const BEGINNINGS: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Distinguishes it from the next one of its name.
    pub uid: String,
    /// Its `resourceVersion`.
    pub version: String,
    /// The uid of the StatefulSet that made it.
    pub controller: Option<String>,
    /// Of which revision of the template it is.
    pub revision: String,
    /// It says that it is ready, since when.
    pub ready_since: Option<Timestamp>,
    /// It is being deleted.
    pub terminating: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Why it cannot run.
    pub trouble: Option<Trouble>,
    /// The node that it is on.
    pub node: Option<String>,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// The immutable ConfigMap that it mounts.
    pub config: Option<String>,
    /// Its label for people.
    pub role: Option<String>,
    /// Which live configuration its kubelet was told of.
    pub told: Option<String>,
    /// Somebody wishes that it is replaced.
    pub replace: bool,
    cluster: Option<Box<str>>,
}

impl Facts for Pod {
    type Object = Object;

    fn of(object: Object) -> Self {
        let status = object.status.as_ref();
        let spec = object.spec.as_ref();
        let text = |key: &str| object.annotations().get(key).cloned();
        Self {
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
            controller: super::controller(&object.metadata),
            revision: object.labels().get(REVISION).cloned().unwrap_or_default(),
            ready_since: status.and_then(ready_since),
            terminating: object.metadata.deletion_timestamp.is_some(),
            created: object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            trouble: status.and_then(trouble),
            node: spec.and_then(|spec| spec.node_name.clone()),
            ip: status.and_then(|status| status.pod_ip.as_deref()?.parse().ok()),
            config: config(&object),
            role: object.labels().get(label::RAFT_ROLE).cloned(),
            told: text(LIVE_CONFIG),
            replace: text(verb::REPLACE).is_some_and(|value| value == "true"),
            cluster: super::cluster(object.metadata.labels.as_ref()),
        }
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn wakes(&self, key: &Key) -> Option<Key> {
        super::woken(key, self.cluster.as_deref())
    }

    /// Probes and our own labels change a pod all the time.
    fn differs(&self, before: &Self) -> bool {
        let same = |pod: &Self| Self { version: String::new(), role: None, told: None, ..pod.clone() };
        same(self) != same(before)
    }
}

fn config(object: &Object) -> Option<String> {
    let volumes = object.spec.as_ref()?.volumes.as_deref()?;
    let volume = volumes.iter().find(|volume| volume.name == names::CONFIG_VOLUME)?;
    Some(volume.config_map.as_ref()?.name.clone())
}

fn condition<'a>(status: &'a PodStatus, named: &str) -> Option<&'a PodCondition> {
    status.conditions.as_deref()?.iter().find(|condition| condition.type_ == named)
}

fn ready_since(status: &PodStatus) -> Option<Timestamp> {
    let ready = condition(status, "Ready").filter(|ready| ready.status == "True")?;
    Some(ready.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}

/// The first thing that keeps it from running: nobody takes it, it ended as a whole, one of its containers does not run.
fn trouble(status: &PodStatus) -> Option<Trouble> {
    let unscheduled = condition(status, "PodScheduled").filter(|scheduled| scheduled.status == "False");
    if let Some(unscheduled) = unscheduled {
        return Some(Trouble::Unschedulable(unscheduled.message.clone().unwrap_or_default()));
    }
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        let reason = status.reason.clone().or_else(|| status.phase.clone()).unwrap_or_default();
        return Some(Trouble::Ended(reason, status.message.clone().unwrap_or_default()));
    }
    let of =
        |list: &Option<Vec<ContainerStatus>>| list.as_deref().unwrap_or_default().iter().find_map(stopped);
    of(&status.init_container_statuses.clone().map(unfinished)).or_else(|| of(&status.container_statuses))
}

/// Init containers end as they should; only one that failed is trouble.
fn unfinished(mut list: Vec<ContainerStatus>) -> Vec<ContainerStatus> {
    let ended_well = |container: &ContainerStatus| {
        let ended = container.state.as_ref().and_then(|state| state.terminated.as_ref());
        ended.is_some_and(|ended| ended.exit_code == 0)
    };
    list.retain(|container| !ended_well(container));
    list
}

fn stopped(container: &ContainerStatus) -> Option<Trouble> {
    let state = container.state.as_ref()?;
    let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.clone().unwrap_or_default();
        if BEGINNINGS.contains(&reason.as_str()) || reason.is_empty() {
            return None;
        }
        // What a container said before it ended tells more than for how long kubelet waits.
        let said = last.and_then(|last| last.message.clone()).filter(|said| !said.trim().is_empty());
        let message = said.or_else(|| waiting.message.clone()).unwrap_or_default();
        return Some(Trouble::Waiting(reason, message.trim().to_owned()));
    }
    let ended = state.terminated.as_ref()?;
    let reason = ended.reason.clone().unwrap_or_else(|| format!("exit code {}", ended.exit_code));
    let message = ended.message.clone().unwrap_or_else(|| format!("exit code {}", ended.exit_code));
    Some(Trouble::Ended(reason, message.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> Pod {
        let object = json!({
            "metadata": {
                "name": "main-1", "namespace": "a", "uid": "u", "resourceVersion": "7",
                "labels": { "orchestrator.rs/cluster": "main", "controller-revision-hash": "main-5" },
                "annotations": { "orchestrator.rs/replace": "true" },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "main", "uid": "s", "controller": true }],
            },
            "spec": {
                "nodeName": "n1", "containers": [],
                "volumes": [{ "name": "config", "configMap": { "name": "main-config-1" } }],
            },
            "status": status,
        });
        Pod::of(serde_json::from_value(object).expect("it is a pod"))
    }

    #[test]
    fn a_pod_is_read_whole() {
        let pod = pod(json!({
            "podIP": "10.1.2.3", "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T10:00:00Z" }],
        }));
        assert_eq!((pod.revision.as_str(), pod.config.as_deref()), ("main-5", Some("main-config-1")));
        assert_eq!((pod.controller.as_deref(), pod.node.as_deref()), (Some("s"), Some("n1")));
        assert_eq!(pod.ready_since, Some("2026-11-21T10:00:00Z".parse().expect("it is a time")));
        assert_eq!(pod.ip, Some([10, 1, 2, 3].into()));
        assert!(pod.replace && pod.trouble.is_none());
        assert_eq!(pod.wakes(&Key::new("a", "main-1")), Some(Key::new("a", "main")));
    }

    #[test]
    fn what_keeps_a_pod_from_running_is_told_with_the_words_of_whoever_knows() {
        let scheduler = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" }] });
        assert_eq!(pod(scheduler).trouble, Some(Trouble::Unschedulable("0/3 nodes".into())));
        let evicted = json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" });
        assert_eq!(pod(evicted).trouble, Some(Trouble::Ended("Evicted".into(), "low on memory".into())));
        let container = |state: Value, last: Value| {
            pod(
                json!({ "containerStatuses": [{ "name": "orchestrator", "image": "i", "imageID": "", "ready": false,
                "restartCount": 1, "state": state, "lastState": last }] }),
            )
        };
        let pulling = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } });
        let expected = Trouble::Waiting("ImagePullBackOff".into(), "no such image".into());
        assert_eq!(container(pulling, json!({})).trouble, Some(expected));
        let looping = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } });
        let said = json!({ "terminated": { "exitCode": 1, "message": "bad key\n" } });
        let expected = Trouble::Waiting("CrashLoopBackOff".into(), "bad key".into());
        assert_eq!(container(looping, said).trouble, Some(expected));
        let creating = json!({ "waiting": { "reason": "ContainerCreating" } });
        assert_eq!(container(creating, json!({})).trouble, None);
    }

    #[test]
    fn labels_of_ours_are_no_news() {
        let before = pod(json!({}));
        let labelled = Pod { version: "8".into(), role: Some("leader".into()), ..before.clone() };
        let ready = Pod { ready_since: Some(Timestamp::UNIX_EPOCH), ..before.clone() };
        assert!(!labelled.differs(&before) && ready.differs(&before));
    }
}
