//! The summary in one word, for people.

use orchestrator_crds::{ConditionType, OperationType, OrchestratorClusterStatus, Phase, Reason};

use super::{conditions::reason_of, facts::Facts};

/// Of what is so, the first that people would name.
pub(super) fn phase(facts: &Facts<'_>, next: &OrchestratorClusterStatus) -> Phase {
    let said = |condition, reasons: &[Reason]| {
        reason_of(next, condition).is_some_and(|reason| reasons.iter().any(|one| one.as_str() == reason))
    };
    let helpless = [Reason::DataWithoutQuorum, Reason::AllDataLost];
    let underway = facts.plan.operation.as_ref().map(|underway| underway.operation);
    match underway {
        _ if facts.seen.deleting => Phase::Deleting,
        _ if facts.is_paused() => Phase::Paused,
        _ if facts.seen.spec.stopped => Phase::Stopped,
        _ if said(ConditionType::Bootstrapped, &helpless) => Phase::Blocked,
        _ if said(ConditionType::Ready, &[Reason::OwnershipConflict]) => Phase::Blocked,
        _ if !facts.is_bootstrapped() => bootstrapping(facts),
        Some(OperationType::ForceNewCluster) => Phase::Replacing,
        _ if said(ConditionType::QuorumLost, &[Reason::MajorityUnreachable, Reason::MajorityStorageLost]) => {
            Phase::QuorumLost
        }
        Some(OperationType::Bootstrap) => Phase::Bootstrapping,
        Some(OperationType::ScaleUp | OperationType::ScaleDown) => Phase::Scaling,
        Some(OperationType::MemberReplacement) => Phase::Replacing,
        Some(_) => Phase::Updating,
        None if said(ConditionType::Ready, &[Reason::ConfigInvalid]) => Phase::Blocked,
        None if said(ConditionType::Ready, &[Reason::AllMembersHealthy]) => Phase::Running,
        None if said(ConditionType::Ready, &[Reason::ScalingUp, Reason::ScalingDown]) => Phase::Scaling,
        None if said(ConditionType::Ready, &[Reason::Updating]) => Phase::Updating,
        None => Phase::Degraded,
    }
}

/// A spec that cannot be rendered forms no group; nothing runs before the first pod answers.
fn bootstrapping(facts: &Facts<'_>) -> Phase {
    match facts.view.answers().next() {
        _ if !facts.seen.invalid.is_empty() => Phase::Blocked,
        Some(_) => Phase::Bootstrapping,
        None => Phase::Pending,
    }
}
