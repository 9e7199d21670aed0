//! Where the audit goes, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, Unit, optional_path};

/// Where the audit goes, and for how long; without a file it goes to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// A file with one line per entry, fields divided by tabs.
    pub log_file: Option<PathBuf>,
    /// The backend's table `audit`.
    pub to_backend: bool,
    /// Age at which audit, detections, recoveries and their steps are removed.
    pub purge_after: Duration,
    /// Rows of a page in the API; the original no longer lets users choose.
    pub page_size: usize,
}

const PAGE_SIZE: usize = 20;

pub(super) fn build(check: &mut Check<'_>) -> AuditSettings {
    AuditSettings {
        log_file: optional_path(&check.file.AuditLogFile),
        to_backend: *check.file.AuditToBackendDB,
        purge_after: check.duration(&check.file.AuditPurgeDays, Unit::Days),
        page_size: PAGE_SIZE,
    }
}
