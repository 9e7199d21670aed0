//! How long a primary that went away is waited for before it is replaced.
//!
//! A crash and a shutdown in order have a grace of their own each, since they mean different things: who shuts a
//! server down often starts it again within seconds, who crashed may never come back. What is found is found at
//! once either way; the grace only holds up what is done about it, and not what a person asks for.

use core::{fmt, time::Duration};

use crate::time::Timestamp;

/// How an instance went out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    /// Without a word: killed, crashed, frozen, cut off. Also a stop that gave no sign, as all of MariaDB's.
    Abrupt,
    /// It said that it stops: it ended what it was asked for and let nobody in any more.
    InOrder,
}

/// The time for which an instance has been out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// How it went.
    pub departure: Departure,
    /// When that was noticed.
    pub since: Timestamp,
}

/// How long to wait, by the way in which a primary went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Graces {
    /// After an abrupt departure.
    pub crash: Duration,
    /// After a shutdown in order.
    pub clean_shutdown: Duration,
}

/// Whether to wait any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// There is, or was, nothing to wait for: act.
    Spent,
    /// It may come back until then.
    Until(Timestamp),
}

impl Absence {
    /// What is known after one more sign, given what was `known` before of the same absence.
    ///
    /// A shutdown in order shows once, on the connection that it ended; each later attempt to connect fails
    /// without a word. So the first sign counts, and a word beats silence.
    pub fn noticed(known: Option<Self>, departure: Departure, at: Timestamp) -> Self {
        known.filter(|known| known.departure >= departure).unwrap_or(Self { departure, since: at })
    }
}

impl Graces {
    /// The whole grace after such a departure.
    pub fn of(&self, departure: Departure) -> Duration {
        match departure {
            Departure::Abrupt => self.crash,
            Departure::InOrder => self.clean_shutdown,
        }
    }

    /// Whether to wait any longer at `now`. A clock that was set back never makes the wait longer than two graces.
    pub fn patience(&self, absence: Absence, now: Timestamp) -> Patience {
        let grace = self.of(absence.departure);
        let until = absence.since + grace;
        let left = until.since(now);
        if left.is_zero() || left > grace * 2 { Patience::Spent } else { Patience::Until(until) }
    }
}

/// The time after its start in which a process knows too little to act on what it never saw alive.
///
/// After a power cut a primary may only be slower to start than its replicas and we.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// When this process began.
    pub started_at: Timestamp,
    /// How long that lasts.
    pub time: Duration,
}

impl Settling {
    /// Whether this process, which is so old, may act on an instance that it saw alive at `last_seen`, if ever: also in
    /// an earlier life, which counts for nothing.
    ///
    /// Its age is told by a clock that nobody sets: one that was set back would keep a primary dead for as long.
    pub fn may_act_on(&self, last_seen: Option<Timestamp>, age: Duration) -> bool {
        last_seen.is_some_and(|seen| seen >= self.started_at) || age >= self.time
    }
}

impl fmt::Display for Departure {
    /// The end of a sentence that begins with the instance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Abrupt => "went away without a word",
            Self::InOrder => "was shut down in order",
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use expect_test::{Expect, expect};

    use super::*;

    const GRACES: Graces = Graces { crash: Duration::from_secs(2), clean_shutdown: Duration::from_secs(15) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// Signs of one absence in the order in which they came: `!` abrupt, `.` in order, each with its second.
    fn signs(text: &str) -> Absence {
        let signs = text.split_whitespace().map(|sign| {
            let departure = if sign.starts_with('.') { Departure::InOrder } else { Departure::Abrupt };
            (departure, at(sign[1..].parse().unwrap()))
        });
        signs.fold(None, |known, (how, when)| Some(Absence::noticed(known, how, when))).unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let absence = signs(text);
        let Absence { departure, since } = absence;
        let spent = (0..60).find(|second| GRACES.patience(absence, at(*second)) == Patience::Spent);
        let shown: String = format!("{departure} at {}, acted upon at {spent:?}", since.as_secs());
        expected.assert_eq(&shown);
    }

    #[test]
    fn each_departure_has_its_own_grace() {
        check("!0", expect!["went away without a word at 0, acted upon at Some(2)"]);
        check(".0", expect!["was shut down in order at 0, acted upon at Some(15)"]);
    }

    #[test]
    fn later_attempts_that_fail_neither_forget_the_word_nor_prolong_the_wait() {
        check(".0 !1 !3 .4 !9", expect!["was shut down in order at 0, acted upon at Some(15)"]);
        check("!0 !1 !9", expect!["went away without a word at 0, acted upon at Some(2)"]);
    }

    #[test]
    fn a_silent_server_that_is_then_shut_down_in_order_is_waited_for_from_there() {
        check("!0 !1 .5 !6", expect!["was shut down in order at 5, acted upon at Some(20)"]);
    }

    #[test]
    fn without_a_grace_nobody_is_waited_for() {
        for departure in [Departure::Abrupt, Departure::InOrder] {
            let absence = Absence { departure, since: at(10) };
            for now in [9, 10, 11] {
                assert_eq!(Graces::default().patience(absence, at(now)), Patience::Spent);
            }
        }
    }

    #[test]
    fn a_young_process_acts_only_on_what_it_saw_alive_itself() {
        let settling = Settling { started_at: at(100), time: Duration::from_secs(10) };
        let table = [
            (None, 9, false),
            (Some(99), 9, false),
            (Some(100), 1, true),
            (None, 10, true),
            // Its clock may have been set back.
            (Some(99), 10, true),
        ];
        for (seen, age, expected) in table {
            let may = settling.may_act_on(seen.map(at), Duration::from_secs(age));
            assert_eq!(may, expected, "{seen:?} {age}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_cannot_make_the_wait_endless() {
        let absence = signs(".3600");
        assert_eq!(GRACES.patience(absence, at(3600 - 15)), Patience::Until(at(3615)));
        assert_eq!(GRACES.patience(absence, at(3600 - 16)), Patience::Spent);
    }
}
