//! The reference's sample answers, read and written again.

use orchestrator_core::{
    Timestamp,
    instance::ThreadState,
    observation::{Failure, FailureKind},
};
use orchestrator_wire::{Envelope, HealthStatus, Instance, RaftStatus, json};
use serde::{Serialize, de::DeserializeOwned};

use crate::fleet::{Fleet, SEEN, primary, replica};

const INSTANCE: &str = include_str!("../golden/instance.json");
const HEALTH: &str = include_str!("../golden/health.json");
const RAFT_STATUS: &str = include_str!("../golden/raft_status.json");

/// The samples are broken into lines for reading; the wire has no white space between tokens.
fn compact(sample: &str) -> String {
    sample.lines().map(str::trim).collect()
}

fn text(value: &impl Serialize) -> String {
    String::from_utf8(json::to_vec(value).unwrap()).unwrap()
}

fn reads_back<T: Serialize + DeserializeOwned>(sample: &str) {
    let value: T = serde_json::from_str(sample).unwrap();
    assert_eq!(text(&value), compact(sample));
}

#[test]
fn samples_keep_every_field_in_its_place() {
    reads_back::<Instance>(INSTANCE);
    reads_back::<Envelope<HealthStatus>>(HEALTH);
    reads_back::<RaftStatus>(RAFT_STATUS);
}

#[test]
fn what_a_probe_read_gives_the_sample_to_the_letter() {
    let fleet = Fleet::of([primary(), replica()]);
    let instance = fleet.lens().get(&crate::fleet::key("db2")).unwrap();
    assert_eq!(text(&instance), compact(INSTANCE));
}

#[test]
fn an_instance_that_was_never_read_has_all_fields_too() {
    let mut record = replica();
    record.instance = orchestrator_core::Instance::unread(crate::fleet::key("db9"));
    record.checks.last_seen = None;
    record.checks.failure =
        Some(Failure { kind: FailureKind::Refused, error: "refused".into(), partial: false });
    let fleet = Fleet::of([record]);
    let instance = fleet.lens().get(&crate::fleet::key("db9")).unwrap();
    assert_eq!(instance.flavor_name, "unknown");
    assert_eq!(instance.source_uuid, "No");
    assert_eq!((instance.io_state, instance.sql_state), (-1, -1));
    assert_eq!(instance.relaylog_coordinates.kind, 1);
    assert_eq!(instance.last_seen_timestamp, "");
    assert!(!instance.seconds_since_last_seen.valid);
    assert_eq!(instance.problems, ["last_check_invalid"]);
    assert_eq!(text(&instance).matches("\":").count(), text(&instance_of(INSTANCE)).matches("\":").count());
}

fn instance_of(sample: &str) -> Instance {
    serde_json::from_str(sample).unwrap()
}

#[test]
fn errors_are_quoted_and_a_downtime_shows_its_end() {
    let mut record = replica();
    let key = record.instance.key.clone();
    let replication = record.instance.replication.as_mut().unwrap();
    replication.sql_error = "Duplicate entry '1' for key \"PRIMARY\"".into();
    let mut fleet = Fleet::of([primary(), record]);
    let mut declared = (*fleet.view.declared).clone();
    declared.downtimes.insert(
        key.clone(),
        orchestrator_core::view::Downtime {
            owner: "ann".into(),
            reason: "upgrade".into(),
            begins_at: SEEN,
            ends_at: Timestamp::from_millis(SEEN.as_millis() + 600_000),
        },
    );
    fleet.view.declared = declared.into();
    let instance = fleet.lens().get(&key).unwrap();
    assert_eq!(instance.last_sql_error, r#""Duplicate entry '1' for key \"PRIMARY\"""#);
    assert!(instance.is_downtimed);
    assert_eq!(instance.downtime_end_timestamp, "2024-05-01 10:21:12");
    assert_eq!(instance.elapsed_downtime, 3_000_000_000);
}

#[test]
fn each_thread_shows_under_both_names_and_as_a_number() {
    let (running, stopped, other) = (ThreadState::Running, ThreadState::Stopped, ThreadState::Other);
    for (io, sql, expected) in
        [(stopped, running, (0, 1)), (running, stopped, (1, 0)), (other, other, (2, 2))]
    {
        let mut record = replica();
        let replication = record.instance.replication.as_mut().unwrap();
        (replication.io_thread, replication.sql_thread) = (io, sql);
        let instance = Fleet::of([primary(), record]).lens().get(&crate::fleet::key("db2")).unwrap();
        assert_eq!((instance.io_state, instance.sql_state), expected);
        assert_eq!((instance.io_running, instance.io_running_legacy), (io == running, io == running));
        assert_eq!((instance.sql_running, instance.sql_running_legacy), (sql == running, sql == running));
        assert_eq!(instance.problems, ["not_replicating"]);
    }
}
