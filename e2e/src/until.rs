//! Waiting: always for a condition, always with a deadline, and never silent about what was seen last.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two looks: short beside every limit that a story uses, long enough to leave the two cores alone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `probe` gives a value, for at most `limit`.
///
/// `probe` answers `Err(state)` while the condition does not hold.
///
/// # Errors
/// After `limit`: names `what` was waited for, how long, and the last state that the probe saw.
pub fn until<T, S: std::fmt::Display>(
    what: &str,
    limit: Duration,
    probe: impl FnMut() -> Result<T, S>,
) -> Result<T> {
    until_every(LOOK_EVERY, what, limit, probe)
}

/// As [`until`], with this pause between two looks: for looks that cost more than a question to one node.
///
/// # Errors
/// As [`until`].
pub fn until_every<T, S: std::fmt::Display>(
    pause: Duration,
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T, S>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        let state = match probe() {
            Ok(value) => return Ok(value),
            Err(state) => state,
        };
        if began.elapsed() >= limit {
            bail!("waited {:.1} s for: {what}; last state: {state:#}", began.elapsed().as_secs_f64());
        }
        std::thread::sleep(pause);
    }
}

/// Keeps looking for the whole of `period` and wants `probe` to succeed every time.
///
/// This is how a story says "nothing happens": the period is the claim, not a guess about timing.
///
/// # Errors
/// At the first look that fails, with what the probe saw.
pub fn holds<S: std::fmt::Display>(
    what: &str,
    period: Duration,
    mut probe: impl FnMut() -> Result<(), S>,
) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < period {
        if let Err(state) = probe() {
            bail!("{what} held for only {:.1} s: {state:#}", began.elapsed().as_secs_f64());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_wait_names_the_last_state() {
        let mut n = 0;
        let error = until("rain", Duration::from_millis(30), || -> Result<(), String> {
            n += 1;
            Err(format!("look {n}: sunny"))
        })
        .expect_err("it never rains");
        assert!(error.to_string().contains(&format!("look {n}: sunny")), "{error}");
    }

    #[test]
    fn a_condition_that_breaks_is_reported_at_once() {
        let began = Instant::now();
        assert!(holds("calm", Duration::from_secs(60), || Err::<(), _>("storm")).is_err());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
