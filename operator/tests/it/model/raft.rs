//! A raft group with instant messages, which enforces the rules: terms, votes, joint configurations, compare-and-set,
//! numbers that are never given twice, an empty disk that is nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use orchestrator_wire::{DataState, MemberName, MemberStatus, Members, Replication};

use super::world::World;

/// Entries that a learner gets in one step.
const COPIED: usize = 150;
/// Entries with which a group begins, so that whoever joins has something to catch up with.
const FOUNDING: usize = 250;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// One set of voters, or two while a change is half done.
    pub(super) voters: Vec<BTreeSet<u64>>,
    pub(super) nodes: BTreeMap<u64, String>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    term: u64,
    config: Option<Rc<Config>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) cluster: String,
    pub(super) node: u64,
    pub(super) epoch: u64,
    /// It has voted or may have; before, the number is only assigned.
    pub(super) begun: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) identity: Option<Identity>,
    pub(super) log: Vec<Entry>,
    pub(super) removed: bool,
}

impl Disk {
    pub(super) fn config(&self) -> Option<(u64, Rc<Config>)> {
        let entries = self.log.iter().enumerate().rev();
        let mut configs =
            entries.filter_map(|(index, entry)| Some((index as u64 + 1, entry.config.clone()?)));
        configs.next()
    }

    pub(super) fn begun(&self) -> Option<&Identity> {
        self.identity.as_ref().filter(|identity| identity.begun)
    }

    pub(super) fn last(&self) -> (u64, usize) {
        (self.log.last().map_or(0, |entry| entry.term), self.log.len())
    }
}

/// A group and its epoch.
pub(super) type Group = (String, u64);

#[derive(Debug, Clone)]
pub(super) struct Leader {
    pub(super) address: String,
    pub(super) disk: String,
    pub(super) node: u64,
    pub(super) term: u64,
}

#[derive(Debug, Default)]
pub(super) struct Raft {
    pub(super) disks: BTreeMap<String, Disk>,
    pub(super) leaders: BTreeMap<Group, Leader>,
    terms: BTreeMap<String, u64>,
    /// How far each group committed: length of the log, and term of the last entry.
    pub(super) committed: BTreeMap<Group, (usize, u64)>,
    /// Which disk has which number, for ever.
    bound: BTreeMap<(String, u64), String>,
}

impl World {
    pub(super) fn disk(&self, address: &str) -> Option<&Disk> {
        self.raft.disks.get(&self.process(address)?)
    }

    /// The process of a member: at its address, with its number.
    fn member(&self, group: &Group, node: u64, address: &str) -> Option<String> {
        let key = self.process(address)?;
        let identity = self.raft.disks.get(&key)?.identity.as_ref()?;
        (identity.cluster == group.0 && identity.epoch == group.1 && identity.node == node).then_some(key)
    }

    /// Of the members of `config`, those that run and reach `from`.
    fn heard(&self, group: &Group, config: &Config, from: &str) -> BTreeMap<u64, String> {
        let heard = config.nodes.iter().filter(|(_, address)| self.reach(from, address));
        heard.filter_map(|(node, address)| Some((*node, self.member(group, *node, address)?))).collect()
    }

    pub(super) fn is_majority(config: &Config, there: &BTreeSet<u64>) -> bool {
        config.voters.iter().all(|set| set.intersection(there).count() * 2 > set.len())
    }

    /// One step of every group.
    pub(super) fn raft_step(&mut self) {
        let processes = self.processes();
        let groups: BTreeSet<Group> = processes
            .iter()
            .filter_map(|(_, disk)| self.raft.disks.get(disk)?.begun())
            .map(|identity| (identity.cluster.clone(), identity.epoch))
            .collect();
        let dead: Vec<Group> = self.raft.leaders.keys().filter(|group| !self.leads(group)).cloned().collect();
        for group in dead {
            self.raft.leaders.remove(&group);
        }
        for group in groups {
            if !self.raft.leaders.contains_key(&group) {
                self.elect(&group, None);
            }
            self.replicate(&group);
        }
    }

