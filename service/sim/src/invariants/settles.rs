//! Once nothing breaks any more there is one writable primary again, or a reason why not that holds.
//!
//! Not stricter: replicas that were lost stay lost, and a primary may have too few replicas left to acknowledge;
//! bringing replicas back is a person's work.

use crate::{
    rows::Rows,
    server::{Server, key},
    world::World,
};

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

/// What a primary that is dead for good had from those before it: clients may have been told that it is safe.
fn inherited(world: &World) -> Rows {
    let Some(dead) = world.dead_for_good else { return Rows::default() };
    let mut rows = world.servers[dead].executed;
    rows.0[dead] = 0;
    rows
}

/// Nobody is left to promote, which analysis says (`DeadMasterWithoutReplicas`), or somebody said why nobody is.
fn reason_holds(world: &World) -> bool {
    let dead = world.dead_for_good;
    let follows = |server: &Server| server.source.is_some() && server.source == dead && !server.detached;
    let alone = dead.is_some() && !world.servers.iter().any(follows);
    let mut said = world.refusal.as_deref().into_iter().chain(errors(world).first().map(String::as_str));
    alone || said.any(|said| holds(world, said))
}

/// It is so: nobody may be promoted, or rows could be missing on those who may.
fn holds(world: &World, said: &str) -> bool {
    let dead = world.dead_for_good;
    // Who follows another than the dead primary was lost before, and waits for a person.
    let follows = |server: &&Server| server.source.is_some() && (dead.is_none() || server.source == dead);
    let followers = || world.servers.iter().filter(|server| server.is_awake()).filter(follows);
    let received = followers().fold(inherited(world), |all, server| all.union(&server.received));
    let may = || followers().filter(|server| !server.detached && !server.may_not_be_promoted());
    let mut safe = may().filter(|server| server.received.contains(&received));
    if said.contains("no-candidate") || said.contains("no-replicas") {
        return dead.is_none() || may().next().is_none();
    }
    if said.contains("data-loss") {
        return safe.next().is_none();
    }
    said.contains("did not open")
}
