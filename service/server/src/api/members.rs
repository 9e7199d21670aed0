//! Changes of the group's members, as people and operators ask for them.

use std::time::Duration;

use orchestrator_http::ports::{
    BootstrapWish, MembersChange, MembersChanged, MembersWish, Node, PortError, Raft,
};
use orchestrator_raft::{ChangeError, Health, Member, Membership, PeerHealth, Progress};
use orchestrator_wire::{DataState, MemberName, MemberStatus, Members, RaftStatus, Replication};

use super::NodeApi;
use crate::reload::wish_hash;

/// How long a node may take to catch up and vote, and a removed one to be none. Shorter than a follower waits for
/// the leader that it forwards to, so that whoever asks hears the reason.
const CHANGE_DEADLINE: Duration = Duration::from_secs(60);

/// The oldest version that reads what this one writes: log, snapshots, identity and tables. Raise it when a format
/// changes in a way that older versions refuse.
const OLDEST_READER: &str = "0.1.0";

impl NodeApi {
    pub(super) fn member_status(&self) -> MemberStatus {
        let health = self.raft.health();
        let membership = self.raft.membership();
        let initialized = membership.epoch > 0;
        let last_read = self.door.last();
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
            raft_nodes_hash: wish_hash(&self.raft),
            config_hash: last_read.hash,
            needs_restart: last_read.needs_restart.into_iter().map(str::to_owned).collect(),
            membership: members(membership),
            last_quorum_ack_ms: health.quorum_ack_ms,
            replication: self.raft.replication().into_iter().map(replication).collect(),
            active_recoveries: self.recoveries.driving() as u64,
            version: env!("CARGO_PKG_VERSION").into(),
            min_version: OLDEST_READER.into(),
            removed: health.removed,
            reason: health.reason.clone().unwrap_or_default(),
            waiting_for: health.waiting_for.clone(),
            peer_problems: health.peers.iter().filter_map(peer_problem).collect(),
            differing: health.differing.clone(),
        }
    }

    fn raft_status(&self, health: &Health) -> RaftStatus {
        let view = self.health();
        RaftStatus {
            raft_bind: self.group.as_ref().map_or_else(String::new, |group| group.bind.clone()),
            raft_advertise: health.me.raft_addr.clone(),
            state: health.state.as_str().into(),
            healthy: health.healthy,
            is_part_of_quorum: health.is_part_of_quorum,
            leader: view.leader.clone(),
            leader_uri: view.leader_uri.clone(),
            peers: self.peers(),
        }
    }

    /// A member's address with the port of `DefaultRaftPort`, where it has none.
    pub(super) fn address(&self, text: &str) -> Result<String, PortError> {
        let group = self.group.as_ref().ok_or_else(|| PortError::Failed("not a raft setup".into()))?;
        group.address(text).map_err(PortError::Refused)
    }

    pub(super) async fn take_in(&self, address: &str) -> Result<String, PortError> {
        let added = self.raft.add_peer(&self.address(address)?, CHANGE_DEADLINE).await;
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
                let address = self.address(&address)?;
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
        let BootstrapWish { token, cluster_id, members } = wish;
        let members = members.into_iter().map(|(id, address)| Ok((id, self.address(&address)?)));
        let members = members.collect::<Result<Vec<_>, PortError>>()?;
        let formed = self.raft.bootstrap(&token, &cluster_id, &members, CHANGE_DEADLINE).await;
        formed.map_err(port_error)
    }

    pub(super) async fn go_on_alone(&self, cluster_id: &str, epoch: u64) -> Result<u64, PortError> {
        self.raft.force_new_cluster(cluster_id, epoch).await.map_err(port_error)
    }

    pub(super) async fn drop_peer(&self, address: &str) -> Result<String, PortError> {
        let removed = self.raft.remove_peer(&self.address(address)?, CHANGE_DEADLINE).await;
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

fn peer_problem(peer: &PeerHealth) -> Option<String> {
    peer.problem.as_ref().map(|problem| format!("{}: {problem}", peer.member.raft_addr))
}

fn replication((node_id, progress): (u64, Progress)) -> (u64, Replication) {
    let ms = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let replication =
        Replication { matched_index: progress.matched_index, last_ack_ms: progress.last_ack.map(ms) };
    (node_id, replication)
}

#[cfg(test)]
mod tests {
    /// Older versions would refuse what a newer format wrote: raise `OLDEST_READER` together with it, once there is a
    /// released version that wrote the former.
    #[test]
    fn the_oldest_reader_is_that_of_the_present_formats() {
        assert_eq!((super::OLDEST_READER, orchestrator_backend::SNAPSHOT_VERSION), ("0.1.0", 2));
    }
}
