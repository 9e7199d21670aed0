//! Topologies drawn as text, so that a test is a picture.
//!
//! One instance per line: `host:port`, then what matters of it. Indentation is replication: a line hangs on
//! the nearest line above it that is indented less. What is not drawn is healthy: MySQL 8.0 with GTID and
//! row-based logging, seen a moment ago, replicas read-only and replicating without lag.
//!
//! | Words | Meaning |
//! |---|---|
//! | `unreachable`, `silent`, `unresolved`, `denied` | the last check failed: refused, no answer, no name, an error that proves it alive |
//! | `partial`, `never-seen`, `hanging`, `unchecked` | it was let in before it failed; it never was seen; a check is under way for too long; not looked at for minutes |
//! | `io=`, `sql=` | `yes`, `no`, `connecting` (with an error), `waiting` (connecting without one) |
//! | `quiet=`, `heartbeat=` | no sign of life from the source for so many milliseconds; the heartbeat period, 1000 unless drawn, 0 = off |
//! | `lag=`, `delay=` | seconds; `lag=null` = unknown |
//! | `downtimed`, `lost`, `maintenance` | declared until later; `lost` by a recovery |
//! | `rule=` | declared promotion rule |
//! | `ro`, `rw` | `read_only` |
//! | `mariadb`, `maxscale`, `version=` | what it is |
//! | `log=` | `row`, `mixed`, `statement`, `none` (no binary log), `own` (not what it replicates) |
//! | `follows=` | `oracle`, `mariadb`, `position`: how it finds its place |
//! | `mode=` | `gtid_mode` |
//! | `gtid=`, `received=`, `logged=`, `at=` | executed and received sets, MariaDB's `gtid_binlog_pos`, position of its own log. `#3:1-5` in a set stands for the UUID of the third line |
//! | `source=` | its source, whatever the indentation says; `none` |
//! | `semi=` | `wait/clients` with semi-sync in force, `wait/clients/off` when it fell back |
//! | `blocked=`, `standing=` | commits that wait; seconds for which its log has stood still |
//! | `semi-replica` | its replica half is on |
//! | `group=` | `name/ROLE/STATE` of a replication group; a secondary hangs on the primary above it |
//! | `alias=`, `domain=`, `dc=`, `region=`, `env=` | labels |

mod words;

use alloc::{collections::BTreeMap, format, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{
    analysis::StaleCoordinates,
    instance::{
        BinlogCoordinates, BinlogFormat, Instance, Replication, ReplicationGtid, SourceContact, ThreadState,
    },
    key::InstanceKey,
    time::Timestamp,
    topology::Topology,
    view::{Checks, Declared, InstanceRecord, TopologyView},
};

/// What a picture shows.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The instances, and what is declared of them.
    pub view: TopologyView,
    /// Since when binary logs stand still.
    pub stale: StaleCoordinates,
    /// The present.
    pub now: Timestamp,
}

/// The present of every picture: some day, so that there is room before it.
pub const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);

/// Reads a picture.
///
/// # Panics
/// It contains a word that means nothing. Pictures are written by hand in tests: a mistake in one must
/// not pass for a healthy instance.
pub fn draw(text: &str) -> Picture {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut canvas = Canvas::default();
    for (number, line) in (1_u32..).zip(&lines) {
        canvas.line(number, line);
    }
    canvas.finish()
}

