//! What goes wrong, and what people wish for.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use orchestrator_operator::observation::Memory;

use super::kube::NODES;
use super::world::{Phase, World, address};

impl World {
    /// One thing at random.
    pub(super) fn fault(&mut self) {
        let ordinals: Vec<u32> = self.objects.pods.keys().copied().collect();
        let Some(ordinal) = self.chance.pick(&ordinals).copied() else { return };
        let kind = self.chance.below(22);
        self.note(|| format!("fault {kind} main-{ordinal}"));
        match kind {
            0 | 1 => self.crash(ordinal),
            2 | 3 => self.terminate(ordinal),
            4 => self.wipe(ordinal),
            5 => drop(self.down.insert(self.objects.pods[&ordinal].node).then_some(())),
            6 => self.lose_node(),
            7 | 8 => self.heal_nodes(),
            9 => drop(self.cut.insert(address(ordinal))),
            10 | 11 => self.cut.clear(),
            12 => drop(self.hidden.insert(address(ordinal))),
            13 | 14 => self.hidden.clear(),
            15 => self.objects.set = None,
            16 => self.scale_by_hand(),
            17 => self.objects.memory = Memory::default(),
            18 => self.recoveries = self.chance.next() % 2,
            19 => self.toggle_outside(),
            _ => self.wish(ordinal),
        }
    }

    fn crash(&mut self, ordinal: u32) {
        let version = self.serial();
        let pod = self.objects.pods.get_mut(&ordinal).expect("it was picked");
        if pod.phase == Phase::Running {
            pod.phase = Phase::Starting;
            pod.version = version;
        }
    }

    /// Somebody deletes claim and pod.
    fn wipe(&mut self, ordinal: u32) {
        if self.objects.claims.contains_key(&ordinal) {
            self.delete_claim(ordinal);
        }
        self.terminate(ordinal);
    }

    fn lose_node(&mut self) {
        let down: Vec<usize> = self.down.iter().copied().filter(|node| *node < NODES).collect();
        if let Some(node) = self.chance.pick(&down).copied().filter(|_| self.gone.len() < NODES - 3) {
            self.down.remove(&node);
            self.gone.insert(node);
            if !self.local_volumes {
                for claim in self.objects.claims.values_mut().filter(|claim| claim.node == node) {
                    claim.node = 0;
                }
            }
        }
    }

    pub(super) fn heal_nodes(&mut self) {
        self.down.clear();
    }

    fn scale_by_hand(&mut self) {
        let to = u32::try_from(self.chance.below(6)).expect("small");
        if let Some(set) = &mut self.objects.set {
            set.replicas = to;
        }
    }

    fn toggle_outside(&mut self) {
        for member in self.spec.raft.external_members.clone() {
            if !self.outside.remove(&member) {
                self.outside.insert(member);
            }
        }
    }

    fn wish(&mut self, ordinal: u32) {
        match self.chance.below(12) {
            0..=2 if !self.spec.stopped => self.resize(),
            3 | 4 => self.image += 1,
            5 => {
                self.image += 1;
                let revision = self.wished_revision();
                self.bad_images.insert(revision);
            }
            6 => self.live_value += 1,
            7 => {
                if let Some(pod) = self.objects.pods.get_mut(&ordinal) {
                    pod.replace = true;
                    pod.version += 1_000_000;
                }
            }
            8 => self.verbs.transfer_leader_to = Some(format!("main-{ordinal}")),
            9 => self.spec.stopped = !self.spec.stopped,
            10 => self.spec.paused = !self.spec.paused,
            _ => {
                let size = self.wished_storage() >> 30;
                self.spec.storage.size = Quantity(format!("{}Gi", size + 1));
            }
        }
    }

    fn resize(&mut self) {
        let (pods, outside): (i32, usize) =
            *self.chance.pick(&[(1, 0), (3, 0), (5, 0), (2, 1), (3, 2), (1, 2)]).expect("some");
        self.spec.replicas = pods;
        self.spec.raft.external_members =
            (0..outside).map(|number| format!("outside-{number}.example.net:10008")).collect();
        self.outside.extend(self.spec.raft.external_members.iter().cloned());
    }

    /// Everything that is broken is mended; what is lost stays lost.
    pub(super) fn mend(&mut self) {
        self.down.clear();
        self.cut.clear();
        self.hidden.clear();
        self.bad_images.clear();
        self.recoveries = 0;
        self.spec.stopped = false;
        self.spec.paused = false;
        self.outside.extend(self.spec.raft.external_members.iter().cloned());
    }
}
