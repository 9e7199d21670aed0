//! Tables, and histories by seed: whatever happens, the group ends where the lists say, one step at a time.

use super::*;

fn name(text: &str) -> PeerName {
    PeerName::parse(text).unwrap()
}

fn names(all: &[&str]) -> Vec<PeerName> {
    all.iter().map(|text| name(text)).collect()
}

/// Voters a, b, c as 1, 2, 3; all answer; 1 leads; no new wish.
fn three() -> View {
    View {
        me: 1,
        committed: true,
        voters: (1..).zip(names(&["a", "b", "c"])).collect(),
        alive: [1, 2, 3].into(),
        ..View::default()
    }
}

/// The leader wishes for a, b, d, and `holders` hold the same list.
fn wish_for_d(holders: &[NodeId]) -> View {
    let wish = names(&["a", "b", "d"]);
    let list = |id: NodeId| if holders.contains(&id) { wish.clone() } else { names(&["a", "b", "c"]) };
    View { lists: [2, 3].map(|id| (id, list(id))).into(), wish: Some(wish.clone()), ..three() }
}

fn answers(view: View, who: &str, answer: Answer) -> View {
    let mut view = view;
    view.answers.insert(name(who), answer);
    view
}

fn follows(view: View, id: NodeId, who: &str, lag: Option<u64>) -> View {
    let mut view = view;
    view.learners.insert(id, (name(who), lag));
    answers(view, who, Answer::Member(id))
}

fn waits(view: &View, text: &str) {
    match decide(view) {
        Next::Wait(reasons) => assert!(reasons.iter().any(|line| line.contains(text)), "{reasons:?}"),
        other => panic!("{other:?} instead of waiting for {text:?}"),
    }
}

#[test]
fn nothing_is_done_without_a_new_wish_however_silent_a_member_is() {
    assert_eq!(decide(&three()), Next::Rest);
    assert_eq!(decide(&View { alive: [1].into(), ..three() }), Next::Rest);
    let silent = answers(three(), "c", Answer::Silent("refused".into()));
    assert_eq!(decide(&silent), Next::Rest);
}

#[test]
fn only_a_lone_voter_may_take_another_name() {
    let mut view = View { renamed: true, ..three() };
    assert_eq!(decide(&view), Next::Rest);
    view.voters.retain(|id, _| *id == view.me);
    assert_eq!(decide(&view), Next::Rename);
    view.committed = false;
    assert_eq!(decide(&view), Next::Rest);
}

#[test]
fn a_change_under_way_is_waited_for_and_one_left_half_way_is_finished() {
    assert_eq!(decide(&View { committed: false, ..wish_for_d(&[2]) }), Next::Rest);
    assert_eq!(decide(&View { joint: true, ..wish_for_d(&[2]) }), Next::Flatten);
    assert_eq!(decide(&View { joint: true, committed: false, ..wish_for_d(&[2]) }), Next::Rest);
}

#[test]
fn a_wish_counts_when_the_leader_and_a_majority_of_voters_hold_it() {
    waits(&wish_for_d(&[]), "b:10008: its RaftNodes differ (a:10008, b:10008, c:10008)");
    waits(&wish_for_d(&[2]), "d:10008: not asked yet");
    assert_eq!(decide(&answers(wish_for_d(&[2]), "d", Answer::Empty)), Next::AddLearner(name("d")));
    let mut two = answers(wish_for_d(&[]), "d", Answer::Empty);
    two.voters.remove(&3);
    two.lists.remove(&3);
    waits(&two, "b:10008: its RaftNodes differ");
    let unknown = View { lists: BTreeMap::new(), ..wish_for_d(&[2]) };
    waits(&answers(unknown, "d", Answer::Empty), "c:10008: it does not answer");
}