    fn leads(&self, group: &Group) -> bool {
        let Some(leader) = self.raft.leaders.get(group) else { return false };
        if self.process(&leader.address).as_ref() != Some(&leader.disk) {
            return false;
        }
        let Some(disk) = self.raft.disks.get(&leader.disk) else { return false };
        let Some((index, config)) = disk.config() else { return false };
        let heard: BTreeSet<u64> = self.heard(group, &config, &leader.address).into_keys().collect();
        let committed = self.raft.committed.get(group).map_or(0, |(length, _)| *length as u64);
        let stays = config.voters.iter().any(|set| set.contains(&leader.node)) || committed < index;
        Self::is_majority(&config, &heard) && stays
    }

    /// Somebody stands and may win; `only` = nobody else stands.
    pub(super) fn elect(&mut self, group: &Group, only: Option<&str>) {
        let mut standing = self.processes();
        let shift = self.chance.below(standing.len());
        standing.rotate_left(shift);
        for (address, key) in standing {
            if only.is_some_and(|only| only != address) {
                continue;
            }
            let Some(disk) = self.raft.disks.get(&key) else { continue };
            let Some(identity) = disk.begun().filter(|own| own.cluster == group.0 && own.epoch == group.1)
            else {
                continue;
            };
            let Some((_, config)) = disk.config().filter(|_| !disk.removed) else { continue };
            let node = identity.node;
            if !config.voters.iter().any(|set| set.contains(&node)) {
                continue;
            }
            let last = disk.last();
            let granted = self.heard(group, &config, &address).into_iter();
            let granted = granted.filter(|(_, key)| self.raft.disks[key].last() <= last);
            let granted: BTreeSet<u64> = granted.map(|(node, _)| node).collect();
            if Self::is_majority(&config, &granted) {
                self.crown(group, Leader { address, disk: key, node, term: 0 });
                return;
            }
        }
    }

    fn crown(&mut self, group: &Group, leader: Leader) {
        let term = self.raft.terms.entry(group.0.clone()).or_default();
        *term += 1;
        let leader = Leader { term: *term, ..leader };
        let log = &mut self.raft.disks.get_mut(&leader.disk).expect("it stood with this disk").log;
        if let Some((length, last)) = self.raft.committed.get(group) {
            let kept = log.len() >= *length && log.get(length - 1).is_some_and(|entry| entry.term == *last);
            if !kept {
                let text = format!("node {} leads {group:?} without what was committed", leader.node);
                self.broken("raft", &text);
                return;
            }
        }
        log.push(Entry { term: leader.term, config: None });
        self.note(|| format!("{} leads in term {}", leader.address, leader.term));
        self.raft.leaders.insert(group.clone(), leader);
    }

    /// The leader brings the others up to date, commits, and finishes a change that is half done.
    pub(super) fn replicate(&mut self, group: &Group) {
        let Some(leader) = self.raft.leaders.get(group).cloned() else { return };
        let Some((index, config)) = self.raft.disks[&leader.disk].config() else { return };
        let heard = self.heard(group, &config, &leader.address);
        // Copied only when somebody lacks something.
        let last = self.raft.disks[&leader.disk].last();
        let is_behind = heard.values().any(|key| self.raft.disks[key].last() != last);
        let length = last.1;
        let log = if is_behind { self.raft.disks[&leader.disk].log.clone() } else { Vec::new() };
        let mut matched: BTreeMap<u64, usize> = BTreeMap::new();
        for (node, key) in &heard {
            let is_voter = config.voters.iter().any(|set| set.contains(node));
            self.begin(group, *node, key);
            if !is_behind {
                matched.insert(*node, length);
                continue;
            }
            let disk = self.raft.disks.get_mut(key).expect("it was heard");
            let mut same = disk.log.len().min(log.len());
            while same > 0 && disk.log[same - 1].term != log[same - 1].term {
                same -= 1;
            }
            let until = if is_voter { log.len() } else { log.len().min(same + COPIED) };
            if until > same || disk.log.len() > same {
                disk.log.truncate(same);
                disk.log.extend_from_slice(&log[same..until]);
            }
            matched.insert(*node, until);
        }
        self.commit(group, &leader, &config, &matched, length);
        let committed = self.raft.committed.get(group).map_or(0, |(length, _)| *length as u64);
        if config.voters.len() > 1 && committed >= index {
            let last = config.voters.last().expect("there are two").clone();
            let mut nodes = config.nodes.clone();
            nodes.retain(|node, _| last.contains(node) || !config.voters[0].contains(node));
            self.append(group, Config { voters: vec![last], nodes });
            return self.replicate(group);
        }
        if committed >= index && !config.voters.iter().any(|set| set.contains(&leader.node)) {
            self.raft.leaders.remove(group);
        }
        self.tell_removed(group, &leader.address, &config, committed >= index);
    }

