//! Everything there is in a history, and the queue of what happens next.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use orchestrator_core::{
    Timestamp,
    instance::PromotionRule,
    recovery::{Action, RecoveryPolicy, Reply},
};

use crate::{
    bug::Bug,
    chaos::Fault,
    driver::{Call, Driver},
    gap::Gap,
    group::Group,
    history::Setting,
    random::Random,
    rows::{Rows, SERVERS_MAX},
    server::{Server, Statement, key},
};

/// Lines of the story that a violation shows.
const STORY_LINES_MAX: usize = 60;

/// Commits of a client that wait for acknowledgements, per server: a client has so many connections.
const WAITING_MAX: u64 = 6;

/// What happens at a moment.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A server receives, applies, acknowledges.
    Replicate(usize),
    /// Clients write wherever they can.
    Write,
    /// A node looks around and does its duties.
    Tick(usize),
    Elect,
    /// An old leader hears that it leads no more.
    StepDown(usize, u64),
    /// Something breaks.
    Break,
    Mend(Fault),
    /// A statement reaches its server.
    Arrive(Call),
    /// Its result reaches the driver.
    Return(Call, Result<Reply, String>),
    /// A stage is begun again.
    Again(u64),
    /// Nothing breaks from now on.
    Peace,
}

/// What a successor looked like at the moment it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) server: usize,
    pub(crate) executed: Rows,
    pub(crate) acknowledged: Rows,
}

/// A commit of a recovery's progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    pub(crate) recovery: usize,
    pub(crate) node: usize,
    pub(crate) term: u64,
    pub(crate) term_before: u64,
}

/// One history under way.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) step: u64,
    pub(crate) random: Random,
    pub(crate) setting: Setting,
    pub(crate) servers: Vec<Server>,
    /// Replication links that are cut, both ways.
    pub(crate) links_cut: BTreeSet<(usize, usize)>,
    /// Acknowledgements that a commit waits for.
    pub(crate) acknowledgements: u32,
    pub(crate) group: Group,
    pub(crate) drivers: BTreeMap<u64, Driver>,
    pub(crate) drivers_made: u64,
    pub(crate) policy: RecoveryPolicy,
    /// What recoveries left behind and declared to be in downtime.
    pub(crate) left_behind: BTreeSet<usize>,
    pub(crate) peace_since: Option<u64>,
    /// Never mended.
    pub(crate) dead_for_good: Option<usize>,
    /// Rows that clients were told are safe.
    pub(crate) acknowledged: Rows,
    /// What the last event opened and committed, for the invariants.
    pub(crate) opened: Vec<Opened>,
    pub(crate) commits: Vec<Commit>,
    /// When a recovery first opened each server, milliseconds.
    pub(crate) opened_at: [Option<u64>; SERVERS_MAX],
    pub(crate) refusal: Option<String>,
    pub(crate) faults: u64,
    pub(crate) story: VecDeque<String>,
    pub(crate) full_story: Option<Vec<String>>,
    pub(crate) digest: u64,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
}

impl World {
    pub(crate) fn new(seed: u64, setting: Setting) -> Self {
        let mut random = Random::new(seed);
        let count = random.range(3, SERVERS_MAX as u64) as usize;
        let nodes = if random.percent(70) { 3 } else { 5 };
        let acknowledgements = if count > 3 && random.percent(30) { 2 } else { 1 };
        let mut servers: Vec<Server> = (0..count).map(Server::new).collect();
        for server in servers.iter_mut().skip(1) {
            server.rule = match random.range(0, 9) {
                0 | 1 => PromotionRule::MustNot,
                2 => PromotionRule::Prefer,
                3 => PromotionRule::PreferNot,
                _ => PromotionRule::Neutral,
            };
            server.slow = random.percent(40);
            server.banned = random.percent(8);
            server.logs_updates = !random.percent(8);
        }
        let mut world = Self {
            now: 0,
            step: 0,
            setting,
            servers,
            links_cut: BTreeSet::new(),
            acknowledgements,
            group: Group::new(nodes),
            drivers: BTreeMap::new(),
            drivers_made: 0,
            policy: RecoveryPolicy { drain_deadline: Duration::from_secs(2), ..RecoveryPolicy::default() },
            left_behind: BTreeSet::new(),
            peace_since: None,
            dead_for_good: None,
            acknowledged: Rows::default(),
            opened: Vec::new(),
            commits: Vec::new(),
            opened_at: [None; SERVERS_MAX],
            refusal: None,
            faults: 0,
            story: VecDeque::new(),
            full_story: setting.story.then(Vec::new),
            digest: 0xcbf2_9ce4_8422_2325,
            random,
            queue: BTreeMap::new(),
            queued: 0,
        };
        world.tell(|_| format!("{count} servers, {nodes} nodes, a commit waits for {acknowledgements}"));
        world.begin();
        world
    }

    fn begin(&mut self) {
        // Everybody is known to every node before anything breaks.
        (0..self.group.nodes.len()).for_each(|node| self.observe(node));
        (0..self.servers.len()).for_each(|at| self.after(1, 20, Event::Replicate(at)));
        (0..self.group.nodes.len()).for_each(|at| self.after(1, 200, Event::Tick(at)));
        self.after(1, 5, Event::Write);
        self.after(1, 50, Event::Elect);
        self.after(1_000, 3_000, Event::Break);
        self.after(9_000, 13_000, Event::Peace);
    }

