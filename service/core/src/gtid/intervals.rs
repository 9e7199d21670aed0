//! Sorted, disjoint ranges of sequence numbers.

use alloc::vec::Vec;
use core::fmt;

/// Sequence numbers from `first` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// At least 1.
    pub first: u64,
    /// At least `first`, at most [`SEQUENCE_MAX`].
    pub last: u64,
}

/// Largest sequence number that MySQL gives (2⁶³ − 2).
pub const SEQUENCE_MAX: u64 = i64::MAX as u64 - 1;

impl Interval {
    /// `None` unless 1 ≤ `first` ≤ `last` ≤ [`SEQUENCE_MAX`].
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (1 <= first && first <= last && last <= SEQUENCE_MAX).then_some(Self { first, last })
    }

    /// Reads `7` or `3-9`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let text = text.trim();
            // `u64::from_str` takes a plus sign, MySQL does not.
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
        };
        match text.split_once('-') {
            Some((first, last)) => Self::new(number(first)?, number(last)?),
            None => number(text).and_then(|only| Self::new(only, only)),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A set of sequence numbers: intervals in order, with a gap between any two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    /// No numbers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        // Cannot overflow: the numbers are distinct and each is below 2⁶³.
        self.0.iter().map(|interval| interval.last - interval.first + 1).sum()
    }

    /// The intervals in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Interval> {
        self.0.iter()
    }

    /// Numbers in one of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// Numbers in `self` that are not in `other`.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut taken = other.0.iter().peekable();
        for interval in &self.0 {
            let mut first = interval.first;
            while taken.next_if(|gone| gone.last < first).is_some() {}
            while let Some(gone) = taken.peek().filter(|gone| gone.first <= interval.last) {
                if first < gone.first {
                    left.push(Interval { first, last: gone.first - 1 });
                }
                first = gone.last + 1;
                if gone.last > interval.last {
                    break;
                }
                taken.next();
            }
            if first <= interval.last {
                left.push(Interval { first, last: interval.last });
            }
        }
        Self(left)
    }

    /// All of `other` is in `self`.
    pub fn contains(&self, other: &Self) -> bool {
        other.subtract(self).is_empty()
    }
}

impl FromIterator<Interval> for Intervals {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let mut sorted: Vec<Interval> = intervals.into_iter().collect();
        sorted.sort_unstable();
        let mut joined: Vec<Interval> = Vec::with_capacity(sorted.len());
        for interval in sorted {
            match joined.last_mut() {
                Some(before) if interval.first <= before.last + 1 => {
                    before.last = before.last.max(interval.last)
                }
                _ => joined.push(interval),
            }
        }
        Self(joined)
    }
}
