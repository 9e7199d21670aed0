//! Passes: as many at the same time as allowed, each again when its plan says so, later and later when it fails.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::Context;
use futures::FutureExt;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    Operator,
    index::Key,
    metrics::{Metrics, PassResult},
    pass::Passed,
    queue::Queue,
};

/// The first pause after a failure.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// The longest: what stands in the way may be something that is not watched, and somebody who mends it waits no longer.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// What is looked at this seldom or more seldom waits for nothing, and follows the setting instead.
const STEADY: Duration = Duration::from_secs(30);
/// Part of a pause by which it may be shorter or longer, so that objects spread.
const JITTER: f64 = 0.2;
/// A pass that takes longer than all its deadlines together hangs for a reason that nobody thought of.
const PASS_TIMEOUT: Duration = Duration::from_secs(180);

/// One pass that ended.
pub(super) struct Ended {
    key: Key,
    passed: Passed,
}

/// Works until `stop`; passes under way stay in `passes`.
///
/// # Errors
/// A task ended before its pass did.
pub(super) async fn work(
    operator: &Arc<Operator>,
    queue: &Arc<Queue>,
    passes: &mut JoinSet<Ended>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut failures = HashMap::new();
    loop {
        let has_room = passes.len() < operator.settings.concurrency;
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            Some(ended) = passes.join_next() => {
                let Ended { key, passed } = ended.context("a pass was taken away")?;
                let again = pause(&mut failures, &key, passed, operator.settings.steady_interval);
                queue.done(key, again);
            }
            key = queue.next(), if has_room => {
                passes.spawn(one(operator.clone(), key));
            }
        }
    }
}

async fn one(operator: Arc<Operator>, key: Key) -> Ended {
    let began = Instant::now();
    let passed = contained(&key, &operator.metrics, operator.pass(&key)).await;
    operator.metrics.pass(passed.result, began.elapsed());
    Ended { key, passed }
}

/// A pass that hangs or panics fails, and costs no other object anything: an object that meets a mistake of ours would
/// otherwise end every operator that looks at it.
async fn contained(key: &Key, metrics: &Metrics, pass: impl Future<Output = Passed>) -> Passed {
    let reason = match timeout(PASS_TIMEOUT, AssertUnwindSafe(pass).catch_unwind()).await {
        Ok(Ok(passed)) => return passed,
        Ok(Err(_)) => "panic",
        Err(_) => "timeout",
    };
    error!(namespace = %key.namespace, name = %key.name, reason, "a pass was cut off");
    metrics.error(reason);
    Passed { result: PassResult::Failed, again: Some(BACKOFF_MIN) }
}

/// The pause before the next pass, of which `random` decides a part.
fn pause(failures: &mut HashMap<Key, u32>, key: &Key, passed: Passed, steady: Duration) -> Option<Duration> {
    let waits_for = passed.again.filter(|again| *again < STEADY);
    let wished = if passed.result == PassResult::Failed {
        let failed = failures.entry(key.clone()).or_default();
        *failed = failed.saturating_add(1);
        let factor = 2_u32.saturating_pow(failed.saturating_sub(1));
        let backoff = BACKOFF_MIN.saturating_mul(factor).min(BACKOFF_MAX);
        // A plan that waits for something is not looked at more often because a call failed.
        passed.again.map(|_| waits_for.map_or(backoff, |again| backoff.max(again)))
    } else {
        failures.remove(key);
        passed.again.map(|_| waits_for.unwrap_or(steady))
    };
    wished.map(|pause| spread(pause, rand::random()))
}

/// `random` is from 0 to 1. Short pauses are waits for something, and stay.
fn spread(pause: Duration, random: f64) -> Duration {
    if pause < BACKOFF_MIN { pause } else { pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * random) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: Duration = Duration::from_secs(2);

    fn passed(result: PassResult) -> Passed {
        Passed { result, again: Some(AGAIN) }
    }

    fn seconds(failures: &mut HashMap<Key, u32>, result: PassResult) -> f64 {
        let pause = pause(failures, &Key::new("a", "b"), passed(result), STEADY);
        pause.expect("there is a next time").as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_hangs_or_panics_is_one_that_failed() {
        let (metrics, key) = (Metrics::default(), Key::new("a", "b"));
        let panics = contained(&key, &metrics, async { panic!("on purpose") }).await;
        let hangs = contained(&key, &metrics, std::future::pending()).await;
        assert_eq!((panics.result, hangs.result), (PassResult::Failed, PassResult::Failed));
        let page = String::from_utf8(metrics.page()).expect("it is text");
        for reason in ["panic", "timeout"] {
            let line = format!(r#"reconcile_errors_total{{reason="{reason}"}} 1"#);
            assert!(page.contains(&line), "{page}");
        }
    }

    #[test]
    fn failures_wait_longer_and_longer_and_success_ends_that() {
        let mut failures = HashMap::new();
        for expected in [2.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let waits = seconds(&mut failures, PassResult::Failed);
            assert!((expected * 0.8..=expected * 1.2).contains(&waits), "{waits} instead of {expected}");
        }
        assert!(seconds(&mut failures, PassResult::Steady) <= 2.4);
        assert!(seconds(&mut failures, PassResult::Failed) <= 2.4);
    }

    #[test]
    fn objects_at_rest_follow_the_setting_and_nothing_is_asked_of_what_is_gone() {
        let mut failures = HashMap::new();
        let key = Key::new("a", "b");
        let at_rest = Passed { result: PassResult::Steady, again: Some(STEADY) };
        let waits =
            pause(&mut failures, &key, at_rest, Duration::from_secs(100)).expect("there is a next time");
        assert!((80.0..=120.0).contains(&waits.as_secs_f64()));
        let failed = Passed { result: PassResult::Failed, ..at_rest };
        let waits = pause(&mut failures, &key, failed, STEADY).expect("there is a next time");
        assert!(waits.as_secs_f64() <= 1.2, "it is not at rest as long as something failed: {waits:?}");
        failures.clear();
        let gone = Passed { result: PassResult::Steady, again: None };
        assert_eq!(pause(&mut failures, &key, gone, STEADY), None);
        assert_eq!(spread(Duration::from_millis(300), 1.0), Duration::from_millis(300));
    }
}
