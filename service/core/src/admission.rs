//! Whether a finding that everybody agrees on is answered without a person's word.

use core::fmt;

use crate::{
    analysis::Finding,
    view::{ActiveRecovery, Declared},
};

/// Why a finding is not answered. What a person asks for is not held up by any of these but a running recovery,
/// and that one is refused where recoveries begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection<'d> {
    /// Somebody announced work on it.
    Downtimed,
    /// Automatic recoveries are switched off.
    DisabledGlobally,
    /// The configuration does not name its cluster.
    NotConfigured,
    /// A recovery of the same cluster runs, or ended within its block period and nobody acknowledged it.
    Blocked(&'d ActiveRecovery),
}

/// The first objection to replacing the primary that `finding` is about; `None`: do it.
pub fn objection<'d>(finding: &Finding, declared: &'d Declared) -> Option<Objection<'d>> {
    if finding.is_skippable() {
        Some(Objection::Downtimed)
    } else if declared.recoveries_disabled {
        Some(Objection::DisabledGlobally)
    } else if !finding.recovers_primaries {
        Some(Objection::NotConfigured)
    } else {
        blocking(finding, declared).map(Objection::Blocked)
    }
}

/// A recovery that keeps this finding from being answered: of its cluster, or one that promoted the very instance.
fn blocking<'d>(finding: &Finding, declared: &'d Declared) -> Option<&'d ActiveRecovery> {
    declared
        .active_recoveries
        .iter()
        .find(|active| *active.cluster == *finding.cluster || active.successor.as_ref() == Some(&finding.key))
}

impl fmt::Display for Objection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Downtimed => f.write_str("it is in downtime"),
            Self::DisabledGlobally => f.write_str("recoveries are disabled globally"),
            Self::NotConfigured => f.write_str("no RecoverMasterClusterFilters entry matches its cluster"),
            Self::Blocked(by) => write!(f, "recovery {} of its cluster blocks others", by.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, sync::Arc, vec::Vec};

    use expect_test::{Expect, expect};

    use super::*;
    use crate::{
        analysis::analyze,
        key::InstanceKey,
        picture::{NOW, Picture, draw},
        policy::{AnalysisPolicy, Filters},
        topology::Topology,
    };

    /// Recovers primaries of every cluster but that of `x`.
    struct AllButX;

    impl Filters for AllButX {
        fn recovers_primaries(&self, cluster: &str, _: &str) -> bool {
            !cluster.starts_with("x:")
        }
        fn recovers_intermediate_primaries(&self, _: &str, _: &str) -> bool {
            false
        }
        fn bans_promotion(&self, _: &InstanceKey) -> bool {
            false
        }
        fn ignores_in_analysis(&self, _: &InstanceKey) -> bool {
            false
        }
        fn ignores_problems(&self, _: &InstanceKey) -> bool {
            false
        }
        fn ignores_for_osc(&self, _: &InstanceKey) -> bool {
            false
        }
    }

    /// A recovery of `failed` in the cluster of `cluster` that promoted `successor`.
    fn recovery(id: i64, cluster: &str, successor: &str) -> ActiveRecovery {
        ActiveRecovery {
            uid: "u".into(),
            id,
            failed: InstanceKey::new("z", 3306),
            cluster: InstanceKey::new(cluster, 3306).to_string(),
            successor: Some(InstanceKey::new(successor, 3306)),
            started_at: NOW,
            ended_at: Some(NOW),
            touched: Vec::new(),
        }
    }

    /// What stands against replacing the first instance of the picture.
    #[track_caller]
    fn check(text: &str, declare: impl FnOnce(&mut Declared), expected: Expect) {
        let Picture { mut view, stale, now } = draw(text);
        declare(Arc::make_mut(&mut view.declared));
        let findings =
            analyze(&view, &Topology::of(&view), &AnalysisPolicy::default(), &AllButX, &stale, now);
        let finding = findings.first().expect("the first instance is found");
        let said = objection(finding, &view.declared).map(|it| it.to_string());
        expected.assert_eq(said.as_deref().unwrap_or("go on"));
    }

    const DEAD: &str = "a unreachable\n  b io=connecting\n  c io=connecting";

    #[test]
    fn a_dead_primary_is_answered_when_nothing_stands_against_it() {
        check(DEAD, |_| (), expect!["go on"]);
    }

    #[test]
    fn downtime_comes_before_every_other_reason() {
        let text = "x unreachable downtimed\n  b io=connecting";
        check(text, |declared| declared.recoveries_disabled = true, expect!["it is in downtime"]);
    }

    #[test]
    fn the_switch_comes_before_the_filters() {
        let text = "x unreachable\n  b io=connecting";
        check(
            text,
            |declared| declared.recoveries_disabled = true,
            expect!["recoveries are disabled globally"],
        );
        check(text, |_| (), expect!["no RecoverMasterClusterFilters entry matches its cluster"]);
    }

    #[test]
    fn a_recovery_of_the_same_cluster_blocks() {
        let blocked = expect!["recovery 7 of its cluster blocks others"];
        check(DEAD, |declared| declared.active_recoveries.push(recovery(7, "a", "n")), blocked);
    }

    #[test]
    fn who_was_just_promoted_is_blocked_under_the_name_of_its_old_cluster() {
        let blocked = expect!["recovery 8 of its cluster blocks others"];
        check(DEAD, |declared| declared.active_recoveries.push(recovery(8, "old", "a")), blocked);
    }

    #[test]
    fn recoveries_of_others_block_nobody() {
        check(DEAD, |declared| declared.active_recoveries.push(recovery(9, "old", "n")), expect!["go on"]);
    }
}
