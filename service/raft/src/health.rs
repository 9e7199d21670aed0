//! Is this node of use? One struct, computed once per tick, read by everybody who asks.
//!
//! The raft library's own state does not tell: a leader that lost everybody stays leader, a follower
//! that hears nobody stays follower. The ages of the last quorum acknowledgement and of the last
//! message of the leader do.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::lease::{Lease, Until};
use crate::member::{Member, NodeId};

/// The four states that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NodeState {
    /// Hears a live leader.
    Follower,
    /// Knows no live leader, or leads nobody.
    Candidate,
    /// Leads, and a quorum says so.
    Leader,
    /// Has stopped.
    Shutdown,
}

impl NodeState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Follower => "Follower",
            NodeState::Candidate => "Candidate",
            NodeState::Leader => "Leader",
            NodeState::Shutdown => "Shutdown",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One member as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerHealth {
    /// Who; includes this node itself.
    pub member: Member,
    /// Whether it votes; a learner only listens.
    pub voter: bool,
    /// Why this node cannot reach it; `None` if it can, or did not try.
    pub problem: Option<String>,
}

/// The health of this node, as of the last tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Its state in the clients' words.
    pub state: NodeState,
    /// `raft-health` is 200: a voter that knows a live leader, not draining, with a working backend.
    pub healthy: bool,
    /// Why not healthy: a sentence, lower case.
    pub reason: Option<String>,
    /// Knows a live leader.
    pub is_part_of_quorum: bool,
    /// The live leader, which may be this node.
    pub leader: Option<Member>,
    /// This node; number 0 before it has one.
    pub me: Member,
    /// The group's id; `None` before there is one.
    pub cluster_id: Option<String>,
    /// The epoch of the group: 0 before this node is in one; begins anew with `force-new-cluster`.
    pub epoch: u64,
    /// Index of the log entry with the members in force.
    pub membership_index: Option<u64>,
    /// The group removed this node; it does not stand for election any more.
    pub removed: bool,
    /// The raft term, 0 before the first election.
    pub term: u64,
    /// Index of the last log entry.
    pub last_log_index: Option<u64>,
    /// Index of the last applied entry.
    pub applied_index: Option<u64>,
    /// Index up to which the newest raft snapshot reaches.
    pub snapshot_index: Option<u64>,
    /// Index up to which the log was purged; who lacks it gets a raft snapshot.
    pub purged_index: Option<u64>,
    /// A follower: milliseconds since the leader's last message.
    pub leader_contact_ms: Option<u64>,
    /// A leader of others: milliseconds since a quorum last acknowledged it.
    pub quorum_ack_ms: Option<u64>,
    /// All members, this node included, by number.
    pub peers: Vec<PeerHealth>,
    /// Before the group is formed, or while its members do not fit the wish: whom this node waits for and
    /// why, one line each.
    pub waiting_for: Vec<String>,
    /// Voters whose `RaftNodes` differ from this node's, one line each.
    pub differing: Vec<String>,
    /// This node is going to stop.
    pub draining: bool,
    /// Why raft stopped, if it did.
    pub storage_error: Option<String>,
    /// What the caller reported about its backend.
    pub backend_error: Option<String>,
}

/// The raft library's view, taken apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) role: Role,
    pub(crate) voter: bool,
    pub(crate) only_voter: bool,
    /// Whom the raft library believes to lead.
    pub(crate) leader: Option<NodeId>,
    /// Age of the last message of `leader`.
    pub(crate) contact_age: Option<Duration>,
    /// Age of the last acknowledgement by a quorum.
    pub(crate) ack_age: Option<Duration>,
    pub(crate) silence_limit: Duration,
    /// A leader leads for so long after a quorum acknowledged it: nobody else can be elected before.
    pub(crate) lease: Duration,
    /// This node gave leadership away in this term, so that its lease binds nobody.
    pub(crate) given_away: bool,
    pub(crate) draining: bool,
    pub(crate) waiting: bool,
    pub(crate) fatal: Option<String>,
    pub(crate) backend: Option<String>,
    /// The log entry that removed this node.
    pub(crate) removed_at: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Role {
    #[default]
    Unformed,
    Learner,
    Follower,
    Candidate,
    Leader,
    Stopped,
}

