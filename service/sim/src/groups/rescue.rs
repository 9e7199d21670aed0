//! A majority of the disks is lost for good: one survivor is told to go on alone, and the others join it again.
//!
//! It is done as people are told to do it: nobody leads any more and a while has passed, one node is told, the one whose
//! log is the longest of those that are left, and every other disk is emptied before its machine comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orchestrator_raft::{ChangeError, Membership, RaftNode};
use tokio::time::Instant;

use super::bug::Bug;
use super::chaos::Mend;
use super::net::name_of;
use super::world::World;

/// People wait so long before they call a majority lost. By then no leader of before believes that it leads.
const PATIENCE: Duration = Duration::from_secs(2);
/// A call that failed is repeated after this time.
const PAUSE: Duration = Duration::from_millis(500);
/// A call is given up after this time; what it asked for may still be done.
const LIMIT: Duration = Duration::from_secs(8);

/// What people do about a lost majority, up to the day when all are together again.
pub(crate) struct Rescue {
    /// The epoch that is to end.
    epoch: u64,
    /// Places with their disks, of which one goes on.
    left: Vec<usize>,
    survivor: Option<usize>,
    /// The new epoch has begun.
    has_begun: bool,
    /// Former voters that are to join again.
    others: Vec<usize>,
    /// When the next call may be made.
    next: Instant,
    /// Held by the call under way.
    call: Arc<()>,
    /// The last call had somebody join.
    joined: Arc<AtomicBool>,
}

impl Rescue {
    fn is_calling(&self) -> bool {
        Arc::strong_count(&self.call) > 1
    }

    /// Whether `reason` is how the process of the survivor `at` is to end.
    pub(crate) fn ends(&self, at: usize, reason: &str) -> bool {
        self.survivor == Some(at) && reason.contains("is alone in epoch")
    }
}

impl World {
    /// So many voters lose their disks, all at once, that the rest is no majority.
    pub(crate) fn lose_a_majority(&mut self, members: &Membership) {
        let chance = self.around.chance.clone();
        let mut left = self.voting_places_of(members);
        let rest = members.voters.len() / 2;
        if rest == 0 || left.len() <= rest {
            return;
        }
        while left.len() > rest {
            left.remove(chance.range(0, left.len() as u64 - 1) as usize);
        }
        let voters = self.voters_of(members);
        self.tell(&format!("all disks are lost but those of {left:?}"));
        for at in (0..self.places.len()).filter(|at| !left.contains(at)) {
            if self.bug == Some(Bug::ReturnUnwiped) {
                self.places[at].die(&self.around, true);
            } else {
                self.lose_disk(at, true);
            }
            self.places[at].start_at = None;
            // Its machine does not come back before people bring it back.
            self.mends.retain(|(_, mend)| *mend != Mend::Start(at));
        }
        self.rescues += 1;
        self.rescue = Some(Rescue {
            epoch: members.epoch,
            left,
            survivor: None,
            has_begun: false,
            others: voters,
            next: Instant::now() + PATIENCE,
            call: Arc::default(),
            joined: Arc::default(),
        });
    }

    /// The next step towards a whole group, if it is time for one.
    pub(crate) fn go_on_with_rescue(&mut self) {
        let Some(mut rescue) = self.rescue.take() else { return };
        if !rescue.is_calling() && rescue.next <= Instant::now() {
            let leader = self.leader().filter(|(_, node)| node.health().epoch > rescue.epoch);
            match leader {
                Some((at, leader)) => {
                    if !rescue.has_begun {
                        self.bring_machines_back(&mut rescue, at);
                    }
                    self.have_one_join(&mut rescue, at, leader);
                }
                None if rescue.has_begun => {}
                None => self.force(&mut rescue),
            }
        }
        if rescue.others.is_empty() {
            self.tell("all that lost their disks have joined again");
        } else {
            self.rescue = Some(rescue);
        }
    }

