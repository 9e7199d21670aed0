//! When a failure is one.

use std::time::Duration;

use super::check::{Check, Unit};
use crate::filter::Patterns;

/// When a failure is one.
#[derive(Debug, Clone)]
pub struct DetectionSettings {
    /// A majority of the raft group must agree that a primary is dead.
    pub quorum: bool,
    /// From one sign of life asked of each primary to the next.
    pub pulse_interval: Duration,
    /// A primary that owes an answer for that long is suspected; never below the interval.
    pub pulse_timeout: Duration,
    /// A detection is not announced again within this time.
    pub block_period: Duration,
    /// A primary that went away without a word may come back for that long before it is replaced. A dead process
    /// does not, so there is nothing to wait for unless a supervisor starts it again at once.
    pub crash_grace: Duration,
    /// A primary that was shut down in order may come back for that long before it is replaced.
    ///
    /// The default lets `systemctl restart` of a MySQL server with replicas pass: 9 to 11 s for the stop and 1 s or
    /// more for the start. It costs an unplanned shutdown little, since for the first 8 s of that time the replicas
    /// still receive, and nobody may be promoted anyway. MariaDB gives no sign of a shutdown to its clients: there
    /// every departure is a crash.
    pub clean_shutdown_grace: Duration,
    /// More lag than that, the configured delay taken off, is a problem.
    pub reasonable_lag: Duration,
    /// How long a primary must wait for its semi-sync replicas to be called locked.
    pub locked_semi_sync_after: Duration,
    /// Exactly as many semi-sync replicas as the primary waits for; more are a finding, too.
    pub exact_semi_sync: bool,
    /// A read-only primary with replicas is a failure.
    pub read_only_primary_is_failure: bool,
    /// Hosts that are never analysed; patterns on the host name alone.
    pub ignore_hosts: Patterns,
    /// Answer only instances about which there may be something to say.
    pub reduce_analysis: bool,
}

/// Below this a pulse costs more than it tells.
const PULSE_MIN: Duration = Duration::from_millis(10);

pub(super) fn build(check: &mut Check<'_>) -> DetectionSettings {
    let file = check.file;
    let pulse_interval = check.duration(&file.PrimaryPulseMilliseconds, Unit::Milliseconds);
    if pulse_interval < PULSE_MIN {
        check.error(&file.PrimaryPulseMilliseconds, format!("write {} or more", PULSE_MIN.as_millis()));
    }
    let pulse_timeout = check.duration(&file.PrimaryPulseTimeoutMilliseconds, Unit::Milliseconds);
    if pulse_timeout < pulse_interval {
        let text =
            format!("is shorter than PrimaryPulseMilliseconds; write {} or more", pulse_interval.as_millis());
        check.missing(&file.PrimaryPulseTimeoutMilliseconds, &file.PrimaryPulseMilliseconds, &text);
    }
    DetectionSettings {
        quorum: *file.FailureDetectionQuorum,
        pulse_interval,
        pulse_timeout,
        block_period: check.duration(&file.FailureDetectionPeriodBlockMinutes, Unit::Minutes),
        crash_grace: check.duration(&file.CrashGraceSeconds, Unit::Seconds),
        clean_shutdown_grace: check.duration(&file.CleanShutdownGraceSeconds, Unit::Seconds),
        reasonable_lag: check.duration(&file.ReasonableReplicationLagSeconds, Unit::Seconds),
        locked_semi_sync_after: check.duration(&file.ReasonableLockedSemiSyncMasterSeconds, Unit::Seconds),
        exact_semi_sync: *file.EnforceExactSemiSyncReplicas,
        read_only_primary_is_failure: *file.RecoverNonWriteableMaster,
        ignore_hosts: check.compile(&file.RecoveryIgnoreHostnameFilters, |c, list| c.patterns(list)),
        reduce_analysis: *file.ReduceReplicationAnalysisCount,
    }
}