    /// Binds a number to a disk for ever.
    fn begin(&mut self, group: &Group, node: u64, key: &str) {
        let bound = self.raft.bound.entry((group.0.clone(), node)).or_insert_with(|| key.to_owned()).clone();
        if bound != key {
            self.broken("I6", &format!("node {node} was on {bound} and is on {key}"));
        }
        let disk = self.raft.disks.get_mut(key).expect("it was heard");
        if let Some(identity) = &mut disk.identity {
            identity.begun = true;
        }
    }

    fn commit(
        &mut self,
        group: &Group,
        leader: &Leader,
        config: &Config,
        matched: &BTreeMap<u64, usize>,
        length: usize,
    ) {
        let there: BTreeSet<u64> =
            matched.iter().filter(|(_, until)| **until >= length).map(|(node, _)| *node).collect();
        if Self::is_majority(config, &there) {
            self.raft.committed.insert(group.clone(), (length, leader.term));
        }
    }

    fn tell_removed(&mut self, group: &Group, leader: &str, config: &Config, is_committed: bool) {
        for (address, key) in self.processes() {
            let reached = self.reach(leader, &address);
            let Some(disk) = self.raft.disks.get_mut(&key) else { continue };
            let is_ours = disk.begun().is_some_and(|own| own.cluster == group.0 && own.epoch == group.1);
            let node = disk.identity.as_ref().map_or(0, |identity| identity.node);
            if is_ours && reached && is_committed && !config.nodes.contains_key(&node) {
                disk.removed = true;
            }
        }
    }

    fn append(&mut self, group: &Group, config: Config) {
        let leader = self.raft.leaders[group].clone();
        let disk = self.raft.disks.get_mut(&leader.disk).expect("a leader has a disk");
        disk.log.push(Entry { term: leader.term, config: Some(Rc::new(config)) });
    }

    /// The leader's view of itself, if a change may begin at it.
    fn leading(&self, cluster: &str, expected: u64) -> Result<(Group, Leader, Rc<Config>), String> {
        let led = self.raft.leaders.iter().filter(|((group, _), _)| group == cluster);
        let Some((group, leader)) = led.max_by_key(|((_, epoch), _)| *epoch) else {
            return Err("no leader".into());
        };
        let (index, config) = self.raft.disks[&leader.disk].config().ok_or("no members")?;
        if index != expected {
            return Err(format!("the members changed: expected {expected}, found {index}"));
        }
        let committed = self.raft.committed.get(group).map_or(0, |(length, _)| *length as u64);
        if config.voters.len() > 1 || committed < index {
            return Err("another change is under way".into());
        }
        Ok((group.clone(), leader.clone(), config))
    }

