use orchestrator_backend::{AuditRow, BackendError, NodeHealthRow, PurgeLimits};

use super::Make;
use crate::support::{after, begin, detection, end, key, node, progress};

fn line(kind: &str, host: Option<&str>, at: i64) -> AuditRow {
    let (key, message) = (host.map(key), format!("{kind} at {at}"));
    AuditRow { id: 0, at: after(at), kind: kind.into(), key, cluster: "a:3306".into(), message }
}

pub(crate) fn the_audit_is_read_by_pages_newest_first(make: Make) {
    let mut backend = make();
    for n in 0..25 {
        backend.add_audit(&line("forget", if n % 5 == 0 { Some("a") } else { None }, n)).unwrap();
    }
    let first = backend.audit(None, 0).unwrap();
    assert_eq!((first.len(), first[0].at, first[0].key.clone()), (20, after(24), None));
    let second = backend.audit(None, 1).unwrap();
    assert_eq!((second.len(), second[4].at, second[4].key.clone()), (5, after(0), Some(key("a"))));
    assert_eq!(first[0].id - second[4].id, 24, "numbers rise with time");
    assert!(backend.audit(None, 2).unwrap().is_empty());
    assert_eq!(backend.audit(Some(&key("a")), 0).unwrap().len(), 5);
    assert!(backend.audit(Some(&key("b")), 0).unwrap().is_empty());
}

pub(crate) fn a_process_refreshes_its_own_row(make: Make) {
    let mut backend = make();
    let mut health = NodeHealthRow {
        node: node("t"),
        version: "1.0".into(),
        mode: "HttpMode".into(),
        command: String::new(),
        database: "o.db".into(),
        first_seen: after(0),
        last_seen: after(0),
    };
    backend.write_node_health(&health).unwrap();
    health.last_seen = after(1);
    backend.write_node_health(&health).unwrap();
    assert_eq!(backend.node_health(after(1)).unwrap(), [health]);
    assert!(backend.node_health(after(2)).unwrap().is_empty());
    let starts = backend.query_int("select count(*) from node_health_history", &[]).unwrap();
    let beats = backend.query_int("select incrementing_indicator from node_health", &[]).unwrap();
    assert_eq!((starts, beats), (1, 1));
}

pub(crate) fn only_changes_of_analysis_are_noted(make: Make) {
    let mut backend = make();
    for (code, at) in
        [("NoProblem", 0), ("NoProblem", 1), ("DeadMaster", 2), ("DeadMaster", 3), ("NoProblem", 4)]
    {
        backend.note_analysis(&key("a"), code, after(at)).unwrap();
    }
    let sql = "select analysis from database_instance_analysis_changelog order by changelog_id";
    let codes: Vec<_> = backend.query(sql, &[]).unwrap().into_iter().map(|mut row| row.text()).collect();
    assert_eq!(codes, ["DeadMaster", "NoProblem"]);
}

pub(crate) fn old_history_is_purged_and_active_things_stay(make: Make) {
    let mut backend = make();
    for (uid, host) in [("1:a", "a"), ("2:b", "b")] {
        backend.register_detection(&detection(host, after(0)), after(-1)).unwrap();
        backend.begin_recovery(&begin(uid, host, after(0))).unwrap();
        backend.progress_recovery(&progress(uid, 0, "chosen", after(1))).unwrap();
    }
    backend.end_recovery(&end("1:a", 1, "z", after(2))).unwrap();
    let active =
        backend.query_int("select recovery_id from topology_recovery where uid = '1:a'", &[]).unwrap();
    let ack = orchestrator_backend::Acknowledgement {
        selector: orchestrator_backend::AckSelector::Id(active),
        by: "me".into(),
        comment: "seen".into(),
        at: after(3),
    };
    backend.acknowledge_recoveries(&ack).unwrap();
    backend.add_audit(&line("forget", None, 0)).unwrap();
    let limits = PurgeLimits {
        audit_before: after(100),
        history_before: after(100),
        processes_before: after(100),
        blocked_before: after(100),
    };
    backend.purge(&limits).unwrap();
    let left = backend.query("select uid from topology_recovery", &[]).unwrap();
    assert_eq!(left.into_iter().map(|mut row| row.text()).collect::<Vec<_>>(), ["2:b"]);
    assert!(backend.recovery_steps("1:a").unwrap().is_empty());
    assert_eq!(backend.recovery_steps("2:b").unwrap().len(), 1);
    let detections = backend.query_int("select count(*) from topology_failure_detection", &[]).unwrap();
    assert_eq!(detections, 1, "the active one");
    assert!(backend.audit(None, 0).unwrap().is_empty());
}

pub(crate) fn a_failed_transaction_leaves_nothing(make: Make) {
    let mut backend = make();
    let result: Result<(), BackendError> = backend.in_transaction(|backend| {
        backend.set_recoveries_disabled(true)?;
        backend
            .in_transaction(|backend| backend.execute("insert into no_such_table values (1)", &[]).map(drop))
    });
    assert!(matches!(result, Err(BackendError::Statement(_))), "{result:?}");
    assert!(!backend.is_in_transaction());
    assert!(!backend.recoveries_disabled().unwrap());
}
