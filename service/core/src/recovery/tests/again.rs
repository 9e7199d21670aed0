//! A failure after a failure: what the recovery before left in an uncertain state.

use alloc::{sync::Arc, vec};

use super::*;
use crate::{
    gtid::Gtids,
    picture::{NOW, Picture, draw},
    policy::NoFilters,
    topology::Topology,
    view::ActiveRecovery,
};

fn key(name: &str) -> InstanceKey {
    InstanceKey::new(name, 3306)
}

/// The view after a recovery of `a` ended that touched all replicas drawn, one second after everybody was seen.
fn declared(text: &str, successor: Option<&str>) -> Picture {
    let mut drawn = draw(text);
    let mut declared = (*drawn.view.declared).clone();
    declared.active_recoveries.push(ActiveRecovery {
        uid: "1".into(),
        id: 1,
        failed: key("a"),
        cluster: "a:3306".into(),
        successor: successor.map(key),
        started_at: NOW,
        ended_at: Some(NOW + Duration::from_secs(1)),
        touched: drawn.view.records().map(|(key, _)| key.clone()).filter(|at| *at != key("a")).collect(),
    });
    drawn.view.declare(Arc::new(declared));
    drawn
}

fn edges(drawn: &Picture) -> String {
    let source = |(key, record): (&InstanceKey, &Arc<crate::view::InstanceRecord>)| {
        record.instance.source().map(|source| format!("{}<{}", key.hostname, source.hostname))
    };
    drawn.view.records().filter_map(source).collect::<Vec<_>>().join(" ")
}

#[test]
fn whom_a_recovery_moved_follows_the_successor_until_somebody_looked() {
    let text = "a unreachable\n  b\n  c unreachable\n  d source=//a:3306";
    let mut drawn = declared(text, Some("b"));
    assert_eq!(edges(&drawn), "c<b d<//a");
    let opened = &drawn.view.get(&key("b")).expect("it is drawn").instance;
    assert!(!opened.settings.read_only && opened.replication.is_none());

    let mut seen = draw(text).view.get(&key("c")).map(|record| (**record).clone()).expect("it is drawn");
    seen.checks.last_seen = Some(NOW + Duration::from_secs(2));
    drawn.view.insert(seen);
    let declared = drawn.view.declared.clone();
    drawn.view.declare(declared);
    assert_eq!(edges(&drawn), "c<a d<//a", "what was seen later counts");
}

#[test]
fn what_the_successor_received_before_it_opened_it_has_executed() {
    let drawn = declared("a unreachable\n  b gtid=#1:1-7 received=#1:1-9", Some("b"));
    let instance = &drawn.view.get(&key("b")).expect("it is drawn").instance;
    assert_eq!(Gtids::executed(instance).expect("it is a set").count(), 9);
}

#[test]
fn where_nobody_was_promoted_all_follow_the_failed_one_again() {
    assert_eq!(edges(&declared("a unreachable\n  b\n  c source=b:3306", None)), "b<a c<a");
}

fn planned(drawn: &Picture, failed: &str) -> Result<Recovery, Refusal> {
    let request = Request {
        code: AnalysisCode::DeadPrimary,
        failed: key(failed),
        forced: false,
        requested: None,
        skip_hooks: false,
    };
    let topology = Topology::of(&drawn.view);
    let policy = RecoveryPolicy::default();
    plan(&request, &drawn.view, &topology, &policy, &NoFilters, NOW + Duration::from_secs(2))
}

#[test]
fn a_dead_replica_that_was_moved_unseen_may_have_acknowledged() {
    let text = "a unreachable\n  b semi=1/2 semi-replica\n  c unreachable semi-replica\n  d semi-replica";
    let refusal = planned(&declared(text, Some("b")), "b").expect_err("c may have acknowledged");
    assert_eq!(refusal.reason, RefusalReason::DataLoss);
    assert!(refusal.message.contains("c:3306"), "{refusal}");
}

#[test]
fn who_was_not_seen_since_goes_to_the_failed_primary_when_nobody_is_promoted() {
    let recovery =
        planned(&declared("a unreachable\n  b\n  c\n  d", Some("b")), "b").expect("c or d is promoted");
    assert_eq!(recovery.progress.strayed, BTreeSet::from([key("c"), key("d")]));
}

