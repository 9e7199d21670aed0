//! The invariants, judged on what is true rather than on what was seen.

use std::collections::BTreeSet;

use orchestrator_crds::OperationType;
use orchestrator_operator::observation::Observation;
use orchestrator_operator::plan::{Action, Plan};

use super::raft::{Config, Disk};
use super::world::{World, address};

impl World {
    /// Nodes that run, are heard by the leader of the newest epoch, and have nearly all it has; and its configuration.
    pub(super) fn working(&self) -> (BTreeSet<u64>, Option<Config>) {
        let led = self.raft.leaders.iter().max_by_key(|((_, epoch), _)| *epoch);
        let Some((_, leader)) = led else { return Default::default() };
        let Some(status) = self.status(&leader.address) else { return Default::default() };
        let last = status.last_log_index.unwrap_or(0);
        let near = status.replication.iter().filter(|(_, progress)| {
            progress.last_ack_ms.is_some_and(|age| age < 1000)
                && progress.matched_index.is_some_and(|index| index + 100 >= last)
        });
        let working = near.map(|(node, _)| *node).chain([leader.node]).collect();
        let config = self.raft.disks[&leader.disk].config().map(|(_, config)| (*config).clone());
        (working, config)
    }

    fn node_at(&self, ordinal: u32) -> Option<u64> {
        let (_, config) = self.working();
        let at = address(ordinal);
        let config = config?;
        let mut voters =
            config.nodes.iter().filter(|(node, _)| config.voters.iter().any(|set| set.contains(node)));
        voters.find(|(_, address)| **address == at).map(|(node, _)| *node)
    }

    /// I4, I11 and what else a plan must not ask for, whatever comes of it.
    pub(super) fn check_plan(&mut self, seen: &Observation, plan: &Plan) {
        let is_paused = seen.spec.paused || seen.verbs.paused;
        if is_paused && plan.action.is_some() {
            self.broken("pause", &format!("{:?}", plan.action));
        }
        match &plan.action {
            Some(Action::RecordBootstrap { .. }) => {
                // What a member outside holds nobody can know that does not lead.
                let holds = self.processes().into_iter().find(|(address, key)| {
                    address.starts_with("main-")
                        && !self.hidden.contains(address)
                        && self.raft.disks.get(key).is_some_and(|disk| disk.begun().is_some())
                });
                if let Some((holder, _)) = holds {
                    self.broken("I4", &format!("{holder} holds data and a group is to be formed"));
                }
                if seen.memory.bootstrap.is_some() {
                    self.broken("I5", "a second list is written down");
                }
            }
            Some(Action::ForgetGroup) if seen.verbs.allow_rebootstrap.is_none() => {
                self.broken("I4", "a group is forgotten and nobody asked for it");
            }
            Some(Action::Membership { change, .. }) if self.raft.leaders.is_empty() => {
                self.broken("I3", &format!("{change:?} without a leader"));
            }
            Some(
                Action::Evict(_)
                | Action::DeleteVolume { .. }
                | Action::GrowVolume { .. }
                | Action::Membership { .. }
                | Action::RecreateSet { .. }
                | Action::Reload { .. }
                | Action::Transfer { .. },
            ) => {
                let forced = plan
                    .operation
                    .as_ref()
                    .is_some_and(|now| now.operation == OperationType::ForceNewCluster);
                let stable = seen
                    .memory
                    .leader
                    .is_some_and(|(.., since)| seen.now.duration_since(since).as_secs() >= 10);
                let is_asked = forced || seen.verbs.allow_rebootstrap.is_some();
                if !stable && !is_asked {
                    self.broken("I11", &format!("{:?} although no leader is stable", plan.action));
                }
            }
            _ => {}
        }
    }

    /// I1, I2, I12: the pod of `ordinal` was ended by the operator, `working` worked before.
    pub(super) fn check_end(
        &mut self,
        seen: &Observation,
        plan: &Plan,
        ordinal: u32,
        working: &BTreeSet<u64>,
    ) {
        let (_, config) = self.working();
        let Some(node) = self.node_at(ordinal).filter(|node| working.contains(node)) else { return };
        let Some(config) = config else { return };
        let left: BTreeSet<u64> = working.iter().copied().filter(|other| *other != node).collect();
        let is_alone = config.voters.iter().all(|set| set.len() == 1);
        let majority = config.voters.iter().all(|set| set.intersection(&left).count() * 2 > set.len());
        if !majority && !is_alone {
            self.broken(
                "I1",
                &format!("main-{ordinal} was ended, and {left:?} of {:?} are left", config.voters),
            );
        }
        if self.voluntary.iter().any(|other| *other != ordinal) {
            self.broken("I2", &format!("main-{ordinal} was ended while {:?} are away", self.voluntary));
        }
        self.voluntary.insert(ordinal);
        let leads = self.raft.leaders.values().any(|leader| leader.address == address(ordinal));
        let rolls = plan.operation.as_ref().is_some_and(|now| now.operation == OperationType::RollingUpdate);
        if leads && rolls && self.recoveries > 0 && plan_hold(seen) {
            self.broken("I12", "the leader was ended while it repairs");
        }
        let wished = self.wished_revision();
        let mut others = self.objects.pods.iter().filter(|(other, _)| **other != ordinal);
        if leads
            && rolls
            && !is_alone
            && others.any(|(other, pod)| pod.revision != wished && self.node_at(*other).is_some())
        {
            self.broken("I12", "the leader was ended before a follower");
        }
    }

