//! What the program may ask about the members: on demand, by an operator, or by a new configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::info;

use super::change::Leading;
use super::decide::{View, too_few_alive};
use super::{ChangeError, Membership, Progress};
use crate::error::StartError;
use crate::formation::Order;
use crate::member::{Member, MemberInfo, NodeId, PeerName};
use crate::node::RaftNode;
use crate::settings::{Bootstrap, MAX_NODES, group_of};
use crate::types::LogId;

/// A node that is to be added may be started this long after it was asked for.
const START_LIMIT: Duration = Duration::from_secs(20);

impl RaftNode {
    /// The members of the group as this node's log has them; empty before there is a group.
    pub fn membership(&self) -> Membership {
        let local = &self.inner.local;
        let wish = local.wish();
        let identity = local.identity();
        let mut membership = Membership {
            cluster_id: identity.as_ref().map(|identity| identity.cluster_id.clone()),
            epoch: identity.map_or(0, |identity| identity.epoch),
            wish: wish.list.iter().map(|name| name.as_str().to_owned()).collect(),
            wish_is_new: wish.is_new(),
            ..Membership::default()
        };
        let Some((_, metrics)) = self.inner.changer.metrics() else { return membership };
        let stored = &metrics.membership_config;
        let member = |id: NodeId| stored.get_node(&id).map(|info| local.member(id, info));
        membership.index = stored.log_id().map(|id| id.index);
        membership.committed = metrics.committed_membership_config.log_id() == stored.log_id();
        membership.joint = stored.get_joint_config().len() > 1;
        membership.voters = stored.voter_ids().filter_map(member).collect();
        membership.learners = stored.membership().learner_ids().filter_map(member).collect();
        membership
    }

    /// How far each other member is; empty unless this node leads.
    pub fn replication(&self) -> BTreeMap<NodeId, Progress> {
        let Ok(leading) = self.inner.changer.leading() else { return BTreeMap::new() };
        let metrics = &leading.metrics;
        let acknowledged = |id| metrics.heartbeat.as_ref()?.get(id).copied().flatten();
        let members = metrics.replication.iter().flatten().filter(|(id, _)| **id != metrics.id);
        let progress = members.map(|(id, matched)| {
            let last_ack = acknowledged(id).map(|at| openraft::Instant::elapsed(&*at));
            (*id, Progress { matched_index: matched.map(|entry| entry.index), last_ack })
        });
        progress.collect()
    }

    /// Takes a new `RaftNodes` (at a reload); answers whether it differs from the one before.
    ///
    /// Changes the group once the leader and a majority of the voters hold the same new list. It may leave
    /// this node out only if this node is in a group already.
    ///
    /// # Errors
    /// What [`StartError`] says of `RaftNodes`; the old list stays.
    pub fn set_wish(&self, nodes: &[String]) -> Result<bool, StartError> {
        let local = &self.inner.local;
        let name = &local.settings.name;
        let list = group_of(nodes, name)?;
        let bound = local.identity().is_some_and(|identity| identity.epoch > 0);
        if !bound && !list.contains(name) {
            let nodes = list.iter().map(PeerName::as_str).collect::<Vec<_>>().join(", ");
            return Err(StartError::NotInNodes { node: name.to_string(), nodes });
        }
        let changed = local.change_wish(|wish| std::mem::replace(&mut wish.list, list.clone()) != list);
        if changed {
            let nodes = list.iter().map(PeerName::as_str).collect::<Vec<_>>().join(", ");
            info!(node = local.name(), nodes, "RaftNodes changed");
            local.knock.notify_one();
        }
        Ok(changed)
    }

    /// Takes the node called `name` (`host[:port]`) in as a voter; leader only.
    ///
    /// The node must run with an empty directory and be willing: its `RaftNodes` name this node, or it waits
    /// to be told. Returns when it votes. A voter of that name whose disk was wiped is replaced.
    ///
    /// A node that does not answer yet is waited for, a third of `limit` and 20 s at most; other changes go on
    /// meanwhile. After [`ChangeError::Unreachable`] nothing was changed: start it and ask again.
    pub async fn add_peer(&self, name: &str, limit: Duration) -> Result<Member, ChangeError> {
        within(limit, self.add_peer_until(name, Instant::now() + limit)).await
    }

    async fn add_peer_until(&self, name: &str, deadline: Instant) -> Result<Member, ChangeError> {
        let name = read(name)?;
        let changer = &self.inner.changer;
        self.await_start(&name, deadline).await?;
        let _busy = changer.busy.lock().await;
        let leading = changer.settled()?;
        let old = find(&leading.voters(), &name);
        let voters = leading.voters().len() + usize::from(old.is_none());
        if voters > MAX_NODES {
            return Err(ChangeError::TooManyVoters { voters, limit: MAX_NODES });
        }
        let node_id = match find(&leading.learners(), &name) {
            Some(learner) => learner,
            None => changer.add_learner(&leading, &name, leading.entry()).await?,
        };
        changer.caught_up(node_id, deadline).await?;
        let leading = changer.settled()?;
        let mut voters: BTreeSet<NodeId> = leading.voters().into_keys().collect();
        voters.extend([node_id]);
        voters.retain(|id| Some(*id) != old);
        self.check_majority(&leading, &voters).await?;
        changer.change_voters(&leading, voters, leading.entry()).await?;
        let info = leading.learners().remove(&node_id).unwrap_or_default();
        Ok(self.inner.local.member(node_id, &info))
    }

