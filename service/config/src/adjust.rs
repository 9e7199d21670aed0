//! The adjustments that the original makes after reading, and the rules between keys.
//!
//! Numbers in the comments are those of the configuration reference. Rules on a single component
//! (12, 13, 14, 18) are applied where its settings are built.

use crate::credentials::{self, Outside};
use crate::keys::File;
use crate::problem::Report;
use crate::value::Field;

/// Applies rules 1 to 11, 16, 17 and 19 to 23 to `file`; errors are reported, the rest goes on.
pub(crate) fn adjust(file: &mut File, outside: &Outside<'_>, report: &mut Report) {
    resolve_credentials(file, outside, report);
    prefer_block_minutes(file);
    join_lag_queries(file, report);
    join_detach_lost(file, report);
    join_detach_promoted(file);
    join_postponed_lag(file, report);
    check_sql_thread_policy(file, report);
    file.URLPrefix.value = url_prefix(&file.URLPrefix);
    set_pseudo_gtid(file);
    clamp_tuning(file);
    check_dead_instance_backoff(file, report);
}

/// What the adjustments make of no file at all; the defaults point nowhere outside and break no rule.
pub(crate) fn adjusted_defaults(outside: &Outside<'_>) -> File {
    let mut defaults = File::default();
    adjust(&mut defaults, outside, &mut Report::default());
    defaults
}

/// Rules 1, 2 and 3.
fn resolve_credentials(file: &mut File, outside: &Outside<'_>, report: &mut Report) {
    // With SQLite nobody uses them, and samples name files that are not there.
    if !is_sqlite(file) {
        credentials::read_file(
            &file.MySQLOrchestratorCredentialsConfigFile,
            &mut file.MySQLOrchestratorUser,
            &mut file.MySQLOrchestratorPassword,
            outside,
            report,
        );
        credentials::resolve(&mut file.MySQLOrchestratorUser, outside, report);
        credentials::resolve(&mut file.MySQLOrchestratorPassword, outside, report);
    }
    credentials::read_file(
        &file.MySQLTopologyCredentialsConfigFile,
        &mut file.MySQLTopologyUser,
        &mut file.MySQLTopologyPassword,
        outside,
        report,
    );
    credentials::resolve(&mut file.MySQLTopologyUser, outside, report);
    credentials::resolve(&mut file.MySQLTopologyPassword, outside, report);
    credentials::resolve(&mut file.HTTPAuthUser, outside, report);
    credentials::resolve(&mut file.HTTPAuthPassword, outside, report);
    credentials::resolve(&mut file.ConsulAclToken, outside, report);
}

/// Whether the backend is SQLite: any word with `sqlite` in it.
pub(crate) fn is_sqlite(file: &File) -> bool {
    file.BackendDB.to_ascii_lowercase().contains("sqlite")
}

/// Rule 4. The original lets the seconds' default win over minutes that a file gives; we do not.
fn prefer_block_minutes(file: &mut File) {
    let minutes_alone = file.RecoveryPeriodBlockMinutes.is_set() && !file.RecoveryPeriodBlockSeconds.is_set();
    let seconds_off = *file.RecoveryPeriodBlockSeconds == 0 && *file.RecoveryPeriodBlockMinutes > 0;
    if minutes_alone || seconds_off {
        file.RecoveryPeriodBlockSeconds.value = file.RecoveryPeriodBlockMinutes.saturating_mul(60);
    }
}

/// Rule 5.
fn join_lag_queries(file: &mut File, report: &mut Report) {
    let (new, old) = (&mut file.ReplicationLagQuery, &mut file.SlaveLagQuery);
    if new.is_empty() {
        *new = Field { name: new.name, ..old.clone() };
    } else if !old.is_empty() && old.value != new.value {
        contradiction(old, new, report);
    }
    old.value.clear();
}

/// Rule 6. The old name's default is true, so in the original the new one could never say false.
fn join_detach_lost(file: &mut File, report: &mut Report) {
    let (new, old) =
        (&mut file.DetachLostReplicasAfterMasterFailover, &mut file.DetachLostSlavesAfterMasterFailover);
    match (new.is_set(), old.is_set()) {
        (true, true) if new.value != old.value => contradiction(old, new, report),
        (true, _) => old.value = new.value,
        (false, _) => new.value = old.value,
    }
}

