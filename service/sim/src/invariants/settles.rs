//! Once nothing breaks any more there is one writable primary again, or a reason why not that holds.
//!
//! Not stricter: replicas that were lost stay lost, and a primary may have too few replicas left to acknowledge;
//! bringing replicas back is a person's work.

use crate::{rows::Rows, server::key, world::World};

/// There is one writable server, and nobody is busy changing that.
pub(crate) fn is_settled(world: &World) -> bool {
    let writable = world.servers.iter().filter(|server| server.is_writable()).count();
    writable == 1 && world.group.leader.is_some() && world.group.unfinished().next().is_none()
}

pub(super) fn check(world: &World) -> Option<String> {
    let writable: Vec<_> =
        (0..world.servers.len()).filter(|at| world.servers[*at].is_writable()).map(key).collect();
    match writable.len() {
        1 => None,
        0 if reason_holds(world) => None,
        0 => Some(format!(
            "nobody is writable, and no reason holds; refusal: {:?}, {}",
            world.refusal,
            last(world)
        )),
        _ => Some(format!("{writable:?} are writable; {}", last(world))),
    }
}

fn last(world: &World) -> String {
    match world.group.log.len() {
        0 => "no recovery ever began".into(),
        count => format!("{}, errors {:?}", world.describe_recovery(count - 1), errors(world)),
    }
}

fn errors(world: &World) -> &[String] {
    world.group.log.last().map_or(&[], |entry| &entry.recovery.progress.errors)
}

/// Somebody said why, and it is so: nobody may be promoted, or rows could be missing on those who may.
fn reason_holds(world: &World) -> bool {
    let said = world.refusal.as_deref().or_else(|| errors(world).first().map(String::as_str));
    let Some(said) = said else { return false };
    let may = || world.servers.iter().filter(|server| server.is_awake() && !server.may_not_be_promoted());
    let attached = || world.servers.iter().filter(|server| server.is_awake() && server.source.is_some());
    let received = attached().fold(Rows::default(), |all, server| all.union(&server.received));
    // One without a log is a last resort for the core only where nobody has one.
    let mut safe = may().filter(|server| {
        server.source.is_some()
            && server.logs_updates
            && !server.detached
            && server.received.contains(&received)
    });
    if said.contains("no-candidate") || said.contains("no-replicas") {
        let dead = world.dead_for_good;
        return !may().any(|server| server.source.is_some() && server.source == dead && !server.detached);
    }
    if said.contains("data-loss") {
        return safe.next().is_none();
    }
    said.contains("did not open")
}
