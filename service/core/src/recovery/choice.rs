//! Whom to promote, and why that one.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};
use core::{cmp::Reverse, time::Duration};

use super::{Case, RecoveryPolicy, Refusal, RefusalReason, Replica};
use crate::{
    gtid::Gtids,
    instance::{BinlogFormat, PromotionRule},
    key::InstanceKey,
};

/// The chosen successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Whom to promote.
    pub successor: InstanceKey,
    /// Whom it must follow first, to fetch what it lacks.
    pub donor: Option<InstanceKey>,
    /// What set it apart from the next best.
    pub because: String,
    /// Why not the others, in the order of their names.
    pub others: Vec<(InstanceKey, String)>,
}

/// What is known of the replicas when the choice is made.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Positions of those that can be reached.
    pub positions: &'a BTreeMap<InstanceKey, Gtids>,
    /// Those that answered and would not tell, with their words.
    pub refused: &'a BTreeMap<InstanceKey, String>,
    /// Those whose receiving thread does not stop.
    pub slow: &'a BTreeSet<InstanceKey>,
    /// Those that failed as candidates.
    pub rejected: &'a BTreeSet<InstanceKey>,
}

/// Picks the replica to promote.
///
/// Order: the requested one; one that our account may open; not slow to stop; promotion rule; no transactions of its own; not delayed; data center and
/// environment of the failed primary; lower version; smaller binary log format; most received; name.
/// The name makes the choice deterministic, so that any node would choose alike.
///
/// # Errors
/// Refuses when no replica may be promoted, or when what a reachable replica received, or what a commit
/// was acknowledged for, could be lost; a forced recovery is refused only for want of a candidate.
pub fn choose(case: &Case, policy: &RecoveryPolicy, standing: Standing<'_>) -> Result<Choice, Refusal> {
    check_acknowledgements(case, standing)?;
    let needed = needed(case, standing)?;
    let mut others = Vec::new();
    let mut ranked: Vec<(Rank<'_>, &Replica)> = Vec::new();
    for replica in &case.replicas {
        match objection(replica, case, policy, standing) {
            Some(objection) => others.push((replica.key.clone(), objection)),
            None => ranked.push((rank(replica, case, standing), replica)),
        }
    }
    ranked.sort_by(|a, b| a.0.cmp(&b.0));
    let mut safe = first_safe(&ranked, case, &needed, standing);
    if safe.is_none() {
        let resort = last_resort(case, policy, standing);
        safe = first_safe(&resort, case, &needed, standing);
        if safe.is_some() || ranked.is_empty() {
            ranked = resort;
        }
    }
    let (index, donor) = match safe {
        Some(safe) => safe,
        None if ranked.is_empty() => return Err(no_candidate(&others)),
        None if case.forced => (0, None),
        None => return Err(incomplete()),
    };
    let (rank, successor) = ranked.remove(index);
    let because = ranked.first().map_or_else(|| "the only candidate".into(), |next| because(&rank, &next.0));
    others.retain(|(key, _)| *key != successor.key && !ranked.iter().any(|(_, other)| other.key == *key));
    others.extend(
        ranked
            .iter()
            .map(|(_, other)| (other.key.clone(), format!("{} is better: {because}", successor.key))),
    );
    others.sort();
    Ok(Choice { successor: successor.key.clone(), donor, because, others })
}

/// All that any reachable replica received, and with it what is owed. What began on a replica itself the failed
/// primary never had, or everybody else received it too.
///
/// What is owed and on no reachable replica may have been acknowledged: whoever has it must be waited for.
fn needed(case: &Case, standing: Standing<'_>) -> Result<Gtids, Refusal> {
    let all = received(case, standing).fold(Gtids::default(), |all, (_, position)| all.union(&position));
    if case.forced || all.contains(&case.owed) {
        return Ok(all);
    }
    let missing = case.owed.subtract(&all);
    Err(Refusal::new(
        RefusalReason::DataLoss,
        format!("no replica that can be reached has {missing}, which may have been acknowledged"),
    ))
}

/// What each reachable replica received, without what began on itself; of those left behind only what is owed and what
/// began on the failed primary, since all else they may have from elsewhere.
fn received<'c>(case: &'c Case, standing: Standing<'c>) -> impl Iterator<Item = (&'c Replica, Gtids)> {
    case.replicas.iter().filter_map(move |replica| {
        let position = standing.positions.get(&replica.key)?;
        if !replica.left_behind {
            let (uuid, server_id) = &replica.origin;
            return Some((replica, position.without_origin(uuid, *server_id)));
        }
        let (uuid, server_id) = &case.origin;
        let owed = case.owed.subtract(&case.owed.subtract(position));
        Some((replica, owed.union(&position.of_origin(uuid, *server_id))))
    })
}

