//! The handle of one raft node: everything that the rest of the program may ask of raft.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use openraft::ReadPolicy;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::impls::ProgressResponder;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::MAX_COMMAND_BYTES;
use crate::command::{Command, Reply};
use crate::error::{AskError, ProposeError, YieldError};
use crate::events::GroupEvent;
use crate::files::OwnFiles;
use crate::formation::{Order, Plan};
use crate::health::Health;
use crate::lease::Holds;
use crate::local::{Local, lock};
use crate::log::LogThread;
use crate::member::{Member, NodeId};
use crate::membership::Changer;
use crate::observer::Leadership;
use crate::own_loop::OwnLoop;
use crate::state::{MachineHost, MachineThread};
use crate::transport::{Kind, Lane, LinkError, Links, TlsError};
use crate::types::{CommittedLeaderId, Metrics, Raft, TypeConfig};

/// Tasks and threads end within this time after they are told to.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A raft snapshot that was asked for is asked for again after this time.
const SNAPSHOT_RETRY: Duration = Duration::from_millis(100);

/// One node of the raft group. Clones share it.
///
/// Dropping the last clone ends it without hand-over, as a crash would; call [`shutdown`](Self::shutdown).
#[derive(Clone)]
pub struct RaftNode {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) local: Arc<Local>,
    pub(crate) links: Arc<Links>,
    pub(crate) raft: watch::Sender<Option<Raft>>,
    pub(crate) health: watch::Sender<Arc<Health>>,
    pub(crate) leadership: watch::Sender<Leadership>,
    pub(crate) backend: Arc<Mutex<Option<String>>>,
    pub(crate) refresh: Arc<Notify>,
    pub(crate) host: MachineHost,
    pub(crate) files: OwnFiles,
    pub(crate) changer: Arc<Changer>,
    pub(crate) order: watch::Sender<Option<Plan>>,
    /// What this node was told to form, in this life or an earlier one.
    pub(crate) ordered: tokio::sync::Mutex<Option<Order>>,
    pub(crate) threads: Mutex<Option<(LogThread, MachineThread)>>,
    /// Kept until the last clone is gone; `None` on an event loop of the caller's.
    pub(crate) _own_loop: Option<OwnLoop>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.local.stop.cancel();
    }
}

impl RaftNode {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The health of the last tick, or what is left of it when this process slept since; reading it costs nothing.
    pub fn health(&self) -> Arc<Health> {
        let health = self.inner.health.borrow().clone();
        if health.is_part_of_quorum && !self.holds().live { Arc::new(health.lapsed()) } else { health }
    }

    /// What this node may say of itself at this moment, by the clock and not by the last tick.
    pub fn holds(&self) -> Holds {
        self.inner.local.holds()
    }

    /// The health as it changes: at each tick, and at once when leadership changes.
    pub fn watch_health(&self) -> watch::Receiver<Arc<Health>> {
        self.inner.health.subscribe()
    }

    /// Who leads, now: never this node beyond its lease, also when it slept since the last tick.
    pub fn leadership(&self) -> Leadership {
        let known = self.inner.leadership.borrow().clone();
        let holds = self.holds();
        Leadership { is_me: known.is_me && holds.leads, leader: known.leader.filter(|_| holds.live), ..known }
    }

