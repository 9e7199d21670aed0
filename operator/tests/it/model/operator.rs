//! The operator around the planner: observes, applies, acts, writes its status, and dies in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use orchestrator_crds::{BootstrapStatus, MembershipEntry, OperationStatus, verb};
use orchestrator_operator::observation::{
    Answer, Delivery, Observation, Pod, Seat, Set, Trouble, Volume, VolumeState,
};
use orchestrator_operator::plan::{Action, Change, Plan, Target, plan, view::View};

use orchestrator_wire::DataState;

use super::world::{Claim, NAME, Objects, Phase, PodObject, SetObject, World, address};

pub(super) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("a year that exists")
}

pub(super) fn hash(peers: &[String]) -> String {
    let mut sorted = peers.to_vec();
    sorted.sort();
    sorted.join(",")
}

fn ordinal_of(pod: &str) -> Option<u32> {
    pod.strip_prefix(NAME)?.strip_prefix('-')?.parse().ok()
}

impl World {
    /// What the operator sees: objects as its caches have them, members as they answer now.
    pub(super) fn observe(&mut self, old: usize) -> Observation {
        let objects = self.history.get(old).unwrap_or(&self.objects).clone();
        let wished = u32::try_from(self.spec.replicas).expect("few");
        let running = objects.set.as_ref().map_or(0, |set| set.replicas);
        let mut ordinals: Vec<u32> = (0..wished.max(running)).collect();
        ordinals.extend(objects.pods.keys().chain(objects.claims.keys()));
        let seats = ordinals.into_iter().map(|ordinal| (ordinal, self.seat(ordinal, &objects))).collect();
        let mut external = self.spec.raft.external_members.clone();
        external
            .extend(self.outside.iter().filter(|at| !self.spec.raft.external_members.contains(at)).cloned());
        let external = external.into_iter().map(|at| (at.clone(), self.answer_outside(&at))).collect();
        Observation {
            now: time(self.now),
            name: NAME.into(),
            namespace: "test".into(),
            deleting: false,
            spec: Arc::new(self.spec.clone()),
            verbs: self.verbs.clone(),
            memory: objects.memory.clone(),
            set: objects.set.as_ref().map(|set| Set {
                uid: set.uid.clone(),
                resource_version: set.version.to_string(),
                replicas: set.replicas,
                update_revision: set.revision.clone(),
                image: "orchestrator".into(),
                observed: true,
                storage: set.storage,
                terminating: false,
            }),
            seats,
            external,
            invalid: Vec::new(),
            delivery: objects.delivery.clone(),
            may_roll: true,
            fresh_id: format!("id-{}", self.serial()),
        }
    }

    fn answer(&self, at: &str, asked: bool) -> Answer {
        match self.status(at).filter(|_| !self.hidden.contains(at)) {
            Some(mut status) => {
                let hashes = self.hashes(at);
                (status.raft_nodes_hash, status.config_hash) = hashes;
                Answer::Status(Box::new(status))
            }
            None if asked => Answer::Silent("connection refused".into()),
            None => Answer::NotAsked,
        }
    }

    /// An external member is asked only while it leads: before, nobody knows where its API is.
    fn answer_outside(&self, at: &str) -> Answer {
        match self.raft.leaders.values().any(|leader| leader.address == at) {
            true => self.answer(at, true),
            false => Answer::NotAsked,
        }
    }

    /// What a member says of its files.
    fn hashes(&self, at: &str) -> (String, String) {
        let pod = self.objects.pods.iter().find(|(ordinal, _)| address(**ordinal) == at).map(|(_, pod)| pod);
        let Some(pod) = pod else { return Default::default() };
        let peers = self.files.get(pod.read as usize).map_or_else(String::new, |peers| hash(peers));
        (peers, format!("{}/{}", pod.revision, pod.read))
    }

    fn seat(&self, ordinal: u32, objects: &Objects) -> Seat {
        let at = address(ordinal);
        let pod = objects.pods.get(&ordinal);
        Seat {
            answer: self.answer(&at, pod.is_some_and(|pod| pod.node != usize::MAX)),
            pod: pod.map(|pod| self.seen_pod(ordinal, pod, objects)),
            volume: objects.claims.get(&ordinal).map(|claim| self.seen_claim(ordinal, claim)),
            address: at,
        }
    }