    pub(super) fn add_learner(&mut self, cluster: &str, expected: u64, address: &str) -> Result<(), String> {
        let (group, leader, config) = self.leading(cluster, expected)?;
        let key = self
            .process(address)
            .filter(|_| self.reach(&leader.address, address))
            .ok_or("it does not answer")?;
        if self.raft.disks.entry(key.clone()).or_default().begun().is_some() {
            return Err("it is not empty".into());
        }
        let log = &mut self.raft.disks.get_mut(&leader.disk).expect("a leader has a disk").log;
        log.push(Entry { term: leader.term, config: None });
        let node = 65_536 + log.len() as u64;
        let identity = Identity { cluster: cluster.to_owned(), node, epoch: group.1, begun: false };
        self.raft.disks.get_mut(&key).expect("made above").identity = Some(identity);
        if self.chance.percent(3) {
            return Err("the leader broke off".into());
        }
        let mut next = (*config).clone();
        next.nodes.insert(node, address.to_owned());
        self.append(&group, next);
        self.replicate(&group);
        Ok(())
    }

    pub(super) fn remove_learner(&mut self, cluster: &str, expected: u64, node: u64) -> Result<(), String> {
        let (group, _, config) = self.leading(cluster, expected)?;
        if config.voters[0].contains(&node) || !config.nodes.contains_key(&node) {
            return Err(format!("node {node} is no learner"));
        }
        let mut next = (*config).clone();
        next.nodes.remove(&node);
        self.append(&group, next);
        self.replicate(&group);
        Ok(())
    }

    pub(super) fn change_voters(
        &mut self,
        cluster: &str,
        expected: u64,
        voters: &[u64],
    ) -> Result<(), String> {
        let (group, leader, config) = self.leading(cluster, expected)?;
        let voters: BTreeSet<u64> = voters.iter().copied().collect();
        if voters.is_empty() || voters.iter().any(|node| !config.nodes.contains_key(node)) {
            return Err("unknown members".into());
        }
        let heard: BTreeSet<u64> = self.heard(&group, &config, &leader.address).into_keys().collect();
        if voters.intersection(&heard).count() * 2 <= voters.len() {
            return Err("the new members would have no majority".into());
        }
        let nodes = config.nodes.clone();
        self.append(&group, Config { voters: vec![config.voters[0].clone(), voters], nodes });
        if self.chance.percent(5) {
            // The leader dies half way: the next one finishes it.
            self.raft.leaders.remove(&group);
            return Err("the leader broke off".into());
        }
        self.replicate(&group);
        Ok(())
    }

    pub(super) fn hand_over(&mut self, cluster: &str, to: &str) -> Result<(), String> {
        let led =
            self.raft.leaders.keys().filter(|(group, _)| group == cluster).max_by_key(|(_, epoch)| *epoch);
        let group = led.cloned().ok_or("no leader")?;
        if self.chance.percent(20) {
            return Err("it was not handed over".into());
        }
        self.raft.leaders.remove(&group);
        self.elect(&group, Some(to));
        self.replicate(&group);
        Ok(())
    }

    pub(super) fn found(&mut self, cluster: &str, members: &BTreeMap<u64, String>) -> Result<(), String> {
        let mut keys = Vec::new();
        for (node, address) in members {
            let first = members.values().next().expect("a group has members");
            let key =
                self.process(address).filter(|_| self.reach(first, address)).ok_or("somebody is silent")?;
            let held = self.raft.disks.entry(key.clone()).or_default();
            if held.begun().is_some() {
                return Err(format!("{address} holds data"));
            }
            keys.push((*node, key));
        }
        for (node, key) in &keys {
            let identity = Identity { cluster: cluster.to_owned(), node: *node, epoch: 1, begun: false };
            self.raft.disks.get_mut(key).expect("made above").identity = Some(identity);
            if self.chance.percent(2) {
                return Err("the former broke off".into());
            }
        }
        let config = Config { voters: vec![members.keys().copied().collect()], nodes: members.clone() };
        let group = (cluster.to_owned(), 1);
        // Nobody is left of an earlier attempt: all of its members are empty.
        self.raft.bound.retain(|(of, _), _| of != cluster);
        self.raft.committed.remove(&group);
        let (node, key) = keys[0].clone();
        self.begin(&group, node, &key);
        let disk = self.raft.disks.get_mut(&key).expect("made above");
        disk.log = vec![Entry { term: 0, config: Some(Rc::new(config)) }];
        disk.log.extend(std::iter::repeat_n(Entry { term: 0, config: None }, FOUNDING));
        Ok(())
    }

