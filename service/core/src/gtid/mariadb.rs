//! MariaDB's positions: `0-101-4,7-101-1`.
//!
//! Within a domain sequence numbers only grow, whichever server commits, so a position stands for
//! everything before it.
//! A position names one server per domain; the state of a binary log (`gtid_binlog_state`) names every
//! server that ever committed in a domain, the latest last. One type holds both.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{fmt, str::FromStr};

use super::InvalidGtid;

/// How far each domain got, and by which servers.
///
/// Shape: `domain-server-sequence`, comma separated; white space between elements is skipped. Written by
/// domain, within a domain the latest last, as the server does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Positions {
    /// Highest sequence number by domain and server.
    domains: BTreeMap<u32, BTreeMap<u32, u64>>,
}

impl Positions {
    /// Nothing was ever committed.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Sum of the domains' sequence numbers: at most so many transactions, as numbers may be skipped.
    pub fn count(&self) -> u64 {
        self.heads().fold(0, |count, (_, _, sequence)| count.saturating_add(sequence))
    }

    /// Domain, server and sequence number of the latest transaction of each domain.
    pub fn heads(&self) -> impl Iterator<Item = (u32, u32, u64)> {
        self.domains.iter().filter_map(|(domain, servers)| {
            let (server, sequence) =
                servers.iter().max_by_key(|(server, sequence)| (**sequence, **server))?;
            Some((*domain, *server, *sequence))
        })
    }

    /// Server and sequence number of the latest transaction of `domain`.
    pub fn head(&self, domain: u32) -> Option<(u32, u64)> {
        let servers = self.domains.get(&domain)?;
        servers
            .iter()
            .map(|(server, sequence)| (*sequence, *server))
            .max()
            .map(|(sequence, server)| (server, sequence))
    }

    /// The latest sequence number that `server` is known to have committed in `domain`.
    pub fn sequence_of(&self, domain: u32, server: u32) -> Option<u64> {
        self.domains.get(&domain)?.get(&server).copied()
    }

    /// One server per domain, the one with the latest transaction: the form that `gtid_slave_pos` takes.
    #[must_use]
    pub fn position(&self) -> Self {
        self.heads().collect()
    }

    /// The further of both in each domain.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// What is beyond `other` in its domain.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        self.iter().filter(|(domain, server, sequence)| !other.reaches(*domain, *server, *sequence)).collect()
    }

    /// All of `other` is in `self`: each of its domains got at least as far here.
    pub fn contains(&self, other: &Self) -> bool {
        other.heads().all(|(domain, server, sequence)| self.reaches(domain, server, sequence))
    }

    /// How many sequence numbers `other` is ahead, over all domains.
    pub fn behind(&self, other: &Self) -> u64 {
        other.heads().fold(0, |behind, (domain, _, sequence)| {
            let mine = self.head(domain).map_or(0, |(_, mine)| mine);
            behind.saturating_add(sequence.saturating_sub(mine))
        })
    }

    /// It has the transaction. Of one number by two servers it has only those that it names: they are two
    /// transactions, and the second one ought not to exist.
    fn reaches(&self, domain: u32, server: u32, sequence: u64) -> bool {
        self.head(domain).is_some_and(|(_, head)| {
            sequence < head || sequence == head && self.sequence_of(domain, server) == Some(sequence)
        })
    }

    /// Domain, server and sequence number in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, u64)> {
        self.domains.iter().flat_map(|(domain, servers)| {
            servers.iter().map(|(server, sequence)| (*domain, *server, *sequence))
        })
    }
}

impl FromIterator<(u32, u32, u64)> for Positions {
    fn from_iter<I: IntoIterator<Item = (u32, u32, u64)>>(entries: I) -> Self {
        let mut positions = Self::default();
        for (domain, server, sequence) in entries {
            let reached = positions.domains.entry(domain).or_default().entry(server).or_default();
            *reached = sequence.max(*reached);
        }
        positions
    }
}

impl FromStr for Positions {
    type Err = InvalidGtid;

    fn from_str(text: &str) -> Result<Self, InvalidGtid> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(|entry| read_entry(entry).ok_or_else(|| InvalidGtid::Position(entry.into()))).collect()
    }
}

fn read_entry(entry: &str) -> Option<(u32, u32, u64)> {
    // The numbers' own parser would take a plus sign.
    if !entry.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return None;
    }
    let mut parts = entry.split('-');
    let position = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(position)
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (domain, servers) in &self.domains {
            let mut by_sequence: Vec<_> =
                servers.iter().map(|(server, sequence)| (sequence, server)).collect();
            by_sequence.sort_unstable();
            for (sequence, server) in by_sequence {
                write!(f, "{comma}{domain}-{server}-{sequence}")?;
                comma = ",";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