    /// Puts an event `from..=to` milliseconds from now.
    pub(crate) fn after(&mut self, from: u64, to: u64, event: Event) {
        let at = self.now + self.random.range(from, to);
        self.queued += 1;
        self.queue.insert((at, self.queued), event);
    }

    /// Lets the next event happen.
    pub(crate) fn advance(&mut self) {
        let Some(((at, _), event)) = self.queue.pop_first() else { return };
        (self.now, self.step) = (at, self.step + 1);
        self.opened.clear();
        self.commits.clear();
        match event {
            Event::Replicate(at) => self.replicate(at),
            Event::Write => self.write(),
            Event::Tick(node) => self.tick(node),
            Event::Elect => self.elect(),
            Event::StepDown(node, term) => self.step_down(node, term),
            Event::Break => self.break_something(),
            Event::Mend(fault) => self.mend(&fault),
            Event::Arrive(call) => self.arrive(call),
            Event::Return(call, result) => self.returned(call, result),
            Event::Again(driver) => self.drive(driver),
            Event::Peace => self.make_peace(),
        }
    }

    /// Writes one line of the story.
    pub(crate) fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        let line = format!("{:>6} ms  {}", self.now, line(self));
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(story) = &mut self.full_story {
            story.push(line.clone());
        }
        if self.story.len() == STORY_LINES_MAX {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.now as i64)
    }

    pub(crate) fn is_linked(&self, one: usize, other: usize) -> bool {
        !self.links_cut.contains(&(one.min(other), one.max(other)))
    }

    /// Its receiving thread is connected to an awake source.
    pub(crate) fn hears(&self, at: usize) -> Option<usize> {
        let server = &self.servers[at];
        let source = server.source.filter(|_| server.is_awake() && server.receiving && !server.detached)?;
        (source != at && self.servers[source].is_awake() && self.is_linked(at, source)).then_some(source)
    }

    /// Replicas that would acknowledge a commit on `at` now.
    pub(crate) fn listeners(&self, at: usize) -> u32 {
        (0..self.servers.len()).filter(|replica| self.hears(*replica) == Some(at)).count() as u32
    }

    /// A client that writes there now is told that its row is safe.
    pub(crate) fn can_acknowledge(&self, at: usize) -> bool {
        self.servers[at].is_writable() && self.listeners(at) >= self.acknowledgements
    }

    fn replicate(&mut self, at: usize) {
        self.after(5, 60, Event::Replicate(at));
        if let Some(source) = self.hears(at) {
            let has = self.servers[source].executed;
            let count = self.random.range(0, 6);
            let replica = &mut self.servers[at];
            replica.contact_at = self.now;
            replica.received.take(&has, source, count);
            let received = replica.received.0[source];
            self.servers[source].acknowledged_by[at] = received;
        }
        let count = self.random.range(0, if self.servers[at].slow { 3 } else { 6 });
        let server = &mut self.servers[at];
        if server.is_awake() && !server.stuck {
            let (received, last) = (server.received, server.source.unwrap_or(at));
            server.executed.take(&received, last, count);
        }
        self.acknowledge(at);
    }

    /// Tells clients of the rows that enough replicas have.
    fn acknowledge(&mut self, at: usize) {
        let server = &mut self.servers[at];
        if !server.is_awake() {
            return;
        }
        let mut received = server.acknowledged_by;
        received.sort_unstable_by(|a, b| b.cmp(a));
        let safe = received[self.acknowledgements as usize - 1].min(server.executed.0[at]);
        if safe > server.answered {
            server.answered = safe;
            self.acknowledged.0[at] = self.acknowledged.0[at].max(safe);
        }
    }

    /// Many clients, none of which knows which server is the right one: the worst there is.
    fn write(&mut self) {
        self.after(5, 40, Event::Write);
        for (at, server) in self.servers.iter_mut().enumerate() {
            if server.is_writable() && server.executed.0[at] < server.answered + WAITING_MAX {
                server.executed.0[at] += 1;
                server.received = server.received.union(&server.executed);
            }
        }
    }

    /// A statement takes effect; `promotes` = it is the last one of a promotion.
    pub(crate) fn obey(&mut self, at: usize, statement: &Statement, promotes: bool) {
        self.servers[at].obey(statement);
        self.tell(|world| format!("{} obeys {statement:?}, has {:?}", key(at), world.servers[at].executed.0));
        if promotes {
            let (executed, acknowledged) = (self.servers[at].executed, self.acknowledged);
            self.opened.push(Opened { server: at, executed, acknowledged });
            self.opened_at[at] = self.opened_at[at].or(Some(self.now));
        }
    }

    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.setting.bug == Some(bug)
    }

    pub(crate) fn has_gap(&self, gap: Gap) -> bool {
        self.setting.gap == Some(gap)
    }

    /// Who is acted upon.
    pub(crate) fn target(action: &Action) -> usize {
        let key = match action {
            Action::Fence(key)
            | Action::Unfence(key)
            | Action::StopReceiving(key)
            | Action::KeepStopped(key)
            | Action::ResumeReceiving(key)
            | Action::Drain(key)
            | Action::Detach(key) => key,
            Action::Follow { replica, .. }
            | Action::CatchUp { replica, .. }
            | Action::Promote { replica, .. } => replica,
            Action::RunHooks(_) => return 0,
        };
        crate::server::index(key)
    }
}
