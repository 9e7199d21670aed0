//! What a leader does next about the members of its group: a function of what it sees.
//!
//! Invariants: a member is removed because a list says so or because its own disk is empty, never because
//! it is silent. At most one change at a time. A change begins only when a majority of what comes out of
//! it is known to be alive.

use std::collections::{BTreeMap, BTreeSet};

use crate::member::{NodeId, PeerName};

/// A learner that lags by no more entries than this may vote: it has the rest within milliseconds.
pub(super) const LAG_LIMIT: u64 = 100;

/// Who answers under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A node that never voted and has no number of this group's.
    Empty,
    /// A node with this number of this group.
    Member(NodeId),
    /// A node that cannot be had, and why.
    Occupied(String),
    /// Nobody, and why.
    Silent(String),
}

/// What the leader sees.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) me: NodeId,
    /// This node calls itself by another name than the group does.
    pub(super) renamed: bool,
    /// The members in force are committed.
    pub(super) committed: bool,
    /// A change was left half way.
    pub(super) joint: bool,
    pub(super) voters: BTreeMap<NodeId, PeerName>,
    /// Learners, and by how many entries they lag; `None` while nothing is known.
    pub(super) learners: BTreeMap<NodeId, (PeerName, Option<u64>)>,
    /// Voters that answer right now, this node included.
    pub(super) alive: BTreeSet<NodeId>,
    /// The leader's own new wish, if it has one.
    pub(super) wish: Option<Vec<PeerName>>,
    /// The lists of the other voters that answer.
    pub(super) lists: BTreeMap<NodeId, Vec<PeerName>>,
    /// Who answers under the names that were asked.
    pub(super) answers: BTreeMap<PeerName, Answer>,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing to do.
    Rest,
    /// Finish a change that was left half way.
    Flatten,
    /// Write this node's own new name down: it is the only voter, so nobody else has it by the old one.
    Rename,
    /// Give the empty node under this name a number and have it follow.
    AddLearner(PeerName),
    /// Drop a learner whose disk is gone.
    DropLearner(NodeId),
    /// One joint change to these voters.
    Change(BTreeSet<NodeId>),
    /// Nothing yet, for these reasons; each begins with the name of the node that it is about.
    Wait(Vec<String>),
}

/// Decides for the leader.
pub(super) fn decide(view: &View) -> Next {
    if view.joint {
        return if view.committed { Next::Flatten } else { Next::Rest };
    }
    if !view.committed {
        return Next::Rest;
    }
    if view.renamed && view.voters.keys().eq([&view.me]) {
        return Next::Rename;
    }
    let present: BTreeSet<&PeerName> = view.voters.values().collect();
    let wish = view.wish.as_ref().filter(|wish| !wish.is_empty());
    let agreed = wish.filter(|_| dissenters(view).len() * 2 < view.voters.len());
    if let Some(next) = mend(view, agreed) {
        return next;
    }
    let target: BTreeSet<&PeerName> = agreed.map_or_else(|| present.clone(), |wish| wish.iter().collect());
    let mut chosen = BTreeSet::new();
    let mut reasons = Vec::new();
    for name in target {
        match place(view, name) {
            Place::Has(id) => drop(chosen.insert(id)),
            Place::Do(next) => return next,
            Place::Lacks(reason) => reasons.push(reason),
        }
    }
    if wish.is_some() && agreed.is_none() {
        reasons.extend(dissenters(view));
    }
    if !reasons.is_empty() {
        return Next::Wait(reasons);
    }
    if chosen.iter().eq(view.voters.keys()) {
        return Next::Rest;
    }
    match too_few_alive(view, &chosen) {
        Some(reason) => Next::Wait(vec![reason]),
        None => Next::Change(chosen),
    }
}

/// Replaces voters whose disks are gone, whether or not a wish can be carried out: a group that is one disk short must
/// not wait for somebody else. Whoever the wish lets go is left as it is.
fn mend(view: &View, wish: Option<&Vec<PeerName>>) -> Option<Next> {
    let mut chosen = BTreeSet::new();
    for (id, name) in &view.voters {
        let stays = wish.is_none_or(|wish| wish.contains(name));
        match stays.then(|| place(view, name)) {
            Some(Place::Do(next)) => return Some(next),
            Some(Place::Has(heir)) => chosen.insert(heir),
            Some(Place::Lacks(_)) | None => chosen.insert(*id),
        };
    }
    let changed = !chosen.iter().eq(view.voters.keys());
    (changed && too_few_alive(view, &chosen).is_none()).then_some(Next::Change(chosen))
}

