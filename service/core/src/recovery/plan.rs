//! Beginning a recovery: what is known becomes a [`Case`], and vetoes are checked before anything is touched.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use super::{
    Case, Locality, Progress, Recovery, RecoveryPolicy, Refusal, RefusalReason, Replica, Stage,
    choice::{self, Standing},
};
use crate::{
    analysis::AnalysisCode,
    gtid::{self, Gtids},
    instance::{Instance, ReplicationGtid},
    key::InstanceKey,
    observation::Part,
    policy::Filters,
    time::Timestamp,
    topology::Topology,
    view::{ActiveRecovery, InstanceRecord, TopologyView},
};

/// What to recover from, and who asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The finding that it answers.
    pub code: AnalysisCode,
    /// The failed primary.
    pub failed: InstanceKey,
    /// A person asked for it: filters and vetoes about lag and completeness are passed over.
    pub forced: bool,
    /// The wanted successor.
    pub requested: Option<InstanceKey>,
    /// Leave hooks out.
    pub skip_hooks: bool,
}

/// Makes the recovery of a dead primary, or says why not; nothing was touched then.
///
/// # Errors
/// See [`RefusalReason`]. Checked on what the view knows, so that the stages that follow seldom find out
/// the same too late.
pub fn plan(
    request: &Request,
    view: &TopologyView,
    topology: &Topology,
    policy: &RecoveryPolicy,
    filters: &dyn Filters,
    now: Timestamp,
) -> Result<Recovery, Refusal> {
    let case = case(request, view, topology, policy, filters, now);
    if case.replicas.iter().all(|replica| replica.left_behind) {
        return Err(Refusal::new(RefusalReason::NoReplicas, format!("{} has no replicas", case.failed)));
    }
    if let Some(requested) = &case.requested
        && !case.replicas.iter().any(|replica| !replica.left_behind && replica.key == *requested)
    {
        let message = format!("{requested} does not replicate from {}", case.failed);
        return Err(Refusal::new(RefusalReason::UnknownCandidate, message));
    }
    check_gtid(&case)?;
    check_candidate(&case, policy)?;
    let progress = Progress { strayed: unseen(&case, view), ..Progress::default() };
    Ok(Recovery { case, stage: Stage::PreHooks, progress })
}

/// Replicas that follow the failed primary for all that is known, which nobody has seen since it was promoted.
fn unseen(case: &Case, view: &TopologyView) -> BTreeSet<InstanceKey> {
    let ended = replacing(view, &case.failed).filter_map(|recovery| recovery.ended_at).max();
    let unseen = case.replicas.iter().filter(|replica| {
        let seen = view.get(&replica.key).and_then(|record| record.checks.last_seen);
        !replica.left_behind && seen < ended
    });
    unseen.map(|replica| replica.key.clone()).collect()
}

/// Ended recoveries that promoted `failed`.
fn replacing<'v>(
    view: &'v TopologyView,
    failed: &'v InstanceKey,
) -> impl Iterator<Item = &'v ActiveRecovery> {
    view.declared.active_recoveries.iter().filter(move |recovery| {
        let successor = recovery.successor.as_ref().filter(|_| recovery.ended_at.is_some());
        successor.is_some_and(|successor| view.canonical(successor) == failed)
    })
}

/// Replicas that follow by file and position cannot be told apart by what they received; one alone need not be.
fn check_gtid(case: &Case) -> Result<(), Refusal> {
    let positional: Vec<String> = case
        .replicas
        .iter()
        .filter(|replica| replica.valid && !replica.left_behind && replica.gtid == ReplicationGtid::None)
        .map(|replica| format!("{}", replica.key))
        .collect();
    let valid = case.replicas.iter().filter(|replica| replica.valid && !replica.left_behind).count();
    if positional.is_empty() || valid == 1 {
        return Ok(());
    }
    let message = format!("{} replicate without GTID, and cannot be moved safely", positional.join(", "));
    Err(Refusal::new(RefusalReason::NotGtid, message))
}

/// The vetoes about the candidate, on what is known now.
fn check_candidate(case: &Case, policy: &RecoveryPolicy) -> Result<(), Refusal> {
    let positions: BTreeMap<_, _> = case
        .replicas
        .iter()
        .filter(|replica| replica.valid)
        .map(|replica| (replica.key.clone(), replica.position.clone()))
        .collect();
    let standing = Standing {
        positions: &positions,
        refused: &Default::default(),
        slow: &Default::default(),
        rejected: &Default::default(),
    };
    let choice = choice::choose(case, policy, standing)?;
    let Some(candidate) = case.replicas.iter().find(|replica| replica.key == choice.successor) else {
        return Ok(());
    };
    if case.forced {
        return Ok(());
    }
    if let Some(limit) = policy.refuse_lag
        && candidate.lag_seconds.is_none_or(|lag| lag >= limit.as_secs())
    {
        let lag = candidate.lag_seconds.map_or_else(|| "an unknown time".into(), |lag| format!("{lag} s"));
        let message = format!("{} lags {lag}, and {} s is the limit", candidate.key, limit.as_secs());
        return Err(Refusal::new(RefusalReason::Lag, message));
    }
    if policy.refuse_if_not_applied && !candidate.applied {
        let message = format!("{} has not executed all that it received", candidate.key);
        return Err(Refusal::new(RefusalReason::NotApplied, message));
    }
    Ok(())
}

