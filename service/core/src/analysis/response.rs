//! What each code calls for.

use super::AnalysisCode::{self, *};

/// What ought to be done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Response {
    /// Replace a dead primary.
    RecoverPrimary,
    /// Replace a dead co-primary.
    RecoverCoPrimary,
    /// Move the replicas of an intermediate primary elsewhere.
    RecoverIntermediate,
    /// Move the replicas of a dead member of a replication group to another member.
    RecoverGroupMember,
    /// Switch semi-sync on or off at replicas until their number is right.
    RecoverSemiSync,
    /// Let a primary accept writes.
    MakeWriteable,
    /// Register the detection and run its hooks; repair nothing.
    DetectOnly,
    /// Nothing.
    Ignore,
}

impl Response {
    /// Something is to be repaired.
    pub fn is_recovery(self) -> bool {
        !matches!(self, Self::DetectOnly | Self::Ignore)
    }
}

/// What to look at, or to stir, at once because of a finding, on every node and before anything is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Emergency {
    /// Probe the instance, its direct replicas, and those behind binary log servers.
    ReprobePrimaryAndReplicas,
    /// Probe the instance.
    ReprobePrimary,
    /// Probe the instance's source.
    ReprobeSource,
    /// Restart the receiving threads of its replicas: to connect anew reveals a source that hangs. When, and
    /// whose, [`crate::reconnect`] says; it does not wait for lag, which a hanging source need not cause.
    RestartReplicaIo,
}

impl AnalysisCode {
    /// What it calls for.
    pub fn response(self) -> Response {
        match self {
            DeadPrimary | DeadPrimaryAndSomeReplicas => Response::RecoverPrimary,
            DeadCoPrimary | DeadCoPrimaryAndSomeReplicas => Response::RecoverCoPrimary,
            DeadIntermediate
            | DeadIntermediateAndSomeReplicas
            | DeadIntermediateWithSingleReplicaFailingToConnect
            | AllIntermediateReplicasFailingToConnectOrDead => Response::RecoverIntermediate,
            DeadGroupMemberWithReplicas => Response::RecoverGroupMember,
            LockedSemiSyncPrimary | PrimaryWithTooManySemiSyncReplicas => Response::RecoverSemiSync,
            NoWriteablePrimary => Response::MakeWriteable,
            DeadPrimaryAndReplicas
            | UnreachablePrimary
            | UnreachablePrimaryWithLaggingReplicas
            | AllPrimaryReplicasNotReplicating
            | AllPrimaryReplicasNotReplicatingOrDead
            | DeadIntermediateAndReplicas
            | UnreachableIntermediateWithLaggingReplicas => Response::DetectOnly,
            NoProblem
            | DeadPrimaryWithoutReplicas
            | LockedSemiSyncPrimaryHypothesis
            | PrimarySingleReplicaNotReplicating
            | PrimarySingleReplicaDead
            | PrimaryWithoutReplicas
            | UnreachableCoPrimary
            | AllCoPrimaryReplicasNotReplicating
            | DeadIntermediateWithSingleReplica
            | UnreachableIntermediate
            | AllIntermediateReplicasNotReplicating
            | BinlogServerFailingToConnect
            | FirstTierReplicaFailingToConnect => Response::Ignore,
        }
    }

    /// What to look at or to stir at once; `None` for most.
    pub fn emergency(self) -> Option<Emergency> {
        match self {
            UnreachablePrimary => Some(Emergency::ReprobePrimaryAndReplicas),
            LockedSemiSyncPrimaryHypothesis
            | AllPrimaryReplicasNotReplicating
            | AllPrimaryReplicasNotReplicatingOrDead => Some(Emergency::ReprobePrimary),
            FirstTierReplicaFailingToConnect => Some(Emergency::ReprobeSource),
            UnreachablePrimaryWithLaggingReplicas | UnreachableIntermediateWithLaggingReplicas => {
                Some(Emergency::RestartReplicaIo)
            }
            // The original looks again at the source of the dead primary, which has none.
            DeadPrimaryAndReplicas => Some(Emergency::ReprobePrimaryAndReplicas),
            _ => None,
        }
    }

    /// Says nothing to those who downtimed all replicas of the instance.
    pub(super) fn is_silenced_by_downtimed_replicas(self) -> bool {
        matches!(
            self,
            AllPrimaryReplicasNotReplicating
                | AllPrimaryReplicasNotReplicatingOrDead
                | PrimarySingleReplicaDead
                | AllCoPrimaryReplicasNotReplicating
                | DeadIntermediateWithSingleReplica
                | DeadIntermediateWithSingleReplicaFailingToConnect
                | DeadIntermediateAndReplicas
                | DeadIntermediateAndSomeReplicas
                | AllIntermediateReplicasFailingToConnectOrDead
                | AllIntermediateReplicasNotReplicating
        )
    }
}
