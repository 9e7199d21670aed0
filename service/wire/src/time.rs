//! Times as text. Two forms exist on the wire, and clients parse both; which field has which is part
//! of the contract.

use jiff::{Timestamp as Instant, tz::TimeZone};
use orchestrator_core::Timestamp;

/// Text of a time that was never set, where the original has a Go `time.Time`.
pub const GO_ZERO: &str = "0001-01-01T00:00:00Z";

/// Plain columns: `2024-05-01T10:11:12Z`. RFC 3339, UTC, whole seconds.
pub fn rfc3339(at: Timestamp) -> String {
    format(at, "%Y-%m-%dT%H:%M:%SZ")
}

/// Fields that were SQL expressions: `2024-05-01 10:11:12`. UTC, whole seconds.
pub fn sql(at: Timestamp) -> String {
    format(at, "%Y-%m-%d %H:%M:%S")
}

/// [`rfc3339`], or nothing.
pub fn rfc3339_or_empty(at: Option<Timestamp>) -> String {
    at.map(rfc3339).unwrap_or_default()
}

/// [`sql`], or nothing.
pub fn sql_or_empty(at: Option<Timestamp>) -> String {
    at.map(sql).unwrap_or_default()
}

/// Times beyond what a calendar can hold show its nearest end: a wrong clock must not break an answer.
fn format(at: Timestamp, pattern: &str) -> String {
    let instant = Instant::from_second(at.as_secs()).unwrap_or(if at.as_secs() < 0 {
        Instant::MIN
    } else {
        Instant::MAX
    });
    instant.to_zoned(TimeZone::UTC).strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_utc_in_whole_seconds() {
        let at = Timestamp::from_millis(1_714_558_272_999);
        assert_eq!(rfc3339(at), "2024-05-01T10:11:12Z");
        assert_eq!(sql(at), "2024-05-01 10:11:12");
    }

    #[test]
    fn a_wild_clock_still_gives_a_text() {
        for millis in [i64::MIN, i64::MAX, -1, 0] {
            assert!(rfc3339(Timestamp::from_millis(millis)).ends_with('Z'));
        }
    }
}
