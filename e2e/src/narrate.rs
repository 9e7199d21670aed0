//! Listens to a group during a failover and remembers when each thing was first heard.
//!
//! Times are those of the listener: a line is never earlier than what it tells, and later by one round at most.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::api::{Api, key_of};
use crate::lab::Server;

/// Between two rounds of questions.
const ROUND_EVERY: Duration = Duration::from_millis(5);

/// Something that was heard.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When the answer that carried it had arrived.
    pub at: Instant,
    /// What kind of thing: `noticed`, `agreed`, `step`, `successor`, `ended`.
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
                    for (kind, text) in round(api, &failed) {
                        if known.insert(text.clone()) {
                            let mut list = to.lock().expect("nobody panics while holding the list");
                            list.push(Heard { at: Instant::now(), kind, text });
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
fn round(api: &Api, failed: &Server) -> Vec<(&'static str, String)> {
    let mut said = Vec::new();
    for entry in api.analysis_of(failed).unwrap_or_default() {
        let code = entry["Analysis"].as_str().unwrap_or_default();
        if !matches!(code, "" | "NoProblem") {
            said.push(("noticed", format!("{}: {code}", failed.key())));
        }
        if let Some(count) = entry["CountAdditionalAgreeingNodes"].as_i64().filter(|&n| n > 0) {
            said.push(("agreed", format!("{count} further nodes agree with the leader that it is dead")));
        }
    }
    for detection in api.detections_of(failed).unwrap_or_default() {
        let code = detection["AnalysisEntry"]["Analysis"].as_str().unwrap_or_default();
        said.push(("noticed", format!("detection recorded: {code}")));
    }
    for recovery in api.recoveries_of(failed).unwrap_or_default() {
        let uid = recovery["UID"].as_str().unwrap_or_default();
        said.extend(api.steps(uid).unwrap_or_default().into_iter().map(|step| ("step", step)));
        let successor = key_of(&recovery["SuccessorKey"]);
        if recovery["SuccessorKey"]["Port"].as_u64().is_some_and(|port| port > 0) {
            said.push(("successor", format!("{successor} takes over")));
        }
        if recovery["RecoveryEndTimestamp"].as_str().is_some_and(|t| !t.is_empty()) {
            let how = if recovery["IsSuccessful"] == true { "successfully" } else { "without success" };
            said.push(("ended", format!("recovery ended {how}")));
        }
    }
    said
}
