//! What all parts of one node share: who it is, what it knows of its peers, and how it ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::events::{Campaign, EventKind, Happening, Journal};
use crate::fatal::Fatal;
use crate::guard::{Node, guarded};
use crate::identity::Identity;
use crate::lease::{Holds, Lease};
use crate::log::LogStore;
use crate::member::{Member, MemberInfo, NodeId, PeerName};
use crate::membership::{KnownMembership, Wish};
use crate::settings::Checked;
use crate::transport::{Members, NodeReport};
use crate::types::{LogId, Vote};
use crate::work::Work;

/// Who does not ask again within this time has gone: joining nodes ask several times a second.
const APPLICANT_LIMIT: Duration = Duration::from_secs(3);
/// Strangers may ask, so their number is limited.
const MAX_APPLICANTS: usize = 64;

/// Shared by every task of a node.
pub(crate) struct Local {
    pub(crate) settings: Checked,
    pub(crate) log: LogStore,
    /// Owner of every task that this crate starts.
    pub(crate) tasks: TaskTracker,
    /// How files are read and written.
    pub(crate) work: Work,
    /// The event loop on which they run, whoever starts them.
    home: Handle,
    /// Ends them.
    pub(crate) stop: CancellationToken,
    /// Set first when the node is going to stop.
    pub(crate) draining: AtomicBool,
    /// The term in which this node leads; 0 while it does not.
    pub(crate) leading_term: AtomicU64,
    /// The term that this node is in, as last seen; for what is told.
    pub(crate) term: AtomicU64,
    /// What happened lately.
    pub(crate) journal: Journal,
    /// The election that this node stands for.
    pub(crate) campaign: Mutex<Campaign>,
    /// The term in which this node last gave leadership away; 0 before. It does not lead in it any more, whether or
    /// not somebody took it.
    pub(crate) yielded_term: AtomicU64,
    identity: Mutex<Option<Identity>>,
    wish: Mutex<Wish>,
    /// Nodes without a number that asked what this node is, and when.
    applicants: Mutex<HashMap<PeerName, Instant>>,
    /// Rung when somebody asks to join, and when the wish changes.
    pub(crate) knock: Notify,
    membership: Mutex<KnownMembership>,
    peers: Mutex<Peers>,
    contact: Mutex<Option<Contact>>,
    /// Since when no quorum acknowledges this node as the leader of this term.
    unheard: Mutex<Option<(u64, Instant)>>,
    lease: Mutex<Lease>,
    fatal: Fatal,
}

/// The last message of a live leader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contact {
    /// When it was known to be live.
    pub(crate) at: Instant,
    received: Instant,
    pub(crate) leader: NodeId,
}

#[derive(Default)]
struct Peers {
    /// What peers said about themselves: newer than the membership says.
    book: BTreeMap<NodeId, MemberInfo>,
    seen: HashMap<NodeId, Seen>,
    reach: HashMap<String, Reach>,
    /// Their `RaftNodes`, as last told.
    lists: BTreeMap<NodeId, Vec<PeerName>>,
}

/// A peer that tells of an older state for so long has lost what it had.
const REGRESSED_FOR: Duration = Duration::from_secs(2);

/// The newest that a peer was known to have on disk.
#[derive(Default)]
struct Seen {
    vote: Option<Vote>,
    /// What it acknowledged to this node as the leader of that term. In a later term it may be gone.
    matched: Option<(u64, LogId)>,
    /// Since when it says that it has less.
    regressed: Option<Instant>,
}

impl Seen {
    /// What was said before a process slept may be read after it woke; what is said again for a while is so.
    fn backwards(&mut self, report: &NodeReport, what: &str) -> String {
        let since = *self.regressed.get_or_insert_with(Instant::now);
        if since.elapsed() < REGRESSED_FOR {
            return format!("{} told of an older state than before ({what}): asking again", report.name);
        }
        format!(
            "{} went backwards: {what} is older than what it had on disk before; move its RaftDataDir away so that \
             it joins as a new node",
            report.name
        )
    }
}

#[derive(Default)]
struct Reach {
    last_ok: Option<Instant>,
    problem: Option<String>,
}

