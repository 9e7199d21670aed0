use std::fs;
use std::path::PathBuf;

use orchestrator_backend::{
    AckSelector, Acknowledgement, AuditRow, Backend, BackendError, CandidateRow, DowntimeRow, KeyValueRow,
    RecoveryFilter, SNAPSHOT_VERSION, SnapshotError, check_snapshot,
};
use orchestrator_core::instance::PromotionRule;
use tempfile::TempDir;

use super::Make;
use crate::support::{accepted, after, begin, detection, end, instance_row, intent, key, progress};

pub(crate) fn snapshot(backend: &mut dyn Backend) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("snapshot");
    backend.write_snapshot(&file).unwrap();
    (dir, file)
}

/// One of everything that is replicated.
pub(crate) fn populate(backend: &mut dyn Backend) {
    let (owner, reason) = ("dba".into(), "disk \"x\"\n\u{e9}".into());
    let downtime = DowntimeRow { key: key("a"), owner, reason, begins_at: after(0), ends_at: after(60) };
    backend.begin_downtime(&downtime).unwrap();
    let rule = PromotionRule::Prefer;
    backend.register_candidate(&CandidateRow { key: key("b"), rule, declared_at: after(0) }).unwrap();
    backend.set_cluster_alias("a:3306", Some("main")).unwrap();
    backend.set_recoveries_disabled(true).unwrap();
    let pair = KeyValueRow { key: "k".into(), value: "v".into() };
    backend.put_key_value(&pair, after(0)).unwrap();
    backend.add_discovered(&key("seed"), after(0)).unwrap();
    backend.issue_access_token(&super::tokens::token("p1", 0), after(-60)).unwrap();
    backend.register_detection(&detection("z", after(0)), after(-60)).unwrap();
    let forced = orchestrator_backend::BeginRecovery { forced: true, ..begin("1:z", "z", after(0)) };
    backend.begin_recovery(&forced).unwrap();
    backend.progress_recovery(&progress("1:z", 0, "promote", after(1))).unwrap();
}

pub(crate) fn a_snapshot_carries_intent_and_nothing_else(make: Make) {
    let mut source = make();
    populate(&mut *source);
    source.write_instances(&[instance_row("observed", after(0))]).unwrap();
    let audit = AuditRow {
        id: 0,
        at: after(0),
        kind: "audited".into(),
        key: None,
        cluster: String::new(),
        message: String::new(),
    };
    source.add_audit(&audit).unwrap();
    let text = intent(&mut *source);
    assert!(!text.contains("observed") && !text.contains("audited"), "{text}");

    let (_dir, file) = snapshot(&mut *source);
    let mut target = make();
    target.install_snapshot(&file, b"mark").unwrap();
    assert_eq!(intent(&mut *target), text);
    assert_eq!(target.declared().unwrap(), source.declared().unwrap());
    assert_eq!(target.applied_mark().unwrap().as_deref(), Some(&b"mark"[..]));
    assert_eq!(target.recovery_steps("1:z").unwrap().len(), 1);
    assert!(target.access_token("p1").unwrap().is_some());
    assert_eq!(target.unfinished_recoveries().unwrap(), source.unfinished_recoveries().unwrap());
}

pub(crate) fn an_installed_snapshot_replaces_intent_and_keeps_observations(make: Make) {
    let (_dir, file) = snapshot(&mut *make());
    let mut target = make();
    populate(&mut *target);
    target.write_instances(&[instance_row("observed", after(0))]).unwrap();
    target.install_snapshot(&file, b"m").unwrap();
    let declared = target.declared().unwrap();
    assert_eq!(declared, Default::default());
    assert!(target.discovered().unwrap().is_empty());
    assert_eq!(target.access_token("p1").unwrap(), None);
    assert_eq!(target.instances().unwrap().len(), 1);
    target.install_snapshot(&file, b"n").unwrap();
}

pub(crate) fn a_recovery_that_ended_meanwhile_becomes_history(make: Make) {
    let (mut here, mut there) = (make(), make());
    for backend in [&mut here, &mut there] {
        backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap();
        backend.progress_recovery(&progress("1:a", 0, "promote", after(1))).unwrap();
        backend.begin_recovery(&begin("2:z", "z", after(0))).unwrap();
    }
    there.end_recovery(&end("1:a", 1, "b", after(2))).unwrap();
    let selector = AckSelector::Uid("1:a".into());
    let ack = Acknowledgement { selector, by: "me".into(), comment: "seen".into(), at: after(3) };
    there.acknowledge_recoveries(&ack).unwrap();
    let (_dir, file) = snapshot(&mut *there);
    here.install_snapshot(&file, b"m").unwrap();
    assert_eq!(here.declared().unwrap().active_recoveries, there.declared().unwrap().active_recoveries);
    let past = here.recoveries(&RecoveryFilter::Uid("1:a".into()), false, 0).unwrap().remove(0);
    assert!(!past.is_active && past.ended_at.is_some());
    assert_eq!(past.errors, ["ended while this node was away"]);
    assert_eq!(here.recovery_steps("1:a").unwrap().len(), 1, "its story stays");
    assert_eq!(here.unfinished_recoveries().unwrap().len(), 1);
}