    pub(super) fn go_on_alone(&mut self, address: &str, cluster: &str, epoch: u64) -> Result<(), String> {
        let key = self.process(address).ok_or("it does not answer")?;
        let disk = self.raft.disks.get_mut(&key).ok_or("it is empty")?;
        let identity = disk.identity.as_mut().filter(|own| own.begun).ok_or("it is empty")?;
        if identity.cluster != cluster || identity.epoch != epoch {
            return Err("another group or epoch".into());
        }
        identity.epoch += 1;
        let (node, group) = (identity.node, (cluster.to_owned(), identity.epoch));
        if self.chance.percent(10) {
            return Err("it broke off".into());
        }
        let term = self.raft.terms.entry(cluster.to_owned()).or_default();
        *term += 1;
        let nodes = BTreeMap::from([(node, address.to_owned())]);
        let config = Config { voters: vec![BTreeSet::from([node])], nodes };
        disk.log.push(Entry { term: *term, config: Some(Rc::new(config)) });
        self.raft.committed.remove(&group);
        Ok(())
    }

    /// What the process at `address` answers.
    pub(super) fn status(&self, address: &str) -> Option<MemberStatus> {
        let key = self.process(address)?;
        let Some(disk) = self.raft.disks.get(&key) else { return Some(MemberStatus::default()) };
        let Some(identity) = disk.identity.clone() else { return Some(MemberStatus::default()) };
        let mut status = MemberStatus {
            cluster_id: identity.cluster.clone(),
            node_id: identity.node,
            removed: disk.removed,
            min_version: "0.1.0".into(),
            ..MemberStatus::default()
        };
        if !identity.begun {
            return Some(status);
        }
        let group = (identity.cluster.clone(), identity.epoch);
        status.data_state = DataState::Present;
        status.initialized = true;
        status.epoch = identity.epoch;
        status.last_log_index = Some(disk.log.len() as u64);
        let Some((index, config)) = disk.config() else { return Some(status) };
        let committed = self.raft.committed.get(&group).map_or(0, |(length, _)| *length as u64);
        status.membership_log_index = Some(index);
        status.membership = names(&config, committed >= index);
        let Some(leader) =
            self.raft.leaders.get(&group).filter(|leader| self.reach(&leader.address, address))
        else {
            return Some(status);
        };
        status.term = leader.term;
        let is_voter = config.voters.iter().any(|set| set.contains(&identity.node));
        status.status.healthy = self.leads(&group) && is_voter && !disk.removed;
        status.status.state = if leader.disk == key { "Leader".into() } else { "Follower".into() };
        if leader.disk == key {
            status.active_recoveries = self.recoveries;
            let heard = self.heard(&group, &config, address);
            status.replication = config
                .nodes
                .keys()
                .filter(|node| **node != identity.node)
                .map(|node| {
                    let matched =
                        heard.get(node).map(|key| self.raft.disks[key].log.len().min(disk.log.len()) as u64);
                    let last_ack_ms = Some(if matched.is_some() { 40 } else { 90_000 });
                    (*node, Replication { matched_index: matched.or(Some(1)), last_ack_ms })
                })
                .collect();
        }
        Some(status)
    }
}

fn names(config: &Config, committed: bool) -> Members {
    let voting: BTreeSet<u64> = config.voters.iter().flatten().copied().collect();
    let name = |(node, address): (&u64, &String)| MemberName { node_id: *node, addr: address.clone() };
    Members {
        joint: config.voters.len() > 1,
        committed,
        voters: config.nodes.iter().filter(|(node, _)| voting.contains(node)).map(name).collect(),
        learners: config.nodes.iter().filter(|(node, _)| !voting.contains(node)).map(name).collect(),
    }
}
