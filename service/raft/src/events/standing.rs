//! How a node stands in its group, and what a change of that is called.

use super::{EventKind, Happening};
use crate::health::Role;

/// How this node stands, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) role: Role,
    pub(crate) term: u64,
    /// The raft address of who leads, as far as it was heard.
    pub(crate) leader: Option<String>,
    /// The leader is live: heard by a follower, acknowledged by a quorum if it is this node.
    pub(crate) live: bool,
}

impl Standing {
    fn leads(&self) -> bool {
        self.role == Role::Leader
    }

    /// Same leadership as `other`'s, whether live or not.
    fn same_leader(&self, other: &Self) -> bool {
        self.term == other.term && self.leader.is_some() && self.leader == other.leader
    }
}

/// What became of `before`. `silence` says why no live leader is known.
///
/// Won and lost elections are not told here: who asked for the votes knows them.
pub(crate) fn changes(before: &Standing, after: &Standing, silence: Option<&str>) -> Vec<Happening> {
    let told = |kind| Happening::new(kind, after.term);
    let mut changes = Vec::new();
    if before.leads() && !after.leads() {
        let why = match after.term.cmp(&before.term) {
            std::cmp::Ordering::Greater => format!("there is a term {}", after.term),
            _ => "its leadership was given up".to_owned(),
        };
        changes.push(told(EventKind::SteppedDown).detail(why));
    }
    match (before.live, after.live) {
        (_, true) if !after.same_leader(before) => {
            let kind = if after.leads() { EventKind::BecameLeader } else { EventKind::LeaderElected };
            let peer = after.leader.clone().filter(|_| !after.leads());
            changes.push(told(kind).maybe_peer(peer));
        }
        (false, true) => {
            let kind = if after.leads() { EventKind::QuorumBack } else { EventKind::LeaderBack };
            let peer = after.leader.clone().filter(|_| !after.leads());
            changes.push(told(kind).maybe_peer(peer));
        }
        // Whoever stands, voted, or stepped down a moment ago has said so.
        (true, false) if after.same_leader(before) && after.role == before.role => {
            let kind = if after.leads() { EventKind::QuorumLost } else { EventKind::LeaderLost };
            let peer = after.leader.clone().filter(|_| !after.leads());
            changes.push(told(kind).maybe_peer(peer).detail(silence.unwrap_or("it was not heard")));
        }
        _ => {}
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `F3 o1 live`: a follower in term 3 whose leader o1 is live; `o0` is this node, `-` nobody.
    fn standing(picture: &str) -> Standing {
        let words: Vec<&str> = picture.split(' ').collect();
        let role = match &words[0][..1] {
            "U" => Role::Unformed,
            "L" => Role::Leader,
            "C" => Role::Candidate,
            _ => Role::Follower,
        };
        Standing {
            role,
            term: words[0][1..].parse().unwrap(),
            leader: (words[1] != "-").then(|| words[1].to_owned()),
            live: words[2] == "live",
        }
    }

    fn check(before: &str, after: &str, expected: &str) {
        let changes = changes(&standing(before), &standing(after), Some("no message for 1000 ms"));
        let line = |it: Happening| {
            let peer = it.peer.map(|peer| format!(" {peer}")).unwrap_or_default();
            let detail = it.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("{}{peer}{detail}", it.kind.as_str())
        };
        let told = changes.into_iter().map(line).collect::<Vec<_>>().join("; ");
        assert_eq!(told, expected, "{before} -> {after}");
    }

    #[test]
    fn who_is_elected_is_told_when_it_is_live() {
        check("U0 - dead", "F1 - dead", "");
        check("F1 - dead", "F1 o1 live", "leader-elected o1");
        check("F1 o1 live", "F2 o2 live", "leader-elected o2");
        check("C1 - dead", "L1 - dead", "");
        check("L1 - dead", "L1 o0 live", "became-leader");
        check("F1 o1 live", "L2 o0 live", "became-leader");
        check("F1 o1 live", "F1 o1 live", "");
    }

    #[test]
    fn who_leads_no_more_says_why() {
        check("L1 o0 live", "F2 - dead", "stepped-down: there is a term 2");
        check("L1 o0 dead", "F2 o2 live", "stepped-down: there is a term 2; leader-elected o2");
        check("L1 o0 live", "F1 o0 dead", "stepped-down: its leadership was given up");
    }

    #[test]
    fn silence_and_its_end_are_told_of_the_same_leader_only() {
        check("F1 o1 live", "F1 o1 dead", "leader-lost o1: no message for 1000 ms");
        check("F1 o1 dead", "F1 o1 dead", "");
        check("F1 o1 dead", "F1 o1 live", "leader-back o1");
        check("L1 o0 live", "L1 o0 dead", "quorum-lost: no message for 1000 ms");
        check("L1 o0 dead", "L1 o0 live", "quorum-back");
    }

    #[test]
    fn whoever_votes_or_stands_has_not_lost_a_leader_by_that() {
        check("F1 o1 live", "C2 o1 dead", "");
        check("F1 o1 live", "F2 o1 dead", "");
        check("C2 o1 dead", "L2 o1 dead", "");
    }
}
