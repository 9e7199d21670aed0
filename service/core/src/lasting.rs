//! Failures that lead to no recovery of a primary: people are told of those that last.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use crate::{
    analysis::{AnalysisCode, Finding, Response},
    key::InstanceKey,
    time::Timestamp,
};

/// A failure is told when it lasts this long: replicas of a primary that was restarted take some seconds to find it
/// again.
pub const TOLD_AFTER: Duration = Duration::from_secs(5);

/// What the last round found, and since when.
#[derive(Debug, Default)]
pub struct Lasting(BTreeMap<InstanceKey, (AnalysisCode, Timestamp)>);

/// What a round says.
#[derive(Debug, PartialEq, Eq)]
pub struct Round<'f> {
    /// Failures that have lasted long enough, in the order of their instances.
    pub told: Vec<&'f Finding>,
    /// Instances with which nothing is wrong any more.
    pub over: Vec<InstanceKey>,
}

impl Lasting {
    /// Forgets what was found: somebody else tells of it now.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// One more round. Findings that recoveries of primaries answer are none of this module's.
    pub fn round<'f>(
        &mut self,
        findings: impl IntoIterator<Item = &'f Finding>,
        now: Timestamp,
    ) -> Round<'f> {
        let ours = |finding: &&Finding| {
            !matches!(finding.code.response(), Response::RecoverPrimary | Response::Ignore)
        };
        let mut last = core::mem::take(&mut self.0);
        let mut told = Vec::new();
        for finding in findings.into_iter().filter(ours) {
            let same = last.remove(&finding.key).filter(|(code, _)| *code == finding.code);
            let since = same.map_or(now, |(_, since)| since);
            if now.since(since) >= TOLD_AFTER {
                told.push(finding);
            }
            self.0.insert(finding.key.clone(), (finding.code, since));
        }
        told.sort_by(|a, b| a.key.cmp(&b.key));
        Round { told, over: last.into_keys().collect() }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{
        format,
        string::{String, ToString},
    };

    use super::*;
    use crate::{
        analysis::analyze,
        picture::{NOW, Picture, draw},
        policy::{AnalysisPolicy, NoFilters},
        topology::Topology,
    };

    /// What is said of the pictures, each seen so many seconds after the first.
    fn said(rounds: &[(u64, &str)]) -> Vec<String> {
        let mut lasting = Lasting::default();
        let rounds = rounds.iter().map(|(after, text)| {
            let Picture { view, stale, now } = draw(text);
            let policy = AnalysisPolicy::default();
            let findings = analyze(&view, &Topology::of(&view), &policy, &NoFilters, &stale, now);
            let Round { told, over } = lasting.round(&findings, NOW + Duration::from_secs(*after));
            let told: Vec<_> =
                told.iter().map(|finding| format!("{} {}", finding.key, finding.code)).collect();
            let over: Vec<_> = over.iter().map(ToString::to_string).collect();
            format!("[{}] over [{}]", told.join(", "), over.join(", "))
        });
        rounds.collect()
    }

    const OUTAGE: &str = "a unreachable\n  b unreachable\n  c unreachable";

    #[test]
    fn a_failure_is_told_when_it_lasts_and_over_when_it_is_gone() {
        let rounds = [(0, OUTAGE), (4, OUTAGE), (5, OUTAGE), (6, "a\n  b\n  c")];
        assert_eq!(
            said(&rounds),
            ["[] over []", "[] over []", "[a:3306 DeadMasterAndReplicas] over []", "[] over [a:3306]"]
        );
    }

    #[test]
    fn another_failure_of_the_same_instance_begins_anew() {
        let rounds = [(0, OUTAGE), (4, "a\n  b io=no\n  c io=no"), (8, "a\n  b io=no\n  c io=no")];
        assert_eq!(said(&rounds).last().map(String::as_str), Some("[] over []"));
    }

    #[test]
    fn dead_primaries_are_left_to_recoveries() {
        let dead = "a unreachable\n  b io=connecting\n  c io=connecting";
        assert_eq!(said(&[(0, dead), (60, dead)]), ["[] over []", "[] over []"]);
    }
}
