//! The newest entries in memory, and what of the log is known to be durable.
//!
//! Invariant: `entries` is a gapless suffix of the log and holds every entry that is not on disk yet,
//! so that replication never waits for the commit in flight.

use std::collections::VecDeque;
use std::ops::Range;

use crate::types::{Entry, LogId, Vote};

/// So many entries stay in memory once they are durable: enough for a follower that lags by seconds.
pub(super) const KEEP_ENTRIES: usize = 1024;

#[derive(Default)]
pub(super) struct Tail {
    entries: VecDeque<Entry>,
    /// The last entry's id while `entries` is empty: purged, or on disk only.
    before: Option<LogId>,
    pub(super) purged: Option<LogId>,
    pub(super) vote: Option<Vote>,
    /// What peers may be told: it outlives a power failure.
    pub(super) durable_vote: Option<Vote>,
    durable_last: Option<LogId>,
    durable_index: u64,
}

impl Tail {
    /// A tail of what was read from disk, all of it durable.
    pub(super) fn loaded(entries: Vec<Entry>, purged: Option<LogId>, vote: Option<Vote>) -> Self {
        let entries = entries.into();
        let mut tail = Self { entries, before: purged, purged, vote, durable_vote: vote, ..Self::default() };
        tail.durable_last = tail.last();
        tail.durable_index = tail.durable_last.map_or(0, |id| id.index);
        tail
    }

    /// The last entry's id, or the last purged one's.
    pub(super) fn last(&self) -> Option<LogId> {
        self.entries.back().map(|entry| entry.log_id).or(self.before)
    }

    pub(super) fn durable_last(&self) -> Option<LogId> {
        self.durable_last
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if let Some(last) = self.entries.back() {
            assert_eq!(entry.log_id.index, last.log_id.index + 1, "the raft log has no gaps");
        }
        self.entries.push_back(entry);
    }

    /// Forgets the entries after `last`.
    pub(super) fn truncate_after(&mut self, last: Option<LogId>) {
        let first = last.map_or(0, |id| id.index + 1);
        while self.entries.back().is_some_and(|entry| entry.log_id.index >= first) {
            self.entries.pop_back();
        }
        self.before = last;
        if self.durable_index >= first {
            self.durable_last = self.last();
            self.durable_index = first.saturating_sub(1);
        }
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        while self.entries.front().is_some_and(|entry| entry.log_id.index <= upto.index) {
            self.entries.pop_front();
        }
        self.purged = self.purged.max(Some(upto));
        self.before = self.before.max(Some(upto));
        self.durable_last = self.durable_last.max(Some(upto));
    }

    /// Entries up to `last` are on disk; the oldest of them may leave memory.
    pub(super) fn flushed(&mut self, last: LogId) {
        self.durable_last = self.durable_last.max(Some(last));
        self.durable_index = self.durable_index.max(last.index);
        while self.entries.len() > KEEP_ENTRIES
            && self.entries.front().is_some_and(|entry| entry.log_id.index <= self.durable_index)
        {
            self.entries.pop_front();
        }
    }

    /// The entries of `range` if memory holds all of them that the log has.
    ///
    /// `Err(end)`: the log has older ones; those up to `end` are on disk.
    pub(super) fn get(&self, range: Range<u64>) -> Result<Vec<Entry>, u64> {
        let first = self.entries.front().map_or(u64::MAX, |entry| entry.log_id.index);
        let oldest = self.purged.map_or(0, |id| id.index + 1);
        if range.start.max(oldest) < first.min(range.end) {
            let next = self.last().map_or(0, |id| id.index + 1);
            if range.start.max(oldest) < next {
                return Err(range.end.min(next));
            }
        }
        let skip = usize::try_from(range.start.saturating_sub(first)).unwrap_or(usize::MAX);
        let until = range.end;
        Ok(self.entries.iter().skip(skip).take_while(|entry| entry.log_id.index < until).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;

    fn id(index: u64) -> LogId {
        LogId::new_term_index(1, index)
    }

    fn entry(index: u64) -> Entry {
        Entry { log_id: id(index), payload: EntryPayload::Blank }
    }

    fn indexes(tail: &Tail, range: Range<u64>) -> Result<Vec<u64>, u64> {
        tail.get(range).map(|entries| entries.iter().map(|entry| entry.log_id.index).collect())
    }

    /// A tail whose log begins at 1 and whose memory begins at `first`.
    fn tail(first: u64, last: u64) -> Tail {
        Tail::loaded((first..=last).map(entry).collect(), Some(id(0)), None)
    }

    #[test]
    fn what_left_memory_is_read_from_disk_and_nothing_else_is() {
        let tail = tail(10, 12);
        assert_eq!(indexes(&tail, 10..20), Ok(vec![10, 11, 12]));
        assert_eq!(indexes(&tail, 11..12), Ok(vec![11]));
        assert_eq!(indexes(&tail, 5..20), Err(13), "older ones are on disk");
        assert_eq!(indexes(&tail, 13..20), Ok(vec![]));
        assert_eq!(indexes(&tail, 0..1), Ok(vec![]), "purged");
    }

    #[test]
    fn a_truncation_behind_what_memory_holds_keeps_the_last_id() {
        let mut tail = tail(10, 12);
        tail.truncate_after(Some(id(5)));
        assert_eq!((tail.last(), tail.durable_last()), (Some(id(5)), Some(id(5))));
        assert_eq!(indexes(&tail, 1..20), Err(6));
        tail.push(entry(6));
        assert_eq!(indexes(&tail, 6..20), Ok(vec![6]));
        tail.truncate_after(None);
        assert_eq!(tail.last(), None);
    }

    #[test]
    fn a_purge_of_everything_leaves_the_purged_id_as_the_last() {
        let mut tail = tail(10, 12);
        tail.purge(id(30));
        assert_eq!((tail.last(), tail.purged), (Some(id(30)), Some(id(30))));
        assert_eq!(indexes(&tail, 0..40), Ok(vec![]));
    }

    #[test]
    fn entries_leave_memory_only_when_they_are_durable() {
        let mut tail = tail(1, 1);
        let count = KEEP_ENTRIES as u64 + 100;
        (2..=count).for_each(|index| tail.push(entry(index)));
        assert_eq!(indexes(&tail, 1..3), Ok(vec![1, 2]));
        tail.flushed(id(50));
        assert_eq!(indexes(&tail, 50..51), Err(51));
        assert_eq!(indexes(&tail, 51..52), Ok(vec![51]), "not durable yet");
        tail.flushed(id(count));
        assert_eq!(indexes(&tail, 100..101), Err(101));
        assert_eq!(indexes(&tail, 101..102), Ok(vec![101]));
    }
}
