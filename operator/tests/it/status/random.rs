//! Groups that nobody would draw: whatever is seen and planned, something sensible is said, and said once.

use jiff::SignedDuration;
use orchestrator_crds::{ConditionType, OrchestratorClusterStatus};
use orchestrator_operator::{
    observation::Observation,
    plan::plan,
    status::{Applied, events, memory, status},
};

use super::drawn::{applied, formed, group, now};

/// Enough to meet each pair of roles many times, in well under a second.
const DRAWS: u64 = 600;

const ROLES: [&str; 14] = [
    "follower", "follower", "follower", "silent", "starting", "down", "unpulled", "pending", "gone", "empty",
    "corrupt", "foreign", "stale", "lost",
];

/// A sequence that is the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn picture(&mut self) -> String {
        let members = 1 + self.below(5);
        let leader = (!self.one_in(4)).then(|| self.below(members));
        let mut lines = String::new();
        for ordinal in 0..members {
            let role = if Some(ordinal) == leader { "leader" } else { ROLES[self.below(ROLES.len())] };
            let flag = ["", "lag=400", "old", "unread", "node=a", "version=0.9.0"][self.below(6)];
            lines.push_str(&format!("main-{ordinal} {role} {flag}\n"));
        }
        if self.one_in(5) {
            lines.push_str("far.example.net:10008 follower\n");
        }
        lines
    }

    fn observation(&mut self, picture: &str) -> Observation {
        let mut seen = group(picture);
        let mut spec = (*seen.spec).clone();
        spec.replicas = [spec.replicas, spec.replicas, 1, 3, 5][self.below(5)];
        spec.stopped = self.one_in(12);
        spec.paused = self.one_in(12);
        seen.deleting = self.one_in(20);
        seen.spec = std::sync::Arc::new(spec);
        seen
    }
}

/// A pass as the shell makes it, but that nothing is carried out.
fn pass(seen: &Observation, previous: &OrchestratorClusterStatus, seconds: i64) -> OrchestratorClusterStatus {
    let seen = Observation {
        now: now() + SignedDuration::from_secs(seconds),
        memory: memory(previous),
        ..seen.clone()
    };
    let plan = plan(&seen);
    for finding in &plan.findings {
        let (condition, reason) = (finding.condition, finding.reason);
        assert!(condition.status(reason).is_some(), "{reason} is no reason of {condition}");
    }
    status(&seen, &plan, &Applied { generation: 1, ..applied() }, previous)
}

#[test]
fn whatever_is_seen_every_condition_has_a_reason_of_its_own() {
    let mut dice = Dice(1);
    for draw in 0..DRAWS {
        let picture = dice.picture();
        let seen = dice.observation(&picture);
        let before = if dice.one_in(4) { OrchestratorClusterStatus::default() } else { formed() };
        let told = pass(&seen, &before, 0);
        let types: Vec<&str> = told.conditions.iter().map(|one| one.type_.as_str()).collect();
        let all: Vec<&str> = ConditionType::ALL.iter().map(|condition| condition.as_str()).collect();
        assert_eq!(types, all, "draw {draw}:\n{picture}");
        for one in &told.conditions {
            let text = &one.message;
            let whole = text.ends_with(['.', '!', '?', '…']) && !text.contains("..") && !text.contains("  ");
            assert!(whole, "draw {draw}: {}: {text:?}\n{picture}", one.type_);
        }
    }
}

#[test]
fn whatever_is_seen_again_nothing_new_is_reported_and_no_time_moves() {
    let mut dice = Dice(2);
    for draw in 0..DRAWS {
        let picture = dice.picture();
        let seen = dice.observation(&picture);
        // Leaders have to last and elections to end before a group counts as one that stays as it is.
        let settled = [0, 5, 20, 40].iter().fold(formed(), |before, at| pass(&seen, &before, *at));
        let again = pass(&seen, &settled, 60);
        let reported = events(&settled, &again);
        assert!(reported.is_empty(), "draw {draw}: {reported:?}\n{picture}");
        for (one, other) in settled.conditions.iter().zip(&again.conditions) {
            let times = (&one.last_transition_time, &other.last_transition_time);
            assert_eq!(times.0, times.1, "draw {draw}: {}\n{picture}", one.type_);
        }
    }
}