impl Local {
    /// Its tasks run on the event loop of the caller.
    pub(crate) fn new(
        settings: Checked,
        log: LogStore,
        identity: Option<Identity>,
        wish: Wish,
        fatal: Fatal,
        work: Work,
    ) -> Self {
        Self {
            settings,
            log,
            tasks: TaskTracker::new(),
            work,
            home: Handle::current(),
            stop: CancellationToken::new(),
            draining: AtomicBool::new(false),
            leading_term: AtomicU64::new(0),
            term: AtomicU64::new(0),
            journal: Journal::default(),
            campaign: Mutex::default(),
            yielded_term: AtomicU64::new(0),
            identity: Mutex::new(identity),
            wish: Mutex::new(wish),
            applicants: Mutex::default(),
            knock: Notify::new(),
            membership: Mutex::default(),
            peers: Mutex::default(),
            contact: Mutex::default(),
            unheard: Mutex::default(),
            lease: Mutex::default(),
            fatal,
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.settings.name.as_str()
    }

    /// Something of this kind, in the present term.
    pub(crate) fn happening(&self, kind: EventKind) -> Happening {
        Happening::new(kind, self.term.load(Ordering::Relaxed))
    }

    /// Logs and remembers what happened, once per episode.
    pub(crate) fn tell(&self, happening: Happening) {
        self.journal.tell(self.name(), happening);
    }

    /// Starts a task of this node; its panic ends the node.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let node = Node { fatal: self.fatal.clone(), work: self.work.clone() };
        self.tasks.spawn_on(guarded(node, task), &self.home)
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        lock(&self.identity).clone()
    }

    /// Takes a number in a new group; refused once this node may have voted.
    pub(crate) fn assign(&self, identity: Identity) -> std::io::Result<()> {
        let mut current = lock(&self.identity);
        if let Some(bound) = current.as_ref().filter(|bound| bound.epoch > 0) {
            let text = format!("this node belongs to group {} for ever", bound.cluster_id);
            return Err(std::io::Error::other(text));
        }
        if current.as_ref() != Some(&identity) {
            identity.store(&self.settings.data_dir)?;
            *current = Some(identity);
        }
        Ok(())
    }

    /// Makes the assignment `expected` final: from here on this node may vote.
    ///
    /// `false` if it was assigned anew in between.
    pub(crate) fn begin_voting(&self, expected: &Identity) -> std::io::Result<bool> {
        let mut current = lock(&self.identity);
        if current.as_ref() != Some(expected) {
            return Ok(false);
        }
        let identity = expected.bound();
        identity.store(&self.settings.data_dir)?;
        *current = Some(identity);
        Ok(true)
    }

    /// Writes down that this node goes on in another epoch.
    pub(crate) fn begin_epoch(&self, identity: Identity) -> std::io::Result<()> {
        identity.store(&self.settings.data_dir)?;
        *lock(&self.identity) = Some(identity);
        Ok(())
    }

    /// What this node says about itself in a handshake.
    pub(crate) fn report(&self) -> NodeReport {
        let identity = self.identity();
        let (vote, last_log) = self.log.durable();
        NodeReport {
            name: self.settings.name.clone(),
            info: self.settings.info.clone(),
            cluster: identity.as_ref().map(|identity| identity.cluster_id.clone()),
            node_id: identity.as_ref().map(|identity| identity.node_id),
            epoch: identity.as_ref().map_or(0, |identity| identity.epoch),
            nodes: self.nodes(),
            vote,
            last_log,
            members: lock(&self.membership).committed.clone(),
        }
    }

    /// `info` of the membership, or what the node itself said since.
    pub(crate) fn member(&self, node_id: NodeId, info: &MemberInfo) -> Member {
        let peers = lock(&self.peers);
        Member::new(node_id, peers.book.get(&node_id).unwrap_or(info))
    }

    /// Takes note of what a member said, and refuses one that lost what it had on disk.
    pub(crate) fn meet(&self, report: &NodeReport) -> Result<(), String> {
        let Some(node_id) = report.node_id else { return Ok(()) };
        let mut peers = lock(&self.peers);
        let seen = peers.seen.entry(node_id).or_default();
        if seen.vote.is_some_and(|vote| report.vote < Some(vote)) {
            return Err(seen.backwards(report, "its vote"));
        }
        let term = self.leading_term.load(Ordering::Relaxed);
        if seen.matched.is_some_and(|(of, matched)| of == term && report.last_log < Some(matched)) {
            return Err(seen.backwards(report, "its log"));
        }
        (seen.vote, seen.regressed) = (report.vote, None);
        peers.book.insert(node_id, report.info.clone());
        peers.lists.insert(node_id, report.nodes.clone());
        Ok(())
    }

