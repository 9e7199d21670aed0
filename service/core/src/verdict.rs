//! Whether enough nodes agree that a primary is dead.
//!
//! One observer may be cut off without knowing it. A finding becomes a verdict when a majority of the raft
//! group, each by a fresh look of its own, cannot reach the primary, and no node that sees it alive makes that
//! impossible. A node that reaches nobody of the cluster is itself cut off and has no say.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use crate::{
    analysis::is_silent,
    instance::ThreadState,
    key::InstanceKey,
    observation::{Failure, FailureKind},
    time::Timestamp,
    topology::Topology,
    view::TopologyView,
};

/// What one node saw when it was asked to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The node, by the name its peers know it by.
    pub observer: String,
    /// The instance in question.
    pub primary: Sight,
    /// Replicas of it that the same node reached at the same time, and those that it did not.
    pub replicas_reached: u32,
    /// See above.
    pub replicas_missed: u32,
    /// When it had finished looking, by its own clock.
    pub at: Timestamp,
}

/// What a node saw of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// It answered.
    Alive,
    /// It did not.
    Failed(Failure),
    /// The node did not say.
    NoAnswer(String),
}

/// What one piece of evidence is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vote {
    /// The primary is out of reach.
    Dead(FailureKind),
    /// The primary is alive.
    Alive,
    /// The node cannot tell, and why.
    Abstains(String),
}

/// What the group says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Enough nodes cannot reach it.
    Dead {
        /// The nodes that agree.
        agreed_by: Vec<String>,
        /// Nodes that were asked and did not agree, with their reason.
        others: Vec<(String, String)>,
    },
    /// Not enough do; nothing may be done.
    NotAgreed {
        /// How many agreed, and how many must.
        agreed: usize,
        /// See above.
        needed: usize,
        /// Who said what, for people.
        votes: Vec<(String, Vote)>,
    },
}

impl Evidence {
    /// What this is worth.
    ///
    /// A node that reached none of several instances of the cluster says more about itself than about them.
    pub fn vote(&self) -> Vote {
        match &self.primary {
            Sight::Alive => Vote::Alive,
            Sight::NoAnswer(why) => Vote::Abstains(why.clone()),
            Sight::Failed(failure) if failure.kind.proves_alive() => Vote::Alive,
            // A name service that answers nothing says nothing. One that knows the replicas and not the primary does:
            // on Kubernetes the name of a dead pod is gone.
            Sight::Failed(failure)
                if failure.kind == FailureKind::NameUnresolved && self.replicas_reached == 0 =>
            {
                Vote::Abstains(failure.to_string())
            }
            Sight::Failed(_) if self.replicas_reached == 0 && self.replicas_missed > 0 => {
                Vote::Abstains(format!("reaches none of {} replicas either", self.replicas_missed))
            }
            Sight::Failed(failure) => Vote::Dead(failure.kind),
        }
    }
}

/// Replicas that, when last looked at, received from `primary`: their word outweighs every vote, since what
/// they receive somebody sends. A stopped applying thread does not matter here.
pub fn hearers(view: &TopologyView, topology: &Topology, primary: &InstanceKey) -> Vec<InstanceKey> {
    let replicas = topology.place(primary).map_or(&[][..], |place| &place.replicas);
    let hears = |key: &&InstanceKey| {
        let Some(record) = view.get(key).filter(|record| record.checks.is_valid()) else { return false };
        let receiving = record.instance.replication.as_ref().map(|replication| replication.io_thread);
        receiving == Some(ThreadState::Running) && !is_silent(record)
    };
    replicas.iter().filter(hears).cloned().collect()
}

/// Votes that make a majority of `voters`.
pub fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// Counts the votes. `voters` is the size of the raft group, not of those that answered; `quorum` off means
/// that one observer is enough (the behaviour of the original).
pub fn decide(voters: usize, quorum: bool, evidence: &[Evidence]) -> Verdict {
    let needed = if quorum { majority(voters) } else { 1 };
    let votes: Vec<(String, Vote)> = evidence.iter().map(|one| (one.observer.clone(), one.vote())).collect();
    let dead = |vote: &Vote| matches!(vote, Vote::Dead(_));
    let agreed = votes.iter().filter(|(_, vote)| dead(vote)).count();
    if agreed < needed {
        return Verdict::NotAgreed { agreed, needed, votes };
    }
    let (agreed_by, others): (Vec<_>, Vec<_>) = votes.into_iter().partition(|(_, vote)| dead(vote));
    Verdict::Dead {
        agreed_by: agreed_by.into_iter().map(|(node, _)| node).collect(),
        others: others.into_iter().map(|(node, vote)| (node, vote.to_string())).collect(),
    }
}