    fn seen_pod(&self, ordinal: u32, pod: &PodObject, objects: &Objects) -> Pod {
        let trouble = match pod.phase {
            Phase::Pending => Some(Trouble::Unschedulable("0/4 nodes are available".into())),
            Phase::Crashed => Some(Trouble::Waiting("CrashLoopBackOff".into(), String::new())),
            Phase::Starting | Phase::Running => None,
        };
        Pod {
            name: format!("{NAME}-{ordinal}"),
            uid: pod.uid.clone(),
            resource_version: pod.version.to_string(),
            created: time(pod.created),
            revision: pod.revision.clone(),
            ready_since: pod.ready.map(time),
            terminating: pod.terminating,
            trouble,
            node: Some(format!("node-{}", pod.node)),
            node_problem: self.down.contains(&pod.node).then(|| "is NotReady".into()),
            config_hash: Some(format!("{}/{}", pod.revision, objects.live)),
            replace: pod.replace,
        }
    }

    fn seen_claim(&self, ordinal: u32, claim: &Claim) -> Volume {
        let state = match (claim.lost, claim.node) {
            (Some(since), _) => VolumeState::Lost(time(since)),
            (None, usize::MAX) => VolumeState::Unbound,
            _ => VolumeState::Bound,
        };
        Volume {
            name: format!("data-{NAME}-{ordinal}"),
            uid: claim.uid.clone(),
            resource_version: claim.version.to_string(),
            created: time(claim.created),
            terminating: claim.terminating,
            state,
            group: claim.group.clone(),
            requested: claim.requested,
            capacity: claim.capacity,
            class: Some("standard".into()),
            expands: Some(self.expands),
        }
    }

    /// One pass. `old`: so many steps are its objects old; `dies`: after so many calls.
    pub(super) fn pass(&mut self, old: usize, dies: usize) -> Plan {
        let seen = self.observe(old);
        let decided = plan(&seen);
        if plan(&seen) != decided {
            self.broken("I17", "the same observation gave another plan");
        }
        self.note(|| {
            format!(
                "plan [{}] {:?} replicas {} {}",
                decided.row,
                decided.action,
                decided.replicas,
                decided.operation.as_ref().map_or("", |operation| &operation.step)
            )
        });
        for event in &decided.events {
            self.note(|| format!("event {} {}", event.reason, event.note));
        }
        self.check_plan(&seen, &decided);
        if dies > 0 && !self.spec.paused {
            self.apply(&decided);
        }
        if dies > 1
            && let Some(action) = &decided.action
            && let Err(why) = self.act(&seen, &decided, action, old)
        {
            self.note(|| format!("failed: {why}"));
        }
        if dies > 2 {
            self.write_status(&seen, &decided);
        }
        decided
    }

    /// Children that disturb nobody.
    fn apply(&mut self, plan: &Plan) {
        let revision = self.wished_revision();
        let (uid, version) = (format!("set-{}", self.serial()), self.serial());
        let wished = self.wished_storage();
        let set = self.objects.set.get_or_insert_with(|| SetObject {
            uid,
            version,
            replicas: plan.replicas,
            revision: revision.clone(),
            storage: wished,
        });
        if set.replicas != plan.replicas || set.revision != revision {
            (set.replicas, set.revision, set.version) = (plan.replicas, revision, version);
        }
        if self.objects.delivery.peers != plan.peers || self.written_value != self.live_value {
            self.files.push(plan.peers.clone());
            self.objects.live = self.files.len() as u64 - 1;
            self.objects.delivery = Delivery { peers: plan.peers.clone(), peers_hash: hash(&plan.peers) };
            self.written_value = self.live_value;
        }
        self.label_claims();
        self.check_replicas(plan.replicas);
    }

    /// Says on each volume to which group its data belongs.
    fn label_claims(&mut self) {
        for ordinal in self.objects.claims.keys().copied().collect::<Vec<_>>() {
            let at = address(ordinal);
            let Some(status) = self.status(&at).filter(|_| !self.hidden.contains(&at)) else { continue };
            let claim = self.objects.claims.get_mut(&ordinal).expect("it was just seen");
            if status.data_state == DataState::Present && claim.group.is_none() {
                claim.group = Some(status.cluster_id);
                claim.version += 1_000_000;
            }
        }
    }

