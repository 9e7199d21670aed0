//! What happened between two statuses, for `kubectl get events`: what was seen rather than done.
//!
//! Only changes are told, never states, so a group that stays as it is reports nothing, however bad it is.

use orchestrator_crds::{
    ConditionType, EventReason, MemberStatus, OrchestratorClusterStatus, Reason, Role, StorageState,
};

use crate::plan::Event;

/// A condition that came to have a reason, and the event that tells it.
const TOLD: &[(ConditionType, Reason, EventReason)] = {
    use ConditionType as C;
    use EventReason as E;
    use Reason as R;
    &[
        (C::QuorumLost, R::MajorityUnreachable, E::QuorumLost),
        (C::QuorumLost, R::MajorityStorageLost, E::QuorumLost),
        (C::Paused, R::SpecPaused, E::Paused),
        (C::Paused, R::Annotation, E::Paused),
        (C::ConfigValid, R::SecretNotFound, E::SecretNotFound),
        (C::ConfigValid, R::KeyNotFound, E::SecretNotFound),
        (C::ConfigValid, R::ReservedKey, E::InvalidConfig),
        (C::ConfigValid, R::TooLarge, E::InvalidConfig),
        (C::ConfigValid, R::RejectedByMember, E::InvalidConfig),
        (C::ConfigValid, R::CannotBeRendered, E::InvalidConfig),
        (C::Degraded, R::MemberDown, E::MemberDown),
        (C::Degraded, R::LearnerLagging, E::LearnerLagging),
        (C::Degraded, R::StorageLost, E::StorageLost),
        (C::Degraded, R::MemberCorrupt, E::MemberCorrupt),
        (C::Degraded, R::VotersColocated, E::VotersColocated),
        (C::Degraded, R::ForeignData, E::ForeignData),
        (C::Ready, R::OwnershipConflict, E::OwnershipConflict),
        (C::Progressing, R::Stalled, E::OperationStalled),
        (C::Progressing, R::WaitingForRecovery, E::RecoveryInProgress),
        (C::Bootstrapped, R::BootstrapStalled, E::BootstrapStalled),
        (C::UpdateComplete, R::DowngradeRefused, E::DowngradeRefused),
        (C::UpdateComplete, R::BlockedByPDB, E::UpdateBlocked),
    ]
};

/// A condition that is no more what it was, and the event that tells it.
const ENDED: &[(ConditionType, Reason, EventReason)] = &[
    (ConditionType::QuorumLost, Reason::QuorumPresent, EventReason::QuorumRestored),
    (ConditionType::Paused, Reason::NotPaused, EventReason::Resumed),
];

/// What is to be reported of the change from `previous` to `next`.
#[must_use]
pub fn events(previous: &OrchestratorClusterStatus, next: &OrchestratorClusterStatus) -> Vec<Event> {
    let began = TOLD.iter().filter_map(|row| told(previous, next, row));
    // What was never otherwise has not ended.
    let known = ENDED.iter().filter(|(condition, ..)| condition_of(previous, *condition).is_some());
    let ended = known.filter_map(|row| told(previous, next, row));
    began.chain(ended).chain(leader_changed(previous, next)).chain(of_members(previous, next)).collect()
}

fn condition_of(status: &OrchestratorClusterStatus, condition: ConditionType) -> Option<(&str, &str)> {
    let mut conditions = status.conditions.iter();
    let found = conditions.find(|one| one.type_ == condition.as_str())?;
    Some((found.reason.as_str(), found.message.as_str()))
}

fn told(
    previous: &OrchestratorClusterStatus,
    next: &OrchestratorClusterStatus,
    (condition, reason, event): &(ConditionType, Reason, EventReason),
) -> Option<Event> {
    let (now, message) = condition_of(next, *condition)?;
    let before = condition_of(previous, *condition).map(|(reason, _)| reason);
    let begins = now == reason.as_str() && before != Some(reason.as_str());
    begins.then(|| Event { reason: *event, pod: whose(next, *event), note: message.to_owned() })
}

/// The first member that an event is about: Kubernetes tells events apart by their objects, not by their words.
fn whose(next: &OrchestratorClusterStatus, event: EventReason) -> Option<String> {
    let is_meant = |member: &&MemberStatus| match (event, member.storage_state) {
        (EventReason::MemberDown, _) => member.role != Role::None && !member.ready,
        (EventReason::StorageLost, state) => matches!(state, StorageState::Lost | StorageState::Empty),
        (EventReason::MemberCorrupt, state) => state == StorageState::Corrupt,
        (EventReason::ForeignData, state) => state == StorageState::Foreign,
        (EventReason::LearnerLagging, _) => member.role == Role::Learner,
        _ => false,
    };
    let mut here = next.members.iter().filter(|member| member.ordinal.is_some());
    here.find(is_meant).map(|member| member.pod.clone())
}

/// Another member leads. The same one in a later term is no news for anybody.
fn leader_changed(previous: &OrchestratorClusterStatus, next: &OrchestratorClusterStatus) -> Option<Event> {
    let (before, now) = (previous.leader.as_ref()?, next.leader.as_ref()?);
    let called =
        |pod: &Option<String>, node: i64| pod.clone().unwrap_or_else(|| format!("external member {node}"));
    let (old, new) = (called(&before.pod, before.node_id), called(&now.pod, now.node_id));
    let note = format!("{new} leads in term {}, before it was {old}.", now.term);
    (before.node_id != now.node_id).then(|| Event {
        reason: EventReason::LeaderChanged,
        pod: now.pod.clone(),
        note,
    })
}

/// Members that are ready and cannot be called any more, or whose data turned out to be a former member's.
fn of_members(previous: &OrchestratorClusterStatus, next: &OrchestratorClusterStatus) -> Vec<Event> {
    let mut events = Vec::new();
    for now in next.members.iter().filter(|member| member.ordinal.is_some()) {
        let Some(before) = previous.members.iter().find(|before| before.pod == now.pod) else { continue };
        let mut tell = |reason, note: String| events.push(Event { reason, pod: Some(now.pod.clone()), note });
        if before.reachable && !now.reachable && now.ready {
            tell(
                EventReason::MemberUnreachable,
                format!("{} is ready and does not answer the operator.", now.pod),
            );
        }
        if before.storage_state != StorageState::Stale && now.storage_state == StorageState::Stale {
            let note =
                format!("{} came back with data of a member that the group let go; it never votes.", now.pod);
            tell(EventReason::StaleIdentity, note);
        }
    }
    events
}
