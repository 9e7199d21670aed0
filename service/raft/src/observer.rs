//! Watches the raft core and says what it means: health, leadership, and lines in the log.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::events::{Happening, Standing, changes};
use crate::health::{Facts, Health, NodeState, PeerHealth, Role, assess, lease};
use crate::local::{Local, lock};
use crate::member::{Member, NodeId};
use crate::transport::Members;
use crate::types::{Metrics, MetricsWatch, Raft, ServerMetricsWatch, StoredMembership, TypeConfig};

/// Who leads, and whether it is this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The raft term. A recovery is fenced by it: see [`crate::RaftNode::propose_in_term`].
    pub term: u64,
    /// The live leader; `None` while none is known.
    pub leader: Option<Member>,
    /// This node leads and holds a quorum's acknowledgement younger than the lease.
    pub is_me: bool,
}

/// Publishes [`Health`] and [`Leadership`].
pub(crate) struct Observer {
    pub(crate) local: Arc<Local>,
    pub(crate) raft: watch::Receiver<Option<Raft>>,
    pub(crate) waiting: watch::Receiver<Vec<String>>,
    pub(crate) pending: watch::Receiver<Vec<String>>,
    pub(crate) backend: Arc<Mutex<Option<String>>>,
    /// Rung when something changed that the raft core does not know.
    pub(crate) refresh: Arc<Notify>,
    pub(crate) health: watch::Sender<Arc<Health>>,
    pub(crate) leadership: watch::Sender<Leadership>,
    /// As it was told last.
    pub(crate) told: Standing,
}

