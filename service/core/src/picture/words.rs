//! What each word of a picture means.

use alloc::{format, string::String};
use core::time::Duration;

use super::{Canvas, NOW, replication, uuid};
use crate::{
    instance::{BinlogFormat, GroupMember, PromotionRule, Replication, ReplicationGtid, ThreadState},
    key::InstanceKey,
    observation::{Failure, FailureKind},
    view::{Candidate, Downtime, InstanceRecord, LOST_IN_RECOVERY},
};

pub(super) fn apply(canvas: &mut Canvas, record: &mut InstanceRecord, word: &str) {
    let known = match word.split_once('=') {
        None => flag(canvas, record, word),
        Some((name, value)) => {
            source_words(record, name, value)
                || server_words(record, name, value)
                || declared_words(canvas, record, name, value)
        }
    };
    assert!(known, "{}: {word:?} means nothing in a picture", record.instance.key);
}

fn flag(canvas: &mut Canvas, record: &mut InstanceRecord, word: &str) -> bool {
    let instance = &mut record.instance;
    match word {
        "unreachable" => fail(record, FailureKind::Refused),
        "silent" => fail(record, FailureKind::Silent),
        "unresolved" => fail(record, FailureKind::NameUnresolved),
        "denied" => fail(record, FailureKind::AnsweredError),
        "partial" => record.checks.partial_success = true,
        "never-seen" => record.checks.last_seen = None,
        "hanging" => {
            record.checks.last_seen = Some(NOW - Duration::from_secs(20));
            record.checks.last_checked = NOW - Duration::from_secs(20);
            record.checks.last_attempted = NOW - Duration::from_secs(10);
        }
        "unchecked" => {
            let long_ago = NOW - Duration::from_secs(600);
            record.checks.last_attempted = long_ago;
            record.checks.last_checked = long_ago;
            record.checks.last_seen = Some(long_ago);
        }
        "ro" => instance.settings.read_only = true,
        "rw" => instance.settings.read_only = false,
        "mariadb" => become_mariadb(record),
        "maxscale" => instance.identity.version = "2.4.0-maxscale".into(),
        "semi-replica" => instance.semi_sync.replica_enabled = true,
        "downtimed" => downtime(canvas, record, "maintenance of the rack"),
        "lost" => downtime(canvas, record, LOST_IN_RECOVERY),
        "maintenance" => {
            canvas.declared.maintenance.insert(instance.key.clone(), NOW + Duration::from_secs(600));
        }
        _ => return false,
    }
    true
}

fn fail(record: &mut InstanceRecord, kind: FailureKind) {
    let failure = Failure { kind, error: kind.as_str().into(), partial: false };
    record.checks.failure = Some(failure);
    record.checks.partial_success = false;
    record.checks.last_seen = Some(NOW - Duration::from_secs(10));
}

fn become_mariadb(record: &mut InstanceRecord) {
    let instance = &mut record.instance;
    instance.identity.version = "10.11.6-MariaDB".into();
    instance.identity.server_uuid = String::new();
    instance.settings.gtid_mode = String::new();
    instance.settings.super_read_only = None;
    if let Some(replication) = &mut instance.replication {
        replication.gtid = ReplicationGtid::MariaDb;
    }
}

fn downtime(canvas: &mut Canvas, record: &InstanceRecord, reason: &str) {
    let downtime = Downtime {
        owner: "ann".into(),
        reason: reason.into(),
        begins_at: NOW - Duration::from_secs(60),
        ends_at: NOW + Duration::from_secs(600),
    };
    canvas.declared.downtimes.insert(record.instance.key.clone(), downtime);
}

/// Words about where it replicates from, and how well.
fn source_words(record: &mut InstanceRecord, name: &str, value: &str) -> bool {
    if name == "source" {
        name_source(record, value);
        return true;
    }
    let seen = record.checks.last_seen.unwrap_or(NOW);
    let instance = &mut record.instance;
    let Some(replication) = &mut instance.replication else { return false };
    match name {
        "io" => set_io(replication, value),
        "sql" => replication.sql_thread = thread(value),
        "quiet" => {
            let age = number(value);
            replication.contact.age_millis = Some(age);
            record.source_contact_at = Some(seen - Duration::from_millis(age));
        }
        "heartbeat" => replication.contact.heartbeat_period_millis = Some(number32(value)),
        "lag" => {
            instance.lag_seconds = (value != "null").then(|| number(value));
            replication.seconds_behind = instance.lag_seconds;
        }
        "delay" => replication.sql_delay_seconds = number32(value),
        "received" => replication.received_gtid = expand(value),
        "follows" => {
            replication.gtid = match value {
                "oracle" => ReplicationGtid::Oracle,
                "mariadb" => ReplicationGtid::MariaDb,
                _ => ReplicationGtid::None,
            }
        }
        _ => return false,
    }
    true
}

