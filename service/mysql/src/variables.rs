//! Global variables: which a server has, and what they say.
//!
//! Which exist is asked once per connection; the statement that reads them is then made of those only, so that
//! an unknown name never costs the known ones their values.

use mysql_async::Row;
use orchestrator_core::instance::{BinlogFormat, GtidState, Identity, SemiSync, Settings};

use crate::{
    cells::{Cells, is_true, text_of},
    quote::Literals,
};

/// Everything worth knowing, in the order in which it is read; of names in one row the first that exists.
const WANTED: &[&[&str]] = &[
    &["server_id"],
    &["server_uuid"],
    &["version"],
    &["version_comment"],
    &["hostname"],
    &["report_host"],
    &["read_only"],
    &["super_read_only"],
    &["log_bin"],
    &["log_replica_updates", "log_slave_updates"],
    &["binlog_format"],
    &["binlog_row_image"],
    &["gtid_mode"],
    &["replica_net_timeout", "slave_net_timeout"],
    &["gtid_executed", "gtid_current_pos"],
    &["gtid_purged"],
    &["gtid_binlog_pos"],
    SOURCE_ENABLED,
    REPLICA_ENABLED,
    SOURCE_TIMEOUT,
    WAIT_COUNT,
    &["group_replication_group_name"],
    &["group_replication_single_primary_mode"],
];

/// Needed once, when the connection is made.
const LEARNED: &[&str] = &["performance_schema"];

const SOURCE_ENABLED: &[&str] = &["rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled"];
const REPLICA_ENABLED: &[&str] = &["rpl_semi_sync_replica_enabled", "rpl_semi_sync_slave_enabled"];
const SOURCE_TIMEOUT: &[&str] = &["rpl_semi_sync_source_timeout", "rpl_semi_sync_master_timeout"];
const WAIT_COUNT: &[&str] =
    &["rpl_semi_sync_source_wait_for_replica_count", "rpl_semi_sync_master_wait_for_slave_count"];

/// Asks which of them exist. Never fails and needs no privilege, but costs the server a walk over all its
/// variables: once per connection.
pub(crate) fn learn_statement() -> String {
    let names: Vec<&str> = WANTED.iter().copied().flatten().copied().chain(LEARNED.iter().copied()).collect();
    format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", Literals(&names))
}

/// What a server has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// Reads all that exist, in one row.
    pub(crate) statement: String,
    pub(crate) super_read_only: bool,
    /// `performance_schema` is on.
    pub(crate) performance_schema: bool,
    /// Name of the variable that switches the source half of semi-sync, if there is one.
    pub(crate) semi_sync_source: Option<&'static str>,
    /// The same of the replica half.
    pub(crate) semi_sync_replica: Option<&'static str>,
}

impl Known {
    /// From the answer to [`learn_statement`]: rows of name and value.
    pub(crate) fn from_rows(rows: &[Row]) -> Self {
        let value_of = |wanted: &str| {
            rows.iter().find_map(|row| {
                let name = text_of(row.as_ref(0)?);
                name.eq_ignore_ascii_case(wanted).then(|| row.as_ref(1).map(text_of)).flatten()
            })
        };
        let first = |names: &[&'static str]| names.iter().copied().find(|name| value_of(name).is_some());
        let columns: Vec<_> = WANTED
            .iter()
            .filter_map(|names| first(names))
            .map(|name| format!("@@global.{name} AS {name}"))
            .collect();
        Self {
            statement: format!("SELECT {}", columns.join(", ")),
            super_read_only: value_of("super_read_only").is_some(),
            performance_schema: value_of("performance_schema").is_some_and(|value| is_true(&value)),
            semi_sync_source: first(SOURCE_ENABLED),
            semi_sync_replica: first(REPLICA_ENABLED),
        }
    }

    /// `@@version` in the answer to [`learn_statement`].
    pub(crate) fn version(rows: &[Row]) -> String {
        let named = |row: &&Row| row.as_ref(0).is_some_and(|name| text_of(name) == "version");
        let row = rows.iter().find(named);
        row.and_then(|row| row.as_ref(1)).map(|value| text_of(value).into_owned()).unwrap_or_default()
    }

    /// The least that any server has, for those that cannot show their variables.
    pub(crate) fn least() -> Self {
        Self {
            statement: "SELECT @@server_id AS server_id, @@version AS version, @@read_only AS read_only"
                .into(),
            ..Self::default()
        }
    }
}

/// What the variables say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Variables {
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) gtid: GtidState,
    /// Configuration only; its status is read elsewhere.
    pub(crate) semi_sync: SemiSync,
    /// Name of the replication group; empty = not configured.
    pub(crate) group_name: String,
    pub(crate) group_single_primary: bool,
}

