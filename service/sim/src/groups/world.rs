//! All places of one history, and what happens to them with each tick.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_raft::{Bootstrap, Membership, MembershipSource, Policy, RaftNode, Timings};
use tokio::time::Instant;

use super::bug::Bug;
use super::chance::Chance;
use super::net::{Net, name_of};
use super::oracle::Oracle;
use super::place::{Place, Process, Surroundings};
use super::rescue::Rescue;
use super::truth::Truth;

/// Every property is looked at so often.
pub(crate) const TICK: Duration = Duration::from_millis(10);

pub(crate) struct World {
    pub(crate) places: Vec<Place>,
    pub(crate) around: Surroundings,
    pub(crate) oracle: Oracle,
    pub(crate) bug: Option<Bug>,
    /// Nothing breaks from here on.
    pub(crate) peace: bool,
    /// When something breaks next, and when a client calls next.
    pub(crate) next_fault: Instant,
    pub(crate) next_call: Instant,
    pub(crate) serial: u64,
    pub(crate) faults: u64,
    pub(crate) changes: u64,
    pub(crate) rescues: u64,
    /// Held by each call under way that removes somebody.
    pub(crate) removing: Arc<()>,
    pub(crate) rescue: Option<Rescue>,
    pub(crate) confirmed_before_peace: usize,
    /// The hand-over in peace was tried.
    pub(crate) handed_over: bool,
    pub(crate) mends: Vec<(Instant, super::chaos::Mend)>,
}

impl World {
    pub(crate) fn new(root: &Path, seed: u64, bug: Option<Bug>) -> Self {
        let chance = Chance::new(seed);
        let latency = [(0, 2), (0, 4), (1, 15), (5, 40)];
        let latency = chance.one_of(&latency).unwrap_or((0, 2));
        let timings = Timings {
            snapshot_every: chance.range(15, 150),
            keep_logs: chance.range(0, 40),
            ..Timings::default()
        };
        let membership = match chance.percent(15) {
            true => MembershipSource::Api,
            false => MembershipSource::Config,
        };
        let around = Surroundings {
            net: Net::new(chance.clone(), latency),
            truth: Truth::new(&root.to_string_lossy()),
            chance: chance.clone(),
            timings,
            policy: Policy { bootstrap: Bootstrap::Auto, membership },
        };
        let first =
            usize::try_from(chance.one_of(&[1_u64, 2, 3, 3, 3, 3, 5, 5, 7]).unwrap_or(3)).unwrap_or(3);
        let spares = usize::try_from(chance.range(0, 2)).unwrap_or(0).min(7 - first);
        let mut places: Vec<Place> =
            (0..first + spares).map(|index| Place::new(index, root, &chance)).collect();
        let now = Instant::now();
        for place in &mut places {
            let wanted = place.index < first;
            place.list = (0..first).chain((!wanted).then_some(place.index)).collect();
            place.start_at = wanted.then(|| now + chance.ms(0, 1_500));
            if bug == Some(Bug::ForgetVotes) {
                place.platter.set_forgets_votes();
            }
        }
        let world = Self {
            places,
            oracle: Oracle::default(),
            bug,
            peace: false,
            next_fault: now + chance.ms(0, 5_000),
            next_call: now,
            serial: 0,
            faults: 0,
            changes: 0,
            rescues: 0,
            removing: Arc::default(),
            rescue: None,
            confirmed_before_peace: 0,
            handed_over: false,
            mends: Vec::new(),
            around,
        };
        world.tell(&format!(
            "{first} nodes, {spares} spare, latency {latency:?} ms, {:?}",
            world.around.timings
        ));
        world
    }

    pub(crate) fn tell(&self, line: &str) {
        self.around.truth.tell(line);
    }

    /// One moment.
    pub(crate) fn tick(&mut self) {
        self.supervise();
        self.look();
        self.mend_what_is_due();
        self.go_on_with_rescue();
        let now = Instant::now();
        if !self.peace && now >= self.next_fault {
            self.break_something();
            self.next_fault = now + self.around.chance.ms(50, 2_500);
        }
        if now >= self.next_call {
            self.call();
            self.next_call = now + self.around.chance.ms(5, 120);
        }
    }

    /// Everything that must hold at each moment.
    pub(crate) fn look(&mut self) {
        let mut oracle = std::mem::take(&mut self.oracle);
        oracle.look(self);
        self.oracle = oracle;
    }

    /// Starts what is due, and notices what ended.
    fn supervise(&mut self) {
        let now = Instant::now();
        for at in 0..self.places.len() {
            match self.places[at].process() {
                Process::Off if self.places[at].start_at.is_some_and(|due| due <= now) => {
                    self.tell(&format!("{} starts", self.places[at].label()));
                    self.places[at].start(&self.around);
                }
                Process::Running(node) => {
                    if self.places[at].runs_since.is_none() {
                        self.places[at].runs_since = Some(now);
                    }
                    let fatal = node.fatal().borrow().clone();
                    if let Some(reason) = fatal {
                        self.ended(at, &reason);
                    }
                }
                Process::Ended(reason) => self.ended(at, &reason),
                Process::Off | Process::Starting => {}
            }
        }
    }

    /// A process ended by itself: ordered to, or for a reason that must be one of its disk's.
    fn ended(&mut self, at: usize, reason: &str) {
        let place = &mut self.places[at];
        let ordered = place.draining;
        place.die(&self.around, false);
        place.start_at = Some(Instant::now() + self.around.chance.ms(100, 2_000));
        let label = place.label();
        self.tell(&format!("{label} ended: {reason}"));
        // Who was handing over when it was killed holds its files a moment longer here, where no system closes them.
        let expected = ["no storage space", "is locked"].iter().any(|cause| reason.contains(cause));
        let rescued = self.rescue.as_ref().is_some_and(|rescue| rescue.ends(at, reason));
        if !ordered && !expected && !rescued {
            self.around.truth.broke("no-end-without-reason", format!("{label}: {reason}"));
        }
    }

    /// Places whose processes run.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.places.len()).filter(|at| self.places[*at].node().is_some()).collect()
    }

    /// Who says that it leads.
    pub(crate) fn leader(&self) -> Option<(usize, RaftNode)> {
        self.places.iter().find_map(|place| {
            let node = place.node()?;
            node.leadership().is_me.then_some((place.index, node))
        })
    }

    /// The newest committed members that anybody knows.
    pub(crate) fn members(&self) -> Option<Membership> {
        let known = self.places.iter().filter_map(Place::node).map(|node| node.membership());
        let known = known.filter(|known| known.committed && known.index.is_some());
        known.max_by_key(|known| (known.epoch, known.index))
    }

    /// The places of the voters in `members`, without those where another node runs than the one that votes.
    pub(crate) fn voting_places_of(&self, members: &Membership) -> Vec<usize> {
        let other = |at: &usize| {
            let me = self.places[*at].node().map(|node| node.health().me.node_id);
            me.is_some_and(|me| members.voters.iter().all(|voter| voter.node_id != me))
        };
        self.voters_of(members).into_iter().filter(|at| !other(at)).collect()
    }

    /// The places of the voters in `members`.
    pub(crate) fn voters_of(&self, members: &Membership) -> Vec<usize> {
        let names = members.voters.iter().map(|voter| voter.raft_addr.as_str());
        names.filter_map(|name| (0..self.places.len()).find(|at| name_of(*at) == name)).collect()
    }
}
