//! What is said about a group: every condition, always, each with a reason from its closed list and a message that
//! answers alone.
//!
//! What the planner found out comes first, since it knows why something is not done; otherwise it is derived here from
//! what was seen. A condition's time moves only when its status does.

mod availability;
mod health;
mod wish;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use orchestrator_crds::{ConditionType, OrchestratorClusterStatus, Reason};

use super::{facts::Facts, time};

/// A reason and what to tell people.
pub(super) type Said = (Reason, String);

/// Longer messages are cut: the definition allows 32 KiB, and nobody reads as much.
const MESSAGE_MAX: usize = 2_000;

/// All conditions, in the order of [`ConditionType::ALL`].
pub(super) fn conditions(facts: &Facts<'_>, next: &OrchestratorClusterStatus) -> Vec<Condition> {
    let mut said: Vec<(ConditionType, Said)> = Vec::new();
    // Ready is said last: it follows from the others.
    for condition in ConditionType::ALL.iter().filter(|condition| **condition != ConditionType::Ready) {
        let own = || derived(facts, next, *condition);
        let found = found(facts, *condition);
        said.push((
            *condition,
            match condition {
                // The planner speaks of what it works on; something else may be worse.
                ConditionType::Degraded => {
                    found.into_iter().chain([own()]).min_by_key(health::rank).unwrap_or_else(own)
                }
                _ => found.unwrap_or_else(own),
            },
        ));
    }
    let ready = found(facts, ConditionType::Ready).unwrap_or_else(|| wish::ready(facts, next, &said));
    said.push((ConditionType::Ready, ready));
    said.sort_by_key(|(condition, _)| *condition);
    said.into_iter().map(|(condition, said)| written(facts, condition, said)).collect()
}

fn derived(facts: &Facts<'_>, next: &OrchestratorClusterStatus, condition: ConditionType) -> Said {
    match condition {
        ConditionType::Available => availability::available(facts),
        ConditionType::QuorumLost => availability::quorum_lost(facts, next),
        ConditionType::Bootstrapped => availability::bootstrapped(facts),
        ConditionType::Degraded => health::degraded(facts),
        ConditionType::MembersReachable => health::members_reachable(facts),
        ConditionType::Progressing => wish::progressing(facts, next),
        ConditionType::ConfigValid => wish::config_valid(facts),
        ConditionType::UpdateComplete => wish::update_complete(facts, next),
        ConditionType::Paused => wish::paused(facts),
        ConditionType::Ready => wish::ready(facts, next, &[]),
    }
}

/// What the planner says of it.
fn found(facts: &Facts<'_>, condition: ConditionType) -> Option<Said> {
    let mut findings = facts.plan.findings.iter();
    let finding = findings
        .find(|finding| finding.condition == condition && condition.status(finding.reason).is_some())?;
    Some((finding.reason, finding.message.clone()))
}

fn written(facts: &Facts<'_>, condition: ConditionType, (reason, message): Said) -> Condition {
    let status =
        condition.status(reason).expect("each reason above is one of its condition's: see the tests");
    let before = facts.previous.conditions.iter().find(|before| before.type_ == condition.as_str());
    let same = before.filter(|before| before.status == status.as_str());
    Condition {
        type_: condition.as_str().to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message: cut(message),
        observed_generation: Some(facts.applied.generation),
        last_transition_time: same
            .map_or_else(|| time(facts.seen.now), |same| same.last_transition_time.clone()),
    }
}

fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

/// The reason that stands in a condition.
pub(super) fn reason_of(status: &OrchestratorClusterStatus, condition: ConditionType) -> Option<&str> {
    let mut conditions = status.conditions.iter();
    conditions.find(|one| one.type_ == condition.as_str()).map(|one| one.reason.as_str())
}
