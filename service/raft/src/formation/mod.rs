//! From an empty directory to a running raft core: exactly one group, in any start order.
//!
//! The first node by name asks all others what they are. When all answer and none has ever voted, it
//! gives each a number, waits until all wrote theirs, and initializes the group with the full voter
//! map. Every step may be repeated until a node has voted, so a crash in between only delays. An
//! assigned node starts its raft core when the group calls it: that call proves that the group exists.

mod decide;
mod founding;
mod namesake;
mod order;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use openraft::Config;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use self::decide::{Next, decide, decide_order};
use self::namesake::Namesake;
pub(crate) use self::order::Order;
use crate::events::{EventKind, Happening};
use crate::identity::Identity;
use crate::local::{Local, lock};
use crate::member::{MemberInfo, NodeId, PeerName};
use crate::own_loop::beat;
use crate::settings::Bootstrap;
use crate::state::{FoundingState, StateMachine};
use crate::transport::{Assign, Kind, LinkError, Links, NetworkFactory, Probed, encode};
use crate::types::Raft;

/// Pause between two rounds of asking everybody.
const ROUND: Duration = Duration::from_millis(150);
/// A node that does not answer within this time is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// A reason to wait that does not change is logged again after this time.
const REMIND: Duration = Duration::from_secs(30);
/// Reasons that do change are logged at most so often.
const LOG_PAUSE: Duration = Duration::from_secs(2);

/// Brings one node into its group.
pub(crate) struct Formation {
    pub(crate) local: Arc<Local>,
    pub(crate) links: Arc<Links>,
    pub(crate) config: Arc<Config>,
    /// Taken when the raft core starts.
    pub(crate) state: Option<StateMachine>,
    pub(crate) founding: FoundingState,
    pub(crate) called: Arc<Notify>,
    pub(crate) raft: watch::Sender<Option<Raft>>,
    pub(crate) waiting: watch::Sender<Vec<String>>,
    /// What [`crate::RaftNode::bootstrap`] asks for.
    pub(crate) order: watch::Receiver<Option<Plan>>,
}

/// A group to form: its id, and a number for each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// `None`: a random one, unless this node has one already.
    pub(crate) cluster_id: Option<String>,
    pub(crate) numbers: BTreeMap<PeerName, NodeId>,
}

enum Round {
    Finished,
    Again,
}

