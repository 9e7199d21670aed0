//! Reading the configuration again while the service runs: by SIGHUP, or by a call.

use std::{path::PathBuf, sync::Arc, time::Duration};

use orchestrator_config::{Changes, File, RELOADABLE, Settings};
use orchestrator_http::{
    Api, Auth, Tls,
    ports::{PortError, Reloaded},
};
use orchestrator_raft::RaftNode;
use sha2::{Digest, Sha256};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tracing::{error, info, warn};

use crate::{
    audit::Audit,
    configuration::{self, hex},
};

/// The word of the original's audit.
const OPERATION: &str = "reload-configuration";

/// Calls that wait for a reload; more of them at once are a mistake, and are told so.
const WAITING_MAX: usize = 4;

/// How long a call waits: reading some small files and certificates.
const DEADLINE: Duration = Duration::from_secs(20);

/// What was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastRead {
    /// SHA-256 of the files.
    pub(crate) hash: String,
    /// Keys that wait for a restart.
    pub(crate) needs_restart: Vec<&'static str>,
}

/// A call for a reload.
pub(crate) struct Wish {
    by: String,
    answer: oneshot::Sender<Result<Reloaded, String>>,
}

/// Where calls come in, and where what was read last can be seen. Clones share it.
#[derive(Clone)]
pub(crate) struct Door {
    wishes: mpsc::Sender<Wish>,
    last: watch::Receiver<LastRead>,
}

impl Door {
    /// With the other sides of both.
    pub(crate) fn new(hash: String) -> (Self, mpsc::Receiver<Wish>, watch::Sender<LastRead>) {
        let (wishes, asked) = mpsc::channel(WAITING_MAX);
        let (told, last) = watch::channel(LastRead { hash, needs_restart: Vec::new() });
        (Self { wishes, last }, asked, told)
    }

    /// What was read last.
    pub(crate) fn last(&self) -> LastRead {
        self.last.borrow().clone()
    }

    /// Has the configuration read again and waits for what comes of it.
    pub(crate) async fn reload(&self, by: String) -> Result<Reloaded, PortError> {
        let (answer, answered) = oneshot::channel();
        let busy = |_| PortError::Failed("too many reloads at once: try again".into());
        self.wishes.try_send(Wish { by, answer }).map_err(busy)?;
        match timeout(DEADLINE, answered).await {
            Ok(Ok(reloaded)) => reloaded.map_err(PortError::Failed),
            Ok(Err(_)) => Err(PortError::Failed("this node is stopping".into())),
            Err(_) => Err(PortError::Unconfirmed),
        }
    }
}

/// What a reload reads and whom it tells.
pub(crate) struct Reloading {
    /// The files named at the start, if any were.
    pub(crate) named: Vec<PathBuf>,
    /// What the process began with.
    pub(crate) started: File,
    /// What was read last.
    pub(crate) current: File,
    pub(crate) raft: RaftNode,
    pub(crate) api: Api,
    pub(crate) tls: Arc<Tls>,
    pub(crate) audit: Audit,
    pub(crate) told: watch::Sender<LastRead>,
}

impl Reloading {
    /// Carries out a call.
    pub(crate) async fn grant(&mut self, Wish { by, answer }: Wish) {
        let reloaded = self.reload(&by).await;
        // Whoever asked may have gone; the reload holds all the same.
        let _ = answer.send(reloaded);
    }

