//! At most one recovery of the cluster is unfinished.
//!
//! The fleet is one cluster, whatever name its head gives it. Not stricter: a promotion that nobody heard of
//! ([`Gap::PromotionUnheard`]) leaves two primaries with replicas, and then there are two clusters.

use super::settles::unheard;
use crate::{gap::Gap, world::World};

pub(super) fn check(world: &World) -> Option<String> {
    let unfinished: Vec<usize> = world.group.unfinished().map(|(at, _)| at).collect();
    let excused = unheard(world) && !world.has_gap(Gap::PromotionUnheard);
    (unfinished.len() > 1 && !excused).then(|| {
        let stories: Vec<String> = unfinished.iter().map(|at| world.describe_recovery(*at)).collect();
        stories.join("; ")
    })
}
