//! What the status says: types of conditions, and the closed list of reasons of each.
//!
//! A reason belongs to one status of its condition, so nobody can say `Ready=True` because of `QuorumLost`: the reason
//! decides the status. That all conditions are there after the first pass, and that `lastTransitionTime` moves with
//! the status alone, is the operator's business.

use crate::closed::closed;

closed! {
    /// What can be said about an [`crate::OrchestratorCluster`].
    ConditionType {
        /// A leader is acknowledged by a quorum, and at least one member answers behind the Service.
        Available,
        /// All is as wished, at the observed generation: what `kubectl wait` waits for.
        Ready,
        /// An operation advances.
        Progressing,
        /// Fewer healthy voters than wished, or a risk.
        Degraded,
        /// Fewer healthy voters than a majority.
        QuorumLost,
        /// The group was formed; never false again by itself.
        Bootstrapped,
        /// The operator can call its members.
        MembersReachable,
        /// The configuration and all Secrets are there and make sense.
        ConfigValid,
        /// No member runs an old template.
        UpdateComplete,
        /// Nothing is changed, as somebody wished.
        Paused,
    }
}

closed! {
    /// Whether what the condition's type says is so.
    ConditionStatus {
        /// It is.
        True,
        /// It is not.
        False,
        /// Nobody can tell.
        Unknown,
    }
}

closed! {
    /// Why a condition has its status; for programs, beside the message for people.
    #[expect(missing_docs, reason = "the names are the documentation; see the table `REASONS`")]
    Reason {
        // Available
        QuorumHealthy, NoLeader, NoReadyMember, NotBootstrapped, MembersUnreachable,
        // Ready
        AllMembersHealthy, Bootstrapping, ScalingUp, ScalingDown, Updating, Replacing, MembersNotReady, QuorumLost,
        ConfigInvalid, OwnershipConflict, Paused, Stopped,
        // Progressing
        Bootstrap, ScaleUp, ScaleDown, PeerListRoll, ConfigReload, RollingUpdate, MemberReplacement, LeaderTransfer,
        StorageExpansion, ForceNewCluster, WaitingForRecovery, Idle, Stalled,
        // Degraded
        MemberDown, LearnerLagging, StorageLost, MemberCorrupt, VotersColocated, MixedVersions, JointMembership,
        ForeignData, NotDegraded,
        // QuorumLost
        MajorityUnreachable, MajorityStorageLost, QuorumPresent,
        // Bootstrapped
        BootstrapCompleted, Adopted, WaitingForMembers, BootstrapStalled, DataWithoutQuorum, AllDataLost,
        // MembersReachable
        Reachable, OperatorCannotReachMembers, SomeUnreachable,
        // ConfigValid
        Valid, ReservedKey, SecretNotFound, KeyNotFound, TooLarge, RejectedByMember, CannotBeRendered,
        // UpdateComplete
        Updated, InProgress, WaitingForHealthyMembers, BlockedByPDB, DowngradeRefused, ManualUpdateRequired,
        RateLimited,
        // Paused
        SpecPaused, Annotation, NotPaused,
    }
}