    /// This node's `RaftNodes`, sorted.
    pub(crate) fn nodes(&self) -> Vec<PeerName> {
        lock(&self.wish).list.clone()
    }

    pub(crate) fn wish(&self) -> Wish {
        lock(&self.wish).clone()
    }

    /// Changes the wish; `change` answers whether anybody must hear of it.
    pub(crate) fn change_wish<T>(&self, change: impl FnOnce(&mut Wish) -> T) -> T {
        change(&mut lock(&self.wish))
    }

    /// The `RaftNodes` of a member, as it last told them.
    pub(crate) fn note_list(&self, node_id: NodeId, nodes: Vec<PeerName>) {
        lock(&self.peers).lists.insert(node_id, nodes);
    }

    /// All of these.
    pub(crate) fn lists(&self) -> BTreeMap<NodeId, Vec<PeerName>> {
        lock(&self.peers).lists.clone()
    }

    /// Those of `members` whose `RaftNodes` are known to differ from this node's, one line each.
    pub(crate) fn differing(&self, members: &[NodeId]) -> Vec<String> {
        let (mine, me) = (self.nodes(), self.identity().map_or(0, |identity| identity.node_id));
        let peers = lock(&self.peers);
        let lists = members.iter().filter(|id| **id != me).filter_map(|id| Some((id, peers.lists.get(id)?)));
        let others = lists.filter(|(_, list)| **list != mine);
        let lines = others.map(|(id, list)| {
            let name = peers.book.get(id).map_or_else(|| format!("node {id}"), |info| info.raft_addr.clone());
            let list = list.iter().map(PeerName::as_str).collect::<Vec<_>>().join(", ");
            format!("{name}: its RaftNodes differ ({list})")
        });
        lines.collect()
    }

    /// A node without a number asked what this node is.
    pub(crate) fn knocked(&self, name: &PeerName) {
        let mut applicants = lock(&self.applicants);
        applicants.retain(|_, at| at.elapsed() < APPLICANT_LIMIT);
        if applicants.len() < MAX_APPLICANTS {
            applicants.insert(name.clone(), Instant::now());
            self.knock.notify_one();
        }
    }

    /// Who asked lately.
    pub(crate) fn applicants(&self) -> Vec<PeerName> {
        let applicants = lock(&self.applicants);
        let fresh = applicants.iter().filter(|(_, at)| at.elapsed() < APPLICANT_LIMIT);
        fresh.map(|(name, _)| name.clone()).collect()
    }

    /// The members as the own log has them.
    pub(crate) fn set_membership(&self, effective: Members, committed: Option<Members>) {
        let mut known = lock(&self.membership);
        known.effective = effective;
        known.committed = committed;
    }

    /// Learns from the peer `from` of the own group and epoch whether this node was removed. Whoever is no member itself
    /// has no say in it.
    pub(crate) fn hear_members(&self, from: NodeId, report: &NodeReport) {
        let (Some(identity), Some(theirs)) = (self.identity(), &report.members) else { return };
        let same = report.cluster.as_ref() == Some(&identity.cluster_id) && report.epoch == identity.epoch;
        if same && theirs.ids.contains(&from) {
            lock(&self.membership).hear(identity.node_id, theirs);
        }
    }

    /// The log entry that removed this node from its group.
    pub(crate) fn removed_at(&self) -> Option<u64> {
        let me = self.identity()?.node_id;
        lock(&self.membership).removed_at(me)
    }

    /// `node_id` acknowledged the log up to `matched` to this node as the leader of `term`.
    pub(crate) fn acknowledged(&self, node_id: NodeId, term: u64, matched: LogId) {
        let mut peers = lock(&self.peers);
        let seen = peers.seen.entry(node_id).or_default();
        let older = seen.matched.filter(|(of, _)| *of == term).map(|(_, id)| id);
        seen.matched = Some((term, older.map_or(matched, |id| id.max(matched))));
    }

    /// The index that `node_id` acknowledged to this node as the leader of `term`.
    pub(crate) fn acknowledged_by(&self, node_id: NodeId, term: u64) -> Option<u64> {
        let matched = lock(&self.peers).seen.get(&node_id)?.matched;
        matched.filter(|(of, _)| *of == term).map(|(_, id)| id.index)
    }

