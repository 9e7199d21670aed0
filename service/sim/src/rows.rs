//! Rows as servers count them: how many of each origin.

use orchestrator_core::gtid::Gtids;

/// Servers of a fleet at most.
pub(crate) const SERVERS_MAX: usize = 5;

/// A server has the first `n` rows of each origin: replication keeps their order, so no row is ever skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rows(pub(crate) [u64; SERVERS_MAX]);

impl Rows {
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine >= theirs)
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut all = *self;
        all.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
        all
    }

    /// Rows in `other` that are not here.
    pub(crate) fn lacks(&self, other: &Self) -> u64 {
        self.0.iter().zip(&other.0).map(|(mine, theirs)| theirs.saturating_sub(*mine)).sum()
    }

    /// Takes up to `count` rows that `from` has; those that began on `last` come after all others.
    pub(crate) fn take(&mut self, from: &Self, last: usize, mut count: u64) {
        let others = (0..SERVERS_MAX).filter(|origin| *origin != last);
        for origin in others.chain([last]) {
            let taken = from.0[origin].saturating_sub(self.0[origin]).min(count);
            self.0[origin] += taken;
            count -= taken;
        }
    }

    /// As servers write it.
    pub(crate) fn text(&self) -> String {
        let sets = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        sets.map(|(origin, count)| format!("{}:1-{count}", uuid(origin))).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn gtids(&self) -> Gtids {
        Gtids::parse_oracle(&self.text()).expect("text made above is a set")
    }

    /// Reads back what was made of rows.
    pub(crate) fn of(gtids: &Gtids) -> Self {
        let mut rows = Self::default();
        for (origin, count) in rows.0.iter_mut().enumerate() {
            let others = gtids.without_origin(&uuid(origin), 0);
            *count = gtids.count() - others.count();
        }
        rows
    }
}

pub(crate) fn uuid(server: usize) -> String {
    format!("00000000-0000-0000-0000-00000000000{}", server + 1)
}
