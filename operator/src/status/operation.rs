//! What is under way, with its timers: the planner reads them in the next pass.

use orchestrator_crds::OperationStatus;

use super::{Outcome, facts::Facts, time};

/// A step that goes on keeps its timers, though its words tell new numbers; another step of the same operation keeps
/// the operation's.
pub(super) fn operation(facts: &Facts<'_>) -> Option<OperationStatus> {
    let Facts { seen, plan, applied, previous, .. } = facts;
    let underway = plan.operation.as_ref()?;
    let now = time(seen.now);
    let earlier = previous.operation.as_ref().filter(|known| known.operation_type == underway.operation);
    let same_step = earlier.filter(|known| underway.continues(known));
    let tried = i32::from(plan.action.is_some());
    let last_error = match &applied.outcome {
        Outcome::Untried => same_step.and_then(|known| known.last_error.clone()),
        tried => tried.failure().map(str::to_owned),
    };
    Some(OperationStatus {
        id: earlier.map_or_else(|| seen.fresh_id.clone(), |known| known.id.clone()),
        operation_type: underway.operation,
        targets: underway.targets.clone(),
        step: underway.step.clone(),
        started_at: earlier.map_or_else(|| now.clone(), |known| known.started_at.clone()),
        step_started_at: same_step.map_or(now, |known| known.step_started_at.clone()),
        attempts: same_step.map_or(0, |known| known.attempts).saturating_add(tried),
        last_error,
    })
}
