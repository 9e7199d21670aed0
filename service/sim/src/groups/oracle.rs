//! Who sees all nodes and all ways between them, and therefore knows which node hears a live leader.
//!
//! What a node says of its health may differ from that for two election timeouts, and for what a message and a tick
//! take. Where the truth itself is in doubt (a lossy network, a slow disk, members that change) nothing is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_raft::RaftNode;
use tokio::time::Instant;

use super::bug::Bug;
use super::world::World;

/// What a message, a tick of health and one of this simulation take beside two election timeouts.
const SLACK: Duration = Duration::from_millis(250);

/// What was lost or held comes so much later than what was not.
const LATE: Duration = Duration::from_secs(1);
/// Whoever comes back is tried again after an attempt to connect that nobody answered, and the pause behind it.
const RECONNECTION: Duration = Duration::from_millis(1_500);

/// Where voters are, and how many there are.
type Voters = (Vec<usize>, usize);

/// Since when a node should say what it does not say.
#[derive(Debug)]
pub(crate) struct Oracle {
    /// When any two last reached each other.
    linked: BTreeMap<(usize, usize), Instant>,
    /// Since when any two reach each other without interruption.
    linked_since: BTreeMap<(usize, usize), Instant>,
    voters: Option<Voters>,
    same_voters_since: Instant,
    /// Since when each says without interruption that it is healthy.
    healthy_since: BTreeMap<usize, Instant>,
    /// When the network was last lossy or very slow: what was sent then may still arrive.
    rough: Instant,
    /// Since when it must hear this leader.
    hears: BTreeMap<usize, (usize, Instant)>,
    /// What each node said last, for the story.
    said: BTreeMap<usize, String>,
    /// How often a node's health was compared with the truth.
    pub(crate) compared: u64,
}

/// A node as everybody sees it.
struct Seen {
    at: usize,
    node: RaftNode,
    healthy: bool,
    leads: bool,
}

impl Default for Oracle {
    fn default() -> Self {
        Self {
            linked: BTreeMap::new(),
            linked_since: BTreeMap::new(),
            voters: None,
            same_voters_since: Instant::now(),
            healthy_since: BTreeMap::new(),
            rough: Instant::now(),
            hears: BTreeMap::new(),
            said: BTreeMap::new(),
            compared: 0,
        }
    }
}

impl Oracle {
    /// Looks at everybody.
    pub(crate) fn look(&mut self, world: &World) {
        let seen: Vec<Seen> = world.running().into_iter().filter_map(|at| see(world, at)).collect();
        check_leaders(world, &seen);
        for one in &seen {
            self.note(world, one);
        }
        let healthy = |at: &usize| seen.iter().any(|one| one.at == *at && one.healthy);
        self.healthy_since.retain(|at, _| healthy(at));
        for one in seen.iter().filter(|one| one.healthy) {
            self.healthy_since.entry(one.at).or_insert_with(Instant::now);
        }
        let members = world.members().filter(|members| !members.joint);
        let voters = members.map(|members| (world.voting_places_of(&members), members.voters.len()));
        self.link(world);
        if voters != self.voters {
            self.voters.clone_from(&voters);
            self.same_voters_since = Instant::now();
        }
        let limit = world.around.timings.silence_limit() + SLACK;
        for at in 0..world.places.len() {
            let me = seen.iter().find(|one| one.at == at);
            let (Some(me), Some(voters)) = (me.filter(|one| is_plain(world, one.at)), &voters) else {
                self.hears.remove(&at);
                continue;
            };
            self.compared += 1;
            self.check_deaf(world, me, voters, limit);
            self.check_hears(world, me, &seen, &voters.0, limit);
        }
    }

    /// Notes who reaches whom, both ways.
    fn link(&mut self, world: &World) {
        let now = Instant::now();
        for one in 0..world.places.len() {
            for other in 0..=one {
                if reaches(world, one, other) {
                    self.linked.insert((one, other), now);
                    self.linked.insert((other, one), now);
                    self.linked_since.entry((other, one)).or_insert(now);
                } else {
                    self.linked_since.remove(&(other, one));
                }
            }
        }
        if !is_calm(world) {
            self.rough = now;
        }
    }

    /// When `one` last reached `other`.
    fn reached(&self, one: usize, other: usize) -> Option<Instant> {
        self.linked.get(&(one, other)).copied()
    }

    /// When `at` was last heard by a quorum, if not by all of it at once.
    fn acknowledged(&self, at: usize, (voters, all): &Voters) -> Option<Instant> {
        let mut times: Vec<Option<Instant>> = voters.iter().map(|voter| self.reached(at, *voter)).collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        times.get(*all / 2).copied().flatten()
    }

