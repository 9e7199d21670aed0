//! Whom to make connect anew, to learn whether a primary that nobody else reaches still feeds its replicas.
//!
//! A receiving thread says `Yes` until `replica_net_timeout` ends, a minute by default, and its silence counts after
//! a heartbeat that did not come, half a minute by default. All that time it looks as if it heard a primary that is
//! frozen or gone, and nothing may be done. Stopped and started again, it says within milliseconds what is true.
//!
//! One replica goes first, so that a primary that lives, and that only we cannot reach, never loses more than one
//! of its replicas for a moment. The others follow when that one finds nobody.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{ops::RangeInclusive, time::Duration};

use crate::{
    analysis::AnalysisCode,
    grace::{Absence, Departure},
    instance::{ReplicationGtid, ThreadState},
    key::InstanceKey,
    time::Timestamp,
    topology::Topology,
    verdict::hearers,
    view::{InstanceRecord, TopologyView},
};

/// How long a primary must have been out of this node's reach: the pause of a machine that is moved is no reason.
pub const UNREACHED_FOR: Duration = Duration::from_secs(1);

/// How long a replica may take to connect to a primary that lives; 6 to 50 ms were measured in one data center.
pub const CONNECTS_WITHIN: Duration = Duration::from_millis(1500);

/// Neither a replica nor the replicas of a primary are stirred again within this time. As the original.
pub const THROTTLE: Duration = Duration::from_secs(30);

/// A primary with this finding may be dead, and only look alive to its replicas.
pub fn is_in_doubt(code: AnalysisCode) -> bool {
    use AnalysisCode::*;
    matches!(
        code,
        UnreachablePrimary | UnreachablePrimaryWithLaggingReplicas | DeadPrimary | DeadPrimaryAndSomeReplicas
    )
}

/// When whom was last made to connect anew. One node's memory: losing it costs one more restart of a thread.
#[derive(Debug, Clone, Default)]
pub struct Reconnects {
    at: BTreeMap<InstanceKey, Timestamp>,
}

impl Reconnects {
    /// Notes that the receiving thread of `replica` was started again at `at`. Forgets what no longer matters.
    pub fn note(&mut self, replica: &InstanceKey, at: Timestamp) {
        self.at.retain(|_, earlier| at.since(*earlier) < THROTTLE);
        self.at.insert(replica.clone(), at);
    }

    /// Until when a replica of `primary` may still be on its way back to it: before that its silence says nothing.
    pub fn pending_until(
        &self,
        topology: &Topology,
        primary: &InstanceKey,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let replicas = topology.place(primary).map_or(&[][..], |place| &place.replicas);
        let last = replicas.iter().filter_map(|replica| self.at.get(replica)).max()?;
        // A clock that was set back ends the wait.
        (now.since(*last) < CONNECTS_WITHIN && now >= *last).then(|| *last + CONNECTS_WITHIN)
    }

    /// Whose receiving thread to stop and start now. Asked when a majority cannot reach `primary` and replicas still
    /// seem to; empty when there is nothing to learn, or when it would be learned at somebody's expense:
    ///
    /// - a primary that was shut down in order is still sending what it acknowledged;
    /// - a replica that heard it since we lost it is proof enough that it lives;
    /// - MariaDB's GTID makes a replica whose thread is restarted fetch again what it has; as the original.
    pub fn wanted(
        &self,
        view: &TopologyView,
        topology: &Topology,
        primary: &InstanceKey,
        absence: Absence,
        now: Timestamp,
    ) -> Vec<InstanceKey> {
        if absence.departure != Departure::Abrupt || now.since(absence.since) < UNREACHED_FOR {
            return Vec::new();
        }
        let hearers = hearers(view, topology, primary);
        let records: Vec<_> =
            hearers.iter().filter_map(|key| view.get(key)).map(|record| &**record).collect();
        let heard = |record: &&InstanceRecord| record.source_contact_at.is_some_and(|at| at > absence.since);
        if records.iter().any(heard) || records.iter().any(|record| !may_restart(record)) {
            return Vec::new();
        }
        let replicas = topology.place(primary).map_or(&[][..], |place| &place.replicas);
        let recent = |key: &InstanceKey| self.at.get(key).copied().filter(|at| now.since(*at) < THROTTLE);
        let gone_before: Vec<_> = replicas.iter().filter_map(|key| Some((key, recent(key)?))).collect();
        if gone_before.is_empty() {
            return first(&records).into_iter().collect();
        }
        if gone_before.iter().all(|(key, at)| found_nobody(view, key, *at)) {
            return hearers.into_iter().filter(|key| recent(key).is_none()).collect();
        }
        Vec::new()
    }
}

