//! Who did what to which instance: lines of a file, rows of the backend, events of the log.

use std::{
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use orchestrator_backend::{AuditRow, BackendHandle};
use orchestrator_core::{InstanceKey, Timestamp};
use orchestrator_http::Metrics;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::clock;

/// How long writing a row may take before it is given up: the audit never holds up what it tells of.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// Where the audit goes.
#[derive(Clone)]
pub(crate) struct Audit {
    /// `AuditLogFile`, opened for each line, so that it can be rotated.
    pub(crate) file: Option<PathBuf>,
    /// `AuditToBackendDB`.
    pub(crate) backend: Option<BackendHandle>,
    pub(crate) tasks: TaskTracker,
    /// Lines of the file are written one at a time.
    pub(crate) writing: Arc<Mutex<()>>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Audit {
    /// Notes one operation. `kind` is the original's word for it.
    pub(crate) fn note(&self, kind: &str, key: Option<&InstanceKey>, cluster: &str, message: &str) {
        let at = clock::now();
        self.metrics.audit_written.inc();
        info!(instance = key.map(tracing::field::display), cluster, audit = kind, "{message}");
        if let Err(error) = self.write_line(at, kind, key, cluster, message) {
            warn!(%error, "cannot write the audit log file");
        }
        if let Some(backend) = self.backend.clone() {
            let row = AuditRow {
                id: 0,
                at,
                kind: kind.into(),
                key: key.cloned(),
                cluster: cluster.into(),
                message: message.into(),
            };
            self.tasks.spawn(async move {
                if let Err(error) = backend.call(WRITE_DEADLINE, move |backend| backend.add_audit(&row)).await
                {
                    warn!(%error, "cannot write the audit");
                }
            });
        }
    }

    fn write_line(
        &self,
        at: Timestamp,
        kind: &str,
        key: Option<&InstanceKey>,
        cluster: &str,
        message: &str,
    ) -> std::io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let (host, port) = key.map_or(("", 0), |key| (&*key.hostname, key.port));
        let time = orchestrator_backend::timestamp_to_text(at);
        let line =
            format!("{time}\t{kind}\t{host}\t{port}\t[{cluster}]\t{}\n", message.replace(['\n', '\t'], " "));
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())
    }
}
