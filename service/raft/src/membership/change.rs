//! The steps of a change, each guarded by the members that it was decided on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::Precondition;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tracing::info;

use super::decide::{Answer, LAG_LIMIT};
use super::error::ChangeError;
use super::number_at;
use crate::command::Command;
use crate::local::Local;
use crate::member::{MemberInfo, NodeId, PeerName};
use crate::transport::{Assign, Kind, Links, NodeReport, Probed, encode};
use crate::types::{LogId, Metrics, Raft, TypeConfig};

/// A node that does not say within this time what it is, is silent.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// Pause between two attempts to reach a node that is to join.
const KNOCK_PAUSE: Duration = Duration::from_millis(250);
/// A removed node is told so often: the first time it may know less than what removed it.
const TELL_TIMES: usize = 3;
/// Pause between these.
const TELL_PAUSE: Duration = Duration::from_millis(300);

/// Carries changes out, one at a time.
pub(crate) struct Changer {
    pub(super) links: Arc<Links>,
    raft: watch::Receiver<Option<Raft>>,
    /// Held during a change.
    pub(super) busy: Mutex<()>,
}

/// A node that leads, at one moment.
pub(super) struct Leading {
    pub(super) raft: Raft,
    pub(super) metrics: Metrics,
}

impl Leading {
    /// The entry with the members in force.
    pub(super) fn entry(&self) -> Option<LogId> {
        *self.metrics.membership_config.log_id()
    }

    pub(super) fn voters(&self) -> BTreeMap<NodeId, MemberInfo> {
        let stored = &self.metrics.membership_config;
        stored.voter_ids().filter_map(|id| Some((id, stored.get_node(&id)?.clone()))).collect()
    }

    pub(super) fn learners(&self) -> BTreeMap<NodeId, MemberInfo> {
        let membership = self.metrics.membership_config.membership();
        membership.learner_ids().filter_map(|id| Some((id, membership.get_node(&id)?.clone()))).collect()
    }

    /// By how many entries a member lags; `None` while it acknowledged nothing.
    pub(super) fn lag(&self, id: NodeId) -> Option<u64> {
        let matched = (*self.metrics.replication.as_ref()?.get(&id)?)?;
        Some(self.metrics.last_log_index.unwrap_or(0).saturating_sub(matched.index))
    }
}

impl Changer {
    pub(crate) fn new(links: Arc<Links>, raft: watch::Receiver<Option<Raft>>) -> Self {
        Self { links, raft, busy: Mutex::new(()) }
    }

    pub(super) fn local(&self) -> &Arc<Local> {
        self.links.local()
    }

    pub(super) fn metrics(&self) -> Option<(Raft, Metrics)> {
        let raft = self.raft.borrow().clone()?;
        let metrics = raft.metrics().borrow_watched().clone();
        Some((raft, metrics))
    }

    /// This node, if it leads.
    pub(super) fn leading(&self) -> Result<Leading, ChangeError> {
        let (raft, metrics) = self.metrics().ok_or(ChangeError::NotLeader { leader: None })?;
        if metrics.state.is_leader() {
            return Ok(Leading { raft, metrics });
        }
        let stored = &metrics.membership_config;
        let leader = metrics.current_leader.and_then(|id| Some((id, stored.get_node(&id)?)));
        let leader = leader.map(|(id, info)| self.local().member(id, info));
        Err(ChangeError::NotLeader { leader })
    }

    /// Like [`leading`](Self::leading), and no change is under way.
    pub(super) fn settled(&self) -> Result<Leading, ChangeError> {
        let leading = self.leading()?;
        let metrics = &leading.metrics;
        let joint = metrics.membership_config.get_joint_config().len() > 1;
        if joint || metrics.committed_membership_config.log_id() != metrics.membership_config.log_id() {
            return Err(ChangeError::Busy);
        }
        Ok(leading)
    }

    /// Asks who answers under `name`.
    pub(super) async fn ask(&self, name: &PeerName) -> Result<Probed, String> {
        self.links.probe(name.as_str(), ANSWER_LIMIT).await.map_err(|error| error.to_string())
    }

    /// Waits until somebody answers under `name`, as long as this node leads.
    pub(super) async fn answers(&self, name: &PeerName, deadline: Instant) -> Result<(), ChangeError> {
        loop {
            self.leading()?;
            let Err(reason) = self.ask(name).await else { return Ok(()) };
            if Instant::now() + KNOCK_PAUSE >= deadline {
                return Err(ChangeError::Unreachable { name: name.to_string(), reason });
            }
            tokio::time::sleep(KNOCK_PAUSE).await;
        }
    }

    /// Who answers under each of `names`.
    pub(super) async fn ask_all(&self, names: BTreeSet<PeerName>) -> BTreeMap<PeerName, Answer> {
        let asked = names.into_iter().map(|name| async move {
            let answer = match self.ask(&name).await {
                Ok(probed) => self.judge(&name, &probed.report),
                Err(reason) => Answer::Silent(reason),
            };
            (name, answer)
        });
        join_all(asked).await.into_iter().collect()
    }

