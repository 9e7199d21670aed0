//! Counts the facts of one instance.

use alloc::{collections::BTreeSet, format, string::String, vec::Vec};
use core::time::Duration;

use super::{
    facts::{Facts, ReplicaCounts, ReplicaTraits, SemiSyncFacts, Sight},
    finding::Subject,
};
use crate::{
    gtid,
    instance::{BinlogFormat, Flavor, Instance, ReplicationGtid, ThreadState},
    observation::FailureKind,
    time::Timestamp,
    topology::Place,
    view::InstanceRecord,
};

/// How many heartbeat periods, in percent, may pass without a sign of life: the next one is due after one,
/// and may be a little late. Short, because silence counts only while a majority of nodes cannot reach the source.
pub const SILENCE_HEARTBEATS_PERCENT: u64 = 110;

/// What is added to that: the replica reports ages of its own clock in steps, and our look at it takes time.
pub const SILENCE_GRACE: Duration = Duration::from_millis(300);

/// A replica whose receiving thread says `Yes` but that, when we last looked, had had no sign of life from
/// its source for longer than heartbeats allow. A frozen or cut-off source looks like this for the whole of
/// `replica_net_timeout` before the thread notices.
///
/// Measured against the look, not against now: since then signs may have come that we did not see.
/// `false` where the heartbeat period is unknown or off, as silence is normal there.
pub fn is_silent(record: &InstanceRecord) -> bool {
    let Some(replication) = &record.instance.replication else { return false };
    let period = replication.contact.heartbeat_period_millis.unwrap_or(0);
    let (Some(contact), Some(seen)) = (record.source_contact_at, record.checks.last_seen) else {
        return false;
    };
    let limit = Duration::from_millis(u64::from(period) * SILENCE_HEARTBEATS_PERCENT / 100) + SILENCE_GRACE;
    period > 0 && seen.since(contact) > limit
}

/// A replica with its place.
type Replica<'s> = (&'s InstanceRecord, &'s Place);

/// The facts of one instance.
pub(super) fn facts(subject: &Subject<'_>, record: &InstanceRecord, place: &Place) -> Facts {
    let instance = &record.instance;
    let known = |key| Some((&**subject.view.get(key)?, subject.topology.place(key)?));
    let replicas: Vec<Replica<'_>> = place.replicas.iter().filter_map(known).collect();
    let sight = sight(subject, record);
    let downtime = subject.downtime_of(&instance.key);
    let ends_at = downtime.map(|downtime| downtime.ends_at);
    Facts {
        primary: place.source.is_none()
            && instance.group.as_ref().is_none_or(|g| g.name.is_empty() || g.role == "PRIMARY"),
        co_primary: place.is_co_primary,
        group_member: instance.group.as_ref().is_some_and(|g| !g.name.is_empty() && g.state != "OFFLINE"),
        cluster_head: place.depth == 0,
        depth: place.depth,
        sight,
        read_only: instance.settings.read_only,
        binlog_server: instance.is_binlog_server(),
        failing_to_connect: is_failing_to_connect(instance),
        gtid_mode: instance.settings.gtid_mode.clone(),
        coordinates: instance.binary_log.clone().unwrap_or_default(),
        replicas: counts(subject, &replicas, may_be_silent(sight)),
        traits: traits(subject, instance, &replicas),
        semi_sync: semi_sync(subject, record),
        downtimed: downtime.is_some(),
        downtime_ends_at: ends_at,
        downtime_remaining: ends_at.map_or(Duration::ZERO, |end| end.since(subject.now)),
        wants_writeable: subject.policy.recover_non_writeable_primary,
    }
}

/// Seen well, and not failing to reach its source: of no interest when it has no replicas either.
pub(super) fn is_well_alone(subject: &Subject<'_>, record: &InstanceRecord) -> bool {
    sight(subject, record).valid && !is_failing_to_connect(&record.instance)
}

fn sight(subject: &Subject<'_>, record: &InstanceRecord) -> Sight {
    let checks = &record.checks;
    let patience = subject.policy.poll_interval + subject.policy.reasonable_check;
    let hangs = checks.last_seen.is_some_and(|seen| checks.last_attempted > seen + patience);
    let failure = checks.failure.as_ref().map(|failure| failure.kind);
    let proven_alive = failure.is_some_and(FailureKind::proves_alive);
    Sight {
        valid: checks.is_valid() && !hangs,
        partial: checks.partial_success || proven_alive,
        proven_alive,
        unresolved: failure == Some(FailureKind::NameUnresolved),
    }
}

/// Silence of replicas is evidence only where the source is not known to be well.
fn may_be_silent(source: Sight) -> bool {
    !source.valid && !source.proven_alive
}

fn is_replicating(instance: &Instance) -> bool {
    instance.replication.as_ref().is_some_and(|replication| {
        replication.io_thread == ThreadState::Running && replication.sql_thread == ThreadState::Running
    })
}

