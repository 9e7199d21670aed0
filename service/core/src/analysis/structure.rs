//! Weaknesses without failure.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use super::Facts;

/// A weakness of an instance and its replicas that a failure would make worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StructureWarning {
    /// No replica could be promoted: none writes a binary log of what it replicates.
    NoLoggingReplicas,
    /// Replicas cannot be moved: they follow by neither kind of GTID nor through binary log servers.
    NoFailoverSupport,
    /// Replicas log in statements and mixed: not each can be put below each.
    StatementAndMixedLoggingReplicas,
    /// Replicas log in statements and rows.
    StatementAndRowLoggingReplicas,
    /// Replicas log mixed and in rows.
    MixedAndRowLoggingReplicas,
    /// Replicas of several major versions log.
    MultipleMajorVersionsLoggingReplicas,
    /// Replicas have another `gtid_mode` than the instance.
    DifferentGtidModes,
    /// A replica has transactions that the instance has not.
    ErrantGtid,
    /// The primary is read-only.
    NoWriteablePrimary,
    /// Semi-sync fell back to asynchronous, as too few replicas acknowledge.
    NotEnoughValidSemiSyncReplicas,
}

/// A text that names no structure warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown structure warning {0:?}")]
pub struct UnknownStructureWarning(pub String);

/// Warning, name on the wire, when.
type Row = (StructureWarning, &'static str, fn(&Facts) -> bool);

/// All that hold are told, in this order.
const WARNINGS: &[Row] = {
    use StructureWarning::*;
    &[
        (NoLoggingReplicas, "NoLoggingReplicasStructureWarning", |f| {
            f.primary && f.replicas.logging == 0 && f.replicas.all > 1
        }),
        (NoFailoverSupport, "NoFailoverSupportStructureWarning", |f| {
            f.primary && f.replicas.all > 1 && !can_fail_over(f)
        }),
        (StatementAndMixedLoggingReplicas, "StatementAndMixedLoggingReplicasStructureWarning", |f| {
            f.primary && f.replicas.statement_logging > 0 && f.replicas.mixed_logging > 0
        }),
        (StatementAndRowLoggingReplicas, "StatementAndRowLoggingReplicasStructureWarning", |f| {
            f.primary && f.replicas.statement_logging > 0 && f.replicas.row_logging > 0
        }),
        (MixedAndRowLoggingReplicas, "MixedAndRowLoggingReplicasStructureWarning", |f| {
            f.primary && f.replicas.mixed_logging > 0 && f.replicas.row_logging > 0
        }),
        (MultipleMajorVersionsLoggingReplicas, "MultipleMajorVersionsLoggingReplicasStructureWarning", |f| {
            f.primary && f.replicas.logging_versions > 1
        }),
        (DifferentGtidModes, "DifferentGTIDModesStructureWarning", |f| {
            let differs = f.gtid_mode != f.traits.min_gtid_mode || f.gtid_mode != f.traits.max_gtid_mode;
            f.replicas.all > 0 && differs
        }),
        (ErrantGtid, "ErrantGTIDStructureWarning", |f| !f.traits.max_errant.is_empty()),
        (NoWriteablePrimary, "NoWriteableMasterStructureWarning", |f| f.primary && f.read_only),
        (NotEnoughValidSemiSyncReplicas, "NotEnoughValidSemiSyncReplicasStructureWarning", |f| {
            let semi_sync = &f.semi_sync;
            let fell_back = semi_sync.enabled && !semi_sync.status && semi_sync.wait_count > 0;
            f.primary && fell_back && semi_sync.clients < semi_sync.wait_count
        }),
    ]
};

fn can_fail_over(facts: &Facts) -> bool {
    let traits = &facts.traits;
    traits.oracle_gtid || traits.mariadb_gtid || traits.binlog_server || traits.pseudo_gtid
}

impl StructureWarning {
    /// All warnings.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        WARNINGS.iter().map(|(warning, ..)| *warning)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        WARNINGS[self as usize].1
    }

    /// All that hold.
    pub fn of(facts: &Facts) -> Vec<Self> {
        WARNINGS.iter().filter(|(_, _, holds)| holds(facts)).map(|(warning, ..)| *warning).collect()
    }
}

impl FromStr for StructureWarning {
    type Err = UnknownStructureWarning;

    fn from_str(text: &str) -> Result<Self, UnknownStructureWarning> {
        Self::all()
            .find(|warning| warning.as_str() == text)
            .ok_or_else(|| UnknownStructureWarning(text.into()))
    }
}

impl fmt::Display for StructureWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_warnings_and_reads_back() {
        for (at, warning) in StructureWarning::all().enumerate() {
            assert_eq!(warning as usize, at);
            assert_eq!(warning.as_str().parse(), Ok(warning));
        }
    }
}
