//! From a picture to text that a test can expect.

use expect_test::Expect;
use orchestrator_core::{
    InstanceKey,
    analysis::{Finding, Subject, analyze, analyze_instance},
    picture::{self, Picture},
    policy::{AnalysisPolicy, NoFilters},
    topology::Topology,
};

/// Draws, analyses with the default policy, and compares all findings.
#[track_caller]
pub(crate) fn check(picture: &str, expected: Expect) {
    check_with(&AnalysisPolicy::default(), picture, expected);
}

#[track_caller]
pub(crate) fn check_with(policy: &AnalysisPolicy, picture: &str, expected: Expect) {
    let lines: Vec<_> = findings(policy, &picture::draw(picture)).iter().map(tell).collect();
    expected.assert_eq(&lines.join("\n"));
}

pub(crate) fn findings(policy: &AnalysisPolicy, drawn: &Picture) -> Vec<Finding> {
    let Picture { view, stale, now } = drawn;
    analyze(view, &Topology::of(view), policy, &NoFilters, stale, *now)
}

/// The finding about one instance, also when nothing is wrong with it.
pub(crate) fn finding(picture: &str, key: &str) -> Finding {
    let Picture { view, stale, now } = &picture::draw(picture);
    let (topology, policy) = (Topology::of(view), AnalysisPolicy::default());
    let subject =
        Subject { view, topology: &topology, policy: &policy, filters: &NoFilters, stale, now: *now };
    let key = InstanceKey::parse(key, 3306).expect("tests name instances that exist");
    analyze_instance(&subject, &key).expect("tests name instances that exist")
}

/// `a:3306 DeadPrimary: 2 replicas, 2 valid, 0 replicating`, and what else is worth telling.
fn tell(finding: &Finding) -> String {
    let Finding { key, code, facts, .. } = finding;
    let counts = &facts.replicas;
    let mut told = format!(
        "{key} {code:?}: {} replicas, {} valid, {} replicating",
        counts.all, counts.valid, counts.replicating
    );
    for (count, name) in
        [(counts.silent, "silent"), (counts.failing_to_connect, "failing"), (counts.lagging, "lagging")]
    {
        if count > 0 {
            told += &format!(", {count} {name}");
        }
    }
    if !finding.structure.is_empty() {
        told += &format!("; {:?}", finding.structure);
    }
    if finding.is_skippable() {
        told += "; skippable";
    }
    told
}