    /// A healthy node must have heard somebody whom a quorum can have acknowledged.
    fn check_deaf(&mut self, world: &World, me: &Seen, voters: &Voters, limit: Duration) {
        let heard = voters.0.iter().filter_map(|leader| {
            let acknowledged = self.acknowledged(*leader, voters)?;
            Some(acknowledged.min(self.reached(*leader, me.at)?))
        });
        // What was sent before a cut and comes after it makes a node healthy once more, for as long as news may.
        let since = self.healthy_since.get(&me.at).map(|since| *since + LATE);
        // What a cut had held says nothing of how old it is.
        let late = world.around.net.late(me.at);
        let age = heard.max().max(since).max(late).map_or(limit * 2, |at| at.elapsed());
        let in_doubt = self.same_voters_since.elapsed() <= limit || self.rough.elapsed() <= limit + LATE;
        if me.healthy && age > limit && !in_doubt {
            let evidence = format!("n{} is healthy, and heard no possible leader for {age:?}", me.at + 1);
            world.around.truth.broke("health-is-true", evidence);
        }
    }

    /// A voter that hears a leader of a quorum must be healthy.
    fn check_hears(&mut self, world: &World, me: &Seen, seen: &[Seen], voters: &[usize], limit: Duration) {
        let leader = seen.iter().find(|one| one.leads && voters.contains(&one.at));
        let well = |leader: &&Seen| {
            let pair = (me.at.max(leader.at), me.at.min(leader.at));
            let linked = self.linked_since.get(&pair).is_some_and(|since| since.elapsed() > RECONNECTION);
            is_calm(world) && linked && voters.contains(&me.at) && is_plain(world, leader.at)
        };
        let Some(leader) = leader.filter(well) else {
            self.hears.remove(&me.at);
            return;
        };
        let (whom, since) = *self.hears.entry(me.at).or_insert_with(|| (leader.at, Instant::now()));
        if whom != leader.at {
            self.hears.insert(me.at, (leader.at, Instant::now()));
        } else if !me.healthy && since.elapsed() > limit {
            let reason = me.node.health().reason.clone().unwrap_or_default();
            let evidence = format!(
                "n{} hears the leader n{} for {:?} and is not healthy: {reason}",
                me.at + 1,
                leader.at + 1,
                since.elapsed()
            );
            world.around.truth.broke("health-is-true", evidence);
        }
    }

    fn note(&mut self, world: &World, one: &Seen) {
        let reason = one.node.health().reason.clone().unwrap_or_default();
        let reason: String = reason.chars().filter(|c| !c.is_ascii_digit()).collect();
        let line = match (one.leads, one.healthy) {
            (true, _) => "leads".to_owned(),
            (false, true) => "is healthy".to_owned(),
            (false, false) => format!("is not healthy: {reason}"),
        };
        if self.said.get(&one.at) != Some(&line) {
            world.tell(&format!("n{} {line}", one.at + 1));
            self.said.insert(one.at, line);
        }
    }
}

fn see(world: &World, at: usize) -> Option<Seen> {
    // Whoever stands still answers nobody.
    let node = world.places[at].node().filter(|_| !world.places[at].life.is_stopped())?;
    let health = node.health();
    let (mut healthy, mut leads) = (health.healthy, node.leadership().is_me);
    if world.bug == Some(Bug::TrustState) {
        // As if ages did not count: the library's state changes only when somebody says so.
        let old = health.reason.as_deref().unwrap_or_default();
        let leader = old.starts_with("no quorum acknowledges");
        healthy |= leader || old.starts_with("no message of the leader");
        leads |= leader;
    }
    Some(Seen { at, node, healthy, leads })
}

/// At most one node says at any moment that it leads, one per term, and numbers stay with their disks.
fn check_leaders(world: &World, seen: &[Seen]) {
    let truth = &world.around.truth;
    let leaders: Vec<&Seen> = seen.iter().filter(|one| one.leads).collect();
    for leader in &leaders {
        let health = leader.node.health();
        truth.leads(health.epoch, leader.node.leadership().term, health.me.node_id);
    }
    if let [one, other, ..] = leaders.as_slice() {
        let terms = (one.node.leadership().term, other.node.leadership().term);
        let evidence = format!("n{} and n{} lead at once, in terms {terms:?}", one.at + 1, other.at + 1);
        truth.broke("one-leader-check", evidence);
    }
    for one in seen {
        let health = one.node.health();
        if let Some(group) = health.cluster_id.as_deref().filter(|_| health.epoch > 0) {
            truth.bound(health.epoch, health.me.node_id, (one.at, world.places[one.at].emptied), group);
        }
    }
}

/// What is sent arrives soon.
fn is_calm(world: &World) -> bool {
    !world.around.net.loses() && world.around.net.latency().1 <= 40
}

/// Nothing is wrong with it but perhaps the network.
fn is_plain(world: &World, at: usize) -> bool {
    let place = &world.places[at];
    place.platter.is_well() && !place.sick && !place.draining
}

/// Whether what `from` sends can reach `to`, as far as ways and processes go.
fn reaches(world: &World, from: usize, to: usize) -> bool {
    let runs = |at: usize| world.places[at].runs_since.is_some() && !world.places[at].life.is_stopped();
    runs(from) && runs(to) && !world.around.net.is_cut(from, to) && !world.around.net.is_cut(to, from)
}