/// The receiving thread says that it cannot connect, in one of the servers' wordings; the applying one runs.
fn is_failing_to_connect(instance: &Instance) -> bool {
    instance.replication.as_ref().is_some_and(|replication| {
        replication.io_thread != ThreadState::Running
            && replication.sql_thread == ThreadState::Running
            && says_cannot_connect(&replication.io_error.to_ascii_lowercase())
    })
}

fn says_cannot_connect(error: &str) -> bool {
    error.split_once("error ").is_some_and(|(_, rest)| {
        rest.contains("connecting to master") || rest.contains("connecting to source")
    })
}

fn counts(subject: &Subject<'_>, replicas: &[Replica<'_>], silence_counts: bool) -> ReplicaCounts {
    let mut counts = ReplicaCounts::default();
    let mut versions = BTreeSet::new();
    for (record, _) in replicas {
        let instance = &record.instance;
        counts.all += 1;
        if record.checks.is_valid() {
            let silent = is_replicating(instance) && silence_counts && is_silent(record);
            counts.valid += 1;
            counts.silent += u32::from(silent);
            counts.replicating += u32::from(is_replicating(instance) && !silent);
            counts.failing_to_connect += u32::from(is_failing_to_connect(instance));
        }
        let limit = subject.policy.reasonable_lag.as_secs();
        let delay = instance.replication.as_ref().map_or(0, |replication| replication.sql_delay_seconds);
        counts.lagging += u32::from(instance.lag_seconds.is_some_and(|lag| lag > limit));
        counts.delayed += u32::from(delay > 0);
        counts.downtimed += u32::from(subject.downtime_of(&instance.key).is_some());
        counts.semi_sync += u32::from(instance.semi_sync.replica_enabled);
        if instance.logs_replica_updates() {
            count_logging(&mut counts, instance);
            versions.insert(instance.identity.major_version());
        }
    }
    counts.logging_versions = u32::try_from(versions.len()).unwrap_or(u32::MAX);
    counts
}

fn count_logging(counts: &mut ReplicaCounts, instance: &Instance) {
    counts.logging += 1;
    match instance.settings.binlog_format {
        Some(BinlogFormat::Statement) => counts.statement_logging += 1,
        Some(BinlogFormat::Mixed) => counts.mixed_logging += 1,
        Some(BinlogFormat::Row) => counts.row_logging += 1,
        None => {}
    }
}

fn traits(subject: &Subject<'_>, source: &Instance, replicas: &[Replica<'_>]) -> ReplicaTraits {
    let all_valid = |has: fn(&Instance) -> bool| {
        let mut valid = replicas.iter().filter(|(record, _)| record.checks.is_valid()).peekable();
        valid.peek().is_some() && valid.all(|(record, _)| has(&record.instance))
    };
    let modes = || replicas.iter().map(|(record, _)| record.instance.settings.gtid_mode.as_str());
    let errant = |(record, place): &Replica<'_>| -> Option<String> {
        let replica = &record.instance;
        let errant = gtid::errant_below(replica, place, source)?;
        subject.downtime_of(&replica.key).is_none().then(|| format!("{errant}"))
    };
    ReplicaTraits {
        oracle_gtid: all_valid(|instance| follows(instance, ReplicationGtid::Oracle)),
        mariadb_gtid: all_valid(|instance| follows(instance, ReplicationGtid::MariaDb)),
        binlog_server: all_valid(Instance::is_binlog_server),
        pseudo_gtid: false,
        min_gtid_mode: modes().min().unwrap_or("").into(),
        max_gtid_mode: modes().max().unwrap_or("").into(),
        max_errant: replicas.iter().filter_map(errant).max().unwrap_or_default(),
    }
}

fn follows(instance: &Instance, gtid: ReplicationGtid) -> bool {
    instance.replication.as_ref().is_some_and(|replication| replication.gtid == gtid)
}

fn semi_sync(subject: &Subject<'_>, record: &InstanceRecord) -> SemiSyncFacts {
    let Instance { key, semi_sync, .. } = &record.instance;
    let standing_by = |at: Timestamp| {
        let coordinates = record.instance.binary_log.as_ref()?;
        subject.stale.standing_for(key, coordinates, at)
    };
    let limit = match subject.policy.reasonable_locked_semi_sync {
        Duration::ZERO => subject.policy.reasonable_lag,
        limit => limit,
    };
    let has_no_wait_count =
        record.instance.identity.flavor() == Flavor::MariaDb && semi_sync.wait_for_replica_count == 0;
    SemiSyncFacts {
        enabled: semi_sync.source_enabled,
        status: semi_sync.source_status,
        wait_count: if has_no_wait_count { 1 } else { semi_sync.wait_for_replica_count },
        clients: semi_sync.source_clients,
        // Every busy primary has a commit waiting at most looks. One whose log stands still has not.
        blocked: semi_sync.source_wait_sessions > 0
            && record.checks.last_seen.and_then(standing_by).is_some_and(|standing| !standing.is_zero()),
        stale: standing_by(subject.now).is_some_and(|standing| standing > limit),
        wants_exact: subject.policy.enforce_exact_semi_sync_replicas,
    }
}
