//! What a member's disk holds, seen from the group.

use orchestrator_wire::DataState;

use super::View;

/// What the disk of a seat holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Its member does not answer, or answers were not given at one moment.
    Unknown,
    /// Nothing that binds it to a group.
    Empty,
    /// The data of this member of the group, or a number that the group gave it and that it has not used yet.
    Own(u64),
    /// Data of a member that the group let go, or of an earlier epoch.
    Stale,
    /// Data of another group, or of a member that belongs to another address.
    Foreign,
    /// Something that cannot be read.
    Corrupt,
}

impl View<'_> {
    /// What the disk of `ordinal` holds. Only with a leader is it known who belongs to the group.
    #[must_use]
    pub fn data(&self, ordinal: u32) -> Data {
        self.seat(ordinal).map_or(Data::Unknown, |seat| self.data_at(&seat.address))
    }

    /// What the disk of the member at `address` holds, in Kubernetes or outside.
    #[must_use]
    pub fn data_at(&self, address: &str) -> Data {
        let Some(status) = self.status_at(address) else { return Data::Unknown };
        let group = self.seen.memory.cluster_id.as_deref();
        let is_same = group.is_some_and(|id| id == status.cluster_id);
        let owner = self.members().find(|member| member.node_id == status.node_id);
        let is_here = owner.is_some_and(|member| member.addr == address);
        match status.data_state {
            DataState::Corrupt => Data::Corrupt,
            DataState::Empty if is_same && is_here => Data::Own(status.node_id),
            DataState::Empty => Data::Empty,
            DataState::Present if !is_same => Data::Foreign,
            DataState::Present => match self.known().map(|known| (known.epoch, known.membership_log_index)) {
                Some((epoch, _)) if status.epoch < epoch => Data::Stale,
                Some((epoch, _)) if status.epoch > epoch => Data::Unknown,
                Some(_) if is_here && !status.removed => Data::Own(status.node_id),
                Some(_) if owner.is_some() && !is_here => Data::Foreign,
                // It knows more of the members than the leader did when it was asked: ask both again.
                Some((_, index)) if status.membership_log_index > index => Data::Unknown,
                Some(_) => Data::Stale,
                None => Data::Unknown,
            },
        }
    }
}
