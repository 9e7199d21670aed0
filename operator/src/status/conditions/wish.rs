//! Whether all is as wished: `Ready`, `Progressing`, `ConfigValid`, `UpdateComplete`, `Paused`.

use orchestrator_crds::{
    ConditionStatus, ConditionType, OperationType, OrchestratorClusterStatus, Reason, UpdateStrategy, verb,
};

use super::{
    super::{
        Outcome, Problem,
        facts::{Facts, sentences},
    },
    Said, availability, health,
};

/// Fewer failures of one step than this are told nobody: things move while the operator looks.
const TRIES: i32 = 3;

pub(super) fn paused(facts: &Facts<'_>) -> Said {
    if facts.seen.spec.paused {
        return (Reason::SpecPaused, "Nothing is changed. Set spec.paused to false to go on.".into());
    }
    if facts.seen.verbs.paused {
        let message = format!(
            "Nothing is changed. To go on: kubectl annotate orc {} {}-.",
            facts.seen.name,
            verb::RECONCILE
        );
        return (Reason::Annotation, message);
    }
    (Reason::NotPaused, "The operator acts on what it sees.".into())
}

pub(super) fn config_valid(facts: &Facts<'_>) -> Said {
    let Some(first) = facts.seen.invalid.first() else {
        let remarks = sentences(&facts.applied.remarks);
        return (Reason::Valid, format!("Members accept the configuration. {remarks}").trim_end().to_owned());
    };
    let all: Vec<String> = facts.seen.invalid.iter().map(|invalid| invalid.message.clone()).collect();
    let kept = match facts.seen.set {
        Some(_) => "Members keep the configuration that they have.",
        None => "No member is started.",
    };
    (first.reason, format!("{} {kept}", sentences(&all)))
}

pub(super) fn progressing(facts: &Facts<'_>, next: &OrchestratorClusterStatus) -> Said {
    let hindered = hindrances(facts);
    let Some(underway) = &facts.plan.operation else {
        return match hindered.is_empty() {
            true => (Reason::Idle, "Nothing is under way.".into()),
            false => (Reason::Stalled, hindered),
        };
    };
    let step = facts.step(underway);
    let failed =
        tried_in_vain(next).map_or_else(String::new, |why| format!(" It was tried several times: {why}"));
    if underway.stalled || !hindered.is_empty() {
        let text =
            format!("{} waits for longer than it should: {step}{failed} {hindered}", underway.operation);
        return (Reason::Stalled, text.trim_end().to_owned());
    }
    (reason(underway.operation), format!("{step}{failed}"))
}

/// What keeps the present step from being done, once it is no accident.
fn tried_in_vain(next: &OrchestratorClusterStatus) -> Option<String> {
    let operation = next.operation.as_ref().filter(|operation| operation.attempts >= TRIES)?;
    operation.last_error.as_ref().map(|why| sentences(std::slice::from_ref(why)))
}

/// Every operation is a reason of the same name: a test of the definition holds that.
fn reason(operation: OperationType) -> Reason {
    let mut reasons = Reason::ALL.iter().copied();
    reasons.find(|reason| reason.as_str() == operation.as_str()).unwrap_or(Reason::Idle)
}

/// Objects that could not be applied, in words.
fn hindrances(facts: &Facts<'_>) -> String {
    let troubles = facts.applied.troubles.iter().map(|trouble| {
        let advice = match trouble.problem {
            Problem::OwnershipConflict => "rename or delete it, or rename this OrchestratorCluster",
            Problem::Forbidden => "give the operator the rights of its chart",
            Problem::Quota => "raise the quota of the namespace",
            Problem::Other => "the operator tries again",
        };
        format!("{} {}: {}: {advice}", trouble.kind, trouble.name, trouble.message)
    });
    sentences(&troubles.collect::<Vec<_>>())
}

pub(super) fn update_complete(facts: &Facts<'_>, next: &OrchestratorClusterStatus) -> Said {
    let outdated = facts.outdated();
    let underway = facts.plan.operation.as_ref();
    let rolling = underway.filter(|underway| {
        matches!(underway.operation, OperationType::RollingUpdate | OperationType::ConfigReload)
    });
    let waiting = facts.unread();
    if let Some(rolling) = rolling {
        let blocked = tried_in_vain(next).filter(|_| matches!(facts.applied.outcome, Outcome::Blocked(_)));
        return match blocked {
            Some(why) => (Reason::BlockedByPDB, blocked_by_budget(facts, &why)),
            None => (Reason::InProgress, facts.step(rolling)),
        };
    }
    if facts.is_unseen() {
        let message =
            "The newest template and configuration are written; which members lack them is seen next.";
        return (Reason::InProgress, message.into());
    }
    if outdated.is_empty() && waiting.is_empty() {
        return (
            Reason::Updated,
            "All pods are of the newest template and have read their configuration.".into(),
        );
    }
    if outdated.is_empty() {
        return (
            Reason::InProgress,
            format!("{} not read the newest configuration yet.", facts.have(&waiting)),
        );
    }
    let are = facts.are(&outdated);
    if facts.seen.spec.update.strategy == UpdateStrategy::Manual {
        let message =
            format!("{are} of an older template: delete these pods one after the other, the leader last.");
        return (Reason::ManualUpdateRequired, message);
    }
    let why = underway.map_or_else(
        || "they are restarted when all members are healthy".to_owned(),
        |underway| format!("{} comes first", underway.operation),
    );
    (Reason::WaitingForHealthyMembers, format!("{are} of an older template; {why}."))
}

fn blocked_by_budget(facts: &Facts<'_>, why: &str) -> String {
    format!(
        "{} Another budget may choose this pod as well: see kubectl -n {} get poddisruptionbudgets. It is tried again.",
        availability::capital(why),
        facts.seen.namespace
    )
}