impl core::fmt::Display for Vote {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Dead(kind) => write!(f, "cannot reach it: {}", kind.as_str()),
            Self::Alive => f.write_str("sees it alive"),
            Self::Abstains(why) => write!(f, "cannot tell: {why}"),
        }
    }
}

/// What to look at to bear witness about a primary: itself and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The instance in question.
    pub primary: InstanceKey,
    /// Replicas of it.
    pub replicas: Vec<InstanceKey>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn failed(kind: FailureKind) -> Sight {
        Sight::Failed(Failure { kind, error: "x".into(), partial: false })
    }

    fn evidence(observer: &str, primary: Sight, reached: u32, missed: u32) -> Evidence {
        Evidence {
            observer: observer.into(),
            primary,
            replicas_reached: reached,
            replicas_missed: missed,
            at: Timestamp::from_millis(0),
        }
    }

    #[track_caller]
    fn check(voters: usize, quorum: bool, evidence: &[Evidence], expected: Expect) {
        let text = match decide(voters, quorum, evidence) {
            Verdict::Dead { agreed_by, others } => format!("dead by {agreed_by:?}, others {others:?}"),
            Verdict::NotAgreed { agreed, needed, votes } => {
                let votes: Vec<_> = votes.iter().map(|(node, vote)| format!("{node} {vote}")).collect();
                format!("{agreed} of {needed}: {}", votes.join("; "))
            }
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn two_of_three_are_enough() {
        check(
            3,
            true,
            &[
                evidence("n1", failed(FailureKind::Refused), 2, 0),
                evidence("n2", failed(FailureKind::Silent), 2, 0),
                evidence("n3", Sight::NoAnswer("timed out".into()), 0, 0),
            ],
            expect![[r#"dead by ["n1", "n2"], others [("n3", "cannot tell: timed out")]"#]],
        );
    }

    #[test]
    fn a_leader_that_alone_is_cut_off_starts_nothing() {
        check(
            3,
            true,
            &[
                evidence("n1", failed(FailureKind::ConnectTimeout), 2, 0),
                evidence("n2", Sight::Alive, 2, 0),
                evidence("n3", Sight::Alive, 2, 0),
            ],
            expect![
                "1 of 2: n1 cannot reach it: no connection within the deadline; n2 sees it alive; n3 sees it alive"
            ],
        );
    }

    #[test]
    fn a_node_that_reaches_nobody_has_no_say() {
        check(
            3,
            true,
            &[
                evidence("n1", failed(FailureKind::ConnectTimeout), 0, 2),
                evidence("n2", failed(FailureKind::ConnectTimeout), 0, 2),
                evidence("n3", failed(FailureKind::ConnectTimeout), 1, 1),
            ],
            expect![
                "1 of 2: n1 cannot tell: reaches none of 2 replicas either; n2 cannot tell: reaches none of 2 replicas either; n3 cannot reach it: no connection within the deadline"
            ],
        );
    }

    #[test]
    fn a_name_that_is_gone_counts_only_where_other_names_resolve() {
        check(
            3,
            true,
            &[
                evidence("n1", failed(FailureKind::NameUnresolved), 1, 0),
                evidence("n2", failed(FailureKind::NameUnresolved), 0, 0),
            ],
            expect![
                "1 of 2: n1 cannot reach it: name does not resolve; n2 cannot tell: name does not resolve: x"
            ],
        );
    }

    #[test]
    fn an_error_answer_is_a_sign_of_life() {
        check(
            1,
            true,
            &[evidence("n1", failed(FailureKind::AnsweredError), 2, 0)],
            expect!["0 of 1: n1 sees it alive"],
        );
    }

    #[test]
    fn a_replica_that_receives_and_does_not_apply_still_hears_its_source() {
        let drawn = crate::picture::draw("a unreachable\n  b sql=no\n  c io=connecting");
        let topology = Topology::of(&drawn.view);
        let names = |text| InstanceKey::parse(text, 3306).unwrap();
        assert_eq!(hearers(&drawn.view, &topology, &names("a")), [names("b")]);
    }

    #[test]
    fn without_quorum_one_observer_is_enough() {
        check(
            3,
            false,
            &[evidence("n1", failed(FailureKind::Refused), 2, 0), evidence("n2", Sight::Alive, 2, 0)],
            expect![[r#"dead by ["n1"], others [("n2", "sees it alive")]"#]],
        );
    }
}
