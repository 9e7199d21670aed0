use orchestrator_backend::{CandidateRow, DowntimeRow, Expiry, KeyValueRow};
use orchestrator_core::instance::PromotionRule;
use orchestrator_core::view::{Candidate, Downtime, LOST_IN_RECOVERY};

use super::Make;
use crate::support::{after, begin, detection, end, instance_row, key};

fn downtime(host: &str, reason: &str, until: i64) -> DowntimeRow {
    let (owner, reason) = ("dba".into(), reason.into());
    DowntimeRow { key: key(host), owner, reason, begins_at: after(0), ends_at: after(until) }
}

pub(crate) fn a_repeated_downtime_replaces_the_former(make: Make) {
    let mut backend = make();
    backend.begin_downtime(&downtime("a", "disk", 60)).unwrap();
    backend.begin_downtime(&downtime("a", "memory", 600)).unwrap();
    assert_eq!(backend.downtimes().unwrap(), [downtime("a", "memory", 600)]);
    let declared = backend.declared().unwrap();
    let expected =
        Downtime { owner: "dba".into(), reason: "memory".into(), begins_at: after(0), ends_at: after(600) };
    assert_eq!(declared.downtimes[&key("a")], expected);
}

pub(crate) fn an_ended_downtime_is_gone(make: Make) {
    let mut backend = make();
    backend.begin_downtime(&downtime("a", "disk", 60)).unwrap();
    assert!(backend.end_downtime(&key("a")).unwrap());
    assert!(!backend.end_downtime(&key("a")).unwrap(), "there is none any more");
    assert!(backend.downtimes().unwrap().is_empty());
}

pub(crate) fn a_promotion_rule_keeps_its_spelling_and_time(make: Make) {
    let mut backend = make();
    for (host, rule) in ["a", "b", "c", "d", "e"].into_iter().zip(PromotionRule::ALL) {
        let row = CandidateRow { key: key(host), rule, declared_at: after(7) };
        backend.register_candidate(&row).unwrap();
        backend.register_candidate(&row).unwrap();
    }
    let rules: Vec<_> = backend.candidates().unwrap().into_iter().map(|row| row.rule).collect();
    assert_eq!(rules, PromotionRule::ALL);
    let must_not = Candidate { rule: PromotionRule::MustNot, declared_at: after(7) };
    assert_eq!(backend.declared().unwrap().candidates[&key("e")], must_not);
}

pub(crate) fn the_switch_and_aliases_and_pairs_are_declared(make: Make) {
    let mut backend = make();
    assert!(!backend.recoveries_disabled().unwrap());
    backend.set_recoveries_disabled(true).unwrap();
    backend.set_recoveries_disabled(true).unwrap();
    backend.set_cluster_alias("a:3306", Some("main")).unwrap();
    backend.set_cluster_alias("a:3306", Some("Main")).unwrap();
    backend.set_cluster_alias("b:3306", Some("other")).unwrap();
    backend.set_cluster_alias("b:3306", None).unwrap();
    for value in ["b:3306", "a:3306"] {
        let pair = KeyValueRow { key: "mysql/master/main".into(), value: value.into() };
        backend.put_key_value(&pair, after(0)).unwrap();
    }
    let declared = backend.declared().unwrap();
    assert!(declared.recoveries_disabled);
    assert_eq!(declared.cluster_aliases.into_iter().collect::<Vec<_>>(), [("a:3306".into(), "Main".into())]);
    assert_eq!(backend.key_values().unwrap()[0].value, "a:3306");
    backend.set_recoveries_disabled(false).unwrap();
    assert!(!backend.recoveries_disabled().unwrap());
}

pub(crate) fn pools_are_listed_one_or_all(make: Make) {
    let mut backend = make();
    assert!(backend.pool_members(None).unwrap().is_empty());
    for (host, pool) in [("c", "batch"), ("b", "web"), ("a", "web"), ("c", "web")] {
        let sql = "insert into database_instance_pool (hostname, port, pool) values (?, 3306, ?)";
        backend.execute(sql, &[host.into(), pool.into()]).unwrap();
    }
    let mut list = |pool| -> Vec<String> {
        let rows = backend.pool_members(pool).unwrap();
        rows.into_iter().map(|row| format!("{} {}", row.pool, row.key)).collect()
    };
    assert_eq!(list(None), ["batch c:3306", "web a:3306", "web b:3306", "web c:3306"]);
    assert_eq!(list(Some("web")), ["web a:3306", "web b:3306", "web c:3306"]);
    assert!(list(Some("we")).is_empty(), "a name, not a pattern");
}

pub(crate) fn an_instance_is_discovered_until_it_is_forgotten(make: Make) {
    let mut backend = make();
    for host in ["b", "a", "a"] {
        backend.add_discovered(&key(host), after(0)).unwrap();
        backend.write_instances(&[instance_row(host, after(0))]).unwrap();
    }
    assert_eq!(backend.discovered().unwrap(), [key("a"), key("b")]);
    assert_eq!(backend.forget_instances(&[key("a"), key("x")]).unwrap(), 1);
    assert_eq!(backend.discovered().unwrap(), [key("b")]);
    assert_eq!(backend.instances().unwrap().len(), 1);
}

fn expiry(at: i64) -> Expiry {
    Expiry {
        at: after(at),
        lost_until: after(at + 1000),
        candidates_before: after(at - 3600),
        recoveries_before: after(at - 3600),
        detections_before: after(at - 3600),
    }
}

pub(crate) fn what_is_due_expires_and_nothing_else(make: Make) {
    let mut backend = make();
    backend.begin_downtime(&downtime("short", "x", 60)).unwrap();
    backend.begin_downtime(&downtime("long", "x", 6000)).unwrap();
    let rule = PromotionRule::Prefer;
    backend.register_candidate(&CandidateRow { key: key("old"), rule, declared_at: after(0) }).unwrap();
    backend.register_candidate(&CandidateRow { key: key("new"), rule, declared_at: after(3000) }).unwrap();
    backend.register_detection(&detection("a", after(0)), after(-3600)).unwrap();
    backend.begin_recovery(&begin("1:a", "a", after(0))).unwrap();
    backend.end_recovery(&end("1:a", 0, "b", after(9))).unwrap();
    backend.begin_recovery(&begin("2:x", "unfinished", after(0))).unwrap();

    assert!(!backend.is_expiry_due(&expiry(10)).unwrap());
    assert!(backend.is_expiry_due(&expiry(60)).unwrap());
    backend.expire(&expiry(3700)).unwrap();
    assert!(!backend.is_expiry_due(&expiry(3700)).unwrap(), "once is enough");

    let declared = backend.declared().unwrap();
    assert_eq!(declared.downtimes.into_keys().collect::<Vec<_>>(), [key("long")]);
    assert_eq!(declared.candidates.into_keys().collect::<Vec<_>>(), [key("new")]);
    let active: Vec<_> = declared.active_recoveries.into_iter().map(|recovery| recovery.uid).collect();
    assert_eq!(active, ["2:x"], "an unfinished recovery never ends by itself");
    assert_eq!(backend.register_detection(&detection("a", after(3700)), after(100)).unwrap(), Some(2));
}

pub(crate) fn a_downtime_of_a_lost_instance_is_renewed(make: Make) {
    let mut backend = make();
    backend.begin_downtime(&downtime("a", LOST_IN_RECOVERY, 60)).unwrap();
    backend.expire(&expiry(60)).unwrap();
    assert_eq!(backend.downtimes().unwrap()[0].ends_at, after(1060));
}