/// Replicas out of reach that may have acknowledged what nobody else has. What one that was left behind has is known.
fn unreachable<'c>(case: &'c Case, standing: Standing<'c>) -> impl Iterator<Item = &'c Replica> {
    let followers = case.replicas.iter().filter(|replica| !replica.left_behind);
    followers.filter(move |replica| replica.semi_sync && !standing.positions.contains_key(&replica.key))
}

/// With semi-sync, a commit was acknowledged by `n` replicas: only if fewer than `n` of those that may have
/// acknowledged are out of reach must one of the reachable ones have it.
fn check_acknowledgements(case: &Case, standing: Standing<'_>) -> Result<(), Refusal> {
    let unreachable: Vec<_> = unreachable(case, standing).map(|replica| &replica.key).collect();
    if case.forced || case.acknowledgements == 0 || unreachable.len() < case.acknowledgements as usize {
        return Ok(());
    }
    let answered = unreachable.iter().all(|key| standing.refused.contains_key(*key));
    let why = if answered { "which will not stop receiving" } else { "which cannot be reached" };
    let names: Vec<_> = unreachable.iter().map(|key| format!("{key}")).collect();
    let only = names.join(", ");
    Err(Refusal::new(
        RefusalReason::DataLoss,
        format!("acknowledged transactions may exist only on {only}, {why}"),
    ))
}

/// Why this replica may not be promoted at all.
fn objection(
    replica: &Replica,
    case: &Case,
    policy: &RecoveryPolicy,
    standing: Standing<'_>,
) -> Option<String> {
    let requested = case.requested.as_ref() == Some(&replica.key);
    if replica.left_behind {
        return Some("was left behind".into());
    }
    if !standing.positions.contains_key(&replica.key) {
        let refused = standing.refused.get(&replica.key);
        return Some(refused.map_or_else(|| "cannot be reached".into(), |why| format!("refuses: {why}")));
    }
    if standing.rejected.contains(&replica.key) {
        return Some("failed as a candidate".into());
    }
    if case.requested.is_some() && !requested {
        return Some("another one was requested".into());
    }
    if let Some(ban) = ban(replica, case, policy) {
        return Some(ban);
    }
    (!replica.logs_updates).then(|| "writes no binary log that others could follow".into())
}

/// Rules that hold even where there is nobody else. A person who names the replica goes over them.
fn ban(replica: &Replica, case: &Case, policy: &RecoveryPolicy) -> Option<String> {
    if replica.binlog_server {
        return Some("is a binary log server".into());
    }
    if case.forced && case.requested.as_ref() == Some(&replica.key) {
        return None;
    }
    if replica.rule == PromotionRule::MustNot {
        return Some("its promotion rule is must_not".into());
    }
    if replica.banned {
        return Some("a filter bans its promotion".into());
    }
    if Duration::from_secs(replica.delay_seconds.into()) >= policy.drain_deadline {
        return Some(format!("applies with a delay of {} s on purpose", replica.delay_seconds));
    }
    if policy.prevent_cross_data_center && replica.place.data_center != case.place.data_center {
        return Some(format!(
            "is in data center {:?}, not {:?}",
            replica.place.data_center, case.place.data_center
        ));
    }
    if policy.prevent_cross_region && replica.place.region != case.place.region {
        return Some(format!("is in region {:?}, not {:?}", replica.place.region, case.place.region));
    }
    None
}

/// Nobody who writes a log that others could follow has, or can fetch, all that is needed: better one server that
/// takes writes than none.
fn last_resort<'c>(
    case: &'c Case,
    policy: &RecoveryPolicy,
    standing: Standing<'_>,
) -> Vec<(Rank<'c>, &'c Replica)> {
    let mut ranked: Vec<_> = case
        .replicas
        .iter()
        .filter(|replica| !replica.left_behind)
        .filter(|replica| {
            standing.positions.contains_key(&replica.key) && !standing.rejected.contains(&replica.key)
        })
        .filter(|replica| case.requested.as_ref().is_none_or(|requested| *requested == replica.key))
        .filter(|replica| ban(replica, case, policy).is_none())
        .map(|replica| (rank(replica, case, standing), replica))
        .collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0));
    ranked
}

fn no_candidate(objections: &[(InstanceKey, String)]) -> Refusal {
    let objections: Vec<_> = objections.iter().map(|(key, why)| format!("{key}: {why}")).collect();
    let message = format!("no replica may be promoted: {}", objections.join("; "));
    Refusal::new(RefusalReason::NoCandidate, message)
}

