//! What exists in the model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orchestrator_crds::OrchestratorClusterSpec;
use orchestrator_operator::observation::{Delivery, Memory, Verbs};

use super::{chance::Chance, raft::Raft};

/// Name of the object.
pub(super) const NAME: &str = "main";

pub(super) fn address(ordinal: u32) -> String {
    format!("{NAME}-{ordinal}.{NAME}-raft.test.svc:10008")
}

/// A volume claim with what is on it.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) uid: String,
    pub(super) version: u64,
    pub(super) created: i64,
    pub(super) terminating: bool,
    pub(super) lost: Option<i64>,
    /// Node on which it lies; only local volumes are bound to one.
    pub(super) node: usize,
    pub(super) group: Option<String>,
    pub(super) requested: u64,
    pub(super) capacity: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Starting,
    Running,
    Crashed,
}

#[derive(Debug, Clone)]
pub(super) struct PodObject {
    pub(super) uid: String,
    pub(super) version: u64,
    pub(super) created: i64,
    pub(super) revision: String,
    pub(super) phase: Phase,
    pub(super) ready: Option<i64>,
    pub(super) unready_for: u32,
    pub(super) terminating: bool,
    pub(super) node: usize,
    pub(super) replace: bool,
    /// Uid of the disk that it has: that of its claim, or its own.
    pub(super) disk: Option<String>,
    /// The live file as kubelet wrote it.
    pub(super) file: u64,
    /// The live file as the process read it.
    pub(super) read: u64,
}

#[derive(Debug, Clone)]
pub(super) struct SetObject {
    pub(super) uid: String,
    pub(super) version: u64,
    pub(super) replicas: u32,
    pub(super) revision: String,
    pub(super) storage: u64,
}

/// What the operator reads from its caches: perhaps some steps old.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    pub(super) set: Option<SetObject>,
    pub(super) pods: BTreeMap<u32, PodObject>,
    pub(super) claims: BTreeMap<u32, Claim>,
    pub(super) memory: Memory,
    pub(super) memory_version: u64,
    pub(super) delivery: Delivery,
    pub(super) live: u64,
}

/// Everything.
pub(super) struct World {
    pub(super) chance: Chance,
    /// Seconds.
    pub(super) now: i64,
    pub(super) spec: OrchestratorClusterSpec,
    pub(super) verbs: Verbs,
    pub(super) objects: Objects,
    pub(super) history: VecDeque<Objects>,
    /// Lists of peers, by version of the live file.
    pub(super) files: Vec<Vec<String>>,
    /// Part of the live file that is not peers.
    pub(super) live_value: u64,
    pub(super) written_value: u64,
    pub(super) image: u64,
    pub(super) bad_images: BTreeSet<String>,
    /// Nodes of Kubernetes that are down; nodes that are gone from the API.
    pub(super) down: BTreeSet<usize>,
    pub(super) gone: BTreeSet<usize>,
    pub(super) local_volumes: bool,
    /// The storage class lets volumes grow.
    pub(super) expands: bool,
    /// External members that run.
    pub(super) outside: BTreeSet<String>,
    /// Addresses that reach nobody; addresses that the operator does not reach.
    pub(super) cut: BTreeSet<String>,
    pub(super) hidden: BTreeSet<String>,
    pub(super) recoveries: u64,
    pub(super) raft: Raft,
    /// Seats whose working member the operator ended, until it works again.
    pub(super) voluntary: BTreeSet<u32>,
    /// The last number that was given to anything.
    pub(super) serial: u64,
    pub(super) violation: Option<String>,
    pub(super) trace: Vec<String>,
    pub(super) loud: bool,
    pub(super) traced: bool,
}

impl World {
    pub(super) fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    #[expect(clippy::print_stdout, reason = "one schedule is told aloud when somebody plays it by its seed")]
    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if !self.traced && !self.loud {
            return;
        }
        let line = format!("{:>6} {}", self.now, text());
        if self.loud {
            println!("{line}");
        }
        self.trace.push(line);
    }

    pub(super) fn broken(&mut self, rule: &str, text: &str) {
        let line = format!("{rule}: {text} (at {})", self.now);
        self.note(|| format!("VIOLATION {line}"));
        self.violation.get_or_insert(line);
    }

    /// Revision of the template that is wished.
    pub(super) fn wished_revision(&self) -> String {
        format!("r{}", self.image)
    }

    /// The disk of the process that runs at `address`, if one does.
    pub(super) fn process(&self, address: &str) -> Option<String> {
        if self.outside.contains(address) {
            return Some(format!("outside-{address}"));
        }
        let (ordinal, pod) =
            self.objects.pods.iter().find(|(ordinal, _)| self::address(**ordinal) == address)?;
        let runs = pod.phase == Phase::Running && !self.down.contains(&pod.node);
        let lost = self.objects.claims.get(ordinal).is_some_and(|claim| claim.lost.is_some());
        pod.disk.clone().filter(|_| runs && (!lost || self.spec.storage.ephemeral))
    }

    /// Addresses at which a process runs.
    pub(super) fn processes(&self) -> Vec<(String, String)> {
        let pods = self.objects.pods.keys().map(|ordinal| address(*ordinal));
        let all = pods.chain(self.outside.iter().cloned());
        all.filter_map(|address| Some((address.clone(), self.process(&address)?))).collect()
    }

    pub(super) fn reach(&self, one: &str, other: &str) -> bool {
        one == other || (!self.cut.contains(one) && !self.cut.contains(other))
    }
}
