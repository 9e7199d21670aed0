//! Reading the configuration again while the service runs (SIGHUP).

use std::{path::PathBuf, sync::Arc};

use orchestrator_config::{Changes, File, Settings};
use orchestrator_http::{Api, Auth, Tls};
use orchestrator_raft::RaftNode;
use tracing::{error, info, warn};

use crate::configuration;

/// Keys that this version takes over without a restart.
const TAKEN_OVER: &[&str] = &[
    "AuthenticationMethod",
    "HTTPAuthUser",
    "HTTPAuthPassword",
    "AuthUserHeader",
    "PowerAuthUsers",
    "PowerAuthGroups",
    "ReadOnly",
    "RaftNodes",
];

/// What a reload reads and whom it tells.
pub(crate) struct Reloading {
    /// The only file, if one was named at the start.
    pub(crate) only: Option<PathBuf>,
    /// What is in force.
    pub(crate) current: File,
    pub(crate) raft: RaftNode,
    pub(crate) api: Api,
    pub(crate) tls: Arc<Tls>,
}

impl Reloading {
    /// Reads the files and takes over what can change while the service runs; says what needs a restart. Files
    /// that make no sense change nothing.
    pub(crate) async fn reload(&mut self) {
        let loaded = match configuration::load(self.only.as_deref()) {
            Ok(loaded) => loaded,
            Err(error) => {
                error!("the configuration was not read again, what was in force stays in force: {error}");
                return;
            }
        };
        loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
        let Changes { live, restart } = self.current.changes(&loaded.file);
        let (taken, waiting): (Vec<_>, Vec<_>) =
            live.into_iter().chain(restart).partition(|key| TAKEN_OVER.contains(key));
        info!(taken_over = taken.join(", "), "configuration read again");
        if !waiting.is_empty() {
            warn!(keys = waiting.join(", "), "these keys changed and need a restart");
        }
        self.readmit(&loaded.settings);
        self.rewish(&loaded.settings);
        // They say themselves what went wrong.
        let _ = self.tls.reload().await;
        let _ = self.raft.reload_tls().await;
        self.current = loaded.file;
    }

    fn readmit(&self, settings: &Settings) {
        let admitted =
            Auth::new(&settings.auth).map(|auth| self.api.readmit(auth, settings.listen.read_only));
        if let Err(error) | Ok(Err(error)) = admitted {
            error!(%error, "who may use the API was not changed");
        }
    }

    fn rewish(&self, settings: &Settings) {
        let Some(raft) = &settings.raft else { return };
        match self.raft.set_wish(&raft.nodes) {
            Ok(true) => info!(nodes = raft.nodes.join(", "), "RaftNodes changed"),
            Ok(false) => {}
            Err(error) => error!(%error, "RaftNodes was not changed"),
        }
    }
}