    /// A leader spoke at `received`, whom no quorum had acknowledged for `unheard_ms`: it is as live as that is young.
    pub(crate) fn heard_from_leader(&self, leader: NodeId, received: Instant, unheard_ms: u64) {
        let at = received.checked_sub(Duration::from_millis(unheard_ms));
        let mut contact = lock(&self.contact);
        // What waited for the disk may be done behind what came later.
        if contact.is_none_or(|known| known.leader != leader || known.received <= received) {
            *contact = at.map(|at| Contact { at, received, leader });
        }
    }

    /// A quorum acknowledged this node, as the leader of `term`, so long ago; `None` in that: never yet.
    ///
    /// No term: this node leads nobody, or needs nobody.
    pub(crate) fn set_acknowledged(&self, term: Option<u64>, age: Option<Duration>) {
        let mut unheard = lock(&self.unheard);
        let now = Instant::now();
        let known = unheard.filter(|(of, _)| Some(*of) == term).map_or(now, |(_, since)| since);
        *unheard = term.map(|term| (term, age.and_then(|age| now.checked_sub(age)).unwrap_or(known)));
    }

    /// What this node's followers are told about it: see [`heard_from_leader`](Self::heard_from_leader).
    pub(crate) fn unheard_ms(&self) -> u64 {
        let age = lock(&self.unheard).map_or(Duration::ZERO, |(_, since)| since.elapsed());
        // Two heartbeats may be lost; to say so each time would only cost bytes.
        if age < self.settings.timings.election_min {
            return 0;
        }
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }

    /// What this node may say of itself from now on.
    pub(crate) fn set_lease(&self, lease: Lease) {
        *lock(&self.lease) = lease;
    }

    /// What it may say at this moment.
    pub(crate) fn holds(&self) -> Holds {
        let holds = lock(&self.lease).at(Instant::now());
        let yielded = self.yielded_term.load(Ordering::Relaxed);
        let given_away = yielded != 0 && yielded == self.leading_term.load(Ordering::Relaxed);
        Holds { leads: holds.leads && !given_away, ..holds }
    }

    /// From now on this node does not say that it leads in `term`: whoever takes over may do so at once.
    pub(crate) fn give_away(&self, term: u64) {
        self.yielded_term.store(term, Ordering::Relaxed);
    }

    /// Nobody is going to take over.
    pub(crate) fn take_back(&self, term: u64) {
        // Otherwise it was given away again, in a later term.
        let _ = self.yielded_term.compare_exchange(term, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn contact(&self) -> Option<Contact> {
        *lock(&self.contact)
    }

    /// A peer answered; logs that it is back.
    pub(crate) fn reached(&self, peer: &str) {
        let mut peers = lock(&self.peers);
        let reach = peers.reach.entry(peer.to_owned()).or_default();
        reach.last_ok = Some(Instant::now());
        if reach.problem.take().is_some() {
            self.tell(self.happening(EventKind::PeerBack).peer(peer));
        }
    }

    /// A peer could not be reached; logs it once per reason.
    pub(crate) fn not_reached(&self, peer: &str, problem: &str) {
        let mut peers = lock(&self.peers);
        let reach = peers.reach.entry(peer.to_owned()).or_default();
        if reach.problem.as_deref() != Some(problem) && !self.stop.is_cancelled() {
            self.tell(self.happening(EventKind::PeerUnreachable).peer(peer).detail(problem));
            reach.problem = Some(problem.to_owned());
        }
    }

    /// A peer missed one deadline; it counts once nothing was heard for two election timeouts.
    pub(crate) fn late(&self, peer: &str) {
        let last_ok = lock(&self.peers).reach.entry(peer.to_owned()).or_default().last_ok;
        if last_ok.is_none_or(|at| at.elapsed() > self.settings.timings.silence_limit()) {
            self.not_reached(peer, "no answer in time");
        }
    }

    /// Why `peer` cannot be reached, if that is so.
    pub(crate) fn problem_with(&self, peer: &str) -> Option<String> {
        lock(&self.peers).reach.get(peer).and_then(|reach| reach.problem.clone())
    }

    /// The node must stop.
    pub(crate) fn fail(&self, reason: impl Into<Arc<str>>) {
        self.fatal.fail(reason);
    }

    pub(crate) fn fatal(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.fatal.watch()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No holder leaves a value half changed, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
