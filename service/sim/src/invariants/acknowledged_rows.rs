//! No row that a client was told is safe is missing where writing goes on.
//!
//! Checked when a successor opens, of whoever can acknowledge, and of the last primary. Not stricter: rows that
//! nobody acknowledged may be gone, and replicas may lack rows. However many servers failed: where writing cannot go
//! on without such a row, nobody may be promoted, see `settles`.
//!
//! One exception: a successor fails before the node that begins the next recovery has looked at it after it opened,
//! and takes rows along that nobody fetched from it. What it had executed by then only a look could have told.

use crate::{
    rows::Rows,
    server::key,
    world::{Opened, World},
};

pub(super) fn check(world: &World) -> Option<String> {
    if failed_unseen(world) {
        return None;
    }
    let opened = world.opened.iter().find_map(|Opened { server, executed, acknowledged }| {
        missing(*server, executed, acknowledged, "was opened")
    });
    let able = || (0..world.servers.len()).find(|at| world.can_acknowledge(*at));
    opened.or_else(|| {
        let at = able()?;
        missing(at, &world.servers[at].executed, &world.acknowledged, "acknowledges")
    })
}

pub(super) fn check_end(world: &World) -> Option<String> {
    if failed_unseen(world) {
        return None;
    }
    let at = (0..world.servers.len()).find(|at| world.servers[*at].is_writable())?;
    missing(at, &world.servers[at].executed, &world.acknowledged, "is the primary")
}

fn failed_unseen(world: &World) -> bool {
    world.group.log.iter().any(|entry| entry.failed_unseen)
}

fn missing(at: usize, executed: &Rows, acknowledged: &Rows, what: &str) -> Option<String> {
    (!executed.contains(acknowledged)).then(|| {
        let lacks = executed.lacks(acknowledged);
        format!(
            "{} {what} and lacks {lacks} acknowledged rows: executed {:?}, acknowledged {:?}",
            key(at),
            executed.0,
            acknowledged.0
        )
    })
}
