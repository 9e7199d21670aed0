//! The connections that are served at once: so many, and whoever has been silent longest makes room for the next.
//!
//! Strangers and members have places of their own, so that a crowd at the port displaces no member. A connection that
//! waits for this node's answer is not silent. A member that was sent away comes again when it has something to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::local::lock;

/// Strangers and those who have not said yet who they are. A handshake takes milliseconds.
const STRANGERS_MAX: usize = 64;
/// Nine nodes with five lanes each, twice while they reconnect, and room.
const MEMBERS_MAX: usize = 128;

/// All of them.
#[derive(Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// Counts what happens.
    turn: u64,
    places: BTreeMap<u64, Sitting>,
}

struct Sitting {
    member: bool,
    /// The turn since when it has nothing to say; `None` while it is served.
    silent: Option<u64>,
    leave: CancellationToken,
}

/// One connection's; given back when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    leave: CancellationToken,
}

impl Taken {
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Sends whoever has been silent longest away, other than `newcomer`, where there are more than `limit` of a kind.
    ///
    /// `false`: all of them are being served.
    fn make_room(&mut self, member: bool, limit: usize, newcomer: u64) -> bool {
        let alike = || self.places.iter().filter(|(_, sitting)| sitting.member == member);
        if alike().count() <= limit {
            return true;
        }
        let silent = alike().filter(|(id, _)| **id != newcomer);
        let longest = silent.filter_map(|(id, sitting)| Some((sitting.silent?, *id))).min();
        let Some((_, id)) = longest else { return false };
        if let Some(sitting) = self.places.remove(&id) {
            sitting.leave.cancel();
        }
        true
    }
}

impl Places {
    /// A place for a stranger; `None` when all are taken by strangers that are being served.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = lock(&self.0);
        let (id, leave) = (taken.next_turn(), CancellationToken::new());
        let sitting = Sitting { member: false, silent: Some(id), leave: leave.clone() };
        taken.places.insert(id, sitting);
        if !taken.make_room(false, STRANGERS_MAX, id) {
            taken.places.remove(&id);
            return None;
        }
        Some(Place { places: self.clone(), id, leave })
    }
}

impl Place {
    /// It is a member's from now on; `false` when there is none left for it.
    pub(super) fn admit(&self) -> bool {
        let mut taken = lock(&self.places.0);
        match taken.places.get_mut(&self.id) {
            Some(sitting) => sitting.member = true,
            None => return false,
        }
        taken.make_room(true, MEMBERS_MAX, self.id)
    }

    /// It asked something, and waits for the answer.
    pub(super) fn serve(&self) {
        if let Some(sitting) = lock(&self.places.0).places.get_mut(&self.id) {
            sitting.silent = None;
        }
    }

    /// It was answered.
    pub(super) fn served(&self) {
        let mut taken = lock(&self.places.0);
        let turn = taken.next_turn();
        if let Some(sitting) = taken.places.get_mut(&self.id) {
            sitting.silent = Some(turn);
        }
    }

    /// Another one needs it.
    pub(super) async fn is_needed(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.0).places.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stays(place: &Place) -> bool {
        !place.leave.is_cancelled()
    }

    fn strangers(places: &Arc<Places>, count: usize) -> Vec<Place> {
        (0..count).map(|_| places.take().expect("somebody makes room")).collect()
    }

    fn members(places: &Arc<Places>, count: usize) -> Vec<Place> {
        let admitted = |_| {
            let place = places.take().expect("somebody makes room");
            assert!(place.admit());
            place
        };
        (0..count).map(admitted).collect()
    }

    #[test]
    fn a_crowd_of_strangers_sends_each_other_away_and_no_member() {
        let places = Arc::default();
        let member = members(&places, 1);
        let crowd = strangers(&places, STRANGERS_MAX + 10);
        assert!(stays(&member[0]));
        assert!(crowd[..10].iter().all(|place| !stays(place)), "those that were silent longest");
        assert!(crowd[10..].iter().all(stays));
    }

    #[test]
    fn who_is_being_served_is_not_sent_away() {
        let places = Arc::default();
        let crowd = strangers(&places, STRANGERS_MAX);
        crowd[0].serve();
        let next = strangers(&places, 1);
        assert_eq!((stays(&crowd[0]), stays(&crowd[1]), stays(&next[0])), (true, false, true));
        crowd.iter().chain(&next).for_each(Place::serve);
        assert!(places.take().is_none(), "nobody is silent");
        crowd[2].served();
        assert!(places.take().is_some() && !stays(&crowd[2]));
    }

    #[test]
    fn among_members_whoever_was_silent_longest_makes_room() {
        let places = Arc::default();
        let mut seated = members(&places, MEMBERS_MAX);
        seated[0].serve();
        seated[0].served();
        let next = members(&places, 1);
        assert_eq!((stays(&seated[0]), stays(&seated[1]), stays(&next[0])), (true, false, true));
        // A place that was given back sends nobody away.
        drop(seated.remove(2));
        members(&places, 1);
        assert!(stays(&seated[2]));
    }
}