fn case(
    request: &Request,
    view: &TopologyView,
    topology: &Topology,
    policy: &RecoveryPolicy,
    filters: &dyn Filters,
    now: Timestamp,
) -> Case {
    let failed = view.canonical(&request.failed).clone();
    let place = topology.place(&failed);
    let cluster: String = place.map_or_else(|| format!("{failed}"), |place| place.cluster.as_ref().into());
    let record = view.get(&failed);
    let source = record.map(|record| &record.instance);
    let following = place.map_or(&[][..], |place| &place.replicas).iter().filter_map(|key| view.get(key));
    let known =
        |record: &Arc<InstanceRecord>| replica(record, view, topology, filters, policy.candidate_expiry, now);
    let behind = left_behind(view, &failed).map(|record| Replica { left_behind: true, ..known(record) });
    let mut replicas: Vec<Replica> = following.map(known).chain(behind).collect();
    replicas.sort_by(|a, b| a.key.cmp(&b.key));
    Case {
        owed: source.map(|source| owed(source, &replicas)).unwrap_or_default(),
        // Text that cannot be read promises nothing.
        seen: source.and_then(|source| Gtids::executed(source).ok()).unwrap_or_default(),
        code: request.code,
        alias: topology.alias(&cluster).unwrap_or(&cluster).into(),
        cluster,
        place: source.map(locality).unwrap_or_default(),
        origin: source.map(origin).unwrap_or_default(),
        acknowledgements: source.map_or(0, acknowledgements),
        requested: request.requested.as_ref().map(|key| view.canonical(key).clone()),
        forced: request.forced,
        skip_hooks: request.skip_hooks,
        replicas,
        failed,
    }
}

/// Instances that may have what the failed primary had, and do not replicate from it: their source is its spoiled
/// name, or the primary that it replaced.
fn left_behind<'v>(
    view: &'v TopologyView,
    failed: &'v InstanceKey,
) -> impl Iterator<Item = &'v Arc<InstanceRecord>> {
    let replaced: BTreeSet<_> =
        replacing(view, failed).map(|recovery| view.canonical(&recovery.failed)).collect();
    view.records().map(|(_, record)| record).filter(move |record| {
        record.instance.source().is_some_and(|source| {
            let attached = source.attached();
            let was = view.canonical(&attached);
            source.is_detached() && was == failed || replaced.contains(was) && record.instance.key != *failed
        })
    })
}

/// What was seen on servers that may be out of reach now: on the failed primary, of what is older than its reign, and
/// on those left behind, of what began on it. Only where commits wait for replicas is anything owed to anybody.
///
/// A primary that itself replicates still takes what began elsewhere, so that this is no older than its reign.
fn owed(failed: &Instance, replicas: &[Replica]) -> Gtids {
    if acknowledgements(failed) == 0 {
        return Gtids::default();
    }
    let (uuid, server_id) = origin(failed);
    let inherited = Gtids::executed(failed).ok().filter(|_| failed.replication.is_none());
    let inherited = inherited.unwrap_or_default().without_origin(&uuid, server_id);
    let left_behind = replicas.iter().filter(|replica| replica.left_behind);
    left_behind.fold(inherited, |owed, replica| owed.union(&replica.position.of_origin(&uuid, server_id)))
}

/// Acknowledgements that a commit on `source` waited for when it was last seen; 0 when semi-sync was not in force.
fn acknowledgements(source: &Instance) -> u32 {
    let semi_sync = &source.semi_sync;
    if semi_sync.source_enabled && semi_sync.source_status {
        semi_sync.wait_for_replica_count.max(1)
    } else {
        0
    }
}

fn origin(instance: &Instance) -> (String, u32) {
    (instance.identity.server_uuid.clone(), instance.identity.server_id)
}

fn locality(instance: &Instance) -> Locality {
    let labels = &instance.labels;
    Locality {
        data_center: labels.data_center.clone(),
        region: labels.region.clone(),
        environment: labels.environment.clone(),
    }
}

fn replica(
    record: &InstanceRecord,
    view: &TopologyView,
    topology: &Topology,
    filters: &dyn Filters,
    candidate_expiry: Duration,
    now: Timestamp,
) -> Replica {
    let instance = &record.instance;
    let gtid = instance.replication.as_ref().map_or(ReplicationGtid::None, |replication| replication.gtid);
    Replica {
        key: instance.key.clone(),
        valid: record.checks.is_valid(),
        rule: view.declared.promotion_rule(instance, candidate_expiry, now),
        left_behind: false,
        banned: filters.bans_promotion(&instance.key),
        unopenable: record.unread.iter().any(|unread| unread.part == Part::Promotion),
        downtimed: view.declared.downtime_of(&instance.key, now).is_some(),
        logs_updates: instance.logs_replica_updates(),
        binlog_server: instance.is_binlog_server(),
        version: instance.identity.major_version(),
        binlog_format: instance.settings.binlog_format,
        place: locality(instance),
        gtid,
        errant: gtid::errant(view, topology, &instance.key).is_some(),
        delay_seconds: instance.replication.as_ref().map_or(0, |replication| replication.sql_delay_seconds),
        lag_seconds: instance.lag_seconds,
        semi_sync: instance.semi_sync.replica_enabled,
        semi_sync_priority: instance.labels.semi_sync_priority,
        origin: origin(instance),
        // Text that cannot be read counts as nothing: the position is read again before the choice.
        position: Gtids::received(instance).unwrap_or_default(),
        applied: is_applied(instance),
    }
}

fn is_applied(instance: &Instance) -> bool {
    instance.replication.as_ref().is_none_or(|replication| match replication.gtid {
        ReplicationGtid::None => replication.read == replication.executed,
        _ => match (Gtids::executed(instance), Gtids::received(instance)) {
            (Ok(executed), Ok(received)) => executed.contains(&received),
            _ => false,
        },
    })
}
