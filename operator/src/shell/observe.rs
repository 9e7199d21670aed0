//! Facts and answers → one [`crate::observation::Observation`]. Pure, but for the moment at which a lost disk was first seen.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use orchestrator_crds::{OrchestratorCluster, OrchestratorClusterSpec, verb};

use super::{facts, index::Key, stores::Stores};
use crate::{
    build::{config_hash, peers_hash, peers_of},
    names,
    observation::{Answer, Delivery, Pod, Seat, Set, Verbs, Volume, VolumeState},
};

/// Ordinals that are looked for beyond those that should be: the most members that there can be, and as many left over.
pub(super) const ORDINALS_MAX: u32 = 16;

/// When disks were first seen to be lost, by the claim's uid. Forgotten with the process, which only means a later
/// replacement.
#[derive(Debug, Default)]
pub struct Losses(Mutex<HashMap<String, Timestamp>>);

impl Losses {
    fn since(&self, uid: &str, is_lost: bool, now: Timestamp) -> Option<Timestamp> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_lost {
            Some(*known.entry(uid.to_owned()).or_insert(now))
        } else {
            known.remove(uid);
            None
        }
    }
}

/// What surrounds one object.
pub struct Surroundings<'a> {
    /// What is watched.
    pub stores: &'a Stores,
    /// When disks were lost.
    pub losses: &'a Losses,
    /// The object.
    pub key: &'a Key,
    /// Its uid.
    pub uid: &'a str,
    /// Its spec.
    pub spec: &'a OrchestratorClusterSpec,
    /// Now.
    pub now: Timestamp,
}

