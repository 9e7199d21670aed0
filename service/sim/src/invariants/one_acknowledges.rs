//! Never are two servers writable and able to acknowledge a client's commit at the same time.
//!
//! Not stricter: two may be *writable*, when an old primary returns or cannot be reached; without replicas that
//! acknowledge, no client is told that its row is safe there. (Semi-sync is in force on every server.)

use crate::{server::key, world::World};

pub(super) fn check(world: &World) -> Option<String> {
    let able: Vec<_> = (0..world.servers.len()).filter(|at| world.can_acknowledge(*at)).map(key).collect();
    (able.len() > 1).then(|| format!("{able:?} are all writable and have replicas that acknowledge"))
}
