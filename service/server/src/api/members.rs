//! Changes of the group's members, as people and operators ask for them.

use std::time::Duration;

use orchestrator_http::ports::{
    BootstrapWish, MembersChange, MembersChanged, MembersWish, Node, PortError, Raft,
};
use orchestrator_raft::{ChangeError, Health, Member, Membership};
use orchestrator_wire::{DataState, MemberName, MemberStatus, Members, RaftStatus};
use sha2::{Digest, Sha256};

use super::NodeApi;

/// How long a node may take to catch up and vote, and a removed one to be none. Shorter than a follower waits for
/// the leader that it forwards to, so that whoever asks hears the reason.
const CHANGE_DEADLINE: Duration = Duration::from_secs(60);

impl NodeApi {
    pub(super) fn member_status(&self) -> MemberStatus {
        let health = self.raft.health();
        let membership = self.raft.membership();
        let initialized = membership.epoch > 0;
        MemberStatus {
            status: self.raft_status(&health),
            cluster_id: health.cluster_id.clone().unwrap_or_default(),
            node_id: health.me.node_id,
            epoch: membership.epoch,
            initialized,
            data_state: if initialized { DataState::Present } else { DataState::Empty },
            term: health.term,
            last_log_index: health.last_log_index,
            applied_index: health.applied_index,
            snapshot_index: health.snapshot_index,
            membership_log_index: membership.index,
            raft_nodes_hash: list_hash(&membership.wish),
            membership: members(membership),
            last_quorum_ack_ms: health.quorum_ack_ms,
            active_recoveries: self.recoveries.driving() as u64,
            version: env!("CARGO_PKG_VERSION").into(),
            removed: health.removed,
            reason: health.reason.clone().unwrap_or_default(),
            waiting_for: health.waiting_for.clone(),
            differing: health.differing.clone(),
        }
    }

    fn raft_status(&self, health: &Health) -> RaftStatus {
        let view = self.health();
        RaftStatus {
            raft_bind: self.raft_bind.clone(),
            raft_advertise: health.me.raft_addr.clone(),
            state: health.state.as_str().into(),
            healthy: health.healthy,
            is_part_of_quorum: health.is_part_of_quorum,
            leader: view.leader.clone(),
            leader_uri: view.leader_uri.clone(),
            peers: self.peers(),
        }
    }

    pub(super) async fn take_in(&self, address: &str) -> Result<String, PortError> {
        let added = self.raft.add_peer(address, CHANGE_DEADLINE).await;
        added.map(|member| member.raft_addr).map_err(port_error)
    }

    pub(super) async fn change_with(&self, wish: MembersWish) -> Result<MembersChanged, PortError> {
        let MembersWish { cluster_id, expected_index: expected, change } = wish;
        let own = self.raft.membership();
        if own.cluster_id.as_deref() != Some(cluster_id.as_str()) {
            let own = own.cluster_id.unwrap_or_default();
            return Err(PortError::Refused(format!("this node belongs to group {own:?}")));
        }
        let (raft, limit) = (&self.raft, CHANGE_DEADLINE);
        let (node_id, index) = match change {
            MembersChange::AddLearner(address) => {
                let node_id = raft.add_learner(expected, &address, limit).await.map_err(port_error)?;
                (Some(node_id), raft.membership().index.unwrap_or(0))
            }
            MembersChange::Voters(voters) => {
                (None, raft.change_membership(expected, &voters, limit).await.map_err(port_error)?)
            }
            MembersChange::RemoveLearner(node) => {
                (None, raft.remove_learner(expected, node, limit).await.map_err(port_error)?)
            }
        };
        Ok(MembersChanged { index, node_id })
    }

    pub(super) async fn form(&self, wish: BootstrapWish) -> Result<(), PortError> {
        let formed = self.raft.bootstrap(&wish.cluster_id, &wish.members, CHANGE_DEADLINE).await;
        formed.map_err(port_error)
    }

    pub(super) async fn go_on_alone(&self, cluster_id: &str, epoch: u64) -> Result<u64, PortError> {
        self.raft.force_new_cluster(cluster_id, epoch).await.map_err(port_error)
    }

    pub(super) async fn drop_peer(&self, address: &str) -> Result<String, PortError> {
        let removed = self.raft.remove_peer(address, CHANGE_DEADLINE).await;
        removed.map(|member| member.raft_addr).map_err(port_error)
    }
}

/// In the words that clients know, where the original has some.
fn port_error(error: ChangeError) -> PortError {
    match error {
        ChangeError::NotLeader { .. } => PortError::NotLeader,
        ChangeError::Unconfirmed { .. } => PortError::Unconfirmed,
        ChangeError::AlreadyMember { .. } => PortError::Refused("peer already known".into()),
        ChangeError::UnknownMember { .. } => PortError::Refused("peer is unknown".into()),
        ChangeError::Stopped { .. } => PortError::Failed(error.to_string()),
        other => PortError::Refused(other.to_string()),
    }
}

fn members(membership: Membership) -> Members {
    let names = |members: Vec<Member>| {
        members
            .into_iter()
            .map(|Member { node_id, raft_addr, .. }| MemberName { node_id, addr: raft_addr })
            .collect()
    };
    Members {
        joint: membership.joint,
        committed: membership.committed,
        voters: names(membership.voters),
        learners: names(membership.learners),
    }
}

/// Two nodes have the same list of nodes if this is the same.
fn list_hash(sorted: &[String]) -> String {
    Sha256::digest(sorted.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect()
}
