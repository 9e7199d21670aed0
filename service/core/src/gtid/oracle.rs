//! MySQL's GTID sets: `uuid:1-6:8:blue:1-2,uuid:1`.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::{fmt, str::FromStr};

use super::{
    InvalidGtid,
    intervals::{Interval, Intervals},
};

/// A server's UUID. Ordered as MySQL orders them, by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl FromStr for Uuid {
    type Err = InvalidGtid;

    fn from_str(text: &str) -> Result<Self, InvalidGtid> {
        let invalid = || InvalidGtid::Uuid(text.into());
        let dashed =
            text.bytes().enumerate().all(|(at, byte)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23));
        if text.len() != 36 || !dashed {
            return Err(invalid());
        }
        text.chars()
            .filter(|c| *c != '-')
            .try_fold(0_u128, |bits, c| Some(bits << 4 | u128::from(c.to_digit(16)?)))
            .map(Self)
            .ok_or_else(invalid)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, digits: u32| (self.0 >> shift) & ((1_u128 << (4 * digits)) - 1);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 8),
            part(80, 4),
            part(64, 4),
            part(48, 4),
            part(0, 12)
        )
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A tag of transactions (MySQL 8.3 and later); empty for those without.
///
/// Shape: a letter or `_`, then at most 31 of `a`–`z`, `0`–`9`, `_`; capitals are made small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tag(Option<Arc<str>>);

impl Tag {
    /// `None` unless the text has the shape of a tag.
    pub fn parse(text: &str) -> Option<Self> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let goes_on = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (begins && goes_on && text.len() <= 32).then(|| Self(Some(text.to_ascii_lowercase().into())))
    }

    /// As written in a set; empty for no tag.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }
}

/// Where transactions were first committed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The server.
    pub server: Uuid,
    /// The tag.
    pub tag: Tag,
}

/// A set of transactions.
///
/// Shape: text as the server writes it, white space anywhere between elements; written without white
/// space, servers and tags in order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct GtidSet {
    /// No origin has an empty set.
    origins: BTreeMap<Origin, Intervals>,
}

impl GtidSet {
    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// How many transactions.
    pub fn count(&self) -> u64 {
        self.origins.values().fold(0, |count, intervals| count.saturating_add(intervals.count()))
    }

    /// Transactions in one of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        for (origin, intervals) in &other.origins {
            let mine = union.origins.entry(origin.clone()).or_default();
            *mine = mine.union(intervals);
        }
        union
    }

    /// Transactions in `self` that are not in `other`.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let left = self.origins.iter().map(|(origin, intervals)| match other.origins.get(origin) {
            Some(gone) => (origin.clone(), intervals.subtract(gone)),
            None => (origin.clone(), intervals.clone()),
        });
        Self { origins: left.filter(|(_, intervals)| !intervals.is_empty()).collect() }
    }

    /// All of `other` is in `self`.
    pub fn contains(&self, other: &Self) -> bool {
        other
            .origins
            .iter()
            .all(|(origin, theirs)| self.origins.get(origin).is_some_and(|mine| mine.contains(theirs)))
    }

    /// Servers on which a transaction was first committed, each once.
    pub fn servers(&self) -> impl Iterator<Item = Uuid> {
        let mut last = None;
        self.origins
            .keys()
            .map(|origin| origin.server)
            .filter(move |server| last.replace(*server) != Some(*server))
    }

    /// Without what was first committed on servers for which `gone` holds, whatever its tag.
    #[must_use]
    pub fn without(&self, gone: impl Fn(Uuid) -> bool) -> Self {
        let kept = self.origins.iter().filter(|(origin, _)| !gone(origin.server));
        Self { origins: kept.map(|(origin, intervals)| (origin.clone(), intervals.clone())).collect() }
    }

    /// Origins and what was committed there, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Origin, &Intervals)> {
        self.origins.iter()
    }
}

impl FromStr for GtidSet {
    type Err = InvalidGtid;

    fn from_str(text: &str) -> Result<Self, InvalidGtid> {
        let mut found: BTreeMap<Origin, Vec<Interval>> = BTreeMap::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            read_entry(entry, &mut found)?;
        }
        Ok(Self {
            origins: found.into_iter().map(|(origin, all)| (origin, all.into_iter().collect())).collect(),
        })
    }
}

/// Reads `uuid:interval:tag:interval:…`: a tag holds until the next one.
fn read_entry(entry: &str, found: &mut BTreeMap<Origin, Vec<Interval>>) -> Result<(), InvalidGtid> {
    let mut parts = entry.split(':').map(str::trim);
    let server = parts.next().unwrap_or("").parse()?;
    let mut tag = Tag::default();
    let mut expects_interval = true;
    for part in parts {
        if let Some(interval) = Interval::parse(part) {
            found.entry(Origin { server, tag: tag.clone() }).or_default().push(interval);
            expects_interval = false;
        } else {
            // Only the first of the parts may be a tag without an interval before it.
            let follows_nothing = expects_interval && tag == Tag::default();
            if expects_interval && !follows_nothing {
                return Err(InvalidGtid::NoInterval(entry.into()));
            }
            tag = Tag::parse(part).ok_or_else(|| InvalidGtid::Interval(part.into()))?;
            expects_interval = true;
        }
    }
    if expects_interval { Err(InvalidGtid::NoInterval(entry.into())) } else { Ok(()) }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut server = None;
        for (origin, intervals) in &self.origins {
            if server != Some(origin.server) {
                let comma = if server.is_some() { "," } else { "" };
                write!(f, "{comma}{}", origin.server)?;
                server = Some(origin.server);
            }
            if !origin.tag.as_str().is_empty() {
                write!(f, ":{}", origin.tag.as_str())?;
            }
            for interval in intervals.iter() {
                write!(f, ":{interval}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
