//! What is known of one MySQL server: values, grouped by the statement that tells them.
//!
//! Everything here is as last read; when and how well it was read is in [`crate::view`].
//! Nothing here is derived from other instances: cluster, depth and ancestry are in [`crate::topology`].

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
};
use core::fmt;

use crate::key::InstanceKey;

/// One instance as last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name in the fleet.
    pub key: InstanceKey,
    /// Who it is.
    pub identity: Identity,
    /// Global variables that matter to replication.
    pub settings: Settings,
    /// Position of its own binary log; `None` when it writes none or that could not be read.
    pub binary_log: Option<BinlogCoordinates>,
    /// Its replication from a source; `None` when it has no such configuration.
    pub replication: Option<Replication>,
    /// GTIDs it has executed and lost.
    pub gtid: GtidState,
    /// Semi-synchronous replication.
    pub semi_sync: SemiSync,
    /// Replicas that it lists itself (not what others say; see [`crate::topology`]).
    pub replicas: BTreeSet<InstanceKey>,
    /// Group replication, when it is a member of a group.
    pub group: Option<GroupMember>,
    /// What people and detection queries say of it.
    pub labels: Labels,
    /// Lag as the configured query tells, else as the server tells; seconds, `None` = unknown.
    pub lag_seconds: Option<u64>,
}

/// Who a server says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// `@@server_id`; 0 = unknown.
    pub server_id: u32,
    /// `@@server_uuid`; empty on MariaDB, which has none.
    pub server_uuid: String,
    /// `@@version` as given.
    pub version: String,
    /// `@@version_comment`: free text, nothing is decided by it except the Percona flavor.
    pub version_comment: String,
    /// Seconds since the server started.
    pub uptime_seconds: u64,
    /// `@@hostname`.
    pub hostname: String,
    /// `@@report_host`, empty when unset.
    pub report_host: String,
}

/// The family of a server, which decides its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flavor {
    /// Oracle MySQL and what cannot be told from it.
    MySql,
    /// MariaDB.
    MariaDb,
    /// Percona Server for MySQL.
    Percona,
    /// A MaxScale binary log server.
    MaxScale,
    /// Never read.
    Unknown,
}

impl Identity {
    /// The family, told from version and comment.
    pub fn flavor(&self) -> Flavor {
        if self.version.is_empty() {
            Flavor::Unknown
        } else if self.version.contains("maxscale") {
            Flavor::MaxScale
        } else if self.version.contains("MariaDB") {
            Flavor::MariaDb
        } else if self.version_comment.contains("Percona") {
            Flavor::Percona
        } else {
            Flavor::MySql
        }
    }

    /// First two numbers of the version, `(8, 0)` for `8.0.36-28`; `(0, 0)` when it cannot be read.
    pub fn major_version(&self) -> (u32, u32) {
        let version = self.version.strip_prefix("5.5.5-").unwrap_or(&self.version);
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// First three numbers of the version, `(8, 0, 36)`.
    pub fn full_version(&self) -> (u32, u32, u32) {
        let version = self.version.strip_prefix("5.5.5-").unwrap_or(&self.version);
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next(), next())
    }
}

/// Global variables that matter to replication.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `@@read_only`.
    pub read_only: bool,
    /// `@@super_read_only`; `None` where it does not exist.
    pub super_read_only: Option<bool>,
    /// `@@log_bin`.
    pub log_bin: bool,
    /// `@@log_replica_updates` under whichever name.
    pub log_replica_updates: bool,
    /// `@@binlog_format`; `None` = unknown.
    pub binlog_format: Option<BinlogFormat>,
    /// `@@binlog_row_image`, as given.
    pub binlog_row_image: String,
    /// `@@gtid_mode`, empty where it does not exist.
    pub gtid_mode: String,
    /// `@@replica_net_timeout` under whichever name, seconds; `None` = unknown.
    pub replica_net_timeout_seconds: Option<u32>,
}

/// Ordered by how much they carry: data can flow from a smaller to a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BinlogFormat {
    /// Statements.
    Statement,
    /// Statements, rows where needed.
    Mixed,
    /// Rows.
    Row,
}

impl BinlogFormat {
    /// As the server spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "STATEMENT",
            Self::Mixed => "MIXED",
            Self::Row => "ROW",
        }
    }

    /// Reads the server's spelling, any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Statement, Self::Mixed, Self::Row]
            .into_iter()
            .find(|format| format.as_str().eq_ignore_ascii_case(text))
    }
}