    /// Waits for a node that is to join; one that is a voter already is not waited for.
    async fn await_start(&self, name: &PeerName, deadline: Instant) -> Result<(), ChangeError> {
        let changer = &self.inner.changer;
        let voter = find(&changer.leading()?.voters(), name);
        let patience = START_LIMIT.min(deadline.saturating_duration_since(Instant::now()) / 3);
        let patience = if voter.is_some() { Duration::ZERO } else { patience };
        match (changer.answers(name, Instant::now() + patience).await, voter) {
            (Err(ChangeError::Unreachable { name, .. }), Some(node_id)) => {
                Err(ChangeError::AlreadyMember { name, node_id })
            }
            (answered, _) => answered,
        }
    }

    /// Removes the member called `name` (`host[:port]`); leader only. Returns when it is no member any more.
    ///
    /// A leader that removes itself hands over first to whoever is most up to date, right after the change.
    pub async fn remove_peer(&self, name: &str, limit: Duration) -> Result<Member, ChangeError> {
        within(limit, self.remove_peer_now(name)).await
    }

    async fn remove_peer_now(&self, name: &str) -> Result<Member, ChangeError> {
        let name = read(name)?;
        let changer = &self.inner.changer;
        let _busy = changer.busy.lock().await;
        let leading = changer.settled()?;
        let (voters, learners) = (leading.voters(), leading.learners());
        if let Some(id) = find(&voters, &name) {
            if voters.len() == 1 {
                return Err(ChangeError::LastVoter { name: name.to_string() });
            }
            let rest = voters.keys().copied().filter(|voter| *voter != id).collect();
            self.check_majority(&leading, &rest).await?;
            changer.change_voters(&leading, rest, leading.entry()).await?;
            return Ok(self.inner.local.member(id, &voters[&id]));
        }
        let id = find(&learners, &name).ok_or(ChangeError::UnknownMember { name: name.to_string() })?;
        changer.drop_learners(&leading, BTreeSet::from([id]), leading.entry()).await?;
        Ok(self.inner.local.member(id, &learners[&id]))
    }

    /// Has the empty node called `name` follow, under a number that is answered; leader only.
    ///
    /// `expected` is the [`Membership::index`] that the caller decided on.
    pub async fn add_learner(
        &self,
        expected: u64,
        name: &str,
        limit: Duration,
    ) -> Result<NodeId, ChangeError> {
        let name = read(name)?;
        within(limit, async {
            let _busy = self.inner.changer.busy.lock().await;
            let (leading, entry) = self.expect(expected)?;
            self.inner.changer.add_learner(&leading, &name, entry).await
        })
        .await
    }

    /// Drops the learner `node_id`; leader only, with compare-and-set like [`add_learner`](Self::add_learner).
    pub async fn remove_learner(
        &self,
        expected: u64,
        node_id: NodeId,
        limit: Duration,
    ) -> Result<u64, ChangeError> {
        within(limit, async {
            let _busy = self.inner.changer.busy.lock().await;
            let (leading, entry) = self.expect(expected)?;
            if !leading.learners().contains_key(&node_id) {
                return Err(ChangeError::UnknownMember { name: format!("learner {node_id}") });
            }
            self.inner.changer.drop_learners(&leading, BTreeSet::from([node_id]), entry).await?;
            Ok(self.membership().index.unwrap_or(0))
        })
        .await
    }

    /// Changes the voters to `voters` in one joint change; leader only. Answers the new [`Membership::index`].
    ///
    /// Compare-and-set: refused unless the members are still those of log entry `expected`. Each of `voters`
    /// must be a voter or a learner; voters left out are dropped.
    pub async fn change_membership(
        &self,
        expected: u64,
        voters: &BTreeSet<NodeId>,
        limit: Duration,
    ) -> Result<u64, ChangeError> {
        within(limit, async {
            let _busy = self.inner.changer.busy.lock().await;
            let (leading, entry) = self.expect(expected)?;
            let (present, learners) = (leading.voters(), leading.learners());
            let unknown = voters.iter().find(|id| !present.contains_key(id) && !learners.contains_key(id));
            if let Some(id) = unknown {
                return Err(ChangeError::UnknownMember { name: format!("node {id}") });
            }
            if voters.is_empty() {
                return Err(ChangeError::LastVoter { name: "the one left out".into() });
            }
            if voters.len() > MAX_NODES {
                return Err(ChangeError::TooManyVoters { voters: voters.len(), limit: MAX_NODES });
            }
            self.check_majority(&leading, voters).await?;
            self.inner.changer.change_voters(&leading, voters.clone(), entry).await?;
            Ok(self.membership().index.unwrap_or(0))
        })
        .await
    }

