//! Values that tests need and do not care about.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_backend::{
    Backend, BeginOutcome, BeginRecovery, DetectionRow, EndRecovery, InstanceRow, NodeIdentity, Progress,
    SqliteBackend, SqliteOptions,
};
use orchestrator_core::instance::Instance;
use orchestrator_core::view::{Checks, InstanceRecord};
use orchestrator_core::{InstanceKey, Timestamp};

/// 2026-01-02 03:04:05 UTC.
pub(crate) const NOW: i64 = 1_767_323_045_000;

pub(crate) fn after(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW + seconds * 1000)
}

pub(crate) fn key(host: &str) -> InstanceKey {
    InstanceKey::new(host, 3306)
}

pub(crate) fn node(token: &str) -> NodeIdentity {
    NodeIdentity { hostname: "orc-0".into(), token: token.into() }
}

pub(crate) fn options(token: &str) -> SqliteOptions {
    // Long enough for a sibling test's child to drop what it inherited, between its fork and its exec.
    let busy_timeout = Duration::from_millis(200);
    SqliteOptions { busy_timeout, ..SqliteOptions::new(node(token), "1.0", after(0)) }
}

pub(crate) fn in_memory() -> Box<dyn Backend> {
    Box::new(SqliteBackend::open(Path::new(":memory:"), &options("t")).unwrap())
}

pub(crate) fn instance_row(host: &str, seen: Timestamp) -> InstanceRow {
    let checks = Checks {
        last_attempted: seen,
        last_checked: seen,
        last_seen: Some(seen),
        partial_success: true,
        failure: None,
        latency: Duration::from_micros(1500),
    };
    let instance = Instance::unread(key(host));
    InstanceRow {
        record: Arc::new(InstanceRecord { instance, checks, unread: vec![], source_contact_at: None }),
        cluster: key(host).to_string(),
        depth: 0,
        is_co_primary: false,
        ancestry_uuid: String::new(),
        errant_gtid: String::new(),
    }
}

pub(crate) fn detection(host: &str, at: Timestamp) -> DetectionRow {
    DetectionRow {
        id: 1,
        key: key(host),
        analysis: "DeadMaster".into(),
        cluster: key(host).to_string(),
        cluster_alias: "main".into(),
        replica_count: 2,
        replicas: vec![key("b"), key("c")],
        is_actionable: true,
        is_active: true,
        started_at: at,
        node: node("t"),
        recovery_id: 0,
    }
}

/// A recovery of `host`, alone in its cluster, with a block period of an hour.
pub(crate) fn begin(uid: &str, host: &str, at: Timestamp) -> BeginRecovery {
    BeginRecovery {
        uid: uid.into(),
        at_least_id: 1,
        failed: key(host),
        analysis: "DeadMaster".into(),
        cluster: key(host).to_string(),
        cluster_alias: "main".into(),
        replica_count: 2,
        replicas: vec![key("b"), key("c")],
        node: node("t"),
        at,
        active_since: at - Duration::from_secs(3600),
        forced: false,
        stage: "begun".into(),
        record: "{}".into(),
    }
}

pub(crate) fn progress(uid: &str, expected_seq: i64, stage: &str, at: Timestamp) -> Progress {
    Progress {
        uid: uid.into(),
        expected_seq,
        stage: stage.into(),
        record: format!("{{\"stage\":\"{stage}\"}}"),
        successor: None,
        steps: vec![(at, format!("now {stage}"))],
        at,
    }
}

pub(crate) fn end(uid: &str, expected_seq: i64, successor: &str, at: Timestamp) -> EndRecovery {
    EndRecovery {
        uid: uid.into(),
        expected_seq,
        is_successful: true,
        successor: Some(key(successor)),
        successor_alias: "b1".into(),
        lost_replicas: vec![key("c")],
        participants: vec![key(successor)],
        errors: vec!["one".into(), "two".into()],
        steps: vec![(at, "done".into())],
        downtimes: vec![],
        end_downtimes: vec![],
        aliases: vec![],
        at,
    }
}

pub(crate) fn accepted(outcome: &BeginOutcome) -> i64 {
    match outcome {
        BeginOutcome::Accepted { id } => *id,
        BeginOutcome::Blocked(block) => panic!("blocked: {block:?}"),
    }
}

/// The replicated state as text.
pub(crate) fn intent(backend: &mut dyn Backend) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("snapshot");
    backend.write_snapshot(&file).unwrap();
    std::fs::read_to_string(file).unwrap()
}

/// Methods of a `Backend` that a field is asked for.
macro_rules! pass_on {
    ($field:ident: $($method:ident)*) => { $(pass_on!(@$method $field);)* };
    (@execute $field:ident) => {
        fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, BackendError> {
            self.$field.execute(sql, values)
        }
    };
    (@query_each $field:ident) => {
        fn query_each(
            &mut self,
            sql: &str,
            values: &[Value],
            each: &mut dyn FnMut(Row) -> Result<(), BackendError>,
        ) -> Result<(), BackendError> {
            self.$field.query_each(sql, values, each)
        }
    };
    (@insert_all $field:ident) => {
        fn insert_all(&mut self, insert: &Insert<'_>, rows: &[Vec<Value>]) -> Result<(), BackendError> {
            self.$field.insert_all(insert, rows)
        }
    };
    (@is_in_transaction $field:ident) => {
        fn is_in_transaction(&self) -> bool {
            self.$field.is_in_transaction()
        }
    };
    (@reader $field:ident) => {
        fn reader(&self) -> Result<Option<Box<dyn Backend>>, BackendError> {
            self.$field.reader()
        }
    };
    (@$end:ident $field:ident) => {
        fn $end(&mut self) -> Result<(), BackendError> {
            self.$field.$end()
        }
    };
}
pub(crate) use pass_on;