/// A position in a binary or relay log.
///
/// Ordered by the number at the end of the file name, not by its text, so that `bin.999999` comes
/// before `bin.1000000`; then by position.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct BinlogCoordinates {
    /// File name; empty = unknown.
    pub file: String,
    /// Byte position.
    pub position: u64,
}

impl BinlogCoordinates {
    fn file_number(&self) -> u64 {
        self.file.rsplit('.').next().and_then(|suffix| suffix.parse().ok()).unwrap_or(0)
    }
}

impl PartialOrd for BinlogCoordinates {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BinlogCoordinates {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.file_number(), &self.file, self.position).cmp(&(
            other.file_number(),
            &other.file,
            other.position,
        ))
    }
}

impl fmt::Display for BinlogCoordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position)
    }
}

impl fmt::Debug for BinlogCoordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// State of one of the two replication threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadState {
    /// `No`.
    Stopped,
    /// `Yes`.
    Running,
    /// `Connecting`, `Preparing`: on its way, or lost its source.
    Other,
}

/// Replication of an instance from its source, as its status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// The source as the server spells it; a detached one has the `//` prefix.
    pub source: InstanceKey,
    /// Replication user; empty = no credentials.
    pub user: String,
    /// `server_uuid` of the source; empty where unknown.
    pub source_uuid: String,
    /// The thread that receives.
    pub io_thread: ThreadState,
    /// The thread that applies.
    pub sql_thread: ThreadState,
    /// Position in the source's log up to which events were received.
    pub read: BinlogCoordinates,
    /// Position in the source's log up to which events were executed.
    pub executed: BinlogCoordinates,
    /// Position in the own relay log.
    pub relay: BinlogCoordinates,
    /// How it finds its place in the source's log.
    pub gtid: ReplicationGtid,
    /// Received GTIDs: `Retrieved_Gtid_Set`, on MariaDB `Gtid_IO_Pos`.
    pub received_gtid: String,
    /// Error number of the receiving thread; 0 = none.
    pub io_errno: u32,
    /// Error text of the receiving thread; empty = none.
    pub io_error: String,
    /// Error number of the applying thread; 0 = none.
    pub sql_errno: u32,
    /// Error text of the applying thread; empty = none.
    pub sql_error: String,
    /// `Seconds_Behind_Source`; `None` = NULL.
    pub seconds_behind: Option<u64>,
    /// Wanted delay, seconds.
    pub sql_delay_seconds: u32,
    /// Any replication filter is set.
    pub has_filters: bool,
    /// Signs of life of the source as the receiving thread got them.
    pub contact: SourceContact,
    /// Clauses that must survive a change of source, by their name without `SOURCE_`/`MASTER_`
    /// (`SSL`, `SSL_CA`, …), in the server's words; only those that are set.
    pub transport_options: BTreeMap<String, String>,
}

/// How a replica finds its place in its source's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationGtid {
    /// By file and position.
    None,
    /// MySQL's auto position.
    Oracle,
    /// MariaDB's `Using_Gtid`.
    MariaDb,
}

/// Signs of life from the source. They stop moving when it freezes or is cut off, long before the
/// receiving thread notices by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceContact {
    /// Age of the last heartbeat or event, milliseconds, by the replica's clock; `None` where the server
    /// does not tell (MariaDB).
    pub age_millis: Option<u64>,
    /// Heartbeats received so far; `None` where the server does not tell.
    pub heartbeats: Option<u64>,
    /// Wanted time between heartbeats, milliseconds; 0 = off; `None` = unknown.
    pub heartbeat_period_millis: Option<u32>,
}

/// GTIDs of an instance, in the server's own text without white space.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidState {
    /// MySQL `@@gtid_executed`; MariaDB `@@gtid_current_pos`.
    pub executed: String,
    /// MySQL `@@gtid_purged`; empty on MariaDB.
    pub purged: String,
    /// MariaDB `@@gtid_binlog_pos`: the last own-logged GTID of each domain; empty on MySQL.
    pub binlog_pos: String,
}

/// Semi-synchronous replication.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SemiSync {
    /// Both halves are there.
    pub available: bool,
    /// Variables have the names of the newer plugins (`source`/`replica`).
    pub new_names: bool,
    /// Source half is switched on.
    pub source_enabled: bool,
    /// Replica half is switched on.
    pub replica_enabled: bool,
    /// How long a commit waits, milliseconds.
    pub source_timeout_millis: u64,
    /// Acknowledgements that a commit waits for. MariaDB has no such variable and waits for 1.
    pub wait_for_replica_count: u32,
    /// Source half is in force now.
    pub source_status: bool,
    /// Connected semi-synchronous replicas.
    pub source_clients: u32,
    /// Commits that wait now. The client count lies on MariaDB; this does not.
    pub source_wait_sessions: u32,
    /// Replica half is in force now.
    pub replica_status: bool,
}