pub(crate) fn a_foreign_past_moves_aside(make: Make) {
    let (mut here, mut there) = (make(), make());
    here.begin_recovery(&begin("old:x", "x", after(-50))).unwrap();
    here.end_recovery(&end("old:x", 0, "y", after(-40))).unwrap();
    here.register_detection(&detection("x", after(-50)), after(-60)).unwrap();
    accepted(&there.begin_recovery(&begin("1:a", "a", after(0))).unwrap());
    there.register_detection(&detection("a", after(0)), after(-1)).unwrap();
    let (_dir, file) = snapshot(&mut *there);
    here.install_snapshot(&file, b"m").unwrap();
    let rows = here.recoveries(&RecoveryFilter::All, false, 0).unwrap();
    let numbers: Vec<_> = rows.iter().map(|row| (row.id, &*row.uid)).collect();
    assert_eq!(numbers, [(2, "old:x"), (1, "1:a")]);
    assert_eq!(intent(&mut *here), intent(&mut *there));
}

pub(crate) fn a_damaged_snapshot_changes_nothing(make: Make) {
    let mut source = make();
    populate(&mut *source);
    let (_dir, file) = snapshot(&mut *source);
    let good = fs::read_to_string(&file).unwrap();
    let half = &good[..good.len() / 2];
    let cut: String =
        good.lines().filter(|line| !line.contains("sha256")).map(|line| format!("{line}\n")).collect();
    let flipped = good.replace("\"main\"", "\"mail\"");
    let missing_row = good.replacen("[\"k\",\"v\"", "{\"k\":\"v\"", 1);
    check_snapshot(&file).unwrap();
    for bad in ["", "oops\n", "{}\n", half, &cut, &flipped, &missing_row] {
        fs::write(&file, bad).unwrap();
        let told = check_snapshot(&file).unwrap_err();
        assert!(matches!(told, SnapshotError::Damaged { .. }), "{told:?} of {bad}");
        let mut target = make();
        target.add_discovered(&key("mine"), after(0)).unwrap();
        let before = intent(&mut *target);
        let error = target.install_snapshot(&file, b"m").unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged { .. }), "{error:?} of {bad}");
        assert_eq!(intent(&mut *target), before);
        assert_eq!(target.applied_mark().unwrap(), None);
    }
    fs::remove_file(&file).unwrap();
    let error = make().install_snapshot(&file, b"m").unwrap_err();
    assert!(matches!(error, SnapshotError::File { action: "read", .. }), "{error:?}");
}

/// By a further connection; a database in memory has none.
pub(crate) fn a_snapshot_holds_nobody_up_and_is_of_one_moment(mut writer: Box<dyn Backend>) {
    let command = |writer: &mut dyn Backend, host: &str| {
        let applied: Result<(), BackendError> = writer.in_transaction(|writer| {
            writer.add_discovered(&key(host), after(0))?;
            writer.set_applied_mark(host.as_bytes())
        });
        applied.unwrap();
    };
    command(&mut *writer, "first");
    let (dir, expected) = (tempfile::tempdir().unwrap(), intent(&mut *writer));
    let mut reader = writer.reader().unwrap().expect("it allows another connection");
    let reader: &mut dyn Backend = &mut *reader;
    let file = dir.path().join("1");
    let mark = reader.in_transaction(|reader| {
        let begun = reader.applied_mark()?;
        command(&mut *writer, "second");
        let mark = reader.write_snapshot(&file)?;
        assert_eq!(mark, begun);
        Ok::<_, SnapshotError>(mark)
    });
    assert_eq!(mark.unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    let mark = reader.write_snapshot(&dir.path().join("2")).unwrap();
    assert_eq!(mark.as_deref(), Some(&b"second"[..]), "the next one is of its own moment");
}

pub(crate) fn a_newer_snapshot_is_refused(make: Make) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("snapshot");
    let newer = SNAPSHOT_VERSION + 1;
    fs::write(&file, format!("{{\"orchestrator_intent\":{newer},\"more\":1}}\n")).unwrap();
    let error = make().install_snapshot(&file, b"m").unwrap_err();
    assert!(
        matches!(error, SnapshotError::Newer { found, known: SNAPSHOT_VERSION } if found == newer),
        "{error:?}"
    );
}