/// The one that heard the primary last: if any of them can still reach it, then that one.
fn first(records: &[&InstanceRecord]) -> Option<InstanceKey> {
    let best = records
        .iter()
        .min_by_key(|record| (core::cmp::Reverse(record.source_contact_at), &record.instance.key));
    best.map(|record| record.instance.key.clone())
}

fn may_restart(record: &InstanceRecord) -> bool {
    let gtid = record.instance.replication.as_ref().map(|replication| replication.gtid);
    gtid.is_some_and(|gtid| gtid != ReplicationGtid::MariaDb)
}

/// Errors that a client gives itself when nobody answers. All others come from a server, which therefore lives: it
/// denies the login, or has too many connections.
const ERRORS_OF_CLIENTS: RangeInclusive<u32> = 2000..=2999;

/// Looked at long enough after its restart, the replica was not connected, and nobody had answered it.
fn found_nobody(view: &TopologyView, replica: &InstanceKey, restarted_at: Timestamp) -> bool {
    let Some(record) = view.get(replica).filter(|record| record.checks.is_valid()) else { return false };
    let Some(replication) = &record.instance.replication else { return false };
    let answered = replication.io_errno != 0 && !ERRORS_OF_CLIENTS.contains(&replication.io_errno);
    record.checks.last_attempted.since(restarted_at) >= CONNECTS_WITHIN
        && replication.io_thread == ThreadState::Other
        && !answered
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use expect_test::{Expect, expect};

    use super::*;
    use crate::picture::{NOW, Picture, draw};

    /// A frozen primary: nobody reaches it, its replicas heard it 1.9 to 2.1 s ago and expect a heartbeat each 30 s.
    const FROZEN: &str = "a silent\n  b quiet=2100 heartbeat=30000\n  c quiet=1900 heartbeat=30000\n  d quiet=2000 heartbeat=30000";

    fn key(name: &str) -> InstanceKey {
        InstanceKey::new(name, 3306)
    }

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Lost 1.5 s ago.
    const LOST: Absence =
        Absence { departure: Departure::Abrupt, since: Timestamp::from_millis(NOW.as_millis() - 1500) };

    /// The same picture, all looked at again so much later.
    fn later(mut drawn: Picture, by: Duration) -> Picture {
        drawn.now = drawn.now + by;
        let records: Vec<_> = drawn.view.records().map(|(_, record)| (**record).clone()).collect();
        for mut record in records {
            record.checks.last_attempted = record.checks.last_attempted + by;
            record.checks.last_checked = record.checks.last_checked + by;
            record.checks.last_seen = record.checks.last_seen.map(|at| at + by);
            drawn.view.insert(record);
        }
        drawn
    }

    fn asked(drawn: &Picture, before: &Reconnects, absence: Absence) -> String {
        let topology = Topology::of(&drawn.view);
        let wanted = before.wanted(&drawn.view, &topology, &key("a"), absence, drawn.now);
        wanted.iter().map(|key| format!("{} ", key.hostname)).collect()
    }

    #[track_caller]
    fn check(drawn: &Picture, before: &Reconnects, absence: Absence, expected: Expect) {
        expected.assert_eq(&asked(drawn, before, absence));
    }

    fn after(restarts: &[(&str, Timestamp)]) -> Reconnects {
        let mut before = Reconnects::default();
        restarts.iter().for_each(|(name, at)| before.note(&key(name), *at));
        before
    }

    #[test]
    fn the_one_that_heard_it_last_goes_first_and_alone() {
        check(&draw(FROZEN), &Reconnects::default(), LOST, expect!["c "]);
    }

    #[test]
    fn the_others_follow_when_the_first_found_nobody() {
        let connecting = FROZEN.replace("c quiet", "c io=connecting quiet");
        let before = after(&[("c", NOW)]);
        check(&later(draw(&connecting), secs(1.4)), &before, LOST, expect![""]);
        check(&later(draw(&connecting), secs(1.6)), &before, LOST, expect!["b d "]);
        let all = after(&[("c", NOW), ("b", NOW + secs(1.6)), ("d", NOW + secs(1.6))]);
        check(&later(draw(&connecting), secs(5.0)), &all, LOST, expect![""]);
    }

    #[test]
    fn a_first_one_that_connects_again_proves_that_the_primary_lives() {
        let before = after(&[("c", NOW)]);
        for seconds in [0.1, 2.0, 29.0] {
            check(&later(draw(FROZEN), secs(seconds)), &before, LOST, expect![""]);
        }
        // Nobody is asked twice within the throttle; then it begins again.
        check(&later(draw(FROZEN), secs(30.0)), &before, LOST, expect!["c "]);
    }

    #[test]
    fn a_first_one_that_nobody_looked_at_since_says_nothing() {
        let mut drawn = draw(&FROZEN.replace("c quiet", "c io=connecting quiet"));
        drawn.now = NOW + secs(3.0);
        check(&drawn, &after(&[("c", NOW)]), LOST, expect![""]);
    }

    #[test]
    fn a_first_one_that_is_turned_away_proves_that_the_primary_lives() {
        let connecting = FROZEN.replace("c quiet", "c io=waiting quiet");
        let after_error = |errno| {
            let mut drawn = later(draw(&connecting), secs(2.0));
            let mut record = (**drawn.view.get(&key("c")).expect("it is drawn")).clone();
            record.instance.replication.as_mut().expect("it is a replica").io_errno = errno;
            drawn.view.insert(record);
            drawn
        };
        let before = after(&[("c", NOW)]);
        for (errno, others) in
            [(0, "b d "), (2003, "b d "), (2013, "b d "), (1045, ""), (1040, ""), (3159, "")]
        {
            assert_eq!(asked(&after_error(errno), &before, LOST), others, "{errno}");
        }
    }

    #[test]
    fn a_replica_that_heard_the_primary_after_we_lost_it_is_proof_enough() {
        let hears = FROZEN.replace("d quiet=2000", "d quiet=0");
        check(&draw(&hears), &Reconnects::default(), LOST, expect![""]);
    }

    #[test]
    fn a_short_silence_or_a_shutdown_in_order_is_no_reason() {
        let just = Absence { since: NOW - secs(0.9), ..LOST };
        check(&draw(FROZEN), &Reconnects::default(), just, expect![""]);
        let in_order = Absence { departure: Departure::InOrder, ..LOST };
        check(&draw(FROZEN), &Reconnects::default(), in_order, expect![""]);
    }

    #[test]
    fn a_replica_that_would_fetch_again_what_it_has_keeps_all_of_them_as_they_are() {
        let mixed = FROZEN.replace("d quiet", "d mariadb quiet");
        check(&draw(&mixed), &Reconnects::default(), LOST, expect![""]);
    }

    #[test]
    fn nobody_is_stirred_when_nobody_claims_to_hear() {
        check(&draw("a silent\n  b io=connecting\n  c io=no"), &Reconnects::default(), LOST, expect![""]);
    }

    #[test]
    fn the_silence_of_a_replica_on_its_way_back_says_nothing_yet() {
        let topology = Topology::of(&draw(FROZEN).view);
        let before = after(&[("b", NOW), ("c", NOW + secs(1.0))]);
        let pending = |at| before.pending_until(&topology, &key("a"), at);
        assert_eq!(pending(NOW + secs(2.4)), Some(NOW + secs(2.5)));
        assert_eq!(pending(NOW + secs(2.5)), None);
        assert_eq!(pending(NOW), None, "the clock was set back");
        assert_eq!(before.pending_until(&topology, &key("x"), NOW), None);
    }
}
