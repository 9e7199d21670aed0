//! Listens to a group during a failover and remembers when each thing happened.
//!
//! A recovery's steps carry their own times, in milliseconds since the suspicion; they are placed by the time at which
//! the recovery began, which its UID tells. All else has the time at which the listener heard it: never earlier than
//! what it tells, and later by one round at most.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};

use crate::api::{Api, key_of};
use crate::lab::Server;

/// Between two rounds of questions.
const ROUND_EVERY: Duration = Duration::from_millis(5);

/// Something that was heard.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When it happened, or when it was heard of: whichever is known, and is earlier.
    pub at: Instant,
    /// What kind of thing: `noticed`, `step`, `successor`, `ended`.
    pub kind: &'static str,
    /// In words.
    pub text: String,
}

/// A running listener.
#[derive(Debug)]
pub struct Narrator {
    heard: Arc<Mutex<Vec<Heard>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Narrator {
    /// Begins to ask the nodes in `apis` about the failure of `failed`.
    #[must_use]
    pub fn listen(apis: Vec<Api>, failed: &Server) -> Self {
        let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (failed, to, until_stopped) = (failed.clone(), heard.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut known = BTreeSet::new();
            while !until_stopped.load(Ordering::Relaxed) {
                // A dead or leaderless node is passed over: the next one answers for the group.
                if let Some(api) = apis.iter().find(|api| api.leads()) {
                    for heard in round(api, &failed) {
                        if known.insert(heard.text.clone()) {
                            to.lock().expect("nobody panics while holding the list").push(heard);
                        }
                    }
                }
                std::thread::sleep(ROUND_EVERY);
            }
        });
        Self { heard, stop, thread: Some(thread) }
    }

    /// Stops listening and tells what was heard, in order.
    ///
    /// # Errors
    /// When the listener broke.
    pub fn finish(mut self) -> Result<Vec<Heard>> {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            bail!("the listener panicked");
        }
        Ok(self.heard.lock().expect("the listener never panics while it holds the list").clone())
    }
}

impl Drop for Narrator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// All that one node has to say at this moment; what was heard before is sorted out by the caller.
fn round(api: &Api, failed: &Server) -> Vec<Heard> {
    let mut said = Vec::new();
    let now = |kind, text| Heard { at: Instant::now(), kind, text };
    for entry in api.analysis_of(failed).unwrap_or_default() {
        let code = entry["Analysis"].as_str().unwrap_or_default();
        if !matches!(code, "" | "NoProblem") {
            said.push(now("noticed", format!("{}: {code}", failed.key())));
        }
    }
    for detection in api.detections_of(failed).unwrap_or_default() {
        let code = detection["AnalysisEntry"]["Analysis"].as_str().unwrap_or_default();
        said.push(now("noticed", format!("detection recorded: {code}")));
    }
    for recovery in api.recoveries_of(failed).unwrap_or_default() {
        let successor = key_of(&recovery["SuccessorKey"]);
        if recovery["SuccessorKey"]["Port"].as_u64().is_some_and(|port| port > 0) {
            said.push(now("successor", format!("{successor} takes over")));
        }
        if recovery["RecoveryEndTimestamp"].as_str().is_some_and(|t| !t.is_empty()) {
            let how = if recovery["IsSuccessful"] == true { "successfully" } else { "without success" };
            said.push(now("ended", format!("recovery ended {how}")));
        }
        let uid = recovery["UID"].as_str().unwrap_or_default();
        said.extend(steps(uid, &api.steps(uid).unwrap_or_default()));
    }
    said
}

/// A recovery's steps at their own times. The first one that has a time is the one that the recovery began with.
fn steps(uid: &str, steps: &[String]) -> Vec<Heard> {
    let now = Instant::now();
    let first = steps.iter().find_map(|step| timed(step).map(|(after, _)| after));
    let suspected = began(uid).zip(first).and_then(|(began, first)| began.checked_sub(first));
    let place = |step: &String| match (timed(step), suspected) {
        (Some((after, text)), Some(suspected)) => {
            let at = suspected.checked_add(after).map_or(now, |at| at.min(now));
            Heard { at, kind: "step", text: text.to_owned() }
        }
        (None, Some(suspected)) => Heard { at: suspected.min(now), kind: "step", text: step.clone() },
        (_, None) => Heard { at: now, kind: "step", text: step.clone() },
    };
    steps.iter().map(place).collect()
}

/// `+N ms: TEXT`.
fn timed(step: &str) -> Option<(Duration, &str)> {
    let (after, text) = step.strip_prefix('+')?.split_once(" ms: ")?;
    Some((Duration::from_millis(after.parse().ok()?), text))
}

/// A UID starts with the nanoseconds of its time: `NANOS:RANDOM`.
fn began(uid: &str) -> Option<Instant> {
    let nanos = uid.split_once(':')?.0.parse().ok()?;
    let ago = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)).ok()?;
    Instant::now().checked_sub(ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_placed_by_the_time_at_which_the_recovery_began() {
        let began = SystemTime::now() - Duration::from_secs(5);
        let nanos = began.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
        let told = ["suspected: silent", "+200 ms: agreed", "+450 ms: open"].map(str::to_owned);
        let heard = steps(&format!("{nanos}:abc"), &told);
        let texts: Vec<&str> = heard.iter().map(|h| h.text.as_str()).collect();
        assert_eq!(texts, ["suspected: silent", "agreed", "open"]);
        assert_eq!(heard[1].at - heard[0].at, Duration::from_millis(200));
        assert_eq!(heard[2].at - heard[1].at, Duration::from_millis(250));
        let age = heard[1].at.elapsed();
        assert!((Duration::from_secs(5)..Duration::from_secs(15)).contains(&age), "{age:?}");
    }

    #[test]
    fn steps_of_an_unknown_time_are_told_as_they_are() {
        let told = ["+7 ms: odd".to_owned()];
        assert_eq!(steps("no time", &told)[0].text, "+7 ms: odd");
    }
}
