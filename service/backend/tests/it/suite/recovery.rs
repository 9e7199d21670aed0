use orchestrator_backend::{
    AckSelector, Acknowledgement, Backend, DetectionFilter, DowntimeRow, EndOutcome, Progress,
    ProgressOutcome, PurgeLimits, RecoveryFilter,
};
use orchestrator_core::view::LOST_IN_RECOVERY;

use super::Make;
use crate::support::{accepted, after, begin, detection, end, key, node, progress};

fn one(backend: &mut dyn Backend, uid: &str) -> orchestrator_backend::RecoveryRow {
    let mut rows = backend.recoveries(&RecoveryFilter::Uid(uid.into()), false, 0).unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn acknowledge(backend: &mut dyn Backend, selector: AckSelector, at: i64) -> Vec<i64> {
    let ack = Acknowledgement { selector, by: "me".into(), comment: "seen".into(), at: after(at) };
    backend.acknowledge_recoveries(&ack).unwrap()
}

pub(crate) fn a_recovery_lives_from_begin_to_end(make: Make) {
    let mut backend = make();
    let backend = &mut *backend;
    let detection_id = backend.register_detection(&detection("a", after(0)), after(-1)).unwrap();
    let id = accepted(&backend.begin_recovery(&begin("1:a", "a", after(1))).unwrap());
    let row = one(backend, "1:a");
    assert!(row.is_active && row.ended_at.is_none() && row.successor.is_none());
    assert_eq!(Some(row.last_detection_id), detection_id);
    assert_eq!((row.started_at, row.node.clone(), row.replicas.len()), (after(1), node("t"), 2));
    let (_, running) = backend.unfinished_recoveries().unwrap().remove(0);
    assert_eq!((running.id, running.seq, &*running.stage, running.updated_at), (id, 0, "begun", after(1)));

    let chosen = Progress { successor: Some(key("b")), ..progress("1:a", 0, "promote", after(2)) };
    assert_eq!(backend.progress_recovery(&chosen).unwrap(), ProgressOutcome::Accepted { seq: 1 });
    let active = backend.declared().unwrap().active_recoveries.remove(0);
    assert_eq!((active.successor, active.ended_at), (Some(key("b")), None));

    assert_eq!(backend.end_recovery(&end("1:a", 1, "b", after(5))).unwrap(), EndOutcome::Ended { id });
    let row = one(backend, "1:a");
    assert!(row.is_successful && row.is_active, "it blocks for its period");
    assert_eq!(backend.declared().unwrap().active_recoveries.remove(0).touched, [key("b")]);
    assert_eq!((row.ended_at, row.successor, &*row.successor_alias), (Some(after(5)), Some(key("b")), "b1"));
    assert_eq!((row.lost_replicas, row.errors), (vec![key("c")], vec!["one".to_owned(), "two".into()]));
    let steps: Vec<_> = backend.recovery_steps("1:a").unwrap().into_iter().map(|step| step.message).collect();
    assert_eq!(steps, ["now promote", "done"]);
    assert!(backend.unfinished_recoveries().unwrap().is_empty());
    let found = backend.detections(&DetectionFilter::Instance(key("a")), 0).unwrap();
    assert_eq!((found[0].is_active, found[0].recovery_id), (false, id), "answered");
}

pub(crate) fn asking_twice_begins_once(make: Make) {
    let mut backend = make();
    let id = accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap());
    assert_eq!(accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap()), id);
    backend.end_recovery(&end("1:a", 0, "b", after(1))).unwrap();
    assert_eq!(accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap()), id);
    assert!(backend.unfinished_recoveries().unwrap().is_empty(), "it does not begin again");
    assert_eq!(backend.recoveries(&RecoveryFilter::All, false, 0).unwrap().len(), 1);
}

pub(crate) fn progress_is_compare_and_set(make: Make) {
    let mut backend = make();
    backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap();
    let mine = progress("1:a", 0, "mine", after(1));
    let theirs = progress("1:a", 0, "theirs", after(1));
    assert_eq!(backend.progress_recovery(&mine).unwrap(), ProgressOutcome::Accepted { seq: 1 });
    assert_eq!(backend.progress_recovery(&theirs).unwrap(), ProgressOutcome::Stale { seq: Some(1) });
    assert_eq!(
        backend.end_recovery(&end("1:a", 0, "b", after(2))).unwrap(),
        EndOutcome::Stale { seq: Some(1) }
    );
    assert_eq!(backend.recovery_progress("1:a").unwrap().unwrap().stage, "mine");
    assert_eq!(backend.recovery_steps("1:a").unwrap().len(), 1, "a stale move leaves no step");
    backend.end_recovery(&end("1:a", 1, "b", after(2))).unwrap();
    let late = progress("1:a", 1, "late", after(3));
    assert_eq!(backend.progress_recovery(&late).unwrap(), ProgressOutcome::Stale { seq: None });
}

