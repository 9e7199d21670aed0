//! Percentiles, and times as people read them.

use std::time::Duration;

/// The smallest value that at least `percent` of the sorted `values` do not exceed; zero when there are none.
pub(crate) fn percentile(values: &[Duration], percent: usize) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or_default()
}

/// Seconds with two decimals.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64())
}

/// Milliseconds with one decimal.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<Duration> = (1..=20).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(10));
        assert_eq!(percentile(&values, 99), Duration::from_millis(20));
        assert_eq!(percentile(&values[..1], 50), Duration::from_millis(20));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