    /// Who leads, as it changes.
    pub fn watch_leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.subscribe()
    }

    /// What happened to this node in its group later than `micros` (see [`GroupEvent::at_micros`]), in order; 0 for
    /// all that it remembers, which are the last [`crate::REMEMBERED`] things.
    pub fn events_since(&self, micros: u64) -> Vec<GroupEvent> {
        self.inner.local.journal.since(micros)
    }

    /// Why the process must exit; `None` as long as it need not.
    pub fn fatal(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.inner.local.fatal()
    }

    /// Reads the files for TLS between nodes again. Connections that were made with the former ones end after the
    /// exchange under way, and both sides prove anew who they are. Does nothing where TLS is off.
    ///
    /// # Errors
    /// As at the start. What was in use stays in use, and the log says so.
    pub async fn reload_tls(&self) -> Result<(), TlsError> {
        match &self.inner.local.settings.tls {
            Some(tls) => tls.reload().await,
            None => Ok(()),
        }
    }

    /// Looks at the files for TLS between nodes twice a minute and reads them again when they changed, for ever: where
    /// they are mounted from a secret, nobody sends a signal. Only waits where TLS is off.
    pub async fn watch_tls_files(&self) {
        match &self.inner.local.settings.tls {
            Some(tls) => tls.watch_files().await,
            None => std::future::pending().await,
        }
    }

    /// Reports that this node's backend cannot be written (`Some`), or can again (`None`).
    ///
    /// While it cannot, the node is not healthy, does not stand for election, and hands leadership
    /// over if it leads. Call it at each check: a hand-over that failed is tried again by the next call.
    pub fn report_backend(&self, problem: Option<String>) {
        let sick = problem.is_some();
        *lock(&self.inner.backend) = problem;
        self.inner.refresh.notify_one();
        if sick && self.inner.local.leading_term.load(Ordering::Relaxed) != 0 {
            let node = self.clone();
            let limit = self.inner.local.settings.timings.silence_limit();
            self.inner.local.spawn(async move {
                if let Err(error) = node.yield_to(None, limit).await {
                    warn!(node = node.inner.local.name(), %error, "cannot hand over leadership");
                }
            });
        }
    }

    /// Has `command` applied by the group; answers its log index and what applying it said.
    ///
    /// Only the leader can. After [`ProposeError::Unconfirmed`] it may still be applied later.
    pub async fn propose(&self, command: Command, limit: Duration) -> Result<(u64, Reply), ProposeError> {
        self.write(command, None, limit).await
    }

    /// Like [`propose`](Self::propose), and refused unless this node leads in exactly `term`.
    ///
    /// This fences a recovery: what it commits belongs to the term in which it was begun.
    pub async fn propose_in_term(
        &self,
        term: u64,
        command: Command,
        limit: Duration,
    ) -> Result<(u64, Reply), ProposeError> {
        self.write(command, Some(term), limit).await
    }

    async fn write(
        &self,
        command: Command,
        term: Option<u64>,
        limit: Duration,
    ) -> Result<(u64, Reply), ProposeError> {
        let bytes = serde_json::to_vec(&command).map_or(usize::MAX, |text| text.len());
        if bytes > MAX_COMMAND_BYTES {
            return Err(ProposeError::TooLarge { bytes, limit: MAX_COMMAND_BYTES });
        }
        let raft = self.raft().ok_or(ProposeError::NotLeader { leader: None })?;
        let (responder, answer) = ProgressResponder::complete_only();
        let mut request = raft.write(command).responder(responder);
        if let Some(term) = term {
            request = request.with_leader(CommittedLeaderId::new(term));
        }
        let exchange = async {
            request.await.map_err(|fatal| self.stopped(&fatal))?;
            answer.await.map_err(|_| self.stopped(&"the raft core is gone"))
        };
        match timeout(limit, exchange).await {
            Err(_) => Err(ProposeError::Unconfirmed { waited: limit }),
            Ok(Err(error)) => Err(error),
            Ok(Ok(Ok(done))) => Ok((done.log_id.index, done.data)),
            Ok(Ok(Err(ClientWriteError::ForwardToLeader(to)))) => Err(self.not_leader(to)),
            Ok(Ok(Err(ClientWriteError::LogEntryDiscarded(_)))) => {
                Err(ProposeError::Unconfirmed { waited: limit })
            }
            Ok(Ok(Err(other))) => Err(ProposeError::Stopped { reason: other.to_string() }),
        }
    }

    /// Proves that this node leads now, and that it has applied all that was committed before the call.
    ///
    /// Answers the term. Cheap while the lease holds; fails at once when no quorum acknowledges.
    pub async fn confirm_leadership(&self, limit: Duration) -> Result<u64, ProposeError> {
        let raft = self.raft().ok_or(ProposeError::NotLeader { leader: None })?;
        let term = raft.metrics().borrow_watched().current_term;
        match timeout(limit, raft.ensure_linearizable(ReadPolicy::LeaseRead)).await {
            Err(_) => Err(ProposeError::Unconfirmed { waited: limit }),
            // A term that changed meanwhile belongs to another leadership, also if it is ours again.
            Ok(Ok(_)) if raft.metrics().borrow_watched().current_term == term => Ok(term),
            Ok(Ok(_)) => Err(ProposeError::NotLeader { leader: self.leadership().leader }),
            Ok(Err(RaftError::Fatal(fatal))) => Err(self.stopped(&fatal)),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to)))) => {
                Err(self.not_leader(to))
            }
            Ok(Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)))) => {
                Err(ProposeError::NotLeader { leader: None })
            }
        }
    }

    /// Asks all other voters the same question, in parallel; the answer of each within `limit`.
    ///
    /// Empty before the group is formed. Connections are held, so an answer takes one round trip.
    pub async fn ask_peers(
        &self,
        question: Vec<u8>,
        limit: Duration,
    ) -> Vec<(Member, Result<Vec<u8>, AskError>)> {
        let health = self.health();
        let others =
            health.peers.iter().filter(|peer| peer.voter && peer.member.node_id != health.me.node_id);
        join_all(others.map(|peer| async {
            let answer = self.ask_member(&peer.member, &question, limit).await;
            (peer.member.clone(), answer)
        }))
        .await
    }

    /// Asks the member with the number `node_id`.
    pub async fn ask(
        &self,
        node_id: NodeId,
        question: Vec<u8>,
        limit: Duration,
    ) -> Result<Vec<u8>, AskError> {
        let health = self.health();
        let peer = health.peers.iter().find(|peer| peer.member.node_id == node_id);
        let peer = peer.filter(|_| node_id != health.me.node_id).ok_or(AskError::UnknownPeer)?;
        self.ask_member(&peer.member, &question, limit).await
    }

    async fn ask_member(&self, to: &Member, question: &[u8], limit: Duration) -> Result<Vec<u8>, AskError> {
        let link = self.inner.links.to(to.node_id, &to.raft_addr, Lane::Ask);
        link.call(Kind::Ask, question, Instant::now() + limit).await.map_err(|error| match error {
            LinkError::Timeout => AskError::Timeout { waited: limit },
            LinkError::Refused(reason) | LinkError::Failed(reason) => AskError::Refused { reason },
            LinkError::Unreachable(reason) | LinkError::Broken(reason) => AskError::Unreachable { reason },
        })
    }

    /// Builds a raft snapshot of what is applied now; answers the index that it reaches to.
    pub async fn snapshot(&self, limit: Duration) -> Result<u64, ProposeError> {
        let raft = self.raft().ok_or(ProposeError::NotLeader { leader: None })?;
        let applied = self.inner.host.applied();
        let mut metrics = raft.metrics();
        let reaches = |metrics: &Metrics| {
            let reached = metrics.snapshot.map_or(0, |id| id.index);
            (reached >= applied).then_some(reached)
        };
        if let Some(reached) = reaches(&metrics.borrow_watched()) {
            return Ok(reached);
        }
        let built = async {
            loop {
                // Asked again and again: a request is dropped while an older one is carried out.
                raft.trigger().snapshot().await.map_err(|fatal| self.stopped(&fatal))?;
                // Not at each change: the request itself is one.
                let reached = async {
                    loop {
                        if let Some(reached) = reaches(&metrics.borrow_watched()) {
                            return Ok(reached);
                        }
                        metrics.changed().await.map_err(|_| self.stopped(&"the raft core is gone"))?;
                    }
                };
                if let Ok(reached) = timeout(SNAPSHOT_RETRY, reached).await {
                    return reached;
                }
            }
        };
        timeout(limit, built).await.map_err(|_| ProposeError::Unconfirmed { waited: limit })?
    }

    /// Turns [`Health::healthy`] off, so that clients go elsewhere; the first step of a shutdown.
    pub fn drain(&self) {
        self.inner.local.draining.store(true, Ordering::Relaxed);
        self.inner.refresh.notify_one();
    }

    /// Stops in good order: drain, hand leadership over (within `limit`), stop raft, close the files.
    pub async fn shutdown(&self, limit: Duration) {
        self.drain();
        let raft = self.raft();
        if raft.as_ref().is_some_and(|raft| raft.metrics().borrow_watched().state.is_leader()) {
            match self.yield_to(None, limit).await {
                Ok(to) => {
                    info!(node = self.inner.local.name(), peer = to.raft_addr, "handed over leadership")
                }
                // A group of one has nobody to hand over to.
                Err(YieldError::NoFollower) => {}
                Err(error) => warn!(node = self.inner.local.name(), %error, "stopping as leader"),
            }
        }
        self.stop().await;
    }

    /// Stops without hand-over, as a crash would, but closes the files.
    pub async fn stop(&self) {
        let local = &self.inner.local;
        if let Some(raft) = self.raft()
            && timeout(CLOSE_LIMIT, raft.shutdown()).await.is_err()
        {
            warn!(node = local.name(), "the raft core did not stop in time");
        }
        local.stop.cancel();
        local.tasks.close();
        if timeout(CLOSE_LIMIT, local.tasks.wait()).await.is_err() {
            warn!(node = local.name(), "raft tasks did not end in time");
        }
        self.inner.raft.send_replace(None);
        local.log.close().await;
        self.inner.host.close().await;
        let threads = lock(&self.inner.threads).take();
        let joined = async {
            if let Some((log, machine)) = threads {
                log.join().await;
                machine.join().await;
            }
        };
        if timeout(CLOSE_LIMIT, joined).await.is_err() {
            warn!(node = local.name(), "the raft files were not closed in time");
        }
    }

    pub(crate) fn raft(&self) -> Option<Raft> {
        self.inner.raft.borrow().clone()
    }

    fn not_leader(&self, to: ForwardToLeader<TypeConfig>) -> ProposeError {
        let leader = to.leader_id.zip(to.leader_node);
        ProposeError::NotLeader { leader: leader.map(|(id, info)| self.inner.local.member(id, &info)) }
    }

    fn stopped(&self, error: &dyn std::fmt::Display) -> ProposeError {
        let fatal = self.inner.local.fatal().borrow().clone();
        ProposeError::Stopped { reason: fatal.map_or_else(|| error.to_string(), |reason| reason.to_string()) }
    }
}