impl Variables {
    /// From the answer to [`Known::statement`].
    pub(crate) fn from_row(row: &Row, known: &Known) -> Self {
        let cells = Cells::new(row);
        let mut identity = Identity {
            server_id: cells.small(&["server_id"]),
            server_uuid: cells.string(&["server_uuid"]),
            version: cells.string(&["version"]),
            version_comment: cells.string(&["version_comment"]),
            ..Identity::default()
        };
        identity.hostname = cells.string(&["hostname"]);
        identity.report_host = cells.string(&["report_host"]);
        let settings = settings(&cells);
        let gtid = GtidState {
            executed: without_white_space(cells.string(&["gtid_executed", "gtid_current_pos"])),
            purged: without_white_space(cells.string(&["gtid_purged"])),
            binlog_pos: without_white_space(cells.string(&["gtid_binlog_pos"])),
        };
        let semi_sync = semi_sync(&cells, known);
        Self {
            identity,
            settings,
            gtid,
            semi_sync,
            group_name: cells.string(&["group_replication_group_name"]),
            group_single_primary: cells.truth(&["group_replication_single_primary_mode"]) == Some(true),
        }
    }
}

fn settings(cells: &Cells<'_>) -> Settings {
    Settings {
        read_only: cells.truth(&["read_only"]) == Some(true),
        super_read_only: cells.truth(&["super_read_only"]),
        log_bin: cells.truth(&["log_bin"]) == Some(true),
        log_replica_updates: cells.truth(&["log_replica_updates", "log_slave_updates"]) == Some(true),
        binlog_format: cells.text(&["binlog_format"]).and_then(|text| BinlogFormat::parse(&text)),
        binlog_row_image: cells.string(&["binlog_row_image"]),
        gtid_mode: cells.string(&["gtid_mode"]),
        replica_net_timeout_seconds: cells
            .number(&["replica_net_timeout", "slave_net_timeout"])
            .and_then(|seconds| u32::try_from(seconds).ok()),
    }
}

fn semi_sync(cells: &Cells<'_>, known: &Known) -> SemiSync {
    let available = known.semi_sync_source.is_some() && known.semi_sync_replica.is_some();
    SemiSync {
        available,
        new_names: known.semi_sync_source == Some(SOURCE_ENABLED[0])
            || known.semi_sync_replica == Some(REPLICA_ENABLED[0]),
        source_enabled: cells.truth(SOURCE_ENABLED) == Some(true),
        replica_enabled: cells.truth(REPLICA_ENABLED) == Some(true),
        source_timeout_millis: cells.number(SOURCE_TIMEOUT).unwrap_or(0),
        // A server without this variable waits for one.
        wait_for_replica_count: cells
            .number(WAIT_COUNT)
            .map_or(u32::from(available), |count| u32::try_from(count).unwrap_or(u32::MAX)),
        ..SemiSync::default()
    }
}

/// MySQL puts a newline after each comma of a GTID set.
pub(crate) fn without_white_space(mut text: String) -> String {
    text.retain(|character| !character.is_whitespace());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::tests::row;

    fn known(variables: &[(&str, &str)]) -> Known {
        let rows: Vec<_> = variables
            .iter()
            .map(|(name, value)| row(&[("Variable_name", Some(name)), ("Value", Some(value))]))
            .collect();
        Known::from_rows(&rows)
    }

    #[test]
    fn only_what_exists_is_asked_and_newer_names_win() {
        let known = known(&[
            ("server_id", "1"),
            ("log_slave_updates", "ON"),
            ("log_replica_updates", "ON"),
            ("rpl_semi_sync_master_enabled", "OFF"),
        ]);
        assert_eq!(
            known.statement,
            "SELECT @@global.server_id AS server_id, @@global.log_replica_updates AS log_replica_updates, \
             @@global.rpl_semi_sync_master_enabled AS rpl_semi_sync_master_enabled"
        );
        assert!(!known.super_read_only);
        assert_eq!(known.semi_sync_source, Some("rpl_semi_sync_master_enabled"));
        assert_eq!(known.semi_sync_replica, None);
    }

    #[test]
    fn gtid_sets_lose_the_newlines_that_mysql_puts_in() {
        let row = row(&[
            ("server_id", Some("7")),
            ("gtid_executed", Some("a:1-3,\nb:1")),
            ("read_only", Some("1")),
        ]);
        let read = Variables::from_row(&row, &Known::default());
        assert_eq!(read.gtid.executed, "a:1-3,b:1");
        assert_eq!(read.identity.server_id, 7);
        assert!(read.settings.read_only);
        assert_eq!(read.settings.super_read_only, None);
        assert_eq!(read.settings.binlog_format, None);
    }

    #[test]
    fn mariadb_waits_for_one_acknowledgement() {
        let known = known(&[("rpl_semi_sync_master_enabled", "ON"), ("rpl_semi_sync_slave_enabled", "OFF")]);
        let row = row(&[
            ("rpl_semi_sync_master_enabled", Some("1")),
            ("rpl_semi_sync_slave_enabled", Some("0")),
            ("rpl_semi_sync_master_timeout", Some("10000")),
        ]);
        let read = Variables::from_row(&row, &known).semi_sync;
        assert!(read.available && read.source_enabled && !read.replica_enabled && !read.new_names);
        assert_eq!((read.wait_for_replica_count, read.source_timeout_millis), (1, 10_000));
    }
}
