//! Clients: commands to whoever leads, sometimes to who does not, and what they were told.

use std::time::Duration;

use orchestrator_raft::{ProposeError, RaftNode};

use super::ledger::{Store, command_of};
use super::truth::Truth;
use super::world::World;

/// In percent: a client that asks anybody.
const ANYBODY_PERCENT: u64 = 15;
/// In percent: a command that must be of the present term.
const FENCED_PERCENT: u64 = 30;
/// In percent: a question instead of a command.
const READ_PERCENT: u64 = 15;
/// How long clients wait, milliseconds.
const PATIENCE_MS: (u64, u64) = (100, 3_000);

impl World {
    /// One client calls.
    pub(crate) fn call(&mut self) {
        let chance = self.around.chance.clone();
        let anybody = chance.percent(ANYBODY_PERCENT);
        let leader = self.leader().map(|(at, _)| at);
        let at = if anybody { chance.one_of(&self.running()) } else { leader };
        let Some(at) = at else { return };
        let Some(node) = self.places[at].node() else { return };
        let limit = chance.ms(PATIENCE_MS.0, PATIENCE_MS.1);
        let truth = self.around.truth.clone();
        if chance.percent(READ_PERCENT) {
            let store = self.places[at].store.clone();
            self.places[at].run(read(node, store, truth, limit));
            return;
        }
        self.serial += 1;
        let serial = self.serial;
        let term = chance.percent(FENCED_PERCENT).then(|| node.leadership().term);
        self.places[at].run(propose(node, serial, term, truth, limit));
    }
}

async fn propose(node: RaftNode, serial: u64, term: Option<u64>, truth: Truth, limit: Duration) {
    let command = command_of(serial);
    let answer = match term {
        Some(term) => node.propose_in_term(term, command, limit).await,
        None => node.propose(command, limit).await,
    };
    match answer {
        Ok((index, _)) => truth.confirmed(serial, index, term),
        Err(ProposeError::NotLeader { .. } | ProposeError::TooLarge { .. }) => truth.refused(serial),
        // It may be applied later, or never.
        Err(ProposeError::Unconfirmed { .. } | ProposeError::Stopped { .. }) => {}
    }
}

/// Whoever proves that it leads knows all that was confirmed before it was asked.
async fn read(node: RaftNode, store: Store, truth: Truth, limit: Duration) {
    let confirmed = truth.newest_confirmed();
    if node.confirm_leadership(limit).await.is_ok() && store.last() < confirmed {
        let evidence = format!(
            "{} leads by its own word, with the state of entry {}; {confirmed} was confirmed",
            node.health().me.hostname,
            store.last()
        );
        truth.broke("reads-are-fresh", evidence);
    }
}