/// Membership in a replication group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupMember {
    /// Name of the group.
    pub name: String,
    /// Only one member is writable.
    pub single_primary: bool,
    /// `ONLINE`, `RECOVERING`, …
    pub state: String,
    /// `PRIMARY`, `SECONDARY` or empty.
    pub role: String,
    /// The other members.
    pub members: BTreeSet<InstanceKey>,
    /// The group's primary, when known.
    pub primary: Option<InstanceKey>,
}

/// What people and detection queries say of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// A name for people.
    pub alias: String,
    /// Data center.
    pub data_center: String,
    /// Region.
    pub region: String,
    /// Physical environment.
    pub environment: String,
    /// Alias of the cluster that this instance suggests.
    pub cluster_alias: String,
    /// Domain name of the cluster, told by its primary.
    pub cluster_domain: String,
    /// Promotion rule from the detection query; declared ones are in [`crate::view::Declared`].
    pub promotion_rule: Option<PromotionRule>,
    /// Wish to be a semi-synchronous replica: 0 = never, higher = preferred.
    pub semi_sync_priority: u32,
    /// Replication credentials can be read from this instance.
    pub replication_credentials_available: bool,
}

/// How willing we are to promote an instance; smaller is more willing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PromotionRule {
    /// Exists in old data; cannot be set.
    Must,
    /// Rather this one.
    Prefer,
    /// No opinion.
    #[default]
    Neutral,
    /// Rather another one.
    PreferNot,
    /// Never.
    MustNot,
}

impl PromotionRule {
    /// All rules, most willing first.
    pub const ALL: [Self; 5] = [Self::Must, Self::Prefer, Self::Neutral, Self::PreferNot, Self::MustNot];

    /// As configuration, API and tables spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Prefer => "prefer",
            Self::Neutral => "neutral",
            Self::PreferNot => "prefer_not",
            Self::MustNot => "must_not",
        }
    }

    /// Reads the spelling of [`PromotionRule::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }
}

impl Instance {
    /// An instance of which only the name is known.
    pub fn unread(key: InstanceKey) -> Self {
        Self {
            key,
            identity: Identity::default(),
            settings: Settings::default(),
            binary_log: None,
            replication: None,
            gtid: GtidState::default(),
            semi_sync: SemiSync::default(),
            replicas: BTreeSet::new(),
            group: None,
            labels: Labels::default(),
            lag_seconds: None,
        }
    }

    /// The source it replicates from; `None` for a primary. A placeholder or empty source counts as none,
    /// a detached one does not.
    pub fn source(&self) -> Option<&InstanceKey> {
        let source = &self.replication.as_ref()?.source;
        (!source.hostname.is_empty() && &*source.hostname != "_" && source.port > 0).then_some(source)
    }

    /// It has a source that it could follow: named, not detached, and a place in its log.
    pub fn is_replica(&self) -> bool {
        let Some(replication) = &self.replication else { return false };
        self.source().is_some()
            && (!replication.read.file.is_empty() || replication.gtid != ReplicationGtid::None)
    }

    /// Both replication threads run.
    pub fn is_replicating(&self) -> bool {
        self.is_replica()
            && self.replication.as_ref().is_some_and(|replication| {
                replication.io_thread == ThreadState::Running
                    && replication.sql_thread == ThreadState::Running
            })
    }

    /// A binary log server: it serves logs that it does not apply.
    pub fn is_binlog_server(&self) -> bool {
        self.identity.flavor() == Flavor::MaxScale
    }

    /// It writes a binary log that contains what it replicates.
    pub fn logs_replica_updates(&self) -> bool {
        self.settings.log_bin && self.settings.log_replica_updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_files_are_ordered_by_number() {
        let at = |file: &str, position| BinlogCoordinates { file: file.into(), position };
        assert!(at("bin.999999", 900) < at("bin.1000000", 4));
        assert!(at("bin.000002", 4) < at("bin.000002", 5));
    }

    #[test]
    fn versions_are_read_by_number() {
        let of = |version: &str| Identity { version: version.into(), ..Identity::default() };
        assert_eq!(of("5.5.5-10.11.18-MariaDB-0+deb12u1-log").major_version(), (10, 11));
        assert_eq!(of("9.7.4-2").full_version(), (9, 7, 4));
        assert_eq!(of("8.0.9").flavor(), Flavor::MySql);
        assert_eq!(of("x").major_version(), (0, 0));
    }
}
