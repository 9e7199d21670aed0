//! Progress: once nothing breaks any more, the group finds itself.

use std::time::Duration;

use orchestrator_raft::{Health, YieldError};
use tokio::time::Instant;

use super::world::World;

/// A hand-over takes some messages and two syncs; an ordinary election begins later than this.
const HAND_OVER_MAX: Duration = Duration::from_millis(650);

impl World {
    /// Whoever leads a group that is well is replaced at once when it wants to be; once in each history.
    pub(crate) fn hand_over_in_peace(&mut self) {
        let Some((at, node)) = self.leader().filter(|_| !self.handed_over) else { return };
        self.handed_over = true;
        self.tell(&format!("{} hands over in peace", self.places[at].label()));
        let truth = self.around.truth.clone();
        self.places[at].run(async move {
            let begun = Instant::now();
            let handed = node.yield_to(None, HAND_OVER_MAX * 4).await;
            let took = begun.elapsed();
            match handed {
                Ok(to) if took <= HAND_OVER_MAX => truth.tell(&format!("{} took over", to.hostname)),
                // Alone, or replaced before it could ask.
                Err(YieldError::NoFollower | YieldError::NotLeader { .. }) => {}
                other => truth.broke("hand-over-is-quick", format!("after {took:?}: {other:?}")),
            }
        });
    }

    /// Why the group has not settled yet; `None` when it has.
    pub(crate) fn unsettled(&mut self) -> Option<String> {
        if self.rescue.is_some() {
            return Some("a majority is lost, and not all have joined the survivor again".into());
        }
        let Some(members) = self.members() else { return Some("nobody knows the members".into()) };
        if members.joint {
            return Some(format!("the members of entry {:?} are joint", members.index));
        }
        let voters = self.voters_of(&members);
        for at in &voters {
            if self.places[*at].is_off() {
                self.places[*at].start_at = Some(Instant::now());
            }
        }
        let Some((_, leader)) = self.leader() else { return Some("nobody leads".into()) };
        // The first command of a new leader brings all that was confirmed before it.
        if self.around.truth.confirmations() == self.confirmed_before_peace {
            return Some("no client had a command confirmed since the peace".into());
        }
        let (epoch, applied) = (leader.health().epoch, leader.health().applied_index);
        for voter in &members.voters {
            let node = voters.iter().filter_map(|at| self.places[*at].node());
            let is_it = |health: &Health| (health.epoch, health.me.node_id) == (epoch, voter.node_id);
            let node = node.into_iter().find(|node| is_it(&node.health()));
            let Some(node) = node else { return Some(format!("voter {} does not run", voter.node_id)) };
            let health = node.health();
            if !health.healthy {
                return Some(format!("{} is not healthy: {:?}", voter.hostname, health.reason));
            }
            let behind = applied.unwrap_or(0).saturating_sub(health.applied_index.unwrap_or(0));
            // Clients go on.
            if behind > 20 {
                return Some(format!("{} is {behind} entries behind", voter.hostname));
            }
        }
        None
    }

    /// In the end everybody has the same, and everything that was confirmed.
    pub(crate) fn compare_states(&self) {
        let Some(members) = self.members() else { return };
        let confirmed = self.around.truth.newest_confirmed();
        let Some((leader, _)) = self.leader() else { return };
        let rows = self.places[leader].store.rows();
        self.around.truth.holds_all(leader, &rows);
        for at in self.voters_of(&members) {
            let theirs = self.places[at].store.rows();
            let common = theirs.len().min(rows.len());
            if theirs[..common] != rows[..common] {
                self.around.truth.broke("same-state", format!("n{} and n{} differ", at + 1, leader + 1));
            }
            if theirs.last().map_or(0, |row| row.index) + 40 < confirmed {
                self.around.truth.broke("settles", format!("n{} lags behind {confirmed}", at + 1));
            }
        }
    }
}
