//! Who belongs to the group changes: on demand, by new lists, and because disks are emptied.

use std::sync::Arc;
use std::time::Duration;

use orchestrator_raft::{Member, Membership, MembershipSource};
use tokio::time::Instant;

use super::bug::Bug;
use super::net::name_of;
use super::world::World;

/// A change is given up after this time; it may still be made.
const LIMIT: Duration = Duration::from_secs(8);
/// Below so many voters nobody's disk is emptied: the rest would have no majority.
const VOTERS_MIN: usize = 3;

impl World {
    pub(crate) fn change_members(&mut self) {
        // People do one thing at a time when a majority is lost.
        let Some(members) = self.members().filter(|members| !members.joint && self.rescue.is_none()) else {
            return;
        };
        self.changes += 1;
        match self.around.chance.range(0, 99) {
            _ if self.bug == Some(Bug::ReturnUnwiped) => self.lose_a_majority(&members),
            0..30 => self.add(&members),
            30..50 => self.remove(&members),
            50..70 => self.wish(&members),
            70..80 => self.retire(&members),
            80..93 => self.empty(&members),
            _ => self.lose_a_majority(&members),
        }
    }

    /// Somebody asks the leader to take another node in.
    fn add(&mut self, members: &Membership) {
        let voters = self.voters_of(members);
        let others: Vec<usize> = (0..self.places.len()).filter(|at| !voters.contains(at)).collect();
        let Some(spare) = self.around.chance.one_of(&others) else { return };
        self.start_spare(spare, &voters);
        let Some((at, node)) = self.leader() else { return };
        self.tell(&format!("n{} is asked to add n{}", at + 1, spare + 1));
        let truth = self.around.truth.clone();
        self.places[at].run(async move {
            let told = node.add_peer(&name_of(spare), LIMIT).await;
            truth.tell(&match told {
                Ok(member) => format!("n{} votes as node {}", spare + 1, member.node_id),
                Err(error) => format!("n{} was not added: {error}", spare + 1),
            });
        });
    }

    /// A spare machine is started with the list of a group that does not know it.
    fn start_spare(&mut self, spare: usize, voters: &[usize]) {
        if self.places[spare].is_off() {
            let mut list = voters.to_vec();
            list.push(spare);
            list.sort_unstable();
            self.places[spare].list = list;
            self.places[spare].start_at = Some(Instant::now());
        }
    }

    fn remove(&mut self, members: &Membership) {
        let Some((at, node)) = self.leader() else { return };
        let Some(gone) = self.around.chance.one_of(&self.voters_of(members)) else { return };
        self.tell(&format!("n{} is asked to remove n{}", at + 1, gone + 1));
        let (truth, removing) = (self.around.truth.clone(), self.removing.clone());
        self.places[at].run(async move {
            let told = node.remove_peer(&name_of(gone), LIMIT).await;
            drop(removing);
            truth.tell(&match told {
                Ok(member) => format!("node {} was removed", member.node_id),
                Err(error) => format!("n{} was not removed: {error}", gone + 1),
            });
        });
    }

    /// All or some of the nodes are given another list.
    fn wish(&mut self, members: &Membership) {
        if members.voters.is_empty() {
            return;
        }
        let chance = self.around.chance.clone();
        let voters = self.voters_of(members);
        let spares: Vec<usize> = (0..self.places.len()).filter(|at| !voters.contains(at)).collect();
        let (come, go) = (chance.one_of(&spares), chance.one_of(&voters));
        let go = go.filter(|_| chance.percent(60) && voters.len() > 1);
        let mut list: Vec<usize> = voters.iter().copied().filter(|at| Some(*at) != go).chain(come).collect();
        list.sort_unstable();
        self.tell(&format!("new list: {list:?}"));
        if let Some(spare) = come.filter(|spare| self.places[*spare].is_off()) {
            self.places[spare].list.clone_from(&list);
            self.places[spare].start_at = Some(Instant::now());
        }
        let everybody = chance.percent(70);
        for at in voters {
            if everybody || chance.percent(50) {
                self.give_list(at, &list);
            }
        }
    }

    /// A node on an emptied disk whose list leaves out who leads stays out for ever, since a node joins nobody whom its
    /// list does not name: people bring it in line.
    pub(crate) fn align_lists(&mut self) {
        let Some(members) = self.members() else { return };
        let mut voters = self.voters_of(&members);
        voters.sort_unstable();
        let voting = self.voting_places_of(&members);
        for at in voters.iter().filter(|at| !voting.contains(at)) {
            self.give_list(*at, &voters);
        }
    }

    pub(crate) fn give_list(&mut self, at: usize, list: &[usize]) {
        let names: Vec<String> = list.iter().map(|place| name_of(*place)).collect();
        let taken = self.places[at].node().is_none_or(|node| node.set_wish(&names).is_ok());
        // A file that does not name its own node would keep it from starting.
        if taken && list.contains(&at) {
            self.places[at].list = list.to_vec();
        }
    }

    /// A machine whose node was removed is emptied, to be used again.
    fn retire(&mut self, members: &Membership) {
        let voters = self.voters_of(members);
        let removed = |at: &usize| {
            let node = self.places[*at].node();
            !voters.contains(at) && node.is_some_and(|node| node.health().removed)
        };
        let removed: Vec<usize> = (0..self.places.len()).filter(removed).collect();
        let Some(at) = self.around.chance.one_of(&removed) else { return };
        self.tell(&format!("n{} was removed, and is emptied", at + 1));
        self.lose_disk(at, false);
    }

    /// A machine comes back, if at all, on an empty disk.
    pub(crate) fn lose_disk(&mut self, at: usize, power: bool) {
        self.places[at].die(&self.around, power);
        self.places[at].wipe();
        self.around.truth.begins_anew(at);
    }

    /// A voter loses its disk. One at a time: raft survives no more than a minority of such losses.
    fn empty(&mut self, members: &Membership) {
        if self.around.policy.membership == MembershipSource::Api || !self.may_lose_a_disk(members) {
            return;
        }
        let voters = self.voters_of(members);
        let Some(at) = self.around.chance.one_of(&voters) else { return };
        self.tell(&format!("the disk of n{} is emptied", at + 1));
        if self.bug == Some(Bug::ReuseNumbers) {
            self.places[at].die(&self.around, true);
            self.places[at].wipe_all_but_the_number();
        } else {
            self.lose_disk(at, true);
        }
        let mut list = voters;
        list.sort_unstable();
        self.places[at].list = list;
        self.places[at].start_at = Some(Instant::now() + self.around.chance.ms(100, 2_000));
    }

    /// All voters run on the disks that they began with, are well, and go on to be enough: where two are left, each has
    /// to keep its disk, from the moment on at which somebody decides so.
    fn may_lose_a_disk(&self, members: &Membership) -> bool {
        let well = |voter: &Member| {
            self.places.iter().any(|place| {
                let Some(node) = place.node() else { return false };
                let (health, known) = (node.health(), node.membership());
                let stays = known.index == members.index;
                let shrinks = known.wish_is_new && known.wish.len() < VOTERS_MIN;
                let is_it = (health.epoch, health.me.node_id) == (members.epoch, voter.node_id);
                is_it && health.healthy && place.platter.is_well() && stays && !shrinks
            })
        };
        let shrinks = Arc::strong_count(&self.removing) > 1 && members.voters.len() == VOTERS_MIN;
        VOTERS_MIN <= members.voters.len() && members.voters.iter().all(well) && !shrinks
    }
}
