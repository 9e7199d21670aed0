//! Each recovery ends once nothing breaks any more.

use crate::world::World;

pub(super) fn check(world: &World) -> Option<String> {
    let (at, _) = world.group.unfinished().next()?;
    Some(world.describe_recovery(at))
}