impl Observer {
    /// Runs until the node stops.
    pub(crate) async fn run(mut self) {
        let mut tick = tokio::time::interval(self.local.settings.timings.health_tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut raft_slot = self.raft.clone();
        let mut watches: Option<(ServerMetricsWatch, MetricsWatch)> = None;
        loop {
            let awaits_quorum = self.publish();
            let changed = async {
                match watches.as_mut() {
                    // A new leader is one from its first quorum on, at once.
                    Some((_, all)) if awaits_quorum => change_of(all).await,
                    // Otherwise the rest changes with each heartbeat, and the tick is soon enough for it.
                    Some((server, _)) => change_of(server).await,
                    None => drop(raft_slot.changed().await),
                }
            };
            tokio::select! {
                biased;
                () = self.local.stop.cancelled() => break,
                () = self.refresh.notified() => {}
                () = changed => {}
                _ = tick.tick() => {}
            }
            if watches.is_none() {
                watches = self.raft.borrow().as_ref().map(|raft| (raft.server_metrics(), raft.metrics()));
            }
        }
        self.publish();
    }

    /// Says what is; true while this node leads without a quorum's acknowledgement.
    fn publish(&mut self) -> bool {
        let metrics = self.raft.borrow().as_ref().map(|raft| raft.metrics().borrow_watched().clone());
        // `Stopped` is the answer to our own request, which comes before `stop` is cancelled.
        if let Some(Err(fatal)) = metrics.as_ref().map(|metrics| &metrics.running_state)
            && !matches!(fatal, openraft::errors::Fatal::Stopped)
            && !self.local.stop.is_cancelled()
        {
            self.local.fail(fatal.to_string());
        }
        if let Some(metrics) = metrics.as_ref() {
            let committed =
                Some(members(&metrics.committed_membership_config)).filter(|it| !it.ids.is_empty());
            self.local.set_membership(members(&metrics.membership_config), committed);
        }
        let now = Instant::now();
        let facts = self.facts(metrics.as_ref());
        let lease = lease(&facts, now);
        self.local.set_lease(lease);
        let alone = facts.role != Role::Leader || facts.only_voter;
        let term = metrics.as_ref().filter(|_| !alone).map(|metrics| metrics.current_term);
        self.local.set_acknowledged(term, facts.ack_age);
        if let Some(raft) = self.raft.borrow().as_ref() {
            // Whoever should not lead does not stand either; it still votes.
            raft.runtime_config()
                .elect(facts.backend.is_none() && !facts.draining && facts.removed_at.is_none());
        }
        let (state, live, reason) = assess(&facts);
        self.tell(&facts, metrics.as_ref(), live);
        let leads = facts.role == Role::Leader;
        let term = metrics.as_ref().map_or(0, |metrics| metrics.current_term);
        self.local.leading_term.store(if leads { term } else { 0 }, Ordering::Relaxed);
        let health = self.describe(&facts, metrics.as_ref(), state, live, reason);
        let is_me = lease.at(now).leads;
        let leadership = Leadership { term, leader: health.leader.clone(), is_me };
        self.health.send_replace(Arc::new(health));
        self.leadership.send_if_modified(|current| {
            let changed = *current != leadership;
            *current = leadership;
            changed
        });
        leads && !is_me
    }

    fn facts(&self, metrics: Option<&Metrics>) -> Facts {
        let mut facts = Facts {
            silence_limit: self.local.settings.timings.silence_limit(),
            lease: self.local.settings.timings.election_max,
            draining: self.local.draining.load(Ordering::Relaxed),
            waiting: !self.waiting.borrow().is_empty(),
            fatal: self.local.fatal().borrow().as_deref().map(str::to_owned),
            backend: lock(&self.backend).clone(),
            removed_at: self.local.removed_at(),
            ..Facts::default()
        };
        if self.local.stop.is_cancelled() {
            facts.role = Role::Stopped;
            return facts;
        }
        let Some(metrics) = metrics else { return facts };
        let voters: Vec<NodeId> = metrics.membership_config.voter_ids().collect();
        facts.role = match metrics.state {
            _ if metrics.running_state.is_err() => Role::Stopped,
            ServerState::Learner if voters.is_empty() => Role::Unformed,
            ServerState::Learner => Role::Learner,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Leader => Role::Leader,
            ServerState::Shutdown => Role::Stopped,
        };
        facts.given_away = metrics.current_term == self.local.yielded_term.load(Ordering::Relaxed);
        facts.voter = voters.contains(&metrics.id);
        facts.only_voter = voters == [metrics.id];
        facts.leader = metrics.current_leader;
        let contact = self.local.contact().filter(|contact| Some(contact.leader) == metrics.current_leader);
        facts.contact_age = contact.map(|contact| contact.at.elapsed());
        facts.ack_age = metrics.last_quorum_acked.map(|at| openraft::Instant::elapsed(&*at));
        facts
    }

    fn describe(
        &self,
        facts: &Facts,
        metrics: Option<&Metrics>,
        state: NodeState,
        live: bool,
        reason: Option<String>,
    ) -> Health {
        let identity = self.local.identity();
        let me = identity.as_ref().map_or(0, |identity| identity.node_id);
        let peers = metrics.map(|metrics| self.peers(metrics)).unwrap_or_default();
        let leader = facts.leader.filter(|_| live);
        let leader = leader.and_then(|id| peers.iter().find(|peer| peer.member.node_id == id));
        let ms = |age: Option<Duration>| age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let leads = facts.role == Role::Leader;
        let voters: Vec<NodeId> =
            peers.iter().filter(|peer| peer.voter).map(|peer| peer.member.node_id).collect();
        Health {
            state,
            healthy: reason.is_none(),
            reason,
            is_part_of_quorum: live,
            leader: leader.map(|peer| peer.member.clone()),
            me: Member::new(me, &self.local.settings.info),
            epoch: identity.as_ref().map_or(0, |identity| identity.epoch),
            cluster_id: identity.map(|identity| identity.cluster_id),
            membership_index: metrics
                .and_then(|metrics| metrics.membership_config.log_id().map(|id| id.index)),
            removed: facts.removed_at.is_some(),
            term: metrics.map_or(0, |metrics| metrics.current_term),
            last_log_index: metrics.and_then(|metrics| metrics.last_log_index),
            applied_index: metrics.and_then(|metrics| metrics.last_applied.map(|id| id.index)),
            snapshot_index: metrics.and_then(|metrics| metrics.snapshot.map(|id| id.index)),
            purged_index: metrics.and_then(|metrics| metrics.purged.map(|id| id.index)),
            leader_contact_ms: ms(facts.contact_age.filter(|_| !leads)),
            quorum_ack_ms: ms(facts.ack_age.filter(|_| leads && !facts.only_voter)),
            peers,
            waiting_for: self.waiting.borrow().iter().chain(self.pending.borrow().iter()).cloned().collect(),
            differing: self.local.differing(&voters),
            draining: facts.draining,
            storage_error: facts.fatal.clone(),
            backend_error: facts.backend.clone(),
        }
    }

    fn peers(&self, metrics: &Metrics) -> Vec<PeerHealth> {
        let voters: Vec<NodeId> = metrics.membership_config.voter_ids().collect();
        let nodes = metrics.membership_config.membership().nodes();
        nodes
            .map(|(id, info)| {
                let member = match *id == metrics.id {
                    true => Member::new(*id, &self.local.settings.info),
                    false => self.local.member(*id, info),
                };
                let problem = self.local.problem_with(&member.raft_addr);
                PeerHealth { member, voter: voters.contains(id), problem }
            })
            .collect()
    }

    /// Tells how this node stands, one line per change.
    fn tell(&mut self, facts: &Facts, metrics: Option<&Metrics>, live: bool) {
        let (Some(metrics), false) = (metrics, facts.role == Role::Stopped) else { return };
        let (local, term) = (&self.local, metrics.current_term);
        local.term.store(term, Ordering::Relaxed);
        // A leader that was not heard yet is not told yet.
        let leader = if live { self.name_of(facts.leader, metrics) } else { self.told.leader.clone() };
        let now = Standing { role: facts.role, term, leader, live };
        if now == self.told {
            return;
        }
        let before = std::mem::replace(&mut self.told, now);
        let election = self.election(&before, facts, metrics);
        let silence = assess(facts).2;
        let local = &self.local;
        local.journal.tell_all(local.name(), election);
        local.journal.tell_all(local.name(), changes(&before, &self.told, silence.as_deref()));
        if live && !before.live {
            local.journal.end_episodes();
        }
    }

    /// How an election of this node's own ended, if one did.
    fn election(&self, before: &Standing, facts: &Facts, metrics: &Metrics) -> Option<Happening> {
        let mut campaign = lock(&self.local.campaign);
        match facts.role {
            Role::Leader if before.role == Role::Leader && before.term == metrics.current_term => None,
            Role::Leader => Some(campaign.won(metrics.current_term)),
            Role::Follower | Role::Learner => {
                campaign.over(metrics.current_term, self.name_of(facts.leader, metrics).as_deref())
            }
            _ => None,
        }
    }

    fn name_of(&self, id: Option<NodeId>, metrics: &Metrics) -> Option<String> {
        let id = id?;
        if id == metrics.id {
            return Some(self.local.name().to_owned());
        }
        let info = metrics.membership_config.membership().get_node(&id);
        Some(info.map_or_else(|| format!("node {id}"), |info| info.raft_addr.clone()))
    }
}

fn members(stored: &StoredMembership) -> Members {
    let index = stored.log_id().map_or(0, |id| id.index);
    Members { index, ids: stored.nodes().map(|(id, _)| *id).collect() }
}

async fn change_of<T>(watch: &mut openraft::alias::WatchReceiverOf<TypeConfig, T>)
where
    T: openraft::OptionalSend + openraft::OptionalSync,
{
    // An error means that the raft core has ended; the next tick sees why.
    if watch.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