pub(crate) fn an_end_declares_what_it_leaves_behind(make: Make) {
    let mut backend = make();
    let lost = DowntimeRow {
        key: key("a"),
        owner: "orc".into(),
        reason: LOST_IN_RECOVERY.into(),
        begins_at: after(1),
        ends_at: after(1000),
    };
    backend.begin_downtime(&DowntimeRow { key: key("b"), reason: "x".into(), ..lost.clone() }).unwrap();
    backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap();
    let end = orchestrator_backend::EndRecovery {
        downtimes: vec![lost.clone()],
        end_downtimes: vec![key("b")],
        aliases: vec![("b:3306".into(), "main".into())],
        ..end("1:a", 0, "b", after(1))
    };
    backend.end_recovery(&end).unwrap();
    let declared = backend.declared().unwrap();
    assert_eq!(backend.downtimes().unwrap(), [lost]);
    assert_eq!(declared.cluster_aliases["b:3306"], "main");
}

pub(crate) fn the_name_of_a_cluster_goes_with_its_last_primary(make: Make) {
    let mut backend = make();
    for (uid, failed, successor) in [("1:a", "a", "b"), ("2:b", "b", "c")] {
        let begin = orchestrator_backend::BeginRecovery { forced: true, ..begin(uid, failed, after(0)) };
        accepted(&backend.begin_recovery(&begin).unwrap());
        let aliases = vec![(format!("{successor}:3306"), "main".into())];
        let end = orchestrator_backend::EndRecovery { aliases, ..end(uid, 0, successor, after(1)) };
        backend.end_recovery(&end).unwrap();
    }
    let aliases: Vec<_> = backend.declared().unwrap().cluster_aliases.into_iter().collect();
    assert_eq!(aliases, [("c:3306".into(), "main".into())]);
}

pub(crate) fn forgetting_takes_back_what_a_recovery_declared_and_no_more(make: Make) {
    let mut backend = make();
    let lost = DowntimeRow {
        key: key("a"),
        owner: "orc".into(),
        reason: LOST_IN_RECOVERY.into(),
        begins_at: after(1),
        ends_at: after(1000),
    };
    let of_people = DowntimeRow { key: key("b"), reason: "x".into(), ..lost.clone() };
    backend.begin_downtime(&lost).unwrap();
    backend.begin_downtime(&of_people).unwrap();
    backend.forget_instances(&[key("a"), key("b")]).unwrap();
    assert_eq!(backend.downtimes().unwrap(), [of_people]);
}

pub(crate) fn numbers_rise_also_after_a_purge(make: Make) {
    let mut backend = make();
    let mut numbers = vec![];
    for n in 0..3 {
        let (uid, at) = (format!("{n}:a"), after(n));
        let begin = orchestrator_backend::BeginRecovery { active_since: after(100), ..begin(&uid, "a", at) };
        numbers.push(accepted(&backend.begin_recovery(&begin).unwrap()));
        backend.end_recovery(&end(&uid, 0, "b", at)).unwrap();
        acknowledge(&mut *backend, AckSelector::All, n);
        let old = after(1000);
        let limits = PurgeLimits {
            audit_before: old,
            history_before: old,
            processes_before: old,
            blocked_before: old,
        };
        backend.purge(&limits).unwrap();
    }
    assert_eq!(numbers, [1, 2, 3]);
    let wish = orchestrator_backend::BeginRecovery { at_least_id: 58, ..begin("9:z", "z", after(9)) };
    assert_eq!(accepted(&backend.begin_recovery(&wish).unwrap()), 58, "a past of the leader's counts");
}