    /// Forms a group of `members` (number and name), on a node that waits to be told.
    ///
    /// Call it on one of them, and only on that one. Returns when the group is formed; the same order again, token
    /// included, answers the same, also after a restart half way and long after the group was formed.
    ///
    /// # Errors
    /// [`ChangeError::NotAllowed`] unless [`Bootstrap::External`]; [`ChangeError::OtherGroup`] if this node is
    /// in a group that it was not told to form; [`ChangeError::ToldOtherwise`] after any other order;
    /// [`ChangeError::Unconfirmed`] while members do not answer, named by [`crate::Health::waiting_for`].
    pub async fn bootstrap(
        &self,
        token: &str,
        cluster_id: &str,
        members: &[(NodeId, String)],
        limit: Duration,
    ) -> Result<(), ChangeError> {
        let local = &self.inner.local;
        if local.settings.policy.bootstrap != Bootstrap::External {
            return Err(ChangeError::NotAllowed {
                reason: "the nodes form their group by themselves".into(),
            });
        }
        let numbers = members.iter().map(|(id, name)| Ok((read(name)?, *id)));
        let numbers = numbers.collect::<Result<BTreeMap<PeerName, NodeId>, ChangeError>>()?;
        let distinct: BTreeSet<&NodeId> = numbers.values().collect();
        if distinct.len() != members.len() || distinct.contains(&0) || cluster_id.is_empty() {
            let reason = "names and numbers must be distinct, numbers at least 1, and the group has an id";
            return Err(ChangeError::NotAllowed { reason: reason.into() });
        }
        self.take_order(Order::new(token, cluster_id, numbers)).await?;
        let mut health = self.watch_health();
        let formed = timeout(limit, health.wait_for(|health| health.membership_index.is_some())).await;
        match formed {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(ChangeError::Stopped { reason: "the node is gone".into() }),
            Err(_) => Err(ChangeError::Unconfirmed { waited: limit }),
        }
    }

    /// Takes the first order on an empty node, or the same again, and writes it down before it is carried out.
    async fn take_order(&self, order: Order) -> Result<(), ChangeError> {
        let local = &self.inner.local;
        let mut ordered = self.inner.ordered.lock().await;
        let bound = local.identity().filter(|identity| identity.epoch > 0);
        match (bound, ordered.as_ref()) {
            (Some(bound), former) if former.is_none() || bound.cluster_id != order.cluster_id => {
                return Err(ChangeError::OtherGroup { cluster_id: bound.cluster_id, epoch: bound.epoch });
            }
            (_, Some(former)) => {
                if let Some(difference) = former.difference(&order) {
                    let cluster_id = former.cluster_id.clone();
                    return Err(ChangeError::ToldOtherwise { cluster_id, difference });
                }
            }
            (_, None) => {
                let (dir, kept) = (local.settings.data_dir.clone(), order.clone());
                let written = local.work.blocking(move || kept.store(&dir)).await;
                written.map_err(|error| ChangeError::Stopped { reason: error.to_string() })?;
            }
        }
        self.inner.order.send_replace(Some(order.plan()));
        *ordered = Some(order);
        Ok(())
    }

    /// This node as the leader of the members that the caller expects.
    fn expect(&self, expected: u64) -> Result<(Leading, Option<LogId>), ChangeError> {
        let entry = self.inner.changer.leading()?.entry();
        let found = entry.map_or(0, |id| id.index);
        if found != expected {
            return Err(ChangeError::Moved { expected, found });
        }
        Ok((self.inner.changer.settled()?, entry))
    }

    /// A joint change that cannot be finished blocks every other one, so the new voters are asked first.
    async fn check_majority(&self, leading: &Leading, voters: &BTreeSet<NodeId>) -> Result<(), ChangeError> {
        let view = View {
            alive: self.inner.changer.answering(leading.voters()).await,
            learners: leading.learners().keys().map(|id| (*id, (self.name(), leading.lag(*id)))).collect(),
            ..View::default()
        };
        too_few_alive(&view, voters).map_or(Ok(()), |reason| Err(ChangeError::NoMajority { reason }))
    }

    fn name(&self) -> PeerName {
        self.inner.local.settings.name.clone()
    }
}

fn read(name: &str) -> Result<PeerName, ChangeError> {
    PeerName::parse(name).ok_or_else(|| ChangeError::BadName { name: name.to_owned() })
}

fn find(nodes: &BTreeMap<NodeId, MemberInfo>, name: &PeerName) -> Option<NodeId> {
    // The newest of that name: the disk of an older one is gone.
    nodes.iter().rev().find(|(_, info)| info.raft_addr == name.as_str()).map(|(id, _)| *id)
}

/// `change`, or [`ChangeError::Unconfirmed`] after `limit`.
async fn within<T>(
    limit: Duration,
    change: impl Future<Output = Result<T, ChangeError>>,
) -> Result<T, ChangeError> {
    timeout(limit, change).await.unwrap_or(Err(ChangeError::Unconfirmed { waited: limit }))
}