fn name_source(record: &mut InstanceRecord, value: &str) {
    let source = InstanceKey::parse(value, 3306).ok().filter(|_| value != "none");
    record.instance.replication = source.map(|source| match record.instance.replication.take() {
        Some(replication) => Replication { source, ..replication },
        None => replication(source),
    });
}

fn set_io(replication: &mut Replication, value: &str) {
    replication.io_thread = thread(value);
    if value == "connecting" {
        replication.io_errno = 2003;
        replication.io_error =
            format!("Error reconnecting to source 'repl@{}'. This was attempt 1/10", replication.source);
    }
    if value != "yes" {
        replication.seconds_behind = None;
    }
}

fn thread(value: &str) -> ThreadState {
    match value {
        "yes" => ThreadState::Running,
        "no" => ThreadState::Stopped,
        "connecting" | "waiting" => ThreadState::Other,
        other => panic!("{other:?} is no state of a thread"),
    }
}

/// Words about the server itself.
fn server_words(record: &mut InstanceRecord, name: &str, value: &str) -> bool {
    let instance = &mut record.instance;
    match name {
        "version" => instance.identity.version = value.into(),
        "mode" => instance.settings.gtid_mode = value.into(),
        "gtid" => instance.gtid.executed = expand(value),
        "logged" => instance.gtid.binlog_pos = value.into(),
        "at" => instance.binary_log.get_or_insert_default().position = number(value),
        "log" => set_log(record, value),
        "semi" => set_semi_sync(record, value),
        "blocked" => instance.semi_sync.source_wait_sessions = number32(value),
        "group" => set_group(record, value),
        "alias" => instance.labels.cluster_alias = value.into(),
        "domain" => instance.labels.cluster_domain = value.into(),
        "dc" => instance.labels.data_center = value.into(),
        "region" => instance.labels.region = value.into(),
        "env" => instance.labels.environment = value.into(),
        _ => return false,
    }
    true
}

fn set_log(record: &mut InstanceRecord, value: &str) {
    let instance = &mut record.instance;
    match value {
        "none" => {
            instance.settings.log_bin = false;
            instance.binary_log = None;
        }
        "own" => instance.settings.log_replica_updates = false,
        format => {
            let format = BinlogFormat::parse(format);
            instance.settings.binlog_format =
                Some(format.unwrap_or_else(|| panic!("{value:?} is no log format")));
        }
    }
}

fn set_semi_sync(record: &mut InstanceRecord, value: &str) {
    let mut parts = value.split('/');
    let mut count = || parts.next().map_or(0, number32);
    let semi_sync = &mut record.instance.semi_sync;
    semi_sync.available = true;
    semi_sync.source_enabled = true;
    semi_sync.wait_for_replica_count = count();
    semi_sync.source_clients = count();
    semi_sync.source_status = parts.next() != Some("off");
}

fn set_group(record: &mut InstanceRecord, value: &str) {
    let mut parts = value.split('/').map(String::from);
    let mut part = || parts.next().unwrap_or_default();
    let mut group = GroupMember {
        name: part(),
        role: part(),
        state: part(),
        single_primary: true,
        ..GroupMember::default()
    };
    if group.role == "SECONDARY" {
        group.primary = record.instance.replication.take().map(|replication| replication.source);
    }
    record.instance.group = Some(group);
}

/// Words about what was declared, or noted over time.
fn declared_words(canvas: &mut Canvas, record: &InstanceRecord, name: &str, value: &str) -> bool {
    let key = record.instance.key.clone();
    match name {
        "rule" => {
            let rule =
                PromotionRule::parse(value).unwrap_or_else(|| panic!("{value:?} is no promotion rule"));
            canvas.declared.candidates.insert(key, Candidate { rule, declared_at: NOW });
        }
        "standing" => {
            let coordinates = record.instance.binary_log.clone().unwrap_or_default();
            canvas.stale.note(key, coordinates, NOW - Duration::from_secs(number(value)));
        }
        _ => return false,
    }
    true
}

/// Puts the UUID of line 3 for `#3`.
fn expand(set: &str) -> String {
    let mut entries =
        set.split(',').map(|entry| match entry.strip_prefix('#').and_then(|rest| rest.split_once(':')) {
            Some((line, rest)) => format!("{}:{rest}", uuid(number32(line))),
            None => entry.into(),
        });
    let first = entries.next().unwrap_or_default();
    entries.fold(first, |set, entry| format!("{set},{entry}"))
}

fn number(value: &str) -> u64 {
    value.parse().unwrap_or_else(|_| panic!("{value:?} is no number"))
}

fn number32(value: &str) -> u32 {
    value.parse().unwrap_or_else(|_| panic!("{value:?} is no number"))
}