#[test]
fn what_began_on_the_failed_primary_is_owed_to_nobody() {
    let lines = "b unreachable rw semi=1/1 gtid=#1:1-9\n  c semi-replica gtid=#1:1-4";
    let recovery = planned(&draw(lines), "b").expect("c has acknowledged all that was");
    assert!(recovery.case.owed.is_empty());
}

#[test]
fn rows_that_only_the_failed_primary_had_from_the_one_before_it_are_waited_for() {
    let text =
        "a ro gtid=#1:1-9\nb unreachable rw semi=1/1 gtid=#1:1-9,#2:1-3\n  c semi-replica gtid=#1:1-7,#2:1-3";
    let refusal = planned(&draw(text), "b").expect_err("rows of a are on b alone");
    assert_eq!(refusal.reason, RefusalReason::DataLoss);
    assert!(refusal.message.contains(":8-9"), "{refusal}");
    let asynchronous = text.replace("semi=1/1 ", "");
    assert!(planned(&draw(&asynchronous), "b").is_ok(), "nobody was told that they are safe");
}

#[test]
fn a_detached_replica_counts_and_is_not_promoted() {
    let text = "b unreachable rw semi=1/1 gtid=#1:1-9\n  c semi-replica gtid=#1:1-7\n\
                d source=//b:3306 semi-replica gtid=#1:1-8";
    let recovery = planned(&draw(text), "b").expect("c fetches from d");
    let behind: Vec<_> =
        recovery.case.replicas.iter().map(|one| (&*one.key.hostname, one.left_behind)).collect();
    assert_eq!(behind, [("c", false), ("d", true)]);
    assert_eq!(recovery.case.owed.count(), 8);
    let gone = text.replace("d source", "d unreachable source");
    assert_eq!(planned(&draw(&gone), "b").expect_err("d must return").reason, RefusalReason::DataLoss);
}

#[test]
fn one_left_behind_is_asked_only_when_it_is_needed_and_gives_what_it_has() {
    check_case(
        "
        b received=10
        e received=12 behind
        ",
        |case| (case.acknowledgements, case.owed) = (1, set(12)),
        |_| {},
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            asking again, since nobody can be promoted: no replica that can be reached has 00000000-0000-0000-0000-000000000001:11-12, which may have been acknowledged (data-loss)
            e:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-12
            chose b:3306: the only candidate
            not e:3306: was left behind
            it fetches what it lacks from e:3306 first
            e:3306 executed all that it received
            b:3306 follows e:3306
            b:3306 has what it lacked
            chose b:3306: the only candidate
            not e:3306: was left behind
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            => Some(b:3306), lost {}, writable ["b"]"#]],
    );
    check_case(
        "
        b received=12
        e received=12 behind
        ",
        |case| (case.acknowledgements, case.owed) = (1, set(12)),
        |_| {},
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-12
            chose b:3306: the only candidate
            not e:3306: was left behind
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            => Some(b:3306), lost {}, writable ["b"]"#]],
    );
}

#[test]
fn what_is_owed_and_out_of_reach_stops_a_recovery_but_not_a_person() {
    check_case(
        "b received=10",
        |case| (case.acknowledgements, case.owed) = (1, set(12)),
        |_| {},
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            nobody is promoted: no replica that can be reached has 00000000-0000-0000-0000-000000000001:11-12, which may have been acknowledged (data-loss)
            b:3306 receives again
            => None, lost {}, writable []
            !! no replica that can be reached has 00000000-0000-0000-0000-000000000001:11-12, which may have been acknowledged (data-loss)"#]],
    );
    check_case(
        "b received=10",
        |case| (case.acknowledgements, case.owed, case.forced) = (1, set(12), true),
        |_| {},
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            chose b:3306: the only candidate
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            => Some(b:3306), lost {}, writable ["b"]"#]],
    );
}

