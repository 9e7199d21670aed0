//! The names of what can be wrong.

use alloc::string::String;
use core::{fmt, str::FromStr};

/// What is wrong with one instance. [`AnalysisCode::as_str`] is its name on the wire, in hooks and in tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AnalysisCode {
    /// Nothing is wrong.
    #[default]
    NoProblem,
    /// A primary that nobody replicates from cannot be reached.
    DeadPrimaryWithoutReplicas,
    /// A primary cannot be reached, and all its replicas lost it.
    DeadPrimary,
    /// Neither a primary nor any of its replicas can be reached.
    DeadPrimaryAndReplicas,
    /// A primary and some of its replicas cannot be reached, and the others lost it.
    DeadPrimaryAndSomeReplicas,
    /// A primary cannot be reached; replicas say that they replicate, but all lag.
    UnreachablePrimaryWithLaggingReplicas,
    /// A primary cannot be reached, but it may well be alive.
    UnreachablePrimary,
    /// A primary waits for acknowledgements that do not come.
    LockedSemiSyncPrimary,
    /// A primary may be waiting for acknowledgements; more looks are needed.
    LockedSemiSyncPrimaryHypothesis,
    /// A primary has more semi-synchronous replicas than wanted.
    PrimaryWithTooManySemiSyncReplicas,
    /// A primary with replicas is read-only, and the configuration wants that mended.
    NoWriteablePrimary,
    /// The only replica of a primary does not replicate.
    PrimarySingleReplicaNotReplicating,
    /// The only replica of a primary cannot be reached.
    PrimarySingleReplicaDead,
    /// No replica of a primary replicates.
    AllPrimaryReplicasNotReplicating,
    /// No replica of a primary replicates; some cannot be reached.
    AllPrimaryReplicasNotReplicatingOrDead,
    /// Old data may name it; analysis never does.
    PrimaryWithoutReplicas,
    /// One of two co-primaries cannot be reached, and all its replicas lost it.
    DeadCoPrimary,
    /// One of two co-primaries and some of its replicas cannot be reached, and the others lost it.
    DeadCoPrimaryAndSomeReplicas,
    /// A co-primary cannot be reached, but it may well be alive.
    UnreachableCoPrimary,
    /// No replica of a co-primary replicates.
    AllCoPrimaryReplicasNotReplicating,
    /// An intermediate primary cannot be reached, and its only replica cannot connect to it.
    DeadIntermediateWithSingleReplicaFailingToConnect,
    /// An intermediate primary cannot be reached, and its only replica does not replicate.
    DeadIntermediateWithSingleReplica,
    /// An intermediate primary cannot be reached, and all its replicas lost it.
    DeadIntermediate,
    /// An intermediate primary and some of its replicas cannot be reached, and the others lost it.
    DeadIntermediateAndSomeReplicas,
    /// Neither an intermediate primary nor any of its replicas can be reached.
    DeadIntermediateAndReplicas,
    /// An intermediate primary cannot be reached; its replicas say that they replicate, but all lag.
    UnreachableIntermediateWithLaggingReplicas,
    /// An intermediate primary cannot be reached, but it may well be alive.
    UnreachableIntermediate,
    /// No replica of an intermediate primary can connect to it, though we can.
    AllIntermediateReplicasFailingToConnectOrDead,
    /// No replica of an intermediate primary replicates.
    AllIntermediateReplicasNotReplicating,
    /// A binary log server cannot connect to its source.
    BinlogServerFailingToConnect,
    /// A replica cannot connect to the primary.
    FirstTierReplicaFailingToConnect,
    /// A member of a replication group cannot be reached, and no replica of it replicates.
    DeadGroupMemberWithReplicas,
}

/// A text that names no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown analysis code {0:?}")]
pub struct UnknownCode(pub String);