/// Voters that do not hold the leader's wish, one line each.
fn dissenters(view: &View) -> Vec<String> {
    let Some(wish) = &view.wish else { return Vec::new() };
    let others = view.voters.iter().filter(|(id, _)| **id != view.me);
    let lines = others.filter_map(|(id, name)| match view.lists.get(id) {
        Some(list) if list == wish => None,
        Some(list) => Some(format!("{name}: its RaftNodes differ ({}): restart or reload it", join(list))),
        None => Some(format!("{name}: it does not answer, so its RaftNodes are not known")),
    });
    lines.collect()
}

fn join(list: &[PeerName]) -> String {
    list.iter().map(PeerName::as_str).collect::<Vec<_>>().join(", ")
}

enum Place {
    /// The name has a node that may vote.
    Has(NodeId),
    /// This must be done for the name first.
    Do(Next),
    /// Nothing can be done for the name now.
    Lacks(String),
}

fn place(view: &View, name: &PeerName) -> Place {
    let voter = view.voters.iter().find(|(_, voter)| *voter == name).map(|(id, _)| *id);
    let learners = view.learners.iter().filter(|(_, (learner, _))| learner == name);
    // Of several, the newest: an older one's disk is gone.
    let learner = learners.max_by_key(|(id, _)| **id).map(|(id, (_, lag))| (*id, *lag));
    let answer = view.answers.get(name);
    match (voter, learner, answer) {
        (_, Some((id, _)), Some(Answer::Empty)) => Place::Do(Next::DropLearner(id)),
        (Some(old), _, Some(Answer::Empty | Answer::Member(_))) if wiped(view, old, answer) => {
            match (view.alive.contains(&old), learner) {
                (true, _) => {
                    Place::Lacks(format!("{name}: two nodes answer under this name, {old} is one of them"))
                }
                (false, Some((id, lag))) => caught_up(name, id, lag),
                (false, None) => Place::Do(Next::AddLearner(name.clone())),
            }
        }
        (Some(id), ..) => Place::Has(id),
        (None, Some((id, lag)), _) => caught_up(name, id, lag),
        (None, None, Some(Answer::Empty)) => Place::Do(Next::AddLearner(name.clone())),
        (None, None, Some(Answer::Occupied(reason) | Answer::Silent(reason))) => {
            Place::Lacks(format!("{name}: {reason}"))
        }
        (None, None, Some(Answer::Member(id))) => Place::Lacks(match view.voters.get(id) {
            Some(owner) => format!(
                "{name}: its RaftDataDir is that of {owner}, node {id}, or a copy of it; move it away so that it joins as \
                 a new node"
            ),
            None => format!(
                "{name}: it is node {id}, which was removed from the group; move its RaftDataDir away so that it joins \
                 as a new node"
            ),
        }),
        (None, None, None) => Place::Lacks(format!("{name}: not asked yet")),
    }
}

/// Whether another disk than the voter's answers under its name.
fn wiped(view: &View, voter: NodeId, answer: Option<&Answer>) -> bool {
    match answer {
        Some(Answer::Empty) => true,
        Some(Answer::Member(id)) => *id != voter && view.learners.contains_key(id),
        _ => false,
    }
}

fn caught_up(name: &PeerName, id: NodeId, lag: Option<u64>) -> Place {
    match lag {
        Some(lag) if lag <= LAG_LIMIT => Place::Has(id),
        Some(lag) => Place::Lacks(format!("{name}: it follows as node {id}, {lag} entries behind")),
        None => Place::Lacks(format!("{name}: it is to follow as node {id} and does not answer yet")),
    }
}

/// Why a majority of `voters` cannot be relied on.
pub(super) fn too_few_alive(view: &View, voters: &BTreeSet<NodeId>) -> Option<String> {
    let lives =
        |id: &NodeId| view.alive.contains(id) || view.learners.get(id).is_some_and(|(_, lag)| lag.is_some());
    let silent: Vec<String> = voters.iter().filter(|id| !lives(id)).map(NodeId::to_string).collect();
    (silent.len() * 2 >= voters.len()).then(|| {
        format!(
            "node {}: silent, and without it the new members would have no majority",
            silent.join(", node ")
        )
    })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