pub(crate) fn recoveries_are_found_by_each_filter(make: Make) {
    let mut backend = make();
    for n in 0..25 {
        let (uid, host) = (format!("{n}:x"), format!("h{n}"));
        backend.begin_recovery(&begin(&uid, &host, after(n))).unwrap();
        backend.end_recovery(&end(&uid, 0, "b", after(n))).unwrap();
    }
    acknowledge(&mut *backend, AckSelector::Id(25), 30);
    let mut count = |filter: RecoveryFilter, unacknowledged, page| {
        backend
            .recoveries(&filter, unacknowledged, page)
            .unwrap()
            .into_iter()
            .map(|row| row.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(count(RecoveryFilter::All, false, 0)[..2], [25, 24]);
    assert_eq!(count(RecoveryFilter::All, false, 1), [5, 4, 3, 2, 1]);
    assert_eq!(count(RecoveryFilter::All, true, 0)[0], 24);
    assert_eq!(count(RecoveryFilter::Id(3), false, 0), [3]);
    assert_eq!(count(RecoveryFilter::Cluster("h3:3306".into()), false, 0), [4]);
    assert_eq!(count(RecoveryFilter::Alias("main".into()), false, 0).len(), 20);
    assert_eq!(count(RecoveryFilter::Alias("other".into()), false, 0), [0; 0]);
}

pub(crate) fn a_second_detection_is_known_already(make: Make) {
    let mut backend = make();
    let found = detection("a", after(0));
    assert_eq!(backend.register_detection(&found, after(-60)).unwrap(), Some(1));
    assert_eq!(backend.register_detection(&found, after(-60)).unwrap(), None);
    let other = orchestrator_backend::DetectionRow { is_actionable: false, ..found.clone() };
    assert_eq!(backend.register_detection(&other, after(-60)).unwrap(), Some(2), "actionability counts");
    let later = orchestrator_backend::DetectionRow { started_at: after(61), ..found };
    assert_eq!(backend.register_detection(&later, after(1)).unwrap(), Some(3), "its period has passed");
    let ids = |rows: Vec<orchestrator_backend::DetectionRow>| {
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(backend.detections(&DetectionFilter::All, 0).unwrap()), [3, 2, 1]);
    assert_eq!(ids(backend.detections(&DetectionFilter::Id(2), 0).unwrap()), [2]);
    assert_eq!(ids(backend.detections(&DetectionFilter::Alias("main".into()), 0).unwrap()), [3, 2, 1]);
    assert_eq!(ids(backend.detections(&DetectionFilter::All, 1).unwrap()), [0; 0]);
}

pub(crate) fn an_acknowledged_recovery_blocks_no_more(make: Make) {
    let by: [fn(i64) -> AckSelector; 6] = [
        |_| AckSelector::All,
        AckSelector::Id,
        |_| AckSelector::Uid("1:a".into()),
        |_| AckSelector::Cluster("a:3306".into()),
        |_| AckSelector::Cluster("main".into()),
        |_| AckSelector::Instance(key("a")),
    ];
    for selector in by {
        let mut backend = make();
        let id = accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap());
        backend.end_recovery(&end("1:a", 0, "b", after(1))).unwrap();
        assert_eq!(acknowledge(&mut *backend, selector(id), 2), [id]);
        assert_eq!(acknowledge(&mut *backend, selector(id), 3), [0; 0], "once is enough");
        let row = one(&mut *backend, "1:a");
        assert!(row.is_acknowledged && !row.is_active);
        assert_eq!((row.acknowledged_at, &*row.acknowledged_by), (Some(after(2)), "me"));
        accepted(&backend.begin_recovery(&begin("2:a", "a", after(3))).unwrap());
    }
}

pub(crate) fn an_unfinished_recovery_stays_active_when_acknowledged(make: Make) {
    let mut backend = make();
    backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap();
    acknowledge(&mut *backend, AckSelector::All, 1);
    assert!(one(&mut *backend, "1:a").is_active, "two at once would be worse than any block");
    backend.end_recovery(&end("1:a", 0, "b", after(2))).unwrap();
    assert!(!one(&mut *backend, "1:a").is_active);
}

pub(crate) fn recoveries_that_end_in_one_second_do_not_clash(make: Make) {
    let mut backend = make();
    for uid in ["1:a", "2:a", "3:a"] {
        let forced = orchestrator_backend::BeginRecovery { forced: true, ..begin(uid, "a", after(0)) };
        accepted(&backend.begin_recovery(&forced).unwrap());
        backend.end_recovery(&end(uid, 0, "b", after(0))).unwrap();
        acknowledge(&mut *backend, AckSelector::All, 0);
    }
    assert_eq!(backend.recoveries(&RecoveryFilter::All, false, 0).unwrap().len(), 3);
}
