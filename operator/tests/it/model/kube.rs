//! StatefulSet controller, scheduler, kubelet, claim protection and disruption budget, as far as they matter here.

use super::world::{Claim, NAME, Objects, Phase, PodObject, SetObject, World, address};

/// Nodes of Kubernetes.
pub(super) const NODES: usize = 4;
/// Steps for which a pod that fails its readiness probe stays ready.
const HYSTERESIS: u32 = 3;

impl World {
    pub(super) fn kube_step(&mut self) {
        self.control_set();
        self.collect();
        let ordinals: Vec<u32> = self.objects.pods.keys().copied().collect();
        for ordinal in ordinals {
            self.run_pod(ordinal);
        }
        self.grow_claims();
        self.remember();
    }

    fn remember(&mut self) {
        let copy = self.objects.clone();
        self.history.push_front(copy);
        self.history.truncate(4);
    }

    /// Makes pods that are missing, with their claims, and ends those that are too many.
    fn control_set(&mut self) {
        let Some(set) = self.objects.set.clone() else { return };
        for ordinal in 0..set.replicas {
            if self.objects.pods.contains_key(&ordinal) {
                continue;
            }
            if !self.spec.storage.ephemeral && !self.objects.claims.contains_key(&ordinal) {
                let claim = self.new_claim(set.storage);
                self.objects.claims.insert(ordinal, claim);
            }
            let pod = self.new_pod(&set);
            self.objects.pods.insert(ordinal, pod);
        }
        let version = self.serial();
        for (_, pod) in self.objects.pods.range_mut(set.replicas..).filter(|(_, pod)| !pod.terminating) {
            pod.terminating = true;
            pod.version = version;
        }
    }

    fn new_claim(&mut self, storage: u64) -> Claim {
        Claim {
            uid: format!("claim-{}", self.serial()),
            version: self.serial(),
            created: self.now,
            terminating: false,
            lost: None,
            node: usize::MAX,
            group: None,
            requested: storage,
            capacity: storage,
        }
    }

    fn new_pod(&mut self, set: &SetObject) -> PodObject {
        PodObject {
            uid: format!("pod-{}", self.serial()),
            version: self.serial(),
            created: self.now,
            revision: set.revision.clone(),
            phase: Phase::Pending,
            ready: None,
            unready_for: 0,
            terminating: false,
            node: usize::MAX,
            replace: false,
            disk: None,
            file: 0,
            read: 0,
        }
    }

    /// Claims that are deleted go when no pod uses them, and their disks with them; pods of nodes that are gone go.
    fn collect(&mut self) {
        let Objects { pods, claims, .. } = &mut self.objects;
        pods.retain(|_, pod| pod.node == usize::MAX || !self.gone.contains(&pod.node));
        let free = |ordinal: &u32, claim: &Claim| {
            claim.terminating && pods.get(ordinal).is_none_or(|pod| pod.phase == Phase::Pending)
        };
        let gone: Vec<u32> = claims
            .iter()
            .filter(|(ordinal, claim)| free(ordinal, claim))
            .map(|(ordinal, _)| *ordinal)
            .collect();
        for ordinal in gone {
            let claim = claims.remove(&ordinal).expect("it was just seen");
            self.raft.disks.remove(&claim.uid);
        }
        for claim in claims.values_mut().filter(|claim| self.gone.contains(&claim.node)) {
            claim.lost.get_or_insert(self.now);
        }
    }

    fn run_pod(&mut self, ordinal: u32) {
        let mut pod = self.objects.pods[&ordinal].clone();
        let before = (pod.phase, pod.ready.is_some(), pod.terminating);
        let is_down = self.down.contains(&pod.node);
        if pod.terminating && !is_down {
            self.end_pod(ordinal, &pod);
            return;
        }
        if is_down {
            pod.ready = None;
        } else {
            self.advance(ordinal, &mut pod);
        }
        if before != (pod.phase, pod.ready.is_some(), pod.terminating) {
            pod.version = self.serial();
        }
        self.objects.pods.insert(ordinal, pod);
    }

