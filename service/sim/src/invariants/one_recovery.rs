//! At most one recovery of the cluster is unfinished.
//!
//! The fleet is one cluster, whatever name its head gives it.

use crate::world::World;

pub(super) fn check(world: &World) -> Option<String> {
    let unfinished: Vec<usize> = world.group.unfinished().map(|(at, _)| at).collect();
    (unfinished.len() > 1).then(|| {
        let stories: Vec<String> = unfinished.iter().map(|at| world.describe_recovery(*at)).collect();
        stories.join("; ")
    })
}