    /// What a report under `name` means for this group.
    pub(super) fn judge(&self, name: &PeerName, report: &NodeReport) -> Answer {
        if report.name != *name {
            return Answer::Occupied(format!("who answers there is {}", report.name));
        }
        let Some(mine) = self.local().identity() else { return Answer::Silent("no identity".into()) };
        let same = report.cluster.as_ref() == Some(&mine.cluster_id);
        match report.node_id {
            Some(id) if same && (report.epoch == mine.epoch || (report.is_empty() && self.is_member(id))) => {
                Answer::Member(id)
            }
            _ if report.is_empty() => Answer::Empty,
            Some(_) if same => Answer::Occupied(format!(
                "it is of epoch {} of this group, which is in epoch {}; move its RaftDataDir away",
                report.epoch, mine.epoch
            )),
            _ => Answer::Occupied("it belongs to another group; move its RaftDataDir away".into()),
        }
    }

    fn is_member(&self, id: NodeId) -> bool {
        self.metrics().is_some_and(|(_, metrics)| metrics.membership_config.get_node(&id).is_some())
    }

    /// Gives the empty node under `name` a number of its own and has it follow.
    pub(super) async fn add_learner(
        &self,
        leading: &Leading,
        name: &PeerName,
        expected: Option<LogId>,
    ) -> Result<NodeId, ChangeError> {
        let unreachable = |reason: String| ChangeError::Unreachable { name: name.to_string(), reason };
        let mut probed = self.ask(name).await.map_err(unreachable)?;
        match self.judge(name, &probed.report) {
            Answer::Empty => {}
            Answer::Silent(reason) => return Err(unreachable(reason)),
            Answer::Occupied(reason) => return Err(ChangeError::Occupied { name: name.to_string(), reason }),
            Answer::Member(id) => return Err(self.member_already(name, id)),
        }
        let ready = leading.let_beginning_go().await;
        ready.map_err(|reason| ChangeError::Occupied { name: name.to_string(), reason })?;
        // An entry of its own, so that no number is ever given out twice.
        let written = leading.raft.client_write(Command::Heartbeat {}).await;
        let node_id = number_at(written.map_err(|error| self.refused(error, expected))?.log_id.index);
        let identity = self.local().identity().expect("a leader has an identity");
        let assign = Assign {
            cluster: identity.cluster_id,
            node_id,
            by: self.local().settings.name.clone(),
            nodes: self.local().nodes(),
            joins: Some(identity.epoch),
        };
        let body = encode(&assign).map_err(|error| unreachable(error.to_string()))?;
        match probed.call(Kind::Assign, &body, ANSWER_LIMIT).await {
            Ok(answer) if answer.header.kind == Kind::Reply => {}
            Ok(answer) => {
                let reason = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(ChangeError::Occupied { name: name.to_string(), reason });
            }
            Err(error) => return Err(unreachable(error.to_string())),
        }
        let nodes = BTreeMap::from([(node_id, probed.report.info)]);
        self.change(leading, ChangeMembers::AddNodes(nodes), true, expected).await?;
        info!(node = self.local().name(), peer = %name, node_id, "a new node follows");
        Ok(node_id)
    }

    fn member_already(&self, name: &PeerName, node_id: NodeId) -> ChangeError {
        let name = name.to_string();
        if self.is_member(node_id) {
            return ChangeError::AlreadyMember { name, node_id };
        }
        let reason =
            format!("it is node {node_id}, which was removed from the group; move its RaftDataDir away");
        ChangeError::Occupied { name, reason }
    }

    /// One joint change to `voters`; who does not vote any more is dropped, and told.
    pub(super) async fn change_voters(
        &self,
        leading: &Leading,
        voters: BTreeSet<NodeId>,
        expected: Option<LogId>,
    ) -> Result<(), ChangeError> {
        let gone: BTreeMap<_, _> =
            leading.voters().into_iter().filter(|(id, _)| !voters.contains(id)).collect();
        let numbers = voters.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ");
        let stays = voters.contains(&leading.metrics.id);
        self.leaving(leading, stays, ChangeMembers::ReplaceAllVoters(voters), expected).await?;
        info!(node = self.local().name(), voters = numbers, "the group has other voters");
        self.tell(gone);
        Ok(())
    }

    /// Has the group know this node by the name that it has now.
    pub(super) async fn rename(&self, leading: &Leading, expected: Option<LogId>) -> Result<(), ChangeError> {
        let (node_id, info) = (leading.metrics.id, self.local().settings.info.clone());
        let nodes = ChangeMembers::SetNodes(BTreeMap::from([(node_id, info)]));
        self.change(leading, nodes, true, expected).await?;
        info!(node = self.local().name(), node_id, "the only voter has another name now");
        Ok(())
    }

    /// Drops learners.
    pub(super) async fn drop_learners(
        &self,
        leading: &Leading,
        ids: BTreeSet<NodeId>,
        expected: Option<LogId>,
    ) -> Result<(), ChangeError> {
        let gone = leading.learners().into_iter().filter(|(id, _)| ids.contains(id)).collect();
        self.change(leading, ChangeMembers::RemoveNodes(ids), false, expected).await?;
        self.tell(gone);
        Ok(())
    }