impl Formation {
    /// Runs until the raft core runs and the group is formed, or the node stops.
    pub(crate) async fn run(mut self) {
        let (mut logged, mut namesake) = (Logged::default(), Namesake::default());
        let mut called = false;
        loop {
            match self.round(called).await {
                Ok(Round::Finished) => break,
                Ok(Round::Again) => {
                    let reason = namesake.reason(&self.local, &self.links).await;
                    self.waiting.send_if_modified(|waiting| add(waiting, reason));
                    logged.log(&self.local, &self.waiting.borrow());
                }
                Err(error) => {
                    self.local.fail(format!("cannot join the raft group: {error}"));
                    break;
                }
            }
            tokio::select! {
                biased;
                () = self.local.stop.cancelled() => return,
                () = self.called.notified() => called = true,
                Ok(()) = self.order.changed() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
        }
        self.waiting.send_replace(Vec::new());
    }

    async fn round(&mut self, called: bool) -> io::Result<Round> {
        let identity = self.local.identity();
        if let Some(identity) = identity.filter(|identity| called || identity.epoch > 0) {
            if !self.start(&identity).await? {
                return Ok(Round::Again);
            }
            // Whoever joins a running group has its members from that group.
            if identity.joins.is_some() || !self.is_former() || self.is_initialized().await? {
                return Ok(Round::Finished);
            }
        }
        let external = self.local.settings.policy.bootstrap == Bootstrap::External;
        let plan = if external { self.order.borrow_and_update().clone() } else { Some(self.own_plan()) };
        let Some(plan) = plan else {
            self.wait_for(vec!["this node waits to be told: to form a group, or to join one".into()]);
            return Ok(Round::Again);
        };
        let (names, answers) = tokio::select! {
            biased;
            // The group exists: whoever does not answer is not waited for.
            () = self.called.notified() => {
                self.called.notify_one();
                return Ok(Round::Again);
            }
            asked = self.ask(plan.numbers.keys()) => asked,
        };
        let reports: Vec<_> = names
            .iter()
            .cloned()
            .zip(answers.iter().map(|answer| match answer {
                Ok(probed) => Ok(probed.report.clone()),
                Err(error) => Err(error.to_string()),
            }))
            .collect();
        let next = match external {
            true => decide_order(&self.local.report(), plan.cluster_id.as_deref(), &reports),
            false => decide(&self.local.report(), &reports),
        };
        match next {
            Next::Wait(reasons) => {
                self.wait_for(reasons);
                Ok(Round::Again)
            }
            Next::Form => {
                let others = names.into_iter().zip(answers.into_iter().flatten()).collect();
                self.form(plan, others).await
            }
        }
    }

    fn is_former(&self) -> bool {
        match self.local.settings.policy.bootstrap {
            Bootstrap::Auto => self.local.nodes().first() == Some(&self.local.settings.name),
            Bootstrap::External => self.order.borrow().is_some(),
        }
    }

    /// Numbers in the order of names.
    fn own_plan(&self) -> Plan {
        Plan { cluster_id: None, numbers: self.local.nodes().into_iter().zip(1..).collect() }
    }

    fn wait_for(&self, reasons: Vec<String>) {
        self.waiting.send_if_modified(|current| {
            let changed = *current != reasons;
            *current = reasons;
            changed
        });
    }

    async fn ask(
        &self,
        names: impl Iterator<Item = &PeerName>,
    ) -> (Vec<PeerName>, Vec<Result<Probed, LinkError>>) {
        let me = &self.local.settings.name;
        let names: Vec<PeerName> = names.filter(|name| *name != me).cloned().collect();
        let answers = join_all(names.iter().map(|name| self.links.probe(name.as_str(), ANSWER_LIMIT))).await;
        (names, answers)
    }

    /// Gives everybody a number, then initializes the group.
    async fn form(&mut self, plan: Plan, mut others: Vec<(PeerName, Probed)>) -> io::Result<Round> {
        let Plan { cluster_id, numbers } = plan;
        let Some(node_id) = numbers.get(&self.local.settings.name).copied() else {
            self.wait_for(vec![format!("{}: the group to form does not name this node", self.local.name())]);
            return Ok(Round::Again);
        };
        let fits = |held: &Identity| {
            held.node_id == node_id && cluster_id.as_ref().is_none_or(|wanted| *wanted == held.cluster_id)
        };
        let identity = match self.local.identity().filter(fits) {
            Some(identity) => identity,
            None => {
                let cluster_id = cluster_id.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
                let identity = Identity { cluster_id, node_id, epoch: 0, joins: None };
                self.local.assign(identity.clone())?;
                identity
            }
        };
        let assigning = others.iter_mut().map(|(name, probed)| {
            let number = numbers[name];
            self.assign(&identity, number, name, probed)
        });
        let refusals: Vec<String> = join_all(assigning).await.into_iter().filter_map(Result::err).collect();
        if !refusals.is_empty() {
            self.wait_for(refusals);
            return Ok(Round::Again);
        }
        let refusals = self.share_state(&identity, &mut others).await?;
        if !refusals.is_empty() {
            self.wait_for(refusals);
            return Ok(Round::Again);
        }
        if !self.start(&identity).await? {
            return Ok(Round::Again);
        }
        let mut voters: BTreeMap<NodeId, MemberInfo> =
            others.into_iter().map(|(name, probed)| (numbers[&name], probed.report.info)).collect();
        voters.insert(identity.node_id, self.local.settings.info.clone());
        let voter_count = voters.len();
        lock(&self.local.campaign).begins_with(voters.keys().copied().collect());
        let raft = self.raft.borrow().clone().expect("the raft core was started just now");
        raft.initialize(voters).await.map_err(io::Error::other)?;
        info!(
            node = self.local.name(),
            group = identity.cluster_id,
            voters = voter_count,
            "raft group formed"
        );
        let formed = Happening::new(EventKind::Formed, 0).detail(format!("{voter_count} voters"));
        self.local.journal.remember(formed);
        Ok(Round::Finished)
    }

    async fn assign(
        &self,
        identity: &Identity,
        node_id: NodeId,
        name: &PeerName,
        probed: &mut Probed,
    ) -> Result<(), String> {
        let same = probed.report.cluster.as_ref() == Some(&identity.cluster_id);
        if same && probed.report.node_id == Some(node_id) {
            return Ok(());
        }
        let assign = Assign {
            cluster: identity.cluster_id.clone(),
            node_id,
            by: self.local.settings.name.clone(),
            nodes: self.local.nodes(),
            joins: None,
        };
        let body = encode(&assign).map_err(|error| error.to_string())?;
        match probed.call(Kind::Assign, &body, ANSWER_LIMIT).await {
            Ok(answer) if answer.header.kind == Kind::Reply => Ok(()),
            Ok(answer) => Err(format!("{name}: {}", String::from_utf8_lossy(&answer.body))),
            Err(error) => Err(format!("{name}: {error}")),
        }
    }

    /// Starts the raft core as `identity`; `false` if that was assigned anew meanwhile.
    async fn start(&mut self, identity: &Identity) -> io::Result<bool> {
        let Some(mut state) = self.state.take() else { return Ok(true) };
        // The log that begins here is a new one for this node, whatever state it brings.
        match (identity.epoch, identity.joins) {
            (0, None) => state.forget_log().await?,
            (0, Some(_)) => state.begin_empty().await?,
            _ => {}
        }
        if identity.epoch == 0 && !self.bind_identity(identity).await? {
            self.state = Some(state);
            return Ok(false);
        }
        let network = NetworkFactory::new(self.links.clone(), self.raft.subscribe());
        let log = self.local.log.clone();
        let raft = Raft::new(identity.node_id, self.config.clone(), network, log, state)
            .await
            .map_err(io::Error::other)?;
        self.local.spawn(beat(self.local.clone(), raft.clone()));
        self.raft.send_replace(Some(raft));
        info!(
            node = self.local.name(),
            node_id = identity.node_id,
            group = identity.cluster_id,
            "raft started"
        );
        self.local.journal.remember(Happening::new(EventKind::Started, 0));
        Ok(true)
    }

    /// The log first, the identity after: an identity that may have voted always has its log.
    async fn bind_identity(&self, identity: &Identity) -> io::Result<bool> {
        self.local.log.bind(&identity.bound()).await?;
        let (local, identity) = (self.local.clone(), identity.clone());
        self.local.work.blocking(move || local.begin_voting(&identity)).await
    }

    async fn is_initialized(&self) -> io::Result<bool> {
        let raft = self.raft.borrow().clone().expect("the raft core was started");
        raft.is_initialized().await.map_err(io::Error::other)
    }
}

/// Puts a reason first, unless it is there.
fn add(waiting: &mut Vec<String>, reason: Option<String>) -> bool {
    let Some(reason) = reason.filter(|reason| !waiting.contains(reason)) else { return false };
    waiting.insert(0, reason);
    true
}

/// What was logged last, so that waiting is told without a flood.
#[derive(Default)]
struct Logged {
    last: Option<(Instant, Vec<String>)>,
}

impl Logged {
    fn log(&mut self, local: &Local, reasons: &[String]) {
        let node = local.name();
        let due = self.last.as_ref().is_none_or(|(at, old)| {
            let age = at.elapsed();
            (old != reasons && age >= LOG_PAUSE) || age >= REMIND
        });
        if due && !reasons.is_empty() {
            let reasons_told = reasons.join("; ");
            warn!(node, waiting_for = reasons_told, "the raft group is not formed yet");
            local.journal.remember(Happening::new(EventKind::Waiting, 0).detail(reasons_told));
            self.last = Some((Instant::now(), reasons.to_vec()));
        }
    }
}
