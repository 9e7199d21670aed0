//! What this node does about commands that the group applied.

use std::sync::Arc;

use orchestrator_raft::machine::{Effect, MachineNews};
use tokio_util::sync::CancellationToken;

use crate::{discovery::Discovery, picture::Pictures};

/// Carries news of the replicated state into the view and to discovery, until stopped.
pub(crate) async fn run(
    mut news: MachineNews,
    pictures: Arc<Pictures>,
    discovery: Discovery,
    stop: CancellationToken,
) {
    loop {
        pictures.declare(&news.declared.borrow_and_update().clone());
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = news.declared.changed() => if changed.is_err() { return },
            effect = news.effects.next() => match effect {
                None => return,
                Some(Effect::Probe(key)) => discovery.request(key),
                Some(Effect::Forgotten(keys)) => {
                    for key in keys {
                        pictures.forget(&key);
                        discovery.forget(key).await;
                    }
                }
                // What is declared arrives by itself; the rest is history, which nobody holds in memory.
                Some(_) => {}
            },
        }
    }
}