    /// Finishes a change that was left half way.
    pub(super) async fn flatten(&self, leading: &Leading) -> Result<(), ChangeError> {
        let nothing = ChangeMembers::AddVoterIds(BTreeSet::new());
        let to = leading.metrics.membership_config.get_joint_config().last();
        let stays = to.is_none_or(|voters| voters.contains(&leading.metrics.id));
        self.leaving(leading, stays, nothing, leading.entry()).await
    }

    /// A change after which this node may be no voter: it stops saying that it leads before, since those who stay
    /// need not wait for its lease to end.
    async fn leaving(
        &self,
        leading: &Leading,
        stays: bool,
        members: ChangeMembers<NodeId, MemberInfo>,
        expected: Option<LogId>,
    ) -> Result<(), ChangeError> {
        let term = leading.metrics.current_term;
        if !stays {
            self.local().give_away(term);
        }
        let changed = self.change(leading, members, false, expected).await;
        if changed.is_err() {
            self.local().take_back(term);
        }
        changed
    }

    async fn change(
        &self,
        leading: &Leading,
        members: ChangeMembers<NodeId, MemberInfo>,
        retain: bool,
        expected: Option<LogId>,
    ) -> Result<(), ChangeError> {
        let guard = Precondition::<TypeConfig>::LastMembershipLogId { last_membership_log_id: expected };
        let done = leading.raft.change_membership_if(members, retain, [guard]).await;
        let entry = Some(done.map_err(|error| self.refused(error, expected))?.log_id);
        // So that the caller's next look sees its own change; a change that is not seen in time was made still.
        let seen = |metrics: &Metrics| *metrics.committed_membership_config.log_id() >= entry;
        let waited = leading.raft.wait(Some(ANSWER_LIMIT)).metrics(seen, "the change is seen").await;
        waited.map(drop).or(Ok(()))
    }

    fn refused(
        &self,
        error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
        expected: Option<LogId>,
    ) -> ChangeError {
        match error {
            RaftError::Fatal(fatal) => ChangeError::Stopped { reason: fatal.to_string() },
            RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => {
                let leader = to.leader_id.zip(to.leader_node);
                ChangeError::NotLeader { leader: leader.map(|(id, info)| self.local().member(id, &info)) }
            }
            RaftError::APIError(ClientWriteError::PreconditionFailed(_)) => {
                let found = self.metrics().and_then(|(_, metrics)| *metrics.membership_config.log_id());
                let index = |id: Option<LogId>| id.map_or(0, |id| id.index);
                ChangeError::Moved { expected: index(expected), found: index(found) }
            }
            RaftError::APIError(ClientWriteError::ChangeMembershipError(_)) => ChangeError::Busy,
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => {
                ChangeError::Unconfirmed { waited: Duration::ZERO }
            }
        }
    }

    /// Waits until the learner `id` may vote.
    pub(super) async fn caught_up(&self, id: NodeId, deadline: Instant) -> Result<(), ChangeError> {
        let begun = Instant::now();
        let waiting = async {
            // One for all rounds: a new one takes what it finds for a change.
            let mut changes = self.leading()?.raft.metrics();
            loop {
                let leading = self.leading()?;
                if leading.lag(id).is_some_and(|lag| lag <= LAG_LIMIT) {
                    return Ok(());
                }
                if changes.changed().await.is_err() {
                    return Err(ChangeError::Stopped { reason: "the raft core is gone".into() });
                }
            }
        };
        let waited = tokio::time::timeout_at(deadline, waiting).await;
        waited.unwrap_or_else(|_| Err(ChangeError::Unconfirmed { waited: begun.elapsed() }))
    }

    /// Which of `members` answer right now; each tells its list on the way.
    pub(super) async fn answering(&self, members: BTreeMap<NodeId, MemberInfo>) -> BTreeSet<NodeId> {
        let me = self.local().identity().map_or(0, |identity| identity.node_id);
        let asked = members
            .into_iter()
            .map(|(id, info)| async move { (id == me || self.report_to(id, &info).await).then_some(id) });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// As [`Links::report_to`], wherever the member is by now.
    async fn report_to(&self, id: NodeId, info: &MemberInfo) -> bool {
        self.links.report_to(id, &self.local().member(id, info).raft_addr, ANSWER_LIMIT).await
    }

    /// Lets removed nodes know; who cannot be reached learns it from any member when it asks.
    fn tell(&self, gone: BTreeMap<NodeId, MemberInfo>) {
        let me = self.local().identity().map_or(0, |identity| identity.node_id);
        for (id, info) in gone.into_iter().filter(|(id, _)| *id != me) {
            info!(node = self.local().name(), peer = info.raft_addr, node_id = id, "a node left the group");
            let telling = Self { links: self.links.clone(), raft: self.raft.clone(), busy: Mutex::new(()) };
            let stop = self.local().stop.clone();
            self.local().spawn(async move {
                for _ in 0..TELL_TIMES {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return,
                        _ = telling.report_to(id, &info) => {}
                    }
                    tokio::time::sleep(TELL_PAUSE).await;
                }
            });
        }
    }
}
