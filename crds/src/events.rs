//! Reasons of the events that the operator reports.

use crate::closed::closed;

closed! {
    /// What happened. Events about a member name its pod as the second object: Kubernetes takes events for the same
    /// when reason and objects are, whatever their text says.
    #[expect(missing_docs, reason = "the names are the documentation; see `EventReason::is_warning`")]
    EventReason {
        // Normal
        Bootstrapping, ClusterBootstrapped, ClusterAdopted, MemberJoining, MemberJoined, MemberRemoved,
        MemberReplaced, LeaderChanged, LeaderTransferred, ScaledUp, ScaledDown, PeerListRollStarted,
        PeerListReloaded, PeerListRollCompleted, RollingUpdateStarted, MemberUpdated, RollingUpdateCompleted,
        ConfigReloaded, StorageExpanded, QuorumRestored, Paused, Resumed, DriftCorrected, ForceNewClusterCompleted,
        // Warning
        BootstrapStalled, QuorumLost, MemberDown, MemberUnreachable, LearnerLagging, StorageLost, MemberCorrupt,
        ForeignData, StaleIdentity, ReplacementBlocked, UpdateBlocked, DowngradeRefused, RecoveryInProgress,
        LeaderTransferFailed, OwnershipConflict, InvalidConfig, SecretNotFound, VotersColocated, OperationStalled,
        ForceNewClusterRequested, ForceNewClusterRefused, RebootstrapRefused, StatefulSetRecreated,
        SplitBrainSuspected,
    }
}

impl EventReason {
    /// Whether `kubectl get events` shows it as a `Warning`; all others are `Normal`.
    #[must_use]
    pub fn is_warning(self) -> bool {
        self >= Self::BootstrapStalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_begin_after_the_last_normal_one() {
        assert!(!EventReason::ForceNewClusterCompleted.is_warning());
        assert!(EventReason::BootstrapStalled.is_warning() && EventReason::SplitBrainSuspected.is_warning());
    }
}