    /// I7, I8, I14: the claim of `ordinal` is going to be deleted by the operator.
    pub(super) fn check_wipe(&mut self, seen: &Observation, ordinal: u32) {
        let claim = self.objects.claims[&ordinal].clone();
        let disk = self.raft.disks.get(&claim.uid).cloned().unwrap_or_default();
        let Some(identity) = disk.begun().cloned() else { return };
        if seen.memory.cluster_id.as_ref().is_some_and(|group| *group != identity.cluster) {
            self.broken("I14", &format!("main-{ordinal} holds data of another group and is wiped"));
        }
        if seen.verbs.force_new_cluster.is_some() || seen.verbs.allow_rebootstrap.is_some() {
            return;
        }
        let (working, config) = self.working();
        let Some(config) = config else {
            self.broken("I8", &format!("the volume of main-{ordinal} goes without a leader"));
            return;
        };
        if !config.voters.iter().all(|set| set.intersection(&working).count() * 2 > set.len()) {
            self.broken("I8", &format!("the volume of main-{ordinal} goes without a quorum"));
        }
        if self
            .raft
            .leaders
            .values()
            .any(|leader| leader.address == address(ordinal) && leader.disk == claim.uid)
        {
            self.broken("I8", &format!("the leader's volume goes: main-{ordinal}"));
        }
        let is_voter = config.voters.iter().any(|set| set.contains(&identity.node))
            && config.nodes[&identity.node] == address(ordinal);
        let others_work =
            config.voters.iter().flatten().all(|node| *node == identity.node || working.contains(node));
        if is_voter && claim.lost.is_none() && !others_work {
            self.broken("I7", &format!("the volume of voter main-{ordinal} goes, and others are away"));
        }
    }

    /// I13.
    pub(super) fn check_replicas(&mut self, replicas: u32) {
        let (_, config) = self.working();
        let Some(config) = config.filter(|_| !self.spec.stopped) else { return };
        let highest = (0..8).filter(|ordinal| config.nodes.values().any(|at| *at == address(*ordinal))).max();
        if highest.is_some_and(|highest| replicas <= highest) {
            self.broken("I13", &format!("{replicas} pods, and main-{} is a member", highest.unwrap_or(0)));
        }
    }

    /// A survivor may go on alone only when nobody can lead the others without it.
    pub(super) fn check_force(&mut self, ordinal: u32) {
        if !self.raft.leaders.is_empty() {
            self.broken("force", "there is a leader");
        }
        let Some(disk) = self.disk(&address(ordinal)).cloned() else { return };
        let Some(own) = disk.begun().cloned() else { return };
        let attached = self.attached();
        let disks = self.raft.disks.iter().filter(|(key, _)| attached.contains(*key));
        let others: Vec<(u64, &Disk)> = disks
            .filter_map(|(_, disk)| Some((disk.begun()?, disk)))
            .filter(|(other, _)| {
                other.cluster == own.cluster && other.epoch == own.epoch && other.node != own.node
            })
            .map(|(other, disk)| (other.node, disk))
            .collect();
        let leading = others.iter().find(|(node, candidate)| {
            let granted = others.iter().filter(|(_, disk)| disk.last() <= candidate.last());
            let granted: BTreeSet<u64> = granted.map(|(node, _)| *node).collect();
            let config = candidate.config().filter(|_| !candidate.removed);
            config.is_some_and(|(_, config)| {
                config.voters.iter().any(|set| set.contains(node)) && Self::is_majority(&config, &granted)
            })
        });
        if let Some((node, _)) = leading {
            let text = format!("main-{ordinal} goes on alone, and node {node} could lead the others");
            self.broken("force", &text);
        }
    }

    /// Disks that some process has or may have again.
    fn attached(&self) -> BTreeSet<String> {
        let claims =
            self.objects.claims.values().filter(|claim| claim.lost.is_none()).map(|claim| claim.uid.clone());
        let pods = self
            .objects
            .pods
            .values()
            .filter(|_| self.spec.storage.ephemeral)
            .filter_map(|pod| pod.disk.clone());
        let outside = self.spec.raft.external_members.iter().map(|at| format!("outside-{at}"));
        claims.chain(pods).chain(outside).collect()
    }

    /// Two groups at once, or two epochs of one that both have a leader.
    pub(super) fn check_world(&mut self) {
        let groups: Vec<_> = self.raft.leaders.keys().cloned().collect();
        if groups.len() > 1 {
            self.broken("one group", &format!("{groups:?} all have leaders"));
        }
        let (working, config) = self.working();
        let back: Vec<u32> = self
            .voluntary
            .iter()
            .copied()
            .filter(|ordinal| {
                let at = address(*ordinal);
                let is_voter = config.as_ref().is_some_and(|config| {
                    config.nodes.iter().any(|(node, address)| {
                        *address == at && config.voters.iter().any(|set| set.contains(node))
                    })
                });
                !is_voter
                    || self.node_at(*ordinal).is_some_and(|node| {
                        working.contains(&node)
                            && !self.objects.pods.get(ordinal).is_none_or(|pod| pod.terminating)
                    })
            })
            .collect();
        for ordinal in back {
            self.voluntary.remove(&ordinal);
        }
    }
}

fn plan_hold(seen: &Observation) -> bool {
    let began = seen.memory.operation.as_ref().map(|operation| operation.step_started_at.0);
    let hold = i64::from(seen.spec.update.recovery_hold_seconds);
    began.is_none_or(|began| seen.now.duration_since(began).as_secs() < hold)
}
