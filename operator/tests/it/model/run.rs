//! One schedule: faults and wishes, then peace, in which everything must become as wished.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orchestrator_crds::{OrchestratorClusterSpec, Reason};
use orchestrator_operator::observation::{Delivery, Memory, Verbs};
use orchestrator_wire::DataState;

use super::chance::Chance;
use super::raft::Raft;
use super::world::{Claim, Objects, World, address};

/// Steps with faults.
const TROUBLED: usize = 60;
/// Passes within which everything must be as wished afterwards. The longest way is a lost quorum, which is waited for
/// for ten minutes, and then all members but one that join one after the other.
const PEACEFUL: usize = 1_500;

/// What came of a schedule.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) seed: u64,
    pub(super) violation: Option<String>,
    pub(super) trace: Vec<String>,
}

impl Outcome {
    pub(super) fn failed(&self) -> bool {
        self.violation.is_some()
    }
}

/// How much of a schedule is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Nothing,
    Trace,
    Aloud,
}

fn world(seed: u64, telling: Telling) -> World {
    let mut chance = Chance::new(seed);
    let replicas = *chance.pick(&[1, 3, 3, 3, 5]).expect("some");
    let mut spec = OrchestratorClusterSpec { replicas, ..OrchestratorClusterSpec::default() };
    spec.storage.ephemeral = spec.replicas > 1 && chance.percent(10);
    spec.replacement.storage_lost_after_seconds = 60;
    let local_volumes = chance.percent(50);
    World {
        chance,
        now: 0,
        spec,
        verbs: Verbs::default(),
        objects: Objects {
            set: None,
            pods: BTreeMap::new(),
            claims: BTreeMap::new(),
            memory: Memory::default(),
            memory_version: 0,
            delivery: Delivery::default(),
            live: 0,
        },
        history: VecDeque::new(),
        files: vec![Vec::new()],
        live_value: 0,
        written_value: 0,
        image: 0,
        bad_images: BTreeSet::new(),
        down: BTreeSet::new(),
        gone: BTreeSet::new(),
        local_volumes,
        expands: !seed.is_multiple_of(8),
        outside: BTreeSet::new(),
        cut: BTreeSet::new(),
        hidden: BTreeSet::new(),
        recoveries: 0,
        raft: Raft::default(),
        voluntary: BTreeSet::new(),
        serial: 0,
        violation: None,
        trace: Vec::new(),
        loud: telling == Telling::Aloud,
        traced: telling != Telling::Nothing,
    }
}

pub(super) fn run(seed: u64, telling: Telling) -> Outcome {
    let mut world = world(seed, telling);
    let calm = world.chance.below(25);
    for step in 0..TROUBLED {
        if step > calm && world.chance.percent(35) {
            world.fault();
        }
        world.step();
        if world.violation.is_some() {
            break;
        }
    }
    if world.violation.is_none() {
        world.mend();
        world.note(|| "peace".into());
        world.peace();
    }
    let World { violation, trace, .. } = world;
    Outcome { seed, violation, trace }
}

impl World {
    /// Some seconds, and perhaps a pass of the operator, which may die in it.
    fn step(&mut self) {
        self.now += 1 + i64::try_from(self.chance.below(8)).expect("small");
        self.kube_step();
        self.raft_step();
        self.check_world();
        if self.chance.percent(70) {
            let old = if self.chance.percent(25) { self.chance.below(4) } else { 0 };
            let dies = if self.chance.percent(15) { self.chance.below(4) } else { 4 };
            self.pass(old, dies);
        }
    }

    fn peace(&mut self) {
        let mut calm = 0;
        for _ in 0..PEACEFUL {
            self.kube_step();
            self.raft_step();
            self.check_world();
            let plan = self.pass(0, 4);
            if self.violation.is_some() {
                return;
            }
            calm = if plan.row == "as wished" && plan.action.is_none() { calm + 1 } else { 0 };
            if calm > 5 && self.not_as_wished().is_none() {
                return;
            }
            let is_foreign = plan.findings.iter().any(|finding| finding.reason == Reason::ForeignData);
            if is_foreign {
                self.clear_foreign();
            }
            self.now += i64::try_from(plan.again.as_secs()).expect("small").min(10);
            self.ask_for_rescue();
            self.do_what_is_asked();
        }
        let plan = self.pass(0, 4);
        let said: Vec<&str> = plan.findings.iter().map(|finding| finding.message.as_str()).collect();
        let step = plan.operation.map(|operation| operation.step).unwrap_or_default();
        let lacks = self.not_as_wished().unwrap_or_default();
        self.broken("progress", &format!("{lacks}; [{}] {step} {said:?}", plan.row));
    }

    /// What only a person can do, as messages say: an external member that the group let go gets an empty directory, and
    /// an only member whose storage ends with its pod gets company.
    fn do_what_is_asked(&mut self) {
        if self.spec.storage.ephemeral && self.spec.replicas < 3 {
            self.spec.replicas = 3;
            self.spec.raft.external_members.clear();
        }
        let (_, config) = self.working();
        let Some(config) = config else { return };
        for member in self.spec.raft.external_members.clone() {
            let begun = self.disk(&member).and_then(|disk| disk.begun().cloned());
            if begun.is_some_and(|identity| !config.nodes.contains_key(&identity.node)) {
                self.raft.disks.remove(&format!("outside-{member}"));
            }
        }
    }