/// Whether all is as wished; if members keep it from being so, with each that hangs and what a person can do.
pub(super) fn ready(
    facts: &Facts<'_>,
    next: &OrchestratorClusterStatus,
    said: &[(ConditionType, Said)],
) -> Said {
    use Reason::{Bootstrapping, MembersNotReady, QuorumLost, Replacing, ScalingDown, ScalingUp, Updating};
    let (reason, mut message) = first_reason(facts, next, said);
    let is_of_members = matches!(
        reason,
        Bootstrapping | MembersNotReady | QuorumLost | Replacing | ScalingDown | ScalingUp | Updating
    );
    if is_of_members && !facts.seen.deleting {
        let troubles = facts.hanging().filter_map(|(ordinal, ..)| facts.view.trouble(ordinal));
        for told in troubles.map(|trouble| sentences(&[trouble])).chain([health::advice(facts)]) {
            if !message.contains(told.trim_end_matches('.')) {
                message = format!("{message} {told}");
            }
        }
    }
    (reason, message)
}

/// What of the others, or of what was seen, keeps the group from being as wished.
fn first_reason(facts: &Facts<'_>, next: &OrchestratorClusterStatus, said: &[(ConditionType, Said)]) -> Said {
    let other = |condition: ConditionType| said.iter().find(|(of, _)| *of == condition).map(|(_, said)| said);
    let holds = |condition: ConditionType| {
        other(condition).filter(|(reason, _)| condition.status(*reason) == Some(ConditionStatus::True))
    };
    let fails = |condition: ConditionType| {
        other(condition).filter(|(reason, _)| condition.status(*reason) == Some(ConditionStatus::False))
    };
    let because = |reason: Reason, said: &Said| (reason, said.1.clone());
    if facts.seen.deleting {
        return (Reason::MembersNotReady, "The object is being deleted.".into());
    }
    let conflict = facts.applied.troubles.iter().any(|trouble| trouble.problem == Problem::OwnershipConflict);
    if conflict {
        return (Reason::OwnershipConflict, hindrances(facts));
    }
    if facts.seen.spec.stopped {
        return (
            Reason::Stopped,
            "Stopped, as spec.stopped says. Set it to false to start the same group.".into(),
        );
    }
    if let Some(lost) = holds(ConditionType::QuorumLost) {
        return because(Reason::QuorumLost, lost);
    }
    if let Some(invalid) = fails(ConditionType::ConfigValid) {
        return because(Reason::ConfigInvalid, invalid);
    }
    if let Some(waiting) = fails(ConditionType::Bootstrapped) {
        let hindered = hindrances(facts);
        return (Reason::Bootstrapping, format!("{} {hindered}", waiting.1).trim_end().to_owned());
    }
    if let Some(paused) = holds(ConditionType::Paused) {
        return because(Reason::Paused, paused);
    }
    if let Some(underway) = &facts.plan.operation {
        let step =
            other(ConditionType::Progressing).map_or_else(|| underway.step.clone(), |said| said.1.clone());
        return (operation_reason(underway.operation), step);
    }
    not_yet(facts, next, &fails, &holds)
        .unwrap_or_else(|| (Reason::AllMembersHealthy, format!("All is as wished: {}.", facts.count())))
}

/// What keeps a group from being ready in which nothing is under way.
fn not_yet<'s>(
    facts: &Facts<'_>,
    next: &OrchestratorClusterStatus,
    fails: &dyn Fn(ConditionType) -> Option<&'s Said>,
    holds: &dyn Fn(ConditionType) -> Option<&'s Said>,
) -> Option<Said> {
    let because = |reason: Reason, said: &Said| Some((reason, said.1.clone()));
    if let Some(unavailable) = fails(ConditionType::Available) {
        return because(Reason::MembersNotReady, unavailable);
    }
    if let Some(unreachable) = fails(ConditionType::MembersReachable) {
        return because(Reason::MembersNotReady, unreachable);
    }
    let hindered = hindrances(facts);
    if !hindered.is_empty() {
        return Some((Reason::MembersNotReady, hindered));
    }
    let (voters, wished) = (next.voters.unwrap_or(0), facts.wished_voters());
    let healthy = next.healthy_voters.unwrap_or(0);
    if usize::try_from(voters) != Ok(wished) {
        let reason = if usize::try_from(voters).is_ok_and(|voters| voters < wished) {
            Reason::ScalingUp
        } else {
            Reason::ScalingDown
        };
        return Some((reason, format!("{voters} members vote, {wished} shall; the next step follows.")));
    }
    if next.membership.as_ref().is_some_and(|membership| membership.joint) {
        return Some((Reason::MembersNotReady, "A change of the members is half done.".into()));
    }
    if healthy < voters {
        let degraded = holds(ConditionType::Degraded).map(|said| said.1.clone());
        let troubles = degraded.unwrap_or_else(|| sentences(&[facts.count()]));
        return Some((Reason::MembersNotReady, troubles));
    }
    if let Some(outdated) = fails(ConditionType::UpdateComplete) {
        return because(Reason::Updating, outdated);
    }
    // Risks alone, such as all voters on one node, do not make a group that works unready.
    None
}

fn operation_reason(operation: OperationType) -> Reason {
    match operation {
        OperationType::Bootstrap => Reason::Bootstrapping,
        OperationType::ScaleUp => Reason::ScalingUp,
        OperationType::ScaleDown => Reason::ScalingDown,
        OperationType::MemberReplacement | OperationType::ForceNewCluster => Reason::Replacing,
        OperationType::PeerListRoll
        | OperationType::ConfigReload
        | OperationType::RollingUpdate
        | OperationType::LeaderTransfer
        | OperationType::StorageExpansion => Reason::Updating,
    }
}