#[test]
fn who_receives_again_after_it_was_stopped_is_asked_what() {
    check(
        "
        b received=10
        c received=10 rule=prefer_not restarts=12
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            chose b:3306: promotion rule
            not c:3306: b:3306 is better: promotion rule
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            c:3306 received again after it was stopped, has 00000000-0000-0000-0000-000000000001:1-12
            chose b:3306: promotion rule
            not c:3306: b:3306 is better: promotion rule
            it fetches what it lacks from c:3306 first
            c:3306 executed all that it received
            b:3306 follows c:3306
            b:3306 has what it lacked
            chose b:3306: promotion rule
            not c:3306: b:3306 is better: promotion rule
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            c:3306 follows b:3306
            => Some(b:3306), lost {}, writable ["b"]"#]],
    );
}

#[test]
fn one_without_a_log_that_has_it_all_is_better_than_nobody() {
    check(
        "
        b received=10 nolog
        c received=9
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-9
            chose b:3306: it received most
            not c:3306: b:3306 is better: it received most
            a:3306 cannot be fenced: refused
            b:3306 executed all that it received
            b:3306 is open for writes
            c:3306 follows b:3306
            => Some(b:3306), lost {}, writable ["b"]"#]],
    );
}

#[test]
fn nobody_is_sent_to_a_donor_that_lacks_what_is_needed() {
    check(
        "
        b received=8
        c received=10 nolog rule=must_not
        d received=9 rule=must_not
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-8
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            d:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-9
            nobody is promoted: no candidate has all received transactions, nor a replica that it could fetch them from (data-loss)
            b:3306 receives again
            c:3306 receives again
            d:3306 receives again
            => None, lost {}, writable []
            !! no candidate has all received transactions, nor a replica that it could fetch them from (data-loss)"#]],
    );
}

#[test]
fn who_was_sent_to_a_donor_in_vain_goes_back() {
    check(
        "
        b received=8 unopenable
        c received=10 executed=9 rule=must_not stuck
        ",
        expect![[r#"
            b:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-8
            c:3306 stopped receiving, has 00000000-0000-0000-0000-000000000001:1-10
            chose b:3306: the only candidate
            not c:3306: its promotion rule is must_not
            it fetches what it lacks from c:3306 first
            b:3306 follows c:3306
            b:3306 is still at it
            b:3306 could not fetch from c:3306: duplicate key
            nobody is promoted: no replica may be promoted: b:3306: failed as a candidate; c:3306: its promotion rule is must_not (no-candidate)
            b:3306 follows a:3306
            c:3306 receives again
            => None, lost {}, writable []
            !! no replica may be promoted: b:3306: failed as a candidate; c:3306: its promotion rule is must_not (no-candidate)"#]],
    );
}

#[test]
fn a_long_fetch_that_moves_is_not_given_up() {
    let (replicas, _) = Fleet::draw("b received=8\nc received=10 rule=must_not");
    let mut recovery = begun(case(replicas, 0));
    let policy = RecoveryPolicy::default();
    recovery.stage = Stage::CatchUp;
    recovery.progress.positions = BTreeMap::from([(key("b"), set(8)), (key("c"), set(10))]);
    (recovery.progress.successor, recovery.progress.donor) = (Some(key("b")), Some(key("c")));
    let fetch = Action::CatchUp { replica: key("b"), until: set(10) };
    for _ in 0..100 {
        recovery.advance(vec![(fetch.clone(), Ok(Reply::Progressing))], &policy);
        assert_eq!(recovery.stage, Stage::CatchUp);
    }
    recovery.advance(vec![(fetch, Ok(Reply::Done))], &policy);
    assert_eq!((recovery.stage, recovery.progress.successor), (Stage::Drain, Some(key("b"))));
}

#[test]
fn a_primary_that_may_have_been_fenced_is_opened_again() {
    let (replicas, _) = Fleet::draw("b received=10");
    let mut recovery = begun(case(replicas, 0));
    let policy = RecoveryPolicy::default();
    recovery.stage = Stage::Stop;
    let stopped = Reply::Position { gtids: set(10), slow: false };
    recovery.advance(vec![(Action::StopReceiving(key("b")), Ok(stopped))], &policy);
    // The leader that sent the fence died; for the next one the primary is out of reach.
    let (fence, drain) = (Action::Fence(key("a")), Action::Drain(key("b")));
    recovery
        .advance(vec![(fence, Err("out of reach".into())), (drain, Err("duplicate key".into()))], &policy);
    assert_eq!(recovery.stage, Stage::Restore);
    assert!(recovery.actions(&policy).contains(&Action::Unfence(key("a"))));
}