    /// A person reads what is said and asks for what it says.
    fn ask_for_rescue(&mut self) {
        let Some(group) = self.objects.memory.cluster_id.clone() else { return self.clear_leftovers() };
        let lost = self.objects.memory.quorum_lost_since;
        if lost.is_none_or(|since| super::operator::time(self.now).duration_since(since).as_secs() < 120) {
            return;
        }
        let holders: Vec<(u64, u64, u32)> = (0..8)
            .filter_map(|ordinal| {
                let status = self.status(&address(ordinal))?;
                let mut members = status.membership.voters.iter().chain(&status.membership.learners);
                let is_member = members.any(|member| member.node_id == status.node_id) && !status.removed;
                let is_ours =
                    status.data_state == DataState::Present && status.cluster_id == group && is_member;
                is_ours.then(|| (status.epoch, status.last_log_index.unwrap_or(0), ordinal))
            })
            .collect();
        match holders.iter().max() {
            Some((.., ordinal)) => self.verbs.force_new_cluster = Some(format!("{group}/main-{ordinal}")),
            None => {
                self.verbs.allow_rebootstrap = Some(group);
                self.spec.raft.external_members.clear();
                self.spec.replicas |= 1;
                self.clear_holders();
            }
        }
    }

    fn disks_outside(&self) -> Vec<String> {
        self.outside.iter().map(|at| format!("outside-{at}")).collect()
    }

    /// What was acknowledged may be lost from here on: a person said so.
    pub(super) fn forget_lost(&mut self) {
        self.raft.committed.clear();
        // Whoever gives the group up starts the external members anew.
        for disk in self.disks_outside() {
            self.raft.disks.remove(&disk);
        }
    }

    /// Data of a group that nobody completed or can complete: the person deletes it, as the message says.
    fn clear_leftovers(&mut self) {
        let stuck = self.objects.memory.operation.as_ref().is_some_and(|operation| {
            super::operator::time(self.now).duration_since(operation.step_started_at.0).as_secs() > 400
        });
        if stuck {
            self.clear_holders();
            self.forget_lost();
        }
    }

    /// A person deletes what nobody can use any more.
    fn clear_holders(&mut self) {
        for disk in self.disks_outside() {
            self.raft.disks.remove(&disk);
        }
        let holders: Vec<u32> = self
            .objects
            .pods
            .keys()
            .copied()
            .filter(|ordinal| {
                let is_lost = self.objects.claims.get(ordinal).is_some_and(|claim| claim.lost.is_some());
                is_lost || self.disk(&address(*ordinal)).is_some_and(|disk| disk.begun().is_some())
            })
            .collect();
        for ordinal in holders {
            if self.objects.claims.contains_key(&ordinal) {
                self.delete_claim(ordinal);
            }
            self.terminate(ordinal);
        }
    }

    /// Data of another group, which is never wiped: a person deletes it, as the message says.
    fn clear_foreign(&mut self) {
        let group = self.objects.memory.cluster_id.clone();
        let foreign: Vec<u32> = (0..8)
            .filter(|ordinal| {
                let begun = self.disk(&address(*ordinal)).and_then(|disk| disk.begun().cloned());
                let label = self.objects.claims.get(ordinal).and_then(|claim| claim.group.clone());
                begun.map(|identity| identity.cluster).or(label).is_some_and(|of| Some(of) != group)
            })
            .collect();
        for ordinal in foreign {
            if self.objects.claims.contains_key(&ordinal) {
                self.delete_claim(ordinal);
            }
            if self.objects.pods.contains_key(&ordinal) {
                self.terminate(ordinal);
            }
        }
    }

    /// What is not as wished: who votes, what they run, what they read, and what is left of others.
    fn not_as_wished(&self) -> Option<String> {
        let (working, config) = self.working();
        let Some(config) = config else { return Some("no leader".into()) };
        let pods = u32::try_from(self.spec.replicas).expect("few");
        let mut wished: Vec<String> = (0..pods).map(address).collect();
        wished.extend(self.spec.raft.external_members.iter().cloned());
        let members: BTreeSet<&String> = config.nodes.values().collect();
        if members != wished.iter().collect()
            || config.nodes.len() != wished.len()
            || working.len() != wished.len()
        {
            return Some(format!("members {:?}, working {working:?}, wished {wished:?}", config.nodes));
        }
        let (revision, live, storage) = (self.wished_revision(), self.objects.live, self.wished_storage());
        let odd = self.objects.pods.iter().find(|(_, pod)| pod.revision != revision || pod.read != live);
        if let Some((ordinal, pod)) = odd {
            return Some(format!("main-{ordinal} runs {} and read {} of {live}", pod.revision, pod.read));
        }
        if self.objects.pods.len() != wished.len() - self.spec.raft.external_members.len() {
            return Some(format!("{} pods", self.objects.pods.len()));
        }
        let is_small = |claim: &Claim| self.expands && claim.capacity < storage;
        let claims = self.objects.claims.range(..pods).filter(|_| !self.spec.storage.ephemeral);
        claims.into_iter().any(|(_, claim)| is_small(claim)).then(|| "a claim is too small".into())
    }
}