#[test]
fn who_cannot_be_had_is_named_with_the_reason() {
    waits(&answers(wish_for_d(&[2]), "d", Answer::Silent("refused".into())), "d:10008: refused");
    waits(
        &answers(wish_for_d(&[2]), "d", Answer::Occupied("another group".into())),
        "d:10008: another group",
    );
    waits(&answers(wish_for_d(&[2]), "d", Answer::Member(9)), "node 9, which was removed");
}

#[test]
fn a_learner_votes_only_when_it_has_caught_up_and_in_one_change() {
    waits(&follows(wish_for_d(&[2]), 70000, "d", None), "does not answer yet");
    waits(&follows(wish_for_d(&[2]), 70000, "d", Some(LAG_LIMIT + 1)), "101 entries behind");
    let ready = follows(wish_for_d(&[2]), 70000, "d", Some(LAG_LIMIT));
    assert_eq!(decide(&ready), Next::Change([1, 2, 70000].into()));
}

#[test]
fn a_change_needs_a_living_majority_of_what_comes_out_of_it() {
    let mut view = follows(wish_for_d(&[3]), 70000, "d", Some(0));
    view.wish = Some(names(&["a", "b"]));
    view.lists = [(3, names(&["a", "b"]))].into();
    view.alive = [1, 3].into();
    waits(&view, "node 2: silent");
    view.alive = [1, 2, 3].into();
    assert_eq!(decide(&view), Next::Change([1, 2].into()));
}

#[test]
fn an_empty_disk_replaces_its_old_number_without_any_wish() {
    let wiped = View { alive: [1, 2].into(), ..answers(three(), "c", Answer::Empty) };
    assert_eq!(decide(&wiped), Next::AddLearner(name("c")));
    let following = View { alive: [1, 2].into(), ..follows(three(), 70000, "c", Some(0)) };
    assert_eq!(decide(&following), Next::Change([1, 2, 70000].into()));
    // Wiped once more before it voted.
    let again = answers(following, "c", Answer::Empty);
    assert_eq!(decide(&again), Next::DropLearner(70000));
}

#[test]
fn an_empty_disk_is_replaced_although_a_wish_cannot_be_carried_out() {
    let removed = || Answer::Occupied("it was removed".into());
    for holders in [&[2, 3][..], &[]] {
        let wiped = |view: View| View { alive: [1, 3].into(), ..answers(view, "d", removed()) };
        let empty = answers(wiped(wish_for_d(holders)), "b", Answer::Empty);
        assert_eq!(decide(&empty), Next::AddLearner(name("b")), "{holders:?}");
        let follows = follows(wiped(wish_for_d(holders)), 70_000, "b", Some(0));
        assert_eq!(decide(&follows), Next::Change([1, 3, 70_000].into()), "{holders:?}");
    }
}

#[test]
fn two_nodes_under_one_name_are_named_and_nothing_is_changed() {
    waits(&answers(three(), "c", Answer::Empty), "two nodes answer under this name");
}

/// A world in which steps are carried out at once.
struct World {
    view: View,
    next_id: NodeId,
    random: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self { view: three(), next_id: 70000, random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % sides
    }

    fn list(&mut self) -> Vec<PeerName> {
        let mut list = names(&["a", "b", "c", "d", "e"]);
        let drop = usize::try_from(1 + self.roll(2)).unwrap();
        for _ in 0..drop {
            let at = usize::try_from(self.roll(list.len() as u64 - 1)).unwrap() + 1;
            list.remove(at);
        }
        list
    }

    /// Something happens to the lists, the disks or the network. Node a leads and stays.
    fn disturb(&mut self) {
        let other = ["b", "c", "d", "e"][usize::try_from(self.roll(4)).unwrap()];
        match self.roll(5) {
            0 => self.view.wish = Some(self.list()),
            1 => {
                let wish = self.view.wish.clone().unwrap_or_default();
                let voters: Vec<NodeId> = self.view.voters.keys().copied().collect();
                self.view.lists = voters.into_iter().map(|id| (id, wish.clone())).collect();
            }
            2 => {
                self.view.answers.insert(name(other), Answer::Silent("cut".into()));
                let cut: Vec<NodeId> = self.ids(other);
                self.view.alive.retain(|id| !cut.contains(id));
            }
            3 => {
                // Its disk is wiped, and it runs.
                let cut = self.ids(other);
                self.view.alive.retain(|id| !cut.contains(id));
                self.view.answers.insert(name(other), Answer::Empty);
            }
            _ => self.heal(other),
        }
    }

