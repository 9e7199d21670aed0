//! What recoveries leave behind: servers that nobody follows any more, each under a downtime with the reason
//! [`LOST_IN_RECOVERY`], until somebody brings them back.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{
    instance::ThreadState,
    key::InstanceKey,
    time::Timestamp,
    view::{Declared, InstanceRecord, LOST_IN_RECOVERY, TopologyView},
};

/// A downtime of what was left behind lasts at least this long, also when the instance is well at once: it takes
/// some seconds until everybody sees what the recovery did.
pub const LOST_DOWNTIME_MIN: Duration = Duration::from_secs(60);

/// A recovery left it behind, and its downtime still holds.
pub fn is_left_behind(declared: &Declared, key: &InstanceKey, now: Timestamp) -> bool {
    declared.downtime_of(key, now).is_some_and(|downtime| downtime.reason == LOST_IN_RECOVERY)
}

/// An instance that a recovery left behind, that is back with nobody above it, and that takes writes.
pub fn is_open_old_primary(declared: &Declared, record: &InstanceRecord, now: Timestamp) -> bool {
    let instance = &record.instance;
    // A recovery may promote what an earlier one left behind, before it ends that one's downtime.
    let promoted =
        declared.active_recoveries.iter().any(|active| active.successor.as_ref() == Some(&instance.key));
    let lost = is_left_behind(declared, &instance.key, now);
    let open = record.checks.is_valid() && instance.source().is_none() && !instance.settings.read_only;
    lost && !promoted && open
}

/// A replica that a recovery left behind and that receives from a primary that was left behind too, as it does by
/// itself after a restart: to that one's clients it would acknowledge what the present primary lacks.
pub fn is_stray(view: &TopologyView, record: &InstanceRecord, now: Timestamp) -> bool {
    let is_lost = |key: &InstanceKey| is_left_behind(&view.declared, key, now);
    let Some(replication) = &record.instance.replication else { return false };
    let receives = record.checks.is_valid() && replication.io_thread != ThreadState::Stopped;
    receives && is_lost(&record.instance.key) && is_lost(view.canonical(&replication.source))
}

/// Instances that a recovery left behind and that somebody brought back as replicas, in the order of their names:
/// their downtimes may end.
pub fn brought_back(view: &TopologyView, now: Timestamp) -> Vec<InstanceKey> {
    let lost = view.declared.downtimes.iter().filter(|(_, downtime)| {
        downtime.reason == LOST_IN_RECOVERY && now.since(downtime.begins_at) >= LOST_DOWNTIME_MIN
    });
    let well = lost.filter(|(key, _)| {
        view.get(key).is_some_and(|record| {
            record.checks.is_valid() && record.instance.is_replicating() && !is_stray(view, record, now)
        })
    });
    well.map(|(key, _)| key.clone()).collect()
}

/// Some recovery replaces `key` now, or has: there is nothing to find out about it.
pub fn is_answered(declared: &Declared, key: &InstanceKey) -> bool {
    let lost = declared.downtimes.get(key).is_some_and(|downtime| downtime.reason == LOST_IN_RECOVERY);
    lost || declared.active_recoveries.iter().any(|one| one.failed == *key && one.ended_at.is_none())
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, sync::Arc};

    use super::*;
    use crate::{
        picture::{NOW, Picture, draw},
        view::ActiveRecovery,
    };

    fn key(name: &str) -> InstanceKey {
        InstanceKey::new(name, 3306)
    }

    fn with_recovery(mut drawn: Picture, failed: &str, successor: &str, ended: bool) -> Picture {
        let recovery = ActiveRecovery {
            uid: "u".into(),
            id: 1,
            failed: key(failed),
            cluster: failed.into(),
            successor: Some(key(successor)),
            started_at: NOW,
            ended_at: ended.then_some(NOW),
            touched: Vec::new(),
        };
        Arc::make_mut(&mut drawn.view.declared).active_recoveries.push(recovery);
        drawn
    }

    #[track_caller]
    fn open(drawn: &Picture, name: &str) -> bool {
        let record = drawn.view.get(&key(name)).expect("it is drawn");
        is_open_old_primary(&drawn.view.declared, record, drawn.now)
    }

    #[test]
    fn an_old_primary_is_open_when_it_is_back_alone_and_takes_writes() {
        let table = [
            ("a lost rw", true),
            ("a lost ro", false),
            ("a lost rw unreachable", false),
            ("a rw", false),
            ("a downtimed rw", false),
            ("n\n  a lost rw", false),
        ];
        for (text, expected) in table {
            assert_eq!(open(&draw(text), "a"), expected, "{text}");
        }
    }

    #[test]
    fn the_downtime_of_an_old_primary_must_hold() {
        let mut drawn = draw("a lost rw");
        drawn.now = NOW + Duration::from_secs(601);
        assert!(!open(&drawn, "a"));
    }

    #[test]
    fn what_a_recovery_promotes_is_no_old_primary_though_an_earlier_one_left_it_behind() {
        assert!(!open(&with_recovery(draw("a lost rw"), "n", "a", false), "a"));
        assert!(open(&with_recovery(draw("a lost rw"), "a", "n", false), "a"));
    }

    #[test]
    fn a_lost_replica_of_a_lost_primary_is_a_stray_while_it_receives() {
        let table = [
            ("a lost\n  b lost", true),
            ("a lost\n  b lost io=connecting", true),
            ("a lost\n  b lost io=no", false),
            ("a lost\n  b lost unreachable", false),
            ("a\n  b lost", false),
            ("a lost\n  b", false),
            ("b lost", false),
        ];
        for (text, expected) in table {
            let drawn = draw(text);
            let record = drawn.view.get(&key("b")).expect("it is drawn");
            assert_eq!(is_stray(&drawn.view, record, drawn.now), expected, "{text}");
        }
        let drawn = draw("a lost\n  b lost");
        assert!(brought_back(&drawn.view, drawn.now).is_empty(), "nobody brought it back");
    }

    #[test]
    fn who_replicates_again_for_long_enough_was_brought_back() {
        let mut drawn =
            draw("n\n  a lost\n  b lost io=connecting\n  c lost unreachable\n  d downtimed\ne lost ro");
        let names = |drawn: &Picture| {
            brought_back(&drawn.view, drawn.now).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&drawn), ["a:3306"]);
        drawn.now = NOW - Duration::from_millis(1);
        assert!(names(&drawn).is_empty(), "the downtime is too young");
    }

    #[test]
    fn a_failure_is_answered_while_its_recovery_runs_and_as_long_as_it_counts_as_left_behind() {
        let answered = |drawn: Picture| is_answered(&drawn.view.declared, &key("a"));
        assert!(answered(draw("a lost")));
        assert!(answered(with_recovery(draw("a"), "a", "b", false)));
        assert!(!answered(with_recovery(draw("a"), "a", "b", true)));
        assert!(!answered(with_recovery(draw("a"), "b", "a", false)));
        assert!(!answered(draw("a downtimed")));
    }
}
