//! Problems by the names that clients know, and concerns of our own.

use expect_test::{Expect, expect};
use orchestrator_core::{
    InstanceKey,
    analysis::{concerns, problems},
    observation::{Part, Unread},
    picture::draw,
    policy::AnalysisPolicy,
    topology::Topology,
    view::ActiveRecovery,
};

#[track_caller]
fn check(picture: &str, expected: Expect) {
    let drawn = draw(picture);
    let topology = Topology::of(&drawn.view);
    let policy = AnalysisPolicy::default();
    let mut told = Vec::new();
    for (key, record) in drawn.view.records() {
        let problems = problems(&drawn.view, &topology, record, &policy, drawn.now);
        let concerns = concerns(&drawn.view, &topology, record);
        let names = problems.iter().map(|problem| problem.as_str().to_owned());
        let all: Vec<_> = names.chain(concerns.iter().map(ToString::to_string)).collect();
        if !all.is_empty() {
            told.push(format!("{key}: {}", all.join(", ")));
        }
    }
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn the_first_of_the_basic_problems_is_told() {
    check("a\n  b unreachable io=no lag=30", expect!["b:3306: last_check_invalid"]);
    check("a\n  b unchecked io=no", expect!["b:3306: not_recently_checked"]);
    check("a\n  b io=no lag=30", expect!["b:3306: not_replicating"]);
    check("a\n  b lag=11\n  c lag=10", expect!["b:3306: replication_lag"]);
}

#[test]
fn delay_that_is_wanted_is_no_lag() {
    check("a\n  b lag=3605 delay=3600\n  c lag=5 delay=3600", expect!["c:3306: replication_lag"]);
}

#[test]
fn errant_transactions_and_group_state_are_told_besides() {
    check("a gtid=#1:1-9\n  b io=no gtid=#1:1-9,#2:1", expect!["b:3306: not_replicating, errant_gtid"]);
    check("a group=g/PRIMARY/RECOVERING", expect!["a:3306: group_replication_member_not_online"]);
}

#[test]
fn an_old_primary_that_returned_says_so() {
    check(
        "a lost\nb\n  c",
        expect!["a:3306: failed as a primary, was replaced, and answers again; it accepts writes"],
    );
    check("a lost ro", expect!["a:3306: failed as a primary, was replaced, and answers again"]);
    check("a lost unreachable", expect!["a:3306: last_check_invalid"]);
    check("b\n  a lost", expect![""]);
    check("a downtimed", expect![""]);
}

#[test]
fn an_old_primary_is_known_by_the_recovery_that_replaced_it() {
    let mut drawn = draw("a\nb");
    let key = |host| InstanceKey::new(host, 3306);
    std::sync::Arc::make_mut(&mut drawn.view.declared).active_recoveries.push(ActiveRecovery {
        uid: "1".into(),
        id: 1,
        failed: key("a"),
        cluster: "a:3306".into(),
        successor: Some(key("b")),
        started_at: drawn.now,
        ended_at: Some(drawn.now),
        touched: vec![key("b")],
    });
    let topology = Topology::of(&drawn.view);
    let reasons = |host| {
        let concerns = concerns(&drawn.view, &topology, drawn.view.get(&key(host)).unwrap());
        concerns.iter().map(|concern| concern.reason()).collect::<Vec<_>>()
    };
    assert_eq!(reasons("a"), ["old_primary_returned"]);
    assert!(reasons("b").is_empty());
}

#[test]
fn privileges_that_are_missing_are_named() {
    let mut drawn = draw("a");
    let key = InstanceKey::new("a", 3306);
    let mut record = (**drawn.view.get(&key).unwrap()).clone();
    let missing = "READ_ONLY ADMIN (opening and closing for writes)";
    record.unread.push(Unread { part: Part::Privileges, error: missing.into() });
    record.unread.push(Unread { part: Part::Replicas, error: "denied".into() });
    drawn.view.insert(record);
    let topology = Topology::of(&drawn.view);
    let concerns = concerns(&drawn.view, &topology, drawn.view.get(&key).unwrap());
    let told: Vec<_> = concerns.iter().map(|concern| format!("{}: {concern}", concern.reason())).collect();
    assert_eq!(
        told,
        [
            "privileges_missing: the account lacks READ_ONLY ADMIN (opening and closing for writes)",
            "part_unread: list of replicas could not be read: denied"
        ]
    );
}

#[test]
fn odd_sources_are_told() {
    check("a source=//b:3306", expect!["a:3306: its source is detached"]);
    check("a source=a:3306", expect!["a:3306: names itself as its source"]);
    check("a source=gone:3306", expect!["a:3306: its source is not known"]);
}