/// State, whether a live leader is known, and why the node is not healthy.
pub(crate) fn assess(facts: &Facts) -> (NodeState, bool, Option<String>) {
    let silence = silence(facts);
    // Whoever is no member has no leader, and leads nobody: also before it steps down.
    let live = silence.is_none() && facts.removed_at.is_none();
    let state = match facts.role {
        Role::Stopped => NodeState::Shutdown,
        Role::Leader if live => NodeState::Leader,
        Role::Follower | Role::Learner if live => NodeState::Follower,
        _ => NodeState::Candidate,
    };
    let reason = if let Some(fatal) = &facts.fatal {
        Some(format!("raft stopped: {fatal}"))
    } else if let Some(index) = facts.removed_at {
        Some(format!(
            "this node was removed from the group (log entry {index}): stop it, or move its RaftDataDir away so that \
             it joins as a new node"
        ))
    } else if facts.draining {
        Some("this node is shutting down".to_owned())
    } else if let Some(backend) = &facts.backend {
        Some(format!("the backend is not usable: {backend}"))
    } else if silence.is_some() {
        silence
    } else if !facts.voter {
        Some("this node is not a voter of the group yet".to_owned())
    } else {
        None
    };
    (state, live, reason)
}

/// Until when this may be said. `now` was read before the ages in `facts` were.
pub(crate) fn lease(facts: &Facts, now: Instant) -> Lease {
    if facts.removed_at.is_some() {
        return Lease::default();
    }
    let after = |age, limit| if facts.only_voter { Until::Ever } else { Until::after(now, age, limit) };
    match facts.role {
        Role::Leader => Lease {
            leads: if facts.given_away { Until::Never } else { after(facts.ack_age, facts.lease) },
            live: after(facts.ack_age, facts.silence_limit),
        },
        Role::Follower | Role::Learner if facts.leader.is_some() => {
            Lease { leads: Until::Never, live: Until::after(now, facts.contact_age, facts.silence_limit) }
        }
        _ => Lease::default(),
    }
}

impl Health {
    /// What is left of it when nothing was heard since, for longer than it could be believed.
    pub(crate) fn lapsed(&self) -> Self {
        let lapsed = Self {
            state: if self.state == NodeState::Shutdown { self.state } else { NodeState::Candidate },
            healthy: false,
            is_part_of_quorum: false,
            leader: None,
            ..self.clone()
        };
        let reason = "this node slept: it does not know yet who leads".to_owned();
        Self { reason: lapsed.reason.clone().or(Some(reason)), ..lapsed }
    }
}