    /// Reads the files and takes over what can change while the service runs; says what needs a restart. Files
    /// that make no sense change nothing; the text says why.
    pub(crate) async fn reload(&mut self, by: &str) -> Result<Reloaded, String> {
        let read = configuration::load(&self.named).map_err(|error| {
            error!("the configuration was not read again, what was in force stays in force: {error}");
            error.to_string()
        })?;
        let (loaded, config_hash) = (read.loaded, read.hash);
        loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
        let taken_over = changed(&self.current, &loaded.file, true);
        let needs_restart = changed(&self.started, &loaded.file, false);
        self.audit.note(OPERATION, None, "", &format!("Triggered via {by}"));
        info!(taken_over = taken_over.join(", "), "configuration read again");
        if !needs_restart.is_empty() {
            warn!(keys = needs_restart.join(", "), "these keys changed and need a restart");
        }
        let mut problems: Vec<String> =
            [self.readmit(&loaded.settings), self.rewish(&loaded.settings)].into_iter().flatten().collect();
        // They say themselves in the log what went wrong.
        problems.extend(self.tls.reload().await.err().map(|error| chain("certificates of the API", &error)));
        problems
            .extend(self.raft.reload_tls().await.err().map(|error| chain("certificates of raft", &error)));
        self.current = loaded.file;
        self.told.send_replace(LastRead { hash: config_hash.clone(), needs_restart: needs_restart.clone() });
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        Ok(Reloaded {
            config_hash,
            raft_nodes_hash: if loaded.settings.raft.is_some() {
                wish_hash(&self.raft)
            } else {
                String::new()
            },
            taken_over: owned(taken_over),
            needs_restart: owned(needs_restart),
            problems,
        })
    }

    fn readmit(&self, settings: &Settings) -> Option<String> {
        let admitted =
            Auth::new(&settings.auth).map(|auth| self.api.readmit(auth, settings.listen.read_only));
        let (Err(error) | Ok(Err(error))) = admitted else { return None };
        error!(%error, "who may use the API was not changed");
        Some(chain("who may use the API", &error))
    }

    fn rewish(&self, settings: &Settings) -> Option<String> {
        let raft = settings.raft.as_ref()?;
        match self.raft.set_wish(&raft.nodes) {
            Ok(true) => info!(nodes = raft.nodes.join(", "), "RaftNodes changed"),
            Ok(false) => {}
            Err(error) => {
                error!(%error, "RaftNodes was not changed");
                return Some(chain("RaftNodes", &error));
            }
        }
        None
    }
}

/// Keys that differ; those that are taken over without a restart, or the others.
fn changed(from: &File, to: &File, live: bool) -> Vec<&'static str> {
    let Changes { live: one, restart: other } = from.changes(to);
    one.into_iter().chain(other).filter(|key| RELOADABLE.contains(key) == live).collect()
}

/// What was not taken over, with all its causes.
fn chain(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Two nodes have the same list of nodes if this is the same.
pub(crate) fn wish_hash(raft: &RaftNode) -> String {
    list_hash(&raft.membership().wish)
}

/// The same of a sorted list.
pub(crate) fn list_hash(sorted: &[String]) -> String {
    hex(&Sha256::digest(sorted.join("\n")))
}

#[cfg(test)]
mod tests {
    use orchestrator_config::{Outside, Source, load};

    use super::*;

    fn file(text: &str) -> File {
        let outside = Outside { variable: &|_| None, read: &|_| Err(std::io::ErrorKind::NotFound.into()) };
        let sqlite = text.replacen('{', r#"{"BackendDB": "sqlite", "SQLite3DataFile": "/x", "#, 1);
        load(&[Source { path: "c.json".into(), text: sqlite }], &outside).expect("it is valid").file
    }

    #[test]
    fn what_waits_for_a_restart_is_told_until_there_was_one() {
        let started = file(r#"{"InstancePollSeconds": 5, "ReadOnly": false}"#);
        let once = file(r#"{"InstancePollSeconds": 6, "ReadOnly": true}"#);
        let twice = file(r#"{"InstancePollSeconds": 6, "ReadOnly": false}"#);
        assert_eq!(changed(&started, &once, true), ["ReadOnly"]);
        assert_eq!(changed(&started, &once, false), ["InstancePollSeconds"]);
        // Nothing of it changed since, and still it waits.
        assert_eq!(changed(&once, &twice, true), ["ReadOnly"]);
        assert_eq!(changed(&started, &twice, false), ["InstancePollSeconds"]);
    }
}