    pub(super) fn wished_storage(&self) -> u64 {
        orchestrator_operator::plan::storage_bytes(&self.spec.storage.size.0).expect("a size")
    }

    fn act(&mut self, seen: &Observation, plan: &Plan, action: &Action, old: usize) -> Result<(), String> {
        match action {
            Action::RecordBootstrap { .. } | Action::RecordGroup { .. } | Action::ForgetGroup => {
                self.write_down(seen, action, old)
            }
            Action::ClearVerb { key, pod } => self.clear_verb(key, pod.as_ref()),
            Action::Evict(_)
            | Action::DeletePod(_)
            | Action::DeleteVolume { .. }
            | Action::GrowVolume { .. }
            | Action::RecreateSet { .. } => self.act_on_objects(seen, plan, action),
            _ => self.call_member(seen, action),
        }
    }

    /// What stands in the object itself.
    fn write_down(&mut self, seen: &Observation, action: &Action, old: usize) -> Result<(), String> {
        match action {
            Action::RecordBootstrap { token, cluster_id, members } => self.record(seen, old, |memory| {
                let members = members.iter().map(|(node, address)| MembershipEntry {
                    node_id: i64::try_from(*node).expect("small"),
                    address: address.clone(),
                });
                memory.bootstrap = Some(BootstrapStatus {
                    token: token.clone(),
                    cluster_id: cluster_id.clone(),
                    members: members.collect(),
                    started_at: Time(seen.now),
                    completed_at: None,
                });
            }),
            Action::RecordGroup { cluster_id, .. } => self.record(seen, old, |memory| {
                memory.cluster_id = Some(cluster_id.clone());
                if let Some(record) = &mut memory.bootstrap {
                    record.completed_at = Some(Time(seen.now));
                }
            }),
            Action::ForgetGroup => {
                self.record(seen, old, |memory| {
                    memory.cluster_id = None;
                    memory.bootstrap = None;
                })?;
                self.forget_lost();
                Ok(())
            }
            _ => unreachable!("the caller chose by what it is"),
        }
    }

    /// What members are asked for.
    fn call_member(&mut self, seen: &Observation, action: &Action) -> Result<(), String> {
        match action {
            Action::Bootstrap => {
                let record = seen.memory.bootstrap.as_ref().ok_or("no record")?;
                let members: BTreeMap<u64, String> = record
                    .members
                    .iter()
                    .map(|member| (u64::try_from(member.node_id).expect("positive"), member.address.clone()))
                    .collect();
                self.found(&record.cluster_id.clone(), &members)
            }
            Action::Membership { change, expect, cluster_id } => match change {
                Change::AddLearner(at) => self.add_learner(cluster_id, *expect, at),
                Change::Voters(voters) => self.change_voters(cluster_id, *expect, voters),
                Change::RemoveLearner(node) => self.remove_learner(cluster_id, *expect, *node),
            },
            Action::Transfer { to } => {
                let cluster = seen.memory.cluster_id.clone().ok_or("no group")?;
                self.hand_over(&cluster, to)
            }
            Action::Reload { ordinal } => {
                let pod = self.objects.pods.get_mut(ordinal).ok_or("no pod")?;
                pod.read = pod.file;
                Ok(())
            }
            Action::ForceNewCluster { ordinal, cluster_id, epoch } => {
                self.check_force(*ordinal);
                self.go_on_alone(&address(*ordinal), cluster_id, *epoch)?;
                self.forget_lost();
                Ok(())
            }
            _ => unreachable!("the caller chose by what it is"),
        }
    }

