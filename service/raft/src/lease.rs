//! For how long what was last seen of the group may be believed.
//!
//! Health is computed once per tick, and a process can sleep between two ticks: stopped by a signal, swapped out,
//! its virtual machine moved. What it computed before must not be told after it woke. So the end of its validity is
//! kept beside it, and whoever asks is answered by the clock of that moment.

use std::time::Duration;

use tokio::time::Instant;

/// The end of something's validity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Until {
    /// It is not so.
    #[default]
    Never,
    /// Until this moment, if nothing newer is learnt.
    At(Instant),
    /// It depends on nobody else.
    Ever,
}

impl Until {
    /// `limit` after something whose age was `age` at `now`.
    pub(crate) fn after(now: Instant, age: Option<Duration>, limit: Duration) -> Self {
        match age.and_then(|age| limit.checked_sub(age)) {
            Some(rest) if !rest.is_zero() => Self::At(now + rest),
            _ => Self::Never,
        }
    }

    fn holds(self, now: Instant) -> bool {
        match self {
            Self::Never => false,
            Self::At(end) => now < end,
            Self::Ever => true,
        }
    }
}

/// What this node may say of itself, and until when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// It leads.
    pub(crate) leads: Until,
    /// It knows a live leader.
    pub(crate) live: Until,
}

/// What holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// This node leads, and no other can.
    pub leads: bool,
    /// This node knows a live leader.
    pub live: bool,
}

impl Lease {
    pub(crate) fn at(&self, now: Instant) -> Holds {
        Holds { leads: self.leads.holds(now), live: self.live.holds(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(500);

    #[test]
    fn a_lease_ends_by_the_clock_though_nobody_looked_again() {
        let now = Instant::now();
        let leads = Until::after(now, Some(LIMIT / 5), LIMIT);
        let lease = Lease { leads, live: Until::Ever };
        assert_eq!(lease.at(now), Holds { leads: true, live: true });
        assert_eq!(lease.at(now + LIMIT * 4 / 5), Holds { leads: false, live: true });
    }

    #[test]
    fn what_is_too_old_or_was_never_seen_does_not_hold() {
        let now = Instant::now();
        for age in [None, Some(LIMIT), Some(LIMIT * 2)] {
            assert_eq!(Until::after(now, age, LIMIT), Until::Never);
        }
    }
}
