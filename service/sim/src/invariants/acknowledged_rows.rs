//! No row that a client was told is safe is missing where writing goes on.
//!
//! Checked when a successor opens, of whoever can acknowledge, and of the last primary. Not stricter: rows that
//! nobody acknowledged may be gone, and replicas may lack rows. A row survives as many failures as replicas
//! acknowledged it: when everybody who holds it was a primary and failed as one, it may be gone too.

use crate::{
    rows::{Rows, SERVERS_MAX},
    server::key,
    world::{Opened, World},
};

pub(super) fn check(world: &World) -> Option<String> {
    let opened = world.opened.iter().find_map(|Opened { server, executed, acknowledged }| {
        missing(world, *server, executed, acknowledged, "was opened")
    });
    let able = || (0..world.servers.len()).find(|at| world.can_acknowledge(*at));
    opened.or_else(|| {
        let at = able()?;
        missing(world, at, &world.servers[at].executed, &world.acknowledged, "acknowledges")
    })
}

pub(super) fn check_end(world: &World) -> Option<String> {
    let at = (0..world.servers.len()).find(|at| world.servers[*at].is_writable())?;
    missing(world, at, &world.servers[at].executed, &world.acknowledged, "is the primary")
}

/// Everybody who holds all that is missing failed as a primary, one after another.
fn outlived_its_copies(world: &World, executed: &Rows, acknowledged: &Rows) -> bool {
    let missing = |origin: &usize| executed.0[*origin] < acknowledged.0[*origin];
    let holds = |at: &usize| {
        let received = world.servers[*at].received;
        (0..SERVERS_MAX).filter(missing).any(|origin| received.0[origin] > executed.0[origin])
    };
    let failed = |at| world.group.log.iter().any(|entry| entry.recovery.case.failed == key(at));
    (0..world.servers.len()).filter(holds).all(failed)
}

fn missing(world: &World, at: usize, executed: &Rows, acknowledged: &Rows, what: &str) -> Option<String> {
    let lost = !executed.contains(acknowledged) && !outlived_its_copies(world, executed, acknowledged);
    lost.then(|| {
        let lacks = executed.lacks(acknowledged);
        format!(
            "{} {what} and lacks {lacks} acknowledged rows: executed {:?}, acknowledged {:?}",
            key(at),
            executed.0,
            acknowledged.0
        )
    })
}
