//! What follows from a record, or from what was declared, at a moment.

use core::time::Duration;

use crate::{
    instance::{Instance, PromotionRule},
    key::InstanceKey,
    policy::AnalysisPolicy,
    time::Timestamp,
    view::{Declared, Downtime, InstanceRecord},
};

/// Poll intervals without a check after which an instance counts as not looked at.
pub const RECENT_POLLS: u32 = 5;

impl Declared {
    /// The downtime of `key` that holds at `now`.
    pub fn downtime_of(&self, key: &InstanceKey, now: Timestamp) -> Option<&Downtime> {
        self.downtimes.get(key).filter(|downtime| downtime.ends_at > now)
    }

    /// A refactoring holds `key` at `now`.
    pub fn is_under_maintenance(&self, key: &InstanceKey, now: Timestamp) -> bool {
        self.maintenance.get(key).is_some_and(|until| *until > now)
    }

    /// How willing we are to promote `instance`: as declared within `expiry`, else as its detection query
    /// says, else neutral.
    pub fn promotion_rule(&self, instance: &Instance, expiry: Duration, now: Timestamp) -> PromotionRule {
        self.candidates
            .get(&instance.key)
            .filter(|candidate| now.since(candidate.declared_at) < expiry)
            .map(|candidate| candidate.rule)
            .or(instance.labels.promotion_rule)
            .unwrap_or_default()
    }
}

impl InstanceRecord {
    /// Looked at within one poll interval.
    pub fn is_up_to_date(&self, policy: &AnalysisPolicy, now: Timestamp) -> bool {
        now.since(self.checks.last_checked) <= policy.poll_interval
    }

    /// Looked at within [`RECENT_POLLS`] poll intervals.
    pub fn is_recently_checked(&self, policy: &AnalysisPolicy, now: Timestamp) -> bool {
        now.since(self.checks.last_checked) <= policy.poll_interval * RECENT_POLLS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{NOW, draw};

    #[test]
    fn a_declared_rule_holds_until_it_expires() {
        let drawn = draw("a rule=must_not");
        let mut instance =
            drawn.view.get(&InstanceKey::new("a", 3306)).expect("it is drawn").instance.clone();
        let rule = |instance: &Instance, age| {
            drawn.view.declared.promotion_rule(
                instance,
                Duration::from_secs(60),
                NOW + Duration::from_secs(age),
            )
        };
        assert_eq!(rule(&instance, 59), PromotionRule::MustNot);
        assert_eq!(rule(&instance, 60), PromotionRule::Neutral);
        instance.labels.promotion_rule = Some(PromotionRule::Prefer);
        assert_eq!(rule(&instance, 59), PromotionRule::MustNot);
        assert_eq!(rule(&instance, 60), PromotionRule::Prefer);
    }

    #[test]
    fn a_downtime_ends() {
        let drawn = draw("a downtimed maintenance");
        let (declared, key) = (&drawn.view.declared, InstanceKey::new("a", 3306));
        let later = NOW + Duration::from_secs(600);
        assert!(declared.downtime_of(&key, NOW).is_some() && declared.is_under_maintenance(&key, NOW));
        assert!(declared.downtime_of(&key, later).is_none() && !declared.is_under_maintenance(&key, later));
    }
}