/// The `server_uuid` of the instance on line `number`, counted from 1.
pub fn uuid(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

/// What is drawn so far.
#[derive(Default)]
struct Canvas {
    records: Vec<InstanceRecord>,
    /// Indentation and key of the lines that the next one may hang on.
    above: Vec<(usize, InstanceKey)>,
    /// Number of the line by key.
    numbers: BTreeMap<InstanceKey, u32>,
    declared: Declared,
    stale: StaleCoordinates,
}

impl Canvas {
    fn line(&mut self, number: u32, line: &str) {
        let indent = line.len() - line.trim_start().len();
        let mut words = line.split_whitespace();
        let key = InstanceKey::parse(words.next().unwrap_or(""), 3306)
            .unwrap_or_else(|error| panic!("line {number} of the picture: {error}"));
        self.above.retain(|(above, _)| *above < indent);
        let source = self.above.last().map(|(_, key)| key.clone());
        self.above.push((indent, key.clone()));
        self.numbers.insert(key.clone(), number);
        let mut record = healthy(key, number, source);
        for word in words {
            words::apply(self, &mut record, word);
        }
        self.records.push(record);
    }

    fn finish(mut self) -> Picture {
        let mut view = TopologyView::default();
        for mut record in core::mem::take(&mut self.records) {
            self.name_source(&mut record);
            view.insert(record);
        }
        view.declared = Arc::new(self.declared);
        Picture { view, stale: self.stale, now: NOW }
    }

    /// Gives a replica the UUID of its source, which may be drawn below it.
    fn name_source(&self, record: &mut InstanceRecord) {
        if let Some(replication) = &mut record.instance.replication {
            replication.source_uuid =
                self.numbers.get(&replication.source).map_or_else(String::new, |at| uuid(*at));
        }
    }
}

fn healthy(key: InstanceKey, number: u32, source: Option<InstanceKey>) -> InstanceRecord {
    let mut instance = Instance::unread(key);
    instance.identity.server_id = number;
    instance.identity.server_uuid = uuid(number);
    instance.identity.version = "8.0.36".into();
    instance.identity.uptime_seconds = 86400;
    instance.settings.read_only = source.is_some();
    instance.settings.super_read_only = Some(source.is_some());
    instance.settings.log_bin = true;
    instance.settings.log_replica_updates = true;
    instance.settings.binlog_format = Some(BinlogFormat::Row);
    instance.settings.binlog_row_image = "FULL".into();
    instance.settings.gtid_mode = "ON".into();
    instance.binary_log = Some(BinlogCoordinates { file: "bin.000001".into(), position: 1000 });
    instance.lag_seconds = source.as_ref().map(|_| 0);
    instance.replication = source.map(replication);
    let seen = NOW - Duration::from_millis(100);
    let source_contact_at = instance.replication.as_ref().map(|_| seen);
    let checks = Checks {
        last_attempted: seen,
        last_checked: seen,
        last_seen: Some(seen),
        partial_success: true,
        latency: Duration::from_millis(2),
        ..Checks::default()
    };
    InstanceRecord { instance, checks, unread: Vec::new(), source_contact_at }
}

fn replication(source: InstanceKey) -> Replication {
    let at = BinlogCoordinates { file: "bin.000001".into(), position: 1000 };
    Replication {
        source,
        user: "repl".into(),
        source_uuid: String::new(),
        io_thread: ThreadState::Running,
        sql_thread: ThreadState::Running,
        read: at.clone(),
        executed: at.clone(),
        relay: at,
        gtid: ReplicationGtid::Oracle,
        received_gtid: String::new(),
        io_errno: 0,
        io_error: String::new(),
        sql_errno: 0,
        sql_error: String::new(),
        seconds_behind: Some(0),
        sql_delay_seconds: 0,
        has_filters: false,
        contact: SourceContact {
            age_millis: Some(0),
            heartbeats: Some(1),
            heartbeat_period_millis: Some(1000),
        },
        transport_options: BTreeMap::new(),
    }
}

/// Draws the places of a view: clusters by name, in each the tree from its head, with what is worth telling.
pub fn places(view: &TopologyView) -> String {
    let topology = Topology::of(view);
    let mut drawn = String::new();
    for (cluster, _) in topology.clusters() {
        let alias =
            topology.alias(cluster).filter(|alias| **alias != **cluster).map(|alias| format!(" ({alias})"));
        drawn += &format!("[{cluster}]{}\n", alias.unwrap_or_default());
        if let Some(head) = topology.head(cluster) {
            branch(&topology, head, &mut drawn);
        }
    }
    drawn
}

fn branch(topology: &Topology, key: &InstanceKey, drawn: &mut String) {
    let Some(place) = topology.place(key) else { return };
    let indent = "  ".repeat(place.depth as usize + 1);
    let co = if place.is_co_primary { " co-primary" } else { "" };
    let upstream = place.upstream.as_ref().map(|upstream| format!(" <- {upstream}")).unwrap_or_default();
    drawn.push_str(&format!("{indent}{key}{co}{upstream}\n"));
    for below in place.replicas.iter().chain(&place.secondaries) {
        // The head of a ring is below its last member, too.
        let is_deeper = topology.place(below).is_some_and(|below| below.depth > place.depth);
        if is_deeper {
            branch(topology, below, drawn);
        }
    }
}
