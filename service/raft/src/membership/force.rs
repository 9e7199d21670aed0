//! The last resort: a survivor goes on alone when a majority is lost for good.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::entry::RaftEntry;
use openraft::storage::RaftLogStorageExt;
use openraft::{RaftLogReader, storage::RaftLogStorage};
use tokio::time::timeout;
use tracing::warn;

use super::ChangeError;
use crate::identity::Identity;
use crate::local::Local;
use crate::node::RaftNode;
use crate::types::{CommittedLeaderId, Entry, LogId, Raft, Vote};

/// The raft core ends within this time.
const STOP_LIMIT: Duration = Duration::from_secs(5);

impl RaftNode {
    /// Makes this node the only voter of a new epoch of its group, and stops it; answers the new epoch.
    ///
    /// For a majority that is lost for good: what only the lost nodes had is lost with them. After this the
    /// process must exit ([`fatal`](Self::fatal) says so) and be started again; then it leads alone. Nodes of
    /// the old epoch are refused for ever; they join again with empty directories.
    ///
    /// Once begun it goes on to its end, whether or not the answer is waited for.
    ///
    /// # Errors
    /// [`ChangeError::OtherGroup`] unless `cluster_id` and `epoch` are this node's;
    /// [`ChangeError::HasLeader`] while it knows a live leader; [`ChangeError::Stopped`] if it cannot be written:
    /// the process must exit then too, and the call be repeated with the epoch that the node says by then.
    pub async fn force_new_cluster(&self, cluster_id: &str, epoch: u64) -> Result<u64, ChangeError> {
        let local = &self.inner.local;
        let identity = local.identity().filter(|identity| identity.epoch > 0);
        let unformed = || ChangeError::NotAllowed { reason: "this node is in no group".into() };
        let identity = identity.ok_or_else(unformed)?;
        if identity.cluster_id != cluster_id || identity.epoch != epoch {
            return Err(ChangeError::OtherGroup { cluster_id: identity.cluster_id, epoch: identity.epoch });
        }
        if self.health().is_part_of_quorum {
            return Err(ChangeError::HasLeader);
        }
        let raft = self.raft().ok_or_else(unformed)?;
        let next = Identity { epoch: epoch + 1, ..identity };
        let (changer, sharer) = (self.inner.changer.clone(), local.clone());
        let begun = local.spawn(async move {
            let _busy = changer.busy.lock().await;
            let written = go_on_alone(&raft, &sharer, &next).await;
            let (node, epoch) = (sharer.name(), next.epoch);
            match &written {
                Ok(()) => {
                    warn!(node, node_id = next.node_id, "this node is now a group of its own");
                    sharer.fail(format!("this node is alone in epoch {epoch} of its group now: start it again"));
                }
                // Raft has ended for it, so the process is of no use any more.
                Err(error) => sharer.fail(format!(
                    "epoch {epoch}, in which this node was to be alone, cannot be written ({error}): start it again, and \
                     ask it again"
                )),
            }
            written.map(|()| epoch)
        });
        let begun = begun.await.unwrap_or_else(|ended| Err(io::Error::other(ended)));
        begun.map_err(|error| ChangeError::Stopped { reason: error.to_string() })
    }
}

/// Ends the raft core, then writes what makes this node the only voter.
async fn go_on_alone(raft: &Raft, local: &Arc<Local>, next: &Identity) -> io::Result<()> {
    let ended = timeout(STOP_LIMIT, raft.shutdown()).await.map_err(io::Error::other)?;
    ended.map_err(io::Error::other)?;
    append_alone(local, next).await
}

/// The identity first, then the entry that makes this node the only voter.
///
/// After a crash in between, the node is alone in an epoch whose other voters nobody can be: it waits,
/// and the call can be repeated with that epoch. The other way round it could lead in the old one.
async fn append_alone(local: &Arc<Local>, next: &Identity) -> io::Result<()> {
    let mut log = local.log.clone();
    let (sharer, identity) = (local.clone(), next.clone());
    local.work.blocking(move || sharer.begin_epoch(identity)).await?;
    let last = log.get_log_state().await?.last_log_id;
    let voted = log.read_vote().await?.map_or(0, |vote| vote.leader_id.term);
    let term = voted.max(last.map_or(0, |id| **id.committed_leader_id())) + 1;
    log.save_vote(&Vote::new(term, next.node_id)).await?;
    let members = openraft::Membership::new(
        vec![BTreeSet::from([next.node_id])],
        BTreeMap::from([(next.node_id, local.settings.info.clone())]),
    );
    let members = members.map_err(io::Error::other)?;
    let id = LogId::new(CommittedLeaderId::new(term), last.map_or(0, |id| id.index + 1));
    log.blocking_append([Entry::new_membership(id, members)]).await?;
    log.bind(next).await
}