/// Reasons of one condition, by the status that they mean.
struct Row(ConditionType, ConditionStatus, &'static [Reason]);

/// The closed list.
const REASONS: &[Row] = {
    use ConditionStatus as Is;
    use ConditionType as C;
    use Reason::*;
    &[
        Row(C::Available, Is::True, &[QuorumHealthy]),
        Row(C::Available, Is::False, &[NoLeader, NoReadyMember, NotBootstrapped, Stopped]),
        Row(C::Available, Is::Unknown, &[MembersUnreachable]),
        Row(C::Ready, Is::True, &[AllMembersHealthy]),
        Row(
            C::Ready,
            Is::False,
            &[Bootstrapping, ScalingUp, ScalingDown, Updating, Replacing, MembersNotReady],
        ),
        Row(
            C::Ready,
            Is::False,
            &[Reason::QuorumLost, ConfigInvalid, OwnershipConflict, Reason::Paused, Stopped],
        ),
        Row(
            C::Progressing,
            Is::True,
            &[Bootstrap, ScaleUp, ScaleDown, PeerListRoll, ConfigReload, RollingUpdate],
        ),
        Row(
            C::Progressing,
            Is::True,
            &[MemberReplacement, LeaderTransfer, StorageExpansion, ForceNewCluster, WaitingForRecovery],
        ),
        Row(C::Progressing, Is::False, &[Idle, Stalled]),
        Row(
            C::Degraded,
            Is::True,
            &[MemberDown, LearnerLagging, StorageLost, MemberCorrupt, VotersColocated],
        ),
        Row(C::Degraded, Is::True, &[MixedVersions, JointMembership, ForeignData]),
        Row(C::Degraded, Is::False, &[NotDegraded]),
        Row(C::QuorumLost, Is::True, &[MajorityUnreachable, MajorityStorageLost]),
        Row(C::QuorumLost, Is::False, &[QuorumPresent]),
        Row(C::Bootstrapped, Is::True, &[BootstrapCompleted, Adopted]),
        Row(
            C::Bootstrapped,
            Is::False,
            &[WaitingForMembers, BootstrapStalled, DataWithoutQuorum, AllDataLost],
        ),
        Row(C::MembersReachable, Is::True, &[Reachable]),
        Row(C::MembersReachable, Is::False, &[OperatorCannotReachMembers, SomeUnreachable]),
        Row(C::ConfigValid, Is::True, &[Valid]),
        Row(
            C::ConfigValid,
            Is::False,
            &[ReservedKey, SecretNotFound, KeyNotFound, TooLarge, RejectedByMember, CannotBeRendered],
        ),
        Row(C::UpdateComplete, Is::True, &[Updated]),
        Row(C::UpdateComplete, Is::False, &[InProgress, WaitingForHealthyMembers, BlockedByPDB]),
        Row(C::UpdateComplete, Is::False, &[DowngradeRefused, ManualUpdateRequired, RateLimited]),
        Row(C::Paused, Is::True, &[SpecPaused, Annotation]),
        Row(C::Paused, Is::False, &[NotPaused]),
    ]
};

impl ConditionType {
    /// What `reason` means for this condition; `None` when it is no reason of it.
    #[must_use]
    pub fn status(self, reason: Reason) -> Option<ConditionStatus> {
        let row = REASONS.iter().find(|Row(of, _, reasons)| *of == self && reasons.contains(&reason))?;
        Some(row.1)
    }

    /// The reasons of this condition, with what each means.
    pub fn reasons(self) -> impl Iterator<Item = (Reason, ConditionStatus)> {
        let rows = REASONS.iter().filter(move |Row(of, ..)| *of == self);
        rows.flat_map(|Row(_, status, reasons)| reasons.iter().map(|reason| (*reason, *status)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::OperationType;

    #[test]
    fn a_reason_means_one_status_of_a_condition() {
        for condition in ConditionType::ALL {
            let listed: Vec<Reason> = condition.reasons().map(|(reason, _)| reason).collect();
            let distinct: BTreeSet<Reason> = listed.iter().copied().collect();
            assert_eq!(listed.len(), distinct.len(), "{condition}: {listed:?}");
        }
    }

    #[test]
    fn every_condition_can_be_true_and_false() {
        for condition in ConditionType::ALL {
            let statuses: BTreeSet<ConditionStatus> = condition.reasons().map(|(_, status)| status).collect();
            let both = [ConditionStatus::True, ConditionStatus::False];
            assert!(both.iter().all(|status| statuses.contains(status)), "{condition}: {statuses:?}");
        }
    }

    #[test]
    fn every_reason_is_of_some_condition() {
        let used: BTreeSet<Reason> =
            ConditionType::ALL.iter().flat_map(|c| c.reasons()).map(|(reason, _)| reason).collect();
        let unused: Vec<&Reason> = Reason::ALL.iter().filter(|reason| !used.contains(reason)).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }

    #[test]
    fn every_operation_is_a_reason_to_say_that_something_advances() {
        for operation in OperationType::ALL {
            let reason = Reason::ALL.iter().find(|reason| reason.as_str() == operation.as_str());
            let status = reason.and_then(|reason| ConditionType::Progressing.status(*reason));
            assert_eq!(status, Some(ConditionStatus::True), "{operation}");
        }
    }

    #[test]
    fn a_reason_of_another_condition_means_nothing() {
        assert_eq!(ConditionType::Ready.status(Reason::QuorumLost), Some(ConditionStatus::False));
        assert_eq!(ConditionType::Ready.status(Reason::Idle), None);
        assert_eq!(
            ConditionType::Available.status(Reason::MembersUnreachable),
            Some(ConditionStatus::Unknown)
        );
    }
}