/// Rule 7.
fn join_detach_promoted(file: &mut File) {
    file.MasterFailoverDetachReplicaMasterHost.value |= *file.MasterFailoverDetachSlaveMasterHost;
}

/// Rule 10.
fn join_postponed_lag(file: &mut File, report: &mut Report) {
    let (new, old) = (&mut file.PostponeReplicaRecoveryOnLagMinutes, &file.PostponeSlaveRecoveryOnLagMinutes);
    match (new.value, old.value) {
        (_, 0) => {}
        (0, _) => *new = Field { name: new.name, ..old.clone() },
        (new_value, old_value) if new_value == old_value => {}
        _ => contradiction(old, new, report),
    }
}

fn contradiction<T>(old: &Field<T>, new: &Field<T>, report: &mut Report) {
    let text = format!("contradicts {}, its newer name; write {} alone", new.name, new.name);
    report.error(old.place.as_ref(), old.name, text);
}

/// Rules 8 and 9.
fn check_sql_thread_policy(file: &File, report: &mut Report) {
    let fail = &file.FailMasterPromotionIfSQLThreadNotUpToDate;
    let delay = &file.DelayMasterPromotionIfSQLThreadNotUpToDate;
    if **fail && **delay {
        let text = format!("cannot be true together with {}; choose one", delay.name);
        report.error(fail.place.as_ref(), fail.name, text);
    }
    let lag = &file.FailMasterPromotionOnLagMinutes;
    if **lag > 0 && file.ReplicationLagQuery.is_empty() {
        let text = "needs a measured lag; write ReplicationLagQuery as well";
        report.error(lag.place.as_ref(), lag.name, text);
    }
}

/// Rule 15, last: the settings still need to know whether a file gave the address.
pub(crate) fn complete(file: &mut File) {
    if file.RaftAdvertise.is_empty() {
        file.RaftAdvertise.value = file.RaftBind.value.clone();
    }
}

/// Rule 11: one slash in front, none at the end.
fn url_prefix(prefix: &str) -> String {
    match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("/{prefix}"),
    }
}

/// Rule 17: what the original would use, for whoever reads the dump; Pseudo-GTID itself is not built.
fn set_pseudo_gtid(file: &mut File) {
    if *file.AutoPseudoGTID {
        file.PseudoGTIDPattern.value = "drop view if exists `_pseudo_gtid_`".to_owned();
        file.PseudoGTIDPatternIsFixedSubstring.value = true;
        file.PseudoGTIDMonotonicHint.value = "asc:".to_owned();
        file.DetectPseudoGTIDQuery.value = "select 1".to_owned();
    }
}

/// Rules 16, 19, 20 and 21.
fn clamp_tuning(file: &mut File) {
    let prefix = &mut file.KVClusterMasterPrefix.value;
    if prefix != "/" {
        *prefix = format!("{}/", prefix.strip_suffix('/').unwrap_or(prefix));
    }
    if *file.InstanceWriteBufferSize <= 0 {
        file.BufferInstanceWrites.value = false;
    }
    file.ConsulMaxKVsPerTransaction.value = file.ConsulMaxKVsPerTransaction.clamp(5, 64);
    if *file.ReasonableLockedSemiSyncMasterSeconds == 0 {
        // A negative lag is reported where it is turned into a duration.
        let lag = u64::try_from(*file.ReasonableReplicationLagSeconds).unwrap_or_default();
        file.ReasonableLockedSemiSyncMasterSeconds.value = lag;
    }
}

/// Rules 22 and 23.
fn check_dead_instance_backoff(file: &File, report: &mut Report) {
    let factor = &file.DeadInstancePollSecondsMultiplyFactor;
    if **factor < 1.0 {
        report.error(factor.place.as_ref(), factor.name, "the delay must not shrink; write 1 or more");
    }
    let (max, poll) = (&file.DeadInstancePollSecondsMax, &file.InstancePollSeconds);
    if **max < **poll {
        let text = format!("is shorter than {}; write {} or more", poll.name, poll.value);
        report.error(max.place.as_ref().or(poll.place.as_ref()), max.name, text);
    }
}