impl Surroundings<'_> {
    fn name(&self) -> &str {
        &self.key.name
    }

    /// Its StatefulSet, if it is its own.
    #[must_use]
    pub fn set(&self) -> Option<Set> {
        let set = self.stores.sets.get(&self.key.beside(names::stateful_set(self.name())))?;
        (set.controller.as_deref() == Some(self.uid)).then(|| set.seen.clone())
    }

    /// The live configuration, if it is its own.
    #[must_use]
    pub fn live_text(&self) -> Option<String> {
        let live = self.stores.config_maps.get(&self.key.beside(names::live_config(self.name())))?;
        let text = live.content()["data"][names::LIVE_KEY].as_str()?.to_owned();
        (live.controller.as_deref() == Some(self.uid)).then_some(text)
    }

    /// What it holds.
    #[must_use]
    pub fn delivery(&self, live: Option<&str>) -> Delivery {
        let peers = live.map(peers_of).unwrap_or_default();
        Delivery { peers_hash: peers_hash(&peers), peers }
    }

    /// Every ordinal that is wished, that the set has, or that still has a pod or a volume; nobody was asked yet.
    #[must_use]
    pub fn seats(&self, set: Option<&Set>, live: Option<&str>) -> BTreeMap<u32, Seat> {
        let wished = u32::try_from(self.spec.replicas).unwrap_or(0).max(set.map_or(0, |set| set.replicas));
        let mut seats = BTreeMap::new();
        for ordinal in 0..ORDINALS_MAX.max(wished) {
            let (pod, volume) = (self.pod(ordinal, set, live), self.volume(ordinal));
            if ordinal < wished || pod.is_some() || volume.is_some() {
                let address = names::address(self.name(), &self.key.namespace, self.spec, ordinal);
                seats.insert(ordinal, Seat { address, pod, volume, answer: Answer::NotAsked });
            }
        }
        seats
    }

    /// Facts of the pod of an ordinal, if it is of our set: after a set was deleted without its pods, all of them are.
    #[must_use]
    pub fn pod_facts(&self, ordinal: u32, set: Option<&Set>) -> Option<std::sync::Arc<facts::Pod>> {
        let pod = self.stores.pods.get(&self.key.beside(names::pod(self.name(), ordinal)))?;
        let stranger = pod.controller.as_deref().is_some_and(|owner| set.is_some_and(|set| set.uid != owner));
        (!stranger).then_some(pod)
    }

    fn pod(&self, ordinal: u32, set: Option<&Set>, live: Option<&str>) -> Option<Pod> {
        let pod = self.pod_facts(ordinal, set)?;
        let node = pod.node.as_deref();
        Some(Pod {
            name: names::pod(self.name(), ordinal),
            uid: pod.uid.clone(),
            resource_version: pod.version.clone(),
            created: pod.created,
            revision: pod.revision.clone(),
            ready_since: pod.ready_since,
            terminating: pod.terminating,
            trouble: pod.trouble.clone(),
            node_problem: node.and_then(|node| self.node_problem(node)),
            node: pod.node.clone(),
            config_hash: self.config_hash(pod.config.as_deref(), live),
            replace: pod.replace,
        })
    }

    fn node_problem(&self, name: &str) -> Option<String> {
        if !self.stores.sees_nodes {
            return None;
        }
        match self.stores.nodes.get(&Key::new("", name)) {
            Some(node) => node.problem(),
            None => Some("is gone".to_owned()),
        }
    }

    /// What a member reports that has read what its volumes shall hold.
    fn config_hash(&self, config: Option<&str>, live: Option<&str>) -> Option<String> {
        let immutable = self.stores.config_maps.get(&self.key.beside(config?))?;
        let content = immutable.content();
        let text = content["data"][names::CONFIG_KEY].as_str()?;
        Some(config_hash(&[text, live?]))
    }

    fn volume(&self, ordinal: u32) -> Option<Volume> {
        if self.spec.storage.ephemeral {
            return None;
        }
        let name = names::claim(self.name(), ordinal);
        let claim = self.stores.claims.get(&self.key.beside(name.as_str()))?;
        let lost = self.losses.since(&claim.uid, self.is_lost(&claim), self.now);
        let state = match lost {
            Some(since) => VolumeState::Lost(since),
            None if claim.phase == "Bound" => VolumeState::Bound,
            None => VolumeState::Unbound,
        };
        Some(Volume {
            name,
            uid: claim.uid.clone(),
            resource_version: claim.version.clone(),
            created: claim.created,
            terminating: claim.terminating,
            state,
            group: claim.cluster_id.clone(),
            requested: claim.requested,
            capacity: claim.capacity,
            class: claim.class.clone(),
            expands: None,
        })
    }

    fn is_lost(&self, claim: &facts::Claim) -> bool {
        if claim.phase == "Lost" {
            return true;
        }
        let Some(volume) =
            claim.volume.as_deref().filter(|_| self.stores.sees_nodes && claim.phase == "Bound")
        else {
            return false;
        };
        match self.stores.volumes.get(&Key::new("", volume)) {
            // A claim stays bound to what is gone until its controller looks.
            None => self.stores.volumes.is_complete(),
            Some(volume) => {
                let nodes = &self.stores.nodes;
                nodes.is_complete() && volume.is_out_of_reach(|is| nodes.any(|key, node| is(&key.name, node)))
            }
        }
    }

    /// Zones of the nodes that its pods are on.
    #[must_use]
    pub fn zones(&self, seats: &BTreeMap<u32, Seat>) -> BTreeMap<String, String> {
        let nodes = seats.values().filter_map(|seat| seat.pod.as_ref()?.node.clone());
        let zone = |name: String| {
            let zone = self.stores.nodes.get(&Key::new("", name.as_str()))?.zone()?.to_owned();
            Some((name, zone))
        };
        nodes.filter_map(zone).collect()
    }
}

/// What people asked for by annotation.
#[must_use]
pub fn verbs(object: &OrchestratorCluster) -> Verbs {
    let annotations = object.metadata.annotations.as_ref();
    let text = |key: &str| annotations.and_then(|all| all.get(key)).filter(|text| !text.is_empty()).cloned();
    Verbs {
        paused: text(verb::RECONCILE).is_some_and(|value| value == "paused"),
        transfer_leader_to: text(verb::TRANSFER_LEADER_TO),
        force_new_cluster: text(verb::FORCE_NEW_CLUSTER),
        allow_rebootstrap: text(verb::ALLOW_REBOOTSTRAP),
        allow_downgrade: text(verb::ALLOW_DOWNGRADE),
    }
}