    fn end_pod(&mut self, ordinal: u32, pod: &PodObject) {
        if self.chance.percent(40) {
            return;
        }
        self.note(|| format!("{NAME}-{ordinal} ({}) ended", pod.uid));
        self.objects.pods.remove(&ordinal);
        if self.spec.storage.ephemeral
            && let Some(disk) = &pod.disk
        {
            self.raft.disks.remove(disk);
        }
    }

    fn advance(&mut self, ordinal: u32, pod: &mut PodObject) {
        match pod.phase {
            Phase::Pending => self.schedule(ordinal, pod),
            Phase::Starting | Phase::Crashed => {
                let is_bad = self.bad_images.contains(&pod.revision);
                pod.phase = if is_bad { Phase::Crashed } else { Phase::Running };
                pod.file = self.objects.live;
                pod.read = pod.file;
            }
            Phase::Running => self.probe(ordinal, pod),
        }
    }

    fn schedule(&mut self, ordinal: u32, pod: &mut PodObject) {
        let up: Vec<usize> =
            (0..NODES).filter(|node| !self.down.contains(node) && !self.gone.contains(node)).collect();
        if self.spec.storage.ephemeral {
            pod.disk = Some(pod.uid.clone());
        } else {
            let Some(claim) = self.objects.claims.get_mut(&ordinal) else { return };
            let bound = claim.node != usize::MAX && self.local_volumes;
            if claim.terminating || claim.lost.is_some() || (bound && !up.contains(&claim.node)) {
                return;
            }
            pod.disk = Some(claim.uid.clone());
            if bound {
                pod.node = claim.node;
            }
        }
        let Some(node) = self.chance.pick(&up).copied() else { return };
        if pod.node == usize::MAX {
            pod.node = node;
        }
        if let Some(claim) = self.objects.claims.get_mut(&ordinal) {
            claim.node = pod.node;
        }
        pod.phase = Phase::Starting;
    }

    fn probe(&mut self, ordinal: u32, pod: &mut PodObject) {
        if self.bad_images.contains(&pod.revision) {
            pod.phase = Phase::Crashed;
            pod.ready = None;
            return;
        }
        if pod.file != self.objects.live && self.chance.percent(50) {
            pod.file = self.objects.live;
        }
        let is_healthy = self.status(&address(ordinal)).is_some_and(|status| status.status.healthy);
        if is_healthy {
            pod.unready_for = 0;
            pod.ready.get_or_insert(self.now);
        } else {
            pod.unready_for += 1;
            if pod.unready_for > HYSTERESIS {
                pod.ready = None;
            }
        }
    }

    fn grow_claims(&mut self) {
        let is_grown = self.chance.percent(50);
        for claim in self.objects.claims.values_mut().filter(|_| is_grown) {
            claim.capacity = claim.capacity.max(claim.requested);
        }
    }

    /// The eviction API: keeps to one disruption at a time.
    pub(super) fn evict(&mut self, ordinal: u32, uid: &str) -> Result<(), String> {
        let expected = self.objects.set.as_ref().map_or(0, |set| set.replicas) as usize;
        let Some(pod) = self.objects.pods.get(&ordinal).filter(|pod| pod.uid == uid) else {
            return Err("another pod".into());
        };
        let healthy = |pod: &&PodObject| pod.ready.is_some() && !pod.terminating;
        let healthy = self.objects.pods.values().filter(healthy).count();
        let left = healthy - usize::from(pod.ready.is_some() && !pod.terminating);
        // No budget exists for one replica.
        if self.spec.replicas > 1 && left + 1 < expected {
            return Err("the budget does not allow it".into());
        }
        self.terminate(ordinal);
        Ok(())
    }

    pub(super) fn terminate(&mut self, ordinal: u32) {
        let version = self.serial();
        let pod = self.objects.pods.get_mut(&ordinal).expect("the caller looked");
        pod.terminating = true;
        pod.version = version;
        if pod.phase == Phase::Pending {
            self.objects.pods.remove(&ordinal);
        }
    }

    pub(super) fn delete_claim(&mut self, ordinal: u32) {
        let version = self.serial();
        let claim = self.objects.claims.get_mut(&ordinal).expect("the caller looked");
        claim.terminating = true;
        claim.version = version;
    }
}
