//! Who must not be promoted never is: by its rule or by a filter.

use crate::{server::key, world::World};

pub(super) fn check(world: &World) -> Option<String> {
    let wrong = world.opened.iter().find(|opened| world.servers[opened.server].may_not_be_promoted())?;
    let server = &world.servers[wrong.server];
    Some(format!(
        "{} was opened; its rule is {}, banned: {}",
        key(wrong.server),
        server.rule.as_str(),
        server.banned
    ))
}
