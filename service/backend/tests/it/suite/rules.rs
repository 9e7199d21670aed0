use orchestrator_backend::{
    AckSelector, Acknowledgement, Backend, BeginOutcome, BeginRecovery, Block, BlockReason, DowntimeRow,
    Progress,
};

use super::Make;
use crate::support::{accepted, after, begin, end, key, progress};

fn blocked(outcome: BeginOutcome) -> Block {
    match outcome {
        BeginOutcome::Blocked(block) => block,
        BeginOutcome::Accepted { id } => panic!("accepted as {id}"),
    }
}

/// Another instance of the cluster of `a`.
fn of_cluster_a(uid: &str, host: &str, at: i64) -> BeginRecovery {
    BeginRecovery { cluster: "a:3306".into(), ..begin(uid, host, after(at)) }
}

fn finish_a(backend: &mut dyn Backend) {
    accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap());
    backend.end_recovery(&end("1:a", 0, "b", after(1))).unwrap();
}

pub(crate) fn an_unfinished_recovery_blocks_its_cluster_even_by_force(make: Make) {
    let mut backend = make();
    let id = accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap());
    for forced in [false, true] {
        for host in ["a", "c"] {
            let second = BeginRecovery { forced, ..of_cluster_a("2:x", host, 1) };
            let block = blocked(backend.begin_recovery(&second).unwrap());
            assert_eq!(block, Block { reason: BlockReason::Unfinished, id, uid: "1:a".into() });
        }
    }
}

pub(crate) fn an_unfinished_recovery_blocks_whatever_the_block_period_is(make: Make) {
    let mut backend = make();
    accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap());
    let much_later = BeginRecovery { active_since: after(1_000_000), ..of_cluster_a("2:a", "a", 1_000_000) };
    assert_eq!(blocked(backend.begin_recovery(&much_later).unwrap()).reason, BlockReason::Unfinished);
}

pub(crate) fn an_unfinished_recovery_blocks_the_instance_it_chose_and_its_cluster(make: Make) {
    let mut backend = make();
    accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap());
    let chosen = Progress { successor: Some(key("b")), ..progress("1:a", 0, "promote", after(1)) };
    backend.progress_recovery(&chosen).unwrap();
    let of_successor = BeginRecovery { forced: true, ..begin("2:b", "b", after(2)) };
    assert_eq!(blocked(backend.begin_recovery(&of_successor).unwrap()).reason, BlockReason::Unfinished);
    let below = BeginRecovery { cluster: "b:3306".into(), ..begin("3:c", "c", after(2)) };
    assert_eq!(blocked(backend.begin_recovery(&below).unwrap()).reason, BlockReason::Unfinished);
}

pub(crate) fn a_finished_recovery_blocks_for_its_period_unless_forced(make: Make) {
    let mut backend = make();
    finish_a(&mut *backend);
    let block = blocked(backend.begin_recovery(&of_cluster_a("2:c", "c", 10)).unwrap());
    assert_eq!((block.reason, &*block.uid), (BlockReason::ActivePeriod, "1:a"));
    let later = BeginRecovery { active_since: after(1), ..of_cluster_a("3:a", "a", 3601) };
    accepted(&backend.begin_recovery(&later).unwrap());

    let mut backend = make();
    finish_a(&mut *backend);
    let forced = BeginRecovery { forced: true, ..of_cluster_a("2:a", "a", 10) };
    accepted(&backend.begin_recovery(&forced).unwrap());
}

pub(crate) fn a_successor_is_protected_for_the_period(make: Make) {
    let mut backend = make();
    finish_a(&mut *backend);
    let of_successor = begin("2:b", "b", after(10));
    let block = blocked(backend.begin_recovery(&of_successor).unwrap());
    assert_eq!(block.reason, BlockReason::SuccessorOfActive);
    accepted(&backend.begin_recovery(&BeginRecovery { forced: true, ..of_successor }).unwrap());
}

pub(crate) fn another_cluster_is_not_blocked(make: Make) {
    let mut backend = make();
    accepted(&backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap());
    accepted(&backend.begin_recovery(&begin("2:z", "z", after(0))).unwrap());
    assert_eq!(backend.unfinished_recoveries().unwrap().len(), 2);
}

pub(crate) fn the_switch_and_a_downtime_block_unless_forced(make: Make) {
    let mut backend = make();
    let attempt = begin("1:a", "a", after(10));
    backend.set_recoveries_disabled(true).unwrap();
    assert_eq!(blocked(backend.begin_recovery(&attempt).unwrap()).reason, BlockReason::Disabled);
    backend.set_recoveries_disabled(false).unwrap();
    let (owner, reason) = ("dba".into(), "disk".into());
    let downtime = DowntimeRow { key: key("a"), owner, reason, begins_at: after(0), ends_at: after(11) };
    backend.begin_downtime(&downtime).unwrap();
    assert_eq!(blocked(backend.begin_recovery(&attempt).unwrap()).reason, BlockReason::Downtimed);
    let after_downtime = begin("2:a", "a", after(11));
    let forced = BeginRecovery { forced: true, ..attempt };
    accepted(&backend.begin_recovery(&forced).unwrap());
    backend.end_recovery(&end("1:a", 0, "b", after(11))).unwrap();
    let block = blocked(backend.begin_recovery(&after_downtime).unwrap());
    assert_eq!(block.reason, BlockReason::ActivePeriod, "an ended downtime does not count");
}

pub(crate) fn a_refusal_is_shown_until_its_blocker_is_acknowledged(make: Make) {
    let mut backend = make();
    finish_a(&mut *backend);
    for at in [10, 11] {
        blocked(backend.begin_recovery(&of_cluster_a("2:c", "c", at)).unwrap());
    }
    let shown = backend.blocked_recoveries(None).unwrap();
    assert_eq!((shown.len(), shown[0].blocked_at, shown[0].blocking_id), (1, after(11), 1));
    assert_eq!(backend.blocked_recoveries(Some("a:3306")).unwrap(), shown);
    assert!(backend.blocked_recoveries(Some("z:3306")).unwrap().is_empty());
    let selector = AckSelector::Id(1);
    let ack = Acknowledgement { selector, by: "me".into(), comment: "seen".into(), at: after(12) };
    backend.acknowledge_recoveries(&ack).unwrap();
    assert!(backend.blocked_recoveries(None).unwrap().is_empty());
}
