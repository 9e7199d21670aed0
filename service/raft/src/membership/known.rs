//! Whether this node still belongs to its group, by its own log and by what peers tell.

use super::birth_of;
use crate::member::NodeId;
use crate::transport::Members;

/// What this node's own log says of the members, and what others say of this node.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownMembership {
    /// In force here; maybe not committed yet.
    pub(crate) effective: Members,
    pub(crate) committed: Option<Members>,
    /// The entry that removed this node, as peers tell it.
    removed_at: Option<u64>,
}

impl KnownMembership {
    /// Hears from a peer who the committed members are.
    ///
    /// `me` was removed if they come behind every entry that has it as a member: a peer that lags does not
    /// know a newer member yet.
    pub(crate) fn hear(&mut self, me: NodeId, theirs: &Members) {
        // What removed this node may lie in its log already, and nobody tells it any more that it is committed.
        let held = self.committed.iter().chain([&self.effective]).filter(|held| held.ids.contains(&me));
        let newest = held.map(|held| held.index).max();
        if newest.is_some_and(|newest| theirs.index > newest) && !theirs.ids.contains(&me) {
            self.removed_at = self.removed_at.max(Some(theirs.index));
        }
    }

    /// The log entry that removed `me`.
    pub(crate) fn removed_at(&self, me: NodeId) -> Option<u64> {
        // What lies before its number is history from before its time.
        let left = |it: &&Members| it.index > birth_of(me) && !it.ids.is_empty() && !it.ids.contains(&me);
        self.committed.as_ref().filter(left).map(|members| members.index).or(self.removed_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: NodeId = 65600;

    fn members(index: u64, ids: &[NodeId]) -> Members {
        Members { index, ids: ids.to_vec() }
    }

    fn known(effective: Members, committed: Option<Members>) -> KnownMembership {
        KnownMembership { effective, committed, removed_at: None }
    }

    #[test]
    fn the_own_log_tells_once_the_removal_is_committed() {
        let with = members(100, &[1, 2, ME]);
        let without = members(110, &[1, 2]);
        assert_eq!(known(without.clone(), Some(with)).removed_at(ME), None, "not committed");
        assert_eq!(known(without.clone(), Some(without)).removed_at(ME), Some(110));
    }

    #[test]
    fn history_from_before_its_time_removes_nobody() {
        let old = members(birth_of(ME), &[1, 2]);
        assert_eq!(known(old.clone(), Some(old)).removed_at(ME), None);
        assert_eq!(KnownMembership::default().removed_at(ME), None);
    }

    #[test]
    fn a_peer_is_believed_only_when_it_knows_more() {
        let mut known = known(members(100, &[1, 2, ME]), None);
        known.hear(ME, &members(99, &[1, 2]));
        known.hear(ME, &members(101, &[1, ME]));
        assert_eq!(known.removed_at(ME), None);
        known.hear(ME, &members(102, &[1, 2]));
        assert_eq!(known.removed_at(ME), Some(102));
    }

    #[test]
    fn a_removal_that_lies_in_the_own_log_uncommitted_is_believed_from_a_peer() {
        let without = members(110, &[1, 2]);
        let mut known = known(without.clone(), Some(members(109, &[1, 2, ME])));
        known.hear(ME, &without);
        assert_eq!(known.removed_at(ME), Some(110));
    }

    #[test]
    fn who_was_never_a_member_is_not_removed() {
        let mut known = KnownMembership::default();
        known.hear(ME, &members(200, &[1, 2]));
        assert_eq!(known.removed_at(ME), None);
    }
}