    fn ids(&self, who: &str) -> Vec<NodeId> {
        let voters = self.view.voters.iter().filter(|(_, it)| **it == name(who)).map(|(id, _)| *id);
        let learners = self.view.learners.iter().filter(|(_, (it, _))| *it == name(who)).map(|(id, _)| *id);
        voters.chain(learners).collect()
    }

    fn heal(&mut self, who: &str) {
        match self.ids(who).last() {
            Some(id) if self.view.answers.get(&name(who)) != Some(&Answer::Empty) => {
                self.view.alive.insert(*id);
                self.view.answers.insert(name(who), Answer::Member(*id));
            }
            _ => drop(self.view.answers.insert(name(who), Answer::Empty)),
        }
    }

    /// Carries the step out, and checks what must hold for each.
    fn step(&mut self) -> Next {
        let next = decide(&self.view);
        match &next {
            Next::AddLearner(who) => {
                assert_eq!(
                    self.view.answers.get(who),
                    Some(&Answer::Empty),
                    "only an empty disk gets a number"
                );
                self.next_id += 1;
                self.view.learners.insert(self.next_id, (who.clone(), Some(0)));
                self.view.answers.insert(who.clone(), Answer::Member(self.next_id));
            }
            Next::DropLearner(id) => drop(self.view.learners.remove(id)),
            Next::Change(voters) => self.change(voters.clone()),
            Next::Rest | Next::Flatten | Next::Rename | Next::Wait(_) => {}
        }
        next
    }

    fn change(&mut self, voters: BTreeSet<NodeId>) {
        let wish = self.view.wish.clone().unwrap_or_default();
        let promoted: BTreeMap<_, _> =
            self.view.learners.iter().map(|(id, (who, _))| (*id, who.clone())).collect();
        for (id, who) in self.view.voters.iter().filter(|(id, _)| !voters.contains(id)) {
            let replaced = promoted.iter().any(|(new, name)| voters.contains(new) && name == who);
            assert!(replaced || !wish.contains(who), "{id} was removed without a list that says so");
        }
        // Who follows so closely that it may vote is alive; who voted before is as it was.
        self.view.alive.extend(promoted.keys().filter(|id| voters.contains(id)));
        let mut all = self.view.voters.clone();
        all.extend(promoted);
        self.view.voters = voters.iter().map(|id| (*id, all[id].clone())).collect();
        self.view.learners.retain(|id, _| !voters.contains(id));
        let unique: BTreeSet<_> = self.view.voters.values().collect();
        assert_eq!(unique.len(), self.view.voters.len(), "one voter per name");
    }
}

#[test]
fn whatever_happens_the_group_ends_where_the_lists_say() {
    for seed in 1..3000 {
        let mut world = World::new(seed);
        for _ in 0..12 {
            world.disturb();
            world.step();
        }
        for who in ["b", "c", "d", "e"] {
            world.heal(who);
        }
        let wish = world.list();
        world.view.wish = Some(wish.clone());
        let mut last = Next::Rest;
        for _ in 0..20 {
            let voters: Vec<NodeId> = world.view.voters.keys().copied().collect();
            world.view.lists = voters.into_iter().map(|id| (id, wish.clone())).collect();
            last = world.step();
        }
        let ends: BTreeSet<PeerName> = world.view.voters.values().cloned().collect();
        assert_eq!(ends, wish.into_iter().collect(), "seed {seed}: {last:?} {:#?}", world.view);
        assert_eq!(last, Next::Rest, "seed {seed}");
    }
}
