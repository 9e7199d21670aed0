//! Points in time as the tables hold them: `YYYY-MM-DD HH:MM:SS`, UTC, whole seconds.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use orchestrator_core::Timestamp;

/// Year 1 is what the original shows for "never"; nothing it manages is older than this.
const OLDEST_YEAR: i16 = 1971;

/// The form of the tables: `2026-01-02 03:04:05`, rounded down to seconds.
pub fn timestamp_to_text(at: Timestamp) -> String {
    let stamp = jiff::Timestamp::from_second(at.as_secs()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    stamp.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads the form of the tables, and the `…T…Z` form that the original's snapshots leave behind.
///
/// `None` for empty text, year 1 and anything else that is no time.
pub fn timestamp_from_text(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_end_matches('Z');
    let civil: DateTime = text.parse().ok()?;
    if civil.year() < OLDEST_YEAR {
        return None;
    }
    let stamp = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Timestamp::from_millis(stamp.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_the_same_moment() {
        let at = Timestamp::from_millis(1_767_323_045_000);
        assert_eq!(timestamp_to_text(at), "2026-01-02 03:04:05");
        for text in ["2026-01-02 03:04:05", "2026-01-02T03:04:05Z"] {
            assert_eq!(timestamp_from_text(text), Some(at), "{text}");
        }
    }

    #[test]
    fn never_has_many_spellings() {
        for text in ["", "0001-01-01T00:00:00Z", "0000-00-00 00:00:00", "now", "1970-01-01 00:00:00"] {
            assert_eq!(timestamp_from_text(text), None, "{text}");
        }
    }

    #[test]
    fn fractions_are_cut() {
        assert_eq!(timestamp_to_text(Timestamp::from_millis(1_767_323_045_999)), "2026-01-02 03:04:05");
    }
}