    /// Whose log is the longest of those that answer.
    fn best_of(&self, left: &[usize]) -> Option<usize> {
        let running = left.iter().filter_map(|at| Some((*at, self.places[*at].node()?)));
        running.max_by_key(|(_, node)| node.health().last_log_index).map(|(at, _)| at)
    }

    /// The survivor is told to go on alone, once it waits for those who do not come back.
    fn force(&mut self, rescue: &mut Rescue) {
        let Some(at) = rescue.survivor.or_else(|| self.best_of(&rescue.left)) else { return };
        let Some(node) = self.places[at].node() else { return };
        let (health, members) = (node.health(), node.membership());
        let is_alone = members.voters.iter().map(|voter| voter.node_id).eq([health.me.node_id]);
        // Before its raft core runs it knows no members, and when it is alone it only has to begin to lead.
        if health.is_part_of_quorum || is_alone || members.voters.is_empty() {
            return;
        }
        rescue.survivor = Some(at);
        rescue.others.retain(|other| *other != at);
        let former: Vec<usize> = rescue.left.iter().copied().filter(|other| *other != at).collect();
        self.around.truth.goes_on_with(self.places[at].store.rows(), &former);
        self.confirmed_before_peace = self.confirmed_before_peace.min(self.around.truth.confirmations());
        for other in former {
            self.places[other].hang_up();
        }
        rescue.next = Instant::now() + PAUSE;
        self.tell(&format!("n{} is told to go on alone, and to leave epoch {}", at + 1, health.epoch));
        let (truth, call) = (self.around.truth.clone(), rescue.call.clone());
        self.places[at].run(async move {
            let cluster = health.cluster_id.clone().unwrap_or_default();
            let told = match node.force_new_cluster(&cluster, health.epoch).await {
                Ok(epoch) => format!("n{} is alone in epoch {epoch}", at + 1),
                Err(error) => format!("n{} does not go on alone: {error}", at + 1),
            };
            truth.tell(&told);
            drop(call);
        });
    }

    /// Those that are to join again come back, on empty disks.
    fn bring_machines_back(&mut self, rescue: &mut Rescue, leader: usize) {
        rescue.has_begun = true;
        let mut list = rescue.others.clone();
        list.push(leader);
        list.sort_unstable();
        for at in rescue.others.iter().copied() {
            if rescue.left.contains(&at) && self.bug != Some(Bug::ReturnUnwiped) {
                self.lose_disk(at, false);
            }
            self.places[at].list.clone_from(&list);
            if self.places[at].is_off() {
                self.places[at].start_at = Some(Instant::now() + self.around.chance.ms(0, 1_500));
            }
        }
    }

    /// Whoever leads, at `at`, is asked to take the next one in.
    fn have_one_join(&mut self, rescue: &mut Rescue, at: usize, leader: RaftNode) {
        let Some(other) = rescue.others.last().copied() else { return };
        // Taken in, and let go again since: that is another story.
        let was_removed = self.places[other].node().is_some_and(|node| node.health().removed);
        if rescue.joined.swap(false, Ordering::Relaxed) || was_removed {
            rescue.others.pop();
            return;
        }
        // A node joins nobody whom its list does not name.
        if !self.places[other].list.contains(&at) {
            let mut list = self.voters_of(&leader.membership());
            list.push(other);
            list.sort_unstable();
            list.dedup();
            self.give_list(other, &list);
        }
        rescue.next = Instant::now() + PAUSE;
        self.tell(&format!("n{} is asked to take n{} in again", at + 1, other + 1));
        let (truth, call, joined) = (self.around.truth.clone(), rescue.call.clone(), rescue.joined.clone());
        self.places[at].run(async move {
            match leader.add_peer(&name_of(other), LIMIT).await {
                Ok(_) | Err(ChangeError::AlreadyMember { .. }) => joined.store(true, Ordering::Relaxed),
                Err(error) => truth.tell(&format!("n{} was not taken in: {error}", other + 1)),
            }
            drop(call);
        });
    }
}
