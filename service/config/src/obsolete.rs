//! Keys of older files that the original itself no longer reads, and the nearest known key to any other.

use crate::keys::KEYS;

/// Keys that real files still carry, with what became of them.
pub(crate) const REMOVED: &[(&str, &str)] = &[
    ("DatabaselessMode__experimental", "the mode was removed"),
    ("BufferBinlogEvents", "events are always buffered"),
    ("BinlogFileHistoryDays", "it is always one day"),
    ("MaintenanceOwner", "the owner is fixed"),
    ("ReadLongRunningQueries", "it was removed"),
    ("DiscoveryPollSeconds", "nodes check their health every second"),
    ("ActiveNodeExpireSeconds", "it is always 5 seconds"),
    ("AuditPageSize", "it is always 20 rows"),
    ("SlaveStartPostWaitMilliseconds", "it was removed"),
    ("MySQLTopologyMaxPoolConnections", "it is always 3"),
    ("MaintenancePurgeDays", "it is always 7 days"),
    ("MaintenanceExpireMinutes", "it is always 10 minutes"),
    ("HttpTimeoutSeconds", "it was removed"),
    ("AgentAutoDiscover", "it was removed"),
    ("PseudoGTIDCoordinatesHistoryHeuristicMinutes", "pseudo-gtid is not used"),
    ("PseudoGTIDPreferIndependentMultiMatch", "pseudo-gtid is not used"),
    ("MaxOutdatedKeysToShow", "it was removed"),
    ("StatusSimpleHealth", "status is always simple"),
    ("AutoRecoveryGloballyEnabled", "use disable-global-recoveries"),
    ("MySQLMaxAllowedPacket", "use MySQLTopologyMaxAllowedPacket"),
];

/// What became of a removed key; `None` if it never existed.
pub(crate) fn removed(name: &str) -> Option<&'static (&'static str, &'static str)> {
    REMOVED.iter().find(|(removed, _)| removed.eq_ignore_ascii_case(name))
}

/// Edits after which a name is still taken for another one: a third of its letters, within these.
/// Two letters that changed places are two edits.
const EDITS: std::ops::RangeInclusive<usize> = 2..=5;

/// The known key that `name` was probably meant to be.
pub(crate) fn nearest_key(name: &str) -> Option<&'static str> {
    nearest(name, KEYS.iter().map(|key| key.name))
}

/// The word among `words` nearest to `name`, case ignored; `None` if none is near.
pub(crate) fn nearest<'w>(name: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let allowed = (name.chars().count() / 3).clamp(*EDITS.start(), *EDITS.end());
    let near = words.into_iter().map(|word| (edits(name, word), word));
    near.filter(|(edits, _)| *edits <= allowed).min_by_key(|(edits, _)| *edits).map(|(_, word)| word)
}

/// Levenshtein's distance, case ignored, by rows.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_ascii_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left) in left.to_ascii_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, &right) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
