//! A recovery is committed by whoever leads, and never by a term before that of its last commit.
//!
//! Not stricter: an old leader may still *send* statements of the stage that it committed; they arrive late, and
//! are those that the new leader repeats.

use crate::world::{Commit, World};

pub(super) fn check(world: &World) -> Option<String> {
    world.commits.iter().find(|commit| commit.term < commit.term_before).map(|commit| {
        let Commit { recovery, node, term, term_before } = commit;
        format!("n{node} committed recovery {recovery} in term {term}, after a commit of term {term_before}")
    })
}