    /// What Kubernetes is asked for.
    fn act_on_objects(&mut self, seen: &Observation, plan: &Plan, action: &Action) -> Result<(), String> {
        match action {
            Action::Evict(target) => {
                let ordinal = ordinal_of(&target.pod).ok_or("no pod")?;
                let (healthy, _) = self.working();
                self.evict(ordinal, &target.uid)?;
                self.check_end(seen, plan, ordinal, &healthy);
                Ok(())
            }
            Action::DeletePod(target) => self.delete_pod(seen, plan, target),
            Action::DeleteVolume { name, uid, resource_version } => {
                let ordinal =
                    name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).ok_or("no claim")?;
                let claim = self.objects.claims.get(&ordinal).ok_or("no claim")?;
                if claim.uid != *uid || claim.version.to_string() != *resource_version {
                    return Err("another claim".into());
                }
                self.check_wipe(seen, ordinal);
                self.delete_claim(ordinal);
                Ok(())
            }
            Action::GrowVolume { name, bytes } => {
                let ordinal = name.rsplit_once('-').and_then(|(_, number)| number.parse::<u32>().ok());
                if !self.expands {
                    self.broken("storage", "a volume is to grow whose class forbids it");
                }
                let claim =
                    ordinal.and_then(|ordinal| self.objects.claims.get_mut(&ordinal)).ok_or("no claim")?;
                claim.requested = *bytes;
                Ok(())
            }
            Action::RecreateSet { uid, resource_version } => {
                let set = self.objects.set.as_ref().ok_or("no set")?;
                if set.uid != *uid || set.version.to_string() != *resource_version {
                    return Err("another set".into());
                }
                self.objects.set = None;
                Ok(())
            }
            _ => unreachable!("the caller chose by what it is"),
        }
    }

    fn clear_verb(&mut self, key: &str, pod: Option<&Target>) -> Result<(), String> {
        match (key, pod) {
            (verb::REPLACE, Some(target)) => {
                let pod = ordinal_of(&target.pod).and_then(|ordinal| self.objects.pods.get_mut(&ordinal));
                pod.ok_or("no pod")?.replace = false;
            }
            (verb::TRANSFER_LEADER_TO, _) => self.verbs.transfer_leader_to = None,
            (verb::FORCE_NEW_CLUSTER, _) => self.verbs.force_new_cluster = None,
            (verb::ALLOW_REBOOTSTRAP, _) => self.verbs.allow_rebootstrap = None,
            _ => return Err("unknown".into()),
        }
        Ok(())
    }

    fn delete_pod(&mut self, seen: &Observation, plan: &Plan, target: &Target) -> Result<(), String> {
        let ordinal = ordinal_of(&target.pod).ok_or("no pod")?;
        let pod = self.objects.pods.get(&ordinal).ok_or("no pod")?;
        if pod.uid != target.uid || pod.version.to_string() != target.resource_version {
            return Err("another pod".into());
        }
        let (healthy, _) = self.working();
        self.terminate(ordinal);
        self.check_end(seen, plan, ordinal, &healthy);
        Ok(())
    }

    /// A write that is bound to the version that was read.
    fn record(
        &mut self,
        seen: &Observation,
        old: usize,
        write: impl FnOnce(&mut orchestrator_operator::observation::Memory),
    ) -> Result<(), String> {
        let read =
            self.history.get(old).map_or(self.objects.memory_version, |objects| objects.memory_version);
        if read != self.objects.memory_version || seen.memory.cluster_id != self.objects.memory.cluster_id {
            return Err("the object changed".into());
        }
        write(&mut self.objects.memory);
        self.objects.memory_version += 1;
        Ok(())
    }

    /// Timers, as the status keeps them.
    fn write_status(&mut self, seen: &Observation, plan: &Plan) {
        let view = View::new(seen);
        let memory = &mut self.objects.memory;
        memory.leader = view.leader().map(|leader| {
            let (node, term) = (leader.status.node_id, leader.status.term);
            let since = memory
                .leader
                .filter(|(n, t, _)| (*n, *t) == (node, term))
                .map_or(seen.now, |(.., since)| since);
            (node, term, since)
        });
        let is_lost = !view.is_led() && !view.is_blind() && memory.cluster_id.is_some();
        memory.quorum_lost_since = is_lost.then(|| memory.quorum_lost_since.unwrap_or(seen.now));
        memory.operation = plan.operation.as_ref().map(|now| {
            let earlier = memory.operation.as_ref().filter(|earlier| earlier.operation_type == now.operation);
            let same = earlier.filter(|earlier| now.continues(earlier));
            OperationStatus {
                id: String::new(),
                operation_type: now.operation,
                targets: now.targets.clone(),
                step: now.step.clone(),
                started_at: earlier.map_or(Time(seen.now), |earlier| earlier.started_at.clone()),
                step_started_at: same.map_or(Time(seen.now), |same| same.step_started_at.clone()),
                attempts: same.map_or(0, |same| same.attempts) + i32::from(plan.action.is_some()),
                last_error: None,
            }
        });
    }
}
