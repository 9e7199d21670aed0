//! A story's frame: its namespace, what is printed when it fails, and its line in the table at the end.

use std::io::Write as _;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use anyhow::Result;

use super::cluster::Cluster;
use super::space::Space;

/// Names the file to which each story adds a line: id, result, seconds, title.
const TABLE: &str = "K8S_STORIES";
/// Lines of each log that a failed story shows.
const LOG_TAIL: &str = "--tail=40";
/// The operator, wherever it runs.
const OPERATOR: &str = "app.kubernetes.io/name=orchestrator-operator";

/// Stories that break nodes, or the operator, have the cluster for themselves.
static NODES: RwLock<()> = RwLock::new(());

enum Turn {
    Beside(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

/// One story. Call [`Story::done`] as its last line: one that is dropped without it shows what is there to see.
pub struct Story {
    /// Its namespace.
    pub space: Space,
    id: &'static str,
    title: &'static str,
    began: Instant,
    result: &'static str,
    _turn: Turn,
}

impl Story {
    /// A story that runs beside others; `id` as in the list of stories.
    ///
    /// # Errors
    /// Without a cluster.
    pub fn begin(id: &'static str, title: &'static str) -> Result<Self> {
        // A story that failed has spoilt nothing that the next one uses.
        let turn = Turn::Beside(NODES.read().unwrap_or_else(PoisonError::into_inner));
        Self::frame(id, title, turn)
    }

    /// A story that breaks what others use: nodes, the operator, the API.
    ///
    /// # Errors
    /// Without a cluster.
    pub fn alone(id: &'static str, title: &'static str) -> Result<Self> {
        let turn = Turn::Alone(NODES.write().unwrap_or_else(PoisonError::into_inner));
        Self::frame(id, title, turn)
    }

    fn frame(id: &'static str, title: &'static str, turn: Turn) -> Result<Self> {
        let space = Space::new(&id.to_lowercase())?;
        eprintln!("{id}: {title} (namespace {})", space.name);
        Ok(Self { space, id, title, began: Instant::now(), result: "FAILED", _turn: turn })
    }

    /// Notes a figure or a step, with the time since the beginning.
    pub fn note(&self, text: &str) {
        eprintln!("{} {:6.1} s  {text}", self.id, self.began.elapsed().as_secs_f64());
    }

    /// It went well.
    pub fn done(mut self) {
        self.result = "passed";
    }

    /// It cannot be told on this cluster, for this reason.
    pub fn left_out(mut self, reason: &str) {
        self.note(reason);
        self.result = "left out";
    }

    /// What a person would look at.
    fn show(&mut self) {
        for arguments in [
            &["describe", "orc"][..],
            &["get", "pods,pvc,services,statefulsets,configmaps,pdb", "-o", "wide"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "-l", "app.kubernetes.io/component=raft-member", "--prefix", LOG_TAIL],
        ] {
            eprintln!("--- {} {} ---", self.id, arguments.join(" "));
            eprintln!("{}", self.space.kubectl(arguments).unwrap_or_else(|error| format!("{error:#}")));
        }
        if let Ok(cluster) = Cluster::get() {
            let arguments = ["logs", "-A", "-l", OPERATOR, "--prefix", LOG_TAIL];
            let said = cluster.kubectl(&arguments[..], "").unwrap_or_else(|error| format!("{error:#}"));
            let ours: Vec<&str> = said.lines().filter(|line| line.contains(&self.space.name)).collect();
            eprintln!("--- {} the operator ---\n{}", self.id, ours.join("\n"));
        }
        if std::env::var_os("K8S_KEEP").is_some() {
            self.space.keep();
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if self.result == "FAILED" {
            self.show();
        }
        let line = format!(
            "{}\t{}\t{:.1}\t{}\n",
            self.id,
            self.result,
            self.began.elapsed().as_secs_f64(),
            self.title
        );
        if let Some(path) = std::env::var_os(TABLE) {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
            // The table is for people; the result of the test does not hang on it.
            let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        }
    }
}