/// Why no live leader is known.
fn silence(facts: &Facts) -> Option<String> {
    let limit = facts.silence_limit;
    let late = |age: Option<Duration>| age.is_none_or(|age| age >= limit);
    let ms = |age: Option<Duration>| age.map_or("ever".into(), |age| format!("for {} ms", age.as_millis()));
    match facts.role {
        Role::Stopped => Some("raft stopped".into()),
        Role::Unformed if facts.waiting => Some("the raft group is not formed yet".into()),
        Role::Unformed => Some("raft is starting".into()),
        Role::Leader if facts.only_voter => None,
        Role::Leader if late(facts.ack_age) => {
            Some(format!("no quorum acknowledges this leader: none {}", ms(facts.ack_age)))
        }
        Role::Leader => None,
        Role::Candidate => Some("no leader: an election is under way".into()),
        Role::Follower | Role::Learner if facts.leader.is_none() => Some("no leader is known".into()),
        Role::Follower | Role::Learner if late(facts.contact_age) => {
            Some(format!("no message of the leader {}", ms(facts.contact_age)))
        }
        Role::Follower | Role::Learner => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    fn facts(role: Role) -> Facts {
        Facts { role, voter: true, leader: Some(1), silence_limit: LIMIT, ..Facts::default() }
    }

    #[test]
    fn an_isolated_leader_is_a_candidate_to_everybody() {
        let fresh = Facts { ack_age: Some(LIMIT / 2), ..facts(Role::Leader) };
        assert_eq!(assess(&fresh), (NodeState::Leader, true, None));
        for ack_age in [None, Some(LIMIT)] {
            let (state, live, reason) = assess(&Facts { ack_age, ..facts(Role::Leader) });
            assert_eq!((state, live), (NodeState::Candidate, false));
            assert!(reason.unwrap().contains("quorum"));
        }
    }

    #[test]
    fn what_is_said_ends_by_the_clock_and_leading_ends_with_the_lease() {
        let now = Instant::now();
        let of = |facts: &Facts, later: Duration| {
            let holds = lease(facts, now).at(now + later);
            (holds.leads, holds.live)
        };
        let leader = Facts { ack_age: Some(LIMIT / 10), lease: LIMIT / 2, ..facts(Role::Leader) };
        assert_eq!(of(&leader, LIMIT / 5), (true, true));
        assert_eq!(of(&leader, LIMIT * 2 / 5), (false, true));
        assert_eq!(of(&leader, LIMIT * 9 / 10), (false, false));
        let follower = Facts { contact_age: Some(LIMIT / 10), ..facts(Role::Follower) };
        assert_eq!(of(&follower, LIMIT / 2), (false, true));
        assert_eq!(of(&follower, LIMIT * 9 / 10), (false, false));
        assert_eq!(of(&Facts { only_voter: true, ..leader.clone() }, LIMIT * 9), (true, true));
        assert_eq!(of(&Facts { given_away: true, ..leader.clone() }, Duration::ZERO), (false, true));
        assert_eq!(of(&Facts { removed_at: Some(3), ..leader }, Duration::ZERO), (false, false));
    }

    #[test]
    fn the_only_voter_needs_nobody() {
        let alone = Facts { only_voter: true, ..facts(Role::Leader) };
        assert_eq!(assess(&alone), (NodeState::Leader, true, None));
    }

    #[test]
    fn a_follower_is_as_healthy_as_its_last_message_is_young() {
        let fresh = Facts { contact_age: Some(LIMIT / 2), ..facts(Role::Follower) };
        assert_eq!(assess(&fresh), (NodeState::Follower, true, None));
        for contact_age in [None, Some(LIMIT * 2)] {
            let (state, live, reason) = assess(&Facts { contact_age, ..facts(Role::Follower) });
            assert_eq!((state, live, reason.is_some()), (NodeState::Candidate, false, true));
        }
    }

    #[test]
    fn a_removed_node_says_that_it_was_removed() {
        for role in [Role::Learner, Role::Leader] {
            let removed = Facts {
                removed_at: Some(17),
                voter: false,
                ack_age: Some(LIMIT / 2),
                contact_age: Some(LIMIT / 2),
                ..facts(role)
            };
            let (state, live, reason) = assess(&removed);
            assert_eq!((state, live), (NodeState::Candidate, false));
            assert!(reason.unwrap().contains("removed from the group (log entry 17)"));
        }
    }

    #[test]
    fn draining_learners_and_sick_backends_are_not_healthy_but_keep_their_state() {
        let fresh = Facts { contact_age: Some(LIMIT / 2), ..facts(Role::Follower) };
        let cases = [
            Facts { draining: true, ..fresh.clone() },
            Facts { voter: false, role: Role::Learner, ..fresh.clone() },
            Facts { backend: Some("read-only".into()), ..fresh },
        ];
        for case in cases {
            let (state, live, reason) = assess(&case);
            assert_eq!((state, live), (NodeState::Follower, true), "{case:?}");
            assert!(reason.is_some(), "{case:?}");
        }
    }
}
