//! Global transaction identifiers as values: what an instance has, what it lacks, what it should not have.
//!
//! MySQL keeps sets of intervals, MariaDB one position per domain. [`Gtids`] is either, so that the rest
//! of the core compares positions without knowing the dialect.

mod errant;
mod intervals;
mod mariadb;
mod oracle;

use core::fmt;

pub(crate) use self::errant::errant_below;
pub use self::{
    errant::{errant, errant_mariadb, errant_oracle},
    intervals::{Interval, Intervals, SEQUENCE_MAX},
    mariadb::Positions,
    oracle::{GtidSet, Origin, Tag, Uuid},
};
use crate::instance::{Flavor, Instance};

/// Why a text is not a GTID set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGtid {
    /// Not 32 hexadecimal digits in groups of 8-4-4-4-12.
    #[error("invalid server uuid {0:?}")]
    Uuid(alloc::string::String),
    /// Not a number, `from-to` with `from` ≤ `to`, or a tag.
    #[error("invalid interval or tag {0:?}")]
    Interval(alloc::string::String),
    /// A server or tag without an interval.
    #[error("no interval in {0:?}")]
    NoInterval(alloc::string::String),
    /// Not `domain-server-sequence`.
    #[error("invalid position {0:?}: expected domain-server-sequence")]
    Position(alloc::string::String),
}

/// Transactions of one flavor.
///
/// `<` orders values for maps and lists and says nothing about who has more: that is [`Gtids::compare`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gtids {
    /// MySQL: every transaction counts.
    Oracle(GtidSet),
    /// MariaDB: in each domain, all up to a sequence number.
    MariaDb(Positions),
}

/// How much one instance has beside another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// Both have the same.
    Equal,
    /// The first has all of the second, and more.
    Ahead,
    /// The second has all of the first, and more.
    Behind,
    /// Each has something that the other one lacks; also when the flavors cannot be compared.
    Diverged,
}

impl Comparison {
    /// From whether each contains the other.
    fn of(contains: bool, is_contained: bool) -> Self {
        match (contains, is_contained) {
            (true, true) => Self::Equal,
            (true, false) => Self::Ahead,
            (false, true) => Self::Behind,
            (false, false) => Self::Diverged,
        }
    }

    /// Seen from the other side.
    pub fn reverse(self) -> Self {
        match self {
            Self::Ahead => Self::Behind,
            Self::Behind => Self::Ahead,
            same => same,
        }
    }
}

impl Gtids {
    /// Reads `text` in the dialect of `flavor`; empty text is an empty set.
    ///
    /// # Errors
    /// The text is not a set in that dialect.
    pub fn parse(text: &str, flavor: Flavor) -> Result<Self, InvalidGtid> {
        match flavor {
            Flavor::MariaDb => Self::parse_mariadb(text),
            _ => Self::parse_oracle(text),
        }
    }

    /// Reads a MySQL set.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse_oracle(text: &str) -> Result<Self, InvalidGtid> {
        text.parse().map(Self::Oracle)
    }

    /// Reads a MariaDB position or state of a binary log.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse_mariadb(text: &str) -> Result<Self, InvalidGtid> {
        text.parse().map(Self::MariaDb)
    }

    /// What an instance has executed.
    ///
    /// # Errors
    /// The server said something that is not a GTID set.
    pub fn executed(instance: &Instance) -> Result<Self, InvalidGtid> {
        Self::parse(&instance.gtid.executed, instance.identity.flavor())
    }

    /// What an instance has received or executed: what it would have if it applied all of its relay log.
    /// Candidates are compared by this.
    ///
    /// # Errors
    /// The server said something that is not a GTID set.
    pub fn received(instance: &Instance) -> Result<Self, InvalidGtid> {
        let executed = Self::executed(instance)?;
        let Some(replication) = &instance.replication else { return Ok(executed) };
        Ok(executed.union(&Self::parse(&replication.received_gtid, instance.identity.flavor())?))
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Oracle(set) => set.is_empty(),
            Self::MariaDb(positions) => positions.is_empty(),
        }
    }

    /// How many transactions; of MariaDB the sum of sequence numbers, which may skip some.
    pub fn count(&self) -> u64 {
        match self {
            Self::Oracle(set) => set.count(),
            Self::MariaDb(positions) => positions.count(),
        }
    }

    /// What is in one of both. Of two flavors the one that is not empty, `self` when neither is.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Oracle(set), Self::Oracle(other)) => Self::Oracle(set.union(other)),
            (Self::MariaDb(positions), Self::MariaDb(other)) => Self::MariaDb(positions.union(other)),
            (empty, other) if empty.is_empty() && !other.is_empty() => other.clone(),
            (this, _) => this.clone(),
        }
    }

    /// What is in `self` and not in `other`; a set of another flavor takes nothing away.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Oracle(set), Self::Oracle(other)) => Self::Oracle(set.subtract(other)),
            (Self::MariaDb(positions), Self::MariaDb(other)) => Self::MariaDb(positions.subtract(other)),
            (this, _) => this.clone(),
        }
    }

    /// All of `other` is in `self`.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Oracle(set), Self::Oracle(other)) => set.contains(other),
            (Self::MariaDb(positions), Self::MariaDb(other)) => positions.contains(other),
            (_, other) => other.is_empty(),
        }
    }

    /// Who has more.
    pub fn compare(&self, other: &Self) -> Comparison {
        Comparison::of(self.contains(other), other.contains(self))
    }

    /// Without what was first committed on one server: on MySQL told by its UUID (one that is empty or not
    /// a UUID takes nothing away), on MariaDB by its id.
    #[must_use]
    pub fn without_origin(&self, server_uuid: &str, server_id: u32) -> Self {
        match self {
            Self::Oracle(set) => {
                let gone: Option<Uuid> = server_uuid.parse().ok();
                Self::Oracle(set.without(|server| Some(server) == gone))
            }
            Self::MariaDb(positions) => {
                Self::MariaDb(positions.iter().filter(|(_, server, _)| *server != server_id).collect())
            }
        }
    }

    /// Only what was first committed on one server, told as in [`Gtids::without_origin`].
    #[must_use]
    pub fn of_origin(&self, server_uuid: &str, server_id: u32) -> Self {
        match self {
            Self::Oracle(set) => {
                let kept: Option<Uuid> = server_uuid.parse().ok();
                Self::Oracle(set.without(|server| Some(server) != kept))
            }
            Self::MariaDb(positions) => {
                Self::MariaDb(positions.iter().filter(|(_, server, _)| *server == server_id).collect())
            }
        }
    }

    /// How many transactions `other` has that `self` lacks; on MariaDB at most so many.
    pub fn behind(&self, other: &Self) -> u64 {
        match (self, other) {
            (Self::MariaDb(positions), Self::MariaDb(other)) => positions.behind(other),
            _ => other.subtract(self).count(),
        }
    }
}

impl Default for Gtids {
    /// Nothing: equal to nothing of either flavor.
    fn default() -> Self {
        Self::Oracle(GtidSet::default())
    }
}

impl fmt::Display for Gtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oracle(set) => fmt::Display::fmt(set, f),
            Self::MariaDb(positions) => fmt::Display::fmt(positions, f),
        }
    }
}

impl fmt::Debug for Gtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