/// Code, name on the wire, text for people. Clients know all three columns: names and texts are kept to the
/// letter, in the words of the interface.
const CODES: &[(AnalysisCode, &str, &str)] = {
    use AnalysisCode::*;
    &[
        (NoProblem, "NoProblem", ""),
        (
            DeadPrimaryWithoutReplicas,
            "DeadMasterWithoutReplicas",
            "Master cannot be reached by orchestrator and has no replica",
        ),
        (
            DeadPrimary,
            "DeadMaster",
            "Master cannot be reached by orchestrator and none of its replicas is replicating",
        ),
        (
            DeadPrimaryAndReplicas,
            "DeadMasterAndReplicas",
            "Master cannot be reached by orchestrator and none of its replicas is replicating",
        ),
        (
            DeadPrimaryAndSomeReplicas,
            "DeadMasterAndSomeReplicas",
            "Master cannot be reached by orchestrator; some of its replicas are unreachable and none of its reachable replicas is replicating",
        ),
        (
            UnreachablePrimaryWithLaggingReplicas,
            "UnreachableMasterWithLaggingReplicas",
            "Master cannot be reached by orchestrator and all of its replicas are lagging",
        ),
        (
            UnreachablePrimary,
            "UnreachableMaster",
            "Master cannot be reached by orchestrator but it has replicating replicas; possibly a network/host issue",
        ),
        (
            LockedSemiSyncPrimary,
            "LockedSemiSyncMaster",
            "Semi sync master is locked since it doesn't get enough replica acknowledgements",
        ),
        (
            LockedSemiSyncPrimaryHypothesis,
            "LockedSemiSyncMasterHypothesis",
            "Semi sync master seems to be locked, more samplings needed to validate",
        ),
        (
            PrimaryWithTooManySemiSyncReplicas,
            "MasterWithTooManySemiSyncReplicas",
            "Semi sync master has more semi sync replicas than configured",
        ),
        (NoWriteablePrimary, "NoWriteableMasterStructureWarning", "Master with replicas is read_only"),
        (
            PrimarySingleReplicaNotReplicating,
            "MasterSingleReplicaNotReplicating",
            "Master is reachable but its single replica is not replicating",
        ),
        (
            PrimarySingleReplicaDead,
            "MasterSingleReplicaDead",
            "Master is reachable but its single replica is dead",
        ),
        (
            AllPrimaryReplicasNotReplicating,
            "AllMasterReplicasNotReplicating",
            "Master is reachable but none of its replicas is replicating",
        ),
        (
            AllPrimaryReplicasNotReplicatingOrDead,
            "AllMasterReplicasNotReplicatingOrDead",
            "Master is reachable but none of its replicas is replicating",
        ),
        (PrimaryWithoutReplicas, "MasterWithoutReplicas", "Master has no replicas"),
        (
            DeadCoPrimary,
            "DeadCoMaster",
            "Co-master cannot be reached by orchestrator and none of its replicas is replicating",
        ),
        (
            DeadCoPrimaryAndSomeReplicas,
            "DeadCoMasterAndSomeReplicas",
            "Co-master cannot be reached by orchestrator; some of its replicas are unreachable and none of its reachable replicas is replicating",
        ),
        (
            UnreachableCoPrimary,
            "UnreachableCoMaster",
            "Co-master cannot be reached by orchestrator but it has replicating replicas; possibly a network/host issue",
        ),
        (
            AllCoPrimaryReplicasNotReplicating,
            "AllCoMasterReplicasNotReplicating",
            "Co-master is reachable but none of its replicas is replicating",
        ),
        (
            DeadIntermediateWithSingleReplicaFailingToConnect,
            "DeadIntermediateMasterWithSingleReplicaFailingToConnect",
            "Intermediate master cannot be reached by orchestrator and its (single) replica is failing to connect",
        ),
        (
            DeadIntermediateWithSingleReplica,
            "DeadIntermediateMasterWithSingleReplica",
            "Intermediate master cannot be reached by orchestrator and its (single) replica is not replicating",
        ),
        (
            DeadIntermediate,
            "DeadIntermediateMaster",
            "Intermediate master cannot be reached by orchestrator and none of its replicas is replicating",
        ),
        (
            DeadIntermediateAndSomeReplicas,
            "DeadIntermediateMasterAndSomeReplicas",
            "Intermediate master cannot be reached by orchestrator; some of its replicas are unreachable and none of its reachable replicas is replicating",
        ),
        (
            DeadIntermediateAndReplicas,
            "DeadIntermediateMasterAndReplicas",
            "Intermediate master cannot be reached by orchestrator and all of its replicas are unreachable",
        ),
        (
            UnreachableIntermediateWithLaggingReplicas,
            "UnreachableIntermediateMasterWithLaggingReplicas",
            "Intermediate master cannot be reached by orchestrator and all of its replicas are lagging",
        ),
        (
            UnreachableIntermediate,
            "UnreachableIntermediateMaster",
            "Intermediate master cannot be reached by orchestrator but it has replicating replicas; possibly a network/host issue",
        ),
        (
            AllIntermediateReplicasFailingToConnectOrDead,
            "AllIntermediateMasterReplicasFailingToConnectOrDead",
            "Intermediate master is reachable but all of its replicas are failing to connect",
        ),
        (
            AllIntermediateReplicasNotReplicating,
            "AllIntermediateMasterReplicasNotReplicating",
            "Intermediate master is reachable but none of its reachable replicas is replicating",
        ),
        (
            BinlogServerFailingToConnect,
            "BinlogServerFailingToConnectToMaster",
            "Binlog server is unable to connect to its master",
        ),
        (
            FirstTierReplicaFailingToConnect,
            "FirstTierReplicaFailingToConnectToMaster",
            "1st tier replica (directly replicating from topology master) is unable to connect to the master",
        ),
        (
            DeadGroupMemberWithReplicas,
            "DeadReplicationGroupMemberWithReplicas",
            "Group member is unreachable and all its reachable replicas are not replicating",
        ),
    ]
};

impl AnalysisCode {
    /// All codes.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        CODES.iter().map(|(code, ..)| *code)
    }

    /// The name on the wire, `DeadMaster`.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// A sentence for people, without a full stop; empty for [`AnalysisCode::NoProblem`].
    pub fn description(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        &CODES[self as usize]
    }
}

impl FromStr for AnalysisCode {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let found = CODES.iter().find(|(_, name, _)| *name == text);
        found.map(|(code, ..)| *code).ok_or_else(|| UnknownCode(text.into()))
    }
}

impl fmt::Display for AnalysisCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_codes() {
        for (at, (code, ..)) in CODES.iter().enumerate() {
            assert_eq!(*code as usize, at, "{code:?}");
        }
    }

    #[test]
    fn every_name_reads_back() {
        for code in AnalysisCode::all() {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert!("DeadPrimary".parse::<AnalysisCode>().is_err());
    }
}
