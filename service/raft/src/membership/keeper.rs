//! Keeps the members of a running group in line with the wish and with the disks that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::change::{Changer, Leading};
use super::decide::{Answer, Next, View, decide};
use super::error::ChangeError;
use super::wish::Wish;
use crate::member::{MemberInfo, NodeId, PeerName};
use crate::settings::MembershipSource;

/// Pause between two looks; a node that asks to join is looked at at once.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// One step, a joint change with two syncs of a majority included.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// Who has heard of this node's list since it changed. A list that is taken back is no wish, and must be told as well.
struct Told {
    list: Vec<PeerName>,
    /// Somebody has not heard of it yet.
    waiting: bool,
    voters: BTreeSet<NodeId>,
}

/// One per node; only the leader's changes something.
pub(crate) struct Keeper {
    pub(crate) changer: Arc<Changer>,
    /// Whom the leader waits for and why.
    pub(crate) pending: watch::Sender<Vec<String>>,
}

impl Keeper {
    /// Runs until the node stops.
    pub(crate) async fn run(self) {
        let local = self.changer.local().clone();
        // A node introduces itself with the list that it has, so the first one need not be told.
        let mut told = Told { list: local.nodes(), waiting: false, voters: BTreeSet::new() };
        loop {
            tokio::select! {
                biased;
                () = local.stop.cancelled() => return,
                () = local.knock.notified() => {}
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
            self.settle().await;
            tokio::select! {
                biased;
                () = local.stop.cancelled() => return,
                () = self.tell_list(&mut told) => {}
            }
            let step = tokio::select! {
                biased;
                () = local.stop.cancelled() => return,
                step = tokio::time::timeout(STEP_LIMIT, self.look()) => step,
            };
            let reasons = step.unwrap_or_else(|_| Ok(vec!["a change of the members takes long".into()]));
            let reasons = reasons.unwrap_or_else(|error| match error {
                // Whoever leads now looks.
                ChangeError::NotLeader { .. } | ChangeError::Busy | ChangeError::Moved { .. } => Vec::new(),
                error => vec![error.to_string()],
            });
            self.wait_for(reasons);
        }
    }

    /// Tells each voter once of a list that changed. Asking is bounded: see [`Changer::answering`].
    async fn tell_list(&self, told: &mut Told) {
        let list = self.changer.local().nodes();
        if list != told.list {
            *told = Told { list, waiting: true, voters: BTreeSet::new() };
        }
        let Some((_, metrics)) = self.changer.metrics().filter(|_| told.waiting) else { return };
        let stored = &metrics.membership_config;
        let voters = stored.voter_ids().filter_map(|id| Some((id, stored.get_node(&id)?.clone())));
        let mut deaf: BTreeMap<NodeId, MemberInfo> = voters.collect();
        deaf.retain(|id, _| !told.voters.contains(id));
        told.voters.extend(self.changer.answering(deaf.clone()).await);
        told.waiting = deaf.keys().any(|id| !told.voters.contains(id));
    }

    fn wait_for(&self, reasons: Vec<String>) {
        let node = self.changer.local().name();
        self.pending.send_if_modified(|current| {
            let changed = *current != reasons;
            if changed && !reasons.is_empty() {
                warn!(node, waiting_for = reasons.join("; "), "the raft group does not fit RaftNodes yet");
            } else if changed {
                info!(node, "the raft group waits for nobody");
            }
            *current = reasons;
            changed
        });
    }

    /// Notes that the group fits this node's list, so that only another list is a new wish.
    async fn settle(&self) {
        let Some((_, metrics)) = self.changer.metrics() else { return };
        let committed = &metrics.committed_membership_config;
        if committed.log_id() != metrics.membership_config.log_id() || committed.get_joint_config().len() != 1
        {
            return;
        }
        let local = self.changer.local().clone();
        let voters = committed.voter_ids().filter_map(|id| committed.get_node(&id));
        let mut names: Vec<PeerName> = voters.filter_map(|info| PeerName::parse(&info.raft_addr)).collect();
        names.sort();
        let wish = local.wish();
        if wish.list != names || !wish.is_new() {
            return;
        }
        let dir = local.settings.data_dir.clone();
        match local.work.blocking(move || Wish::store(&dir, &names)).await {
            Ok(()) => local.change_wish(|current| current.settled = wish.list),
            Err(error) => warn!(node = local.name(), %error, "cannot note that the group fits RaftNodes"),
        }
    }

    /// One step, if there is one; whom to wait for otherwise.
    async fn look(&self) -> Result<Vec<String>, ChangeError> {
        let Ok(_busy) = self.changer.busy.try_lock() else { return Ok(Vec::new()) };
        let leading = match self.changer.leading() {
            Ok(leading) => leading,
            Err(_) => return Ok(self.tell_wish().await),
        };
        if leading.must_let_beginning_go()
            && let Err(reason) = leading.let_beginning_go().await
        {
            return Ok(vec![format!("{}: {reason}", self.changer.local().name())]);
        }
        let expected = leading.entry();
        match decide(&self.view(&leading).await) {
            Next::Rest => {}
            Next::Wait(reasons) => return Ok(reasons),
            Next::Flatten => self.changer.flatten(&leading).await?,
            Next::Rename => self.changer.rename(&leading, expected).await?,
            Next::AddLearner(name) => drop(self.changer.add_learner(&leading, &name, expected).await?),
            Next::DropLearner(id) => {
                self.changer.drop_learners(&leading, BTreeSet::from([id]), expected).await?;
            }
            Next::Change(voters) => self.changer.change_voters(&leading, voters, expected).await?,
        }
        Ok(Vec::new())
    }

    /// Tells the others of a follower's new wish, so that each can say that the lists differ.
    async fn tell_wish(&self) -> Vec<String> {
        let local = self.changer.local();
        let Some((_, metrics)) = self.changer.metrics() else { return Vec::new() };
        if !local.wish().is_new() || local.removed_at().is_some() {
            return Vec::new();
        }
        let stored = &metrics.membership_config;
        let voters = stored.voter_ids().filter_map(|id| Some((id, stored.get_node(&id)?.clone())));
        self.changer.answering(voters.collect()).await;
        local.differing(&stored.voter_ids().collect::<Vec<_>>())
    }

    async fn view(&self, leading: &Leading) -> View {
        let metrics = &leading.metrics;
        let local = self.changer.local();
        let mut view = View {
            me: metrics.id,
            committed: metrics.committed_membership_config.log_id() == metrics.membership_config.log_id(),
            joint: metrics.membership_config.get_joint_config().len() > 1,
            voters: names(&leading.voters()),
            ..View::default()
        };
        view.renamed = view.voters.get(&view.me).is_some_and(|name| *name != local.settings.name);
        if local.settings.policy.membership == MembershipSource::Api {
            return view;
        }
        let learners = names(&leading.learners());
        view.learners = learners.into_iter().map(|(id, name)| (id, (name, leading.lag(id)))).collect();
        let wish = local.wish();
        if wish.is_new() {
            view.wish = Some(wish.list);
        }
        view.answers = self.answers(&view).await;
        if view.wish.is_some() || !view.answers.is_empty() {
            view.alive = self.changer.answering(leading.voters()).await;
            view.lists = local.lists();
            view.lists.retain(|id, _| view.alive.contains(id));
        }
        view
    }

    /// Asks under the names where somebody else than the member may be.
    async fn answers(&self, view: &View) -> BTreeMap<PeerName, Answer> {
        let present: BTreeSet<&PeerName> = view.voters.values().collect();
        let wished = view.wish.iter().flatten().filter(|name| !present.contains(name)).cloned();
        let knocking = self.changer.local().applicants();
        let knocking = knocking.into_iter().filter(|name| present.contains(name));
        let following = view.learners.values().map(|(name, _)| name.clone());
        self.changer.ask_all(wished.chain(knocking).chain(following).collect()).await
    }
}

fn names(nodes: &BTreeMap<NodeId, MemberInfo>) -> BTreeMap<NodeId, PeerName> {
    nodes.iter().filter_map(|(id, info)| Some((*id, PeerName::parse(&info.raft_addr)?))).collect()
}