fn incomplete() -> Refusal {
    Refusal::new(
        RefusalReason::DataLoss,
        "no candidate has all received transactions, nor a replica that it could fetch them from",
    )
}

/// The best one that has, or can fetch, all that is needed.
fn first_safe(
    ranked: &[(Rank<'_>, &Replica)],
    case: &Case,
    needed: &Gtids,
    standing: Standing<'_>,
) -> Option<(usize, Option<InstanceKey>)> {
    ranked.iter().enumerate().find_map(|(index, (_, replica))| {
        let position = &standing.positions[&replica.key];
        if position.contains(needed) {
            return Some((index, None));
        }
        let donors = donors(&replica.key, position, case, needed, standing);
        let fetched = donors.iter().fold(position.clone(), |all, (_, has)| all.union(has));
        let best = donors
            .iter()
            .max_by_key(|(donor, _)| (contained(donor, case, standing), Reverse(donor.key.clone())));
        best.filter(|_| fetched.contains(needed)).map(|(donor, _)| (index, Some(donor.key.clone())))
    })
}

/// Replicas that can give something that is missing, and what. From one that was left behind everything would come
/// along, so that it must have nothing but what is needed.
fn donors<'c>(
    to: &InstanceKey,
    position: &Gtids,
    case: &'c Case,
    needed: &Gtids,
    standing: Standing<'c>,
) -> Vec<(&'c Replica, Gtids)> {
    let comes_along = |donor: &Replica| position.union(needed).contains(&standing.positions[&donor.key]);
    received(case, standing)
        .filter(|(donor, has)| donor.key != *to && donor.logs_updates && !position.contains(has))
        .filter(|(donor, _)| !standing.slow.contains(&donor.key))
        .filter(|(donor, _)| !donor.left_behind || comes_along(donor))
        .collect()
}

/// How many replicas' received transactions this one has.
fn contained(replica: &Replica, case: &Case, standing: Standing<'_>) -> usize {
    let Some(position) = standing.positions.get(&replica.key) else { return 0 };
    received(case, standing).filter(|(_, other)| position.contains(other)).count()
}

/// Smaller is better; the order of the fields is the order of the criteria.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'c> {
    not_requested: bool,
    /// Only a reason to prefer others: what a server says of grants may be read wrongly.
    unopenable: bool,
    slow: bool,
    rule: PromotionRule,
    errant: bool,
    delay_seconds: u32,
    other_data_center: bool,
    other_environment: bool,
    version: (u32, u32),
    binlog_format: Option<BinlogFormat>,
    received: Reverse<usize>,
    downtimed: bool,
    name: &'c InstanceKey,
}

fn rank<'c>(replica: &'c Replica, case: &'c Case, standing: Standing<'_>) -> Rank<'c> {
    Rank {
        not_requested: case.requested.as_ref() != Some(&replica.key),
        unopenable: replica.unopenable,
        slow: standing.slow.contains(&replica.key),
        rule: replica.rule,
        errant: replica.errant,
        delay_seconds: replica.delay_seconds,
        other_data_center: replica.place.data_center != case.place.data_center,
        other_environment: replica.place.environment != case.place.environment,
        version: replica.version,
        binlog_format: replica.binlog_format,
        received: Reverse(contained(replica, case, standing)),
        downtimed: replica.downtimed,
        name: &replica.key,
    }
}

/// The first criterion that set the chosen one apart.
fn because(best: &Rank<'_>, next: &Rank<'_>) -> String {
    if best > next {
        return "it has, or can fetch, all received transactions".into();
    }
    let criteria = [
        (best.not_requested != next.not_requested, "it was requested"),
        (best.unopenable != next.unopenable, "the account may open it"),
        (best.slow != next.slow, "its receiving thread stopped at once"),
        (best.rule != next.rule, "promotion rule"),
        (best.errant != next.errant, "no transactions of its own"),
        (best.delay_seconds != next.delay_seconds, "not delayed"),
        (best.other_data_center != next.other_data_center, "data center of the failed primary"),
        (best.other_environment != next.other_environment, "environment of the failed primary"),
        (best.version != next.version, "lower version, which all can follow"),
        (best.binlog_format != next.binlog_format, "binary log format, which all can follow"),
        (best.received != next.received, "it received most"),
        (best.downtimed != next.downtimed, "not in downtime"),
    ];
    criteria.iter().find(|(differs, _)| *differs).map_or("first by name", |(_, text)| text).into()
}
