//! What this node does about commands that the group applied.

use std::{collections::BTreeSet, sync::Arc};

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
                Some(Effect::RecoveryChanged { .. }) => look_again(&pictures, &discovery),
                // What is declared arrives by itself; the rest is history, which nobody holds in memory.
                Some(_) => {}
            },
        }
    }
}

/// A recovery moved instances about: every node looks at them at once, since the next failure is judged by what
/// is known of them, by whoever leads then.
fn look_again(pictures: &Pictures, discovery: &Discovery) {
    let picture = pictures.current();
    let touched = picture.view.declared.active_recoveries.iter().filter(|active| active.successor.is_some());
    let clusters: BTreeSet<_> = touched
        .flat_map(|active| active.successor.iter().chain([&active.failed]))
        .filter_map(|key| Some(&picture.topology.place(key)?.cluster))
        .collect();
    let members = clusters.iter().flat_map(|cluster| picture.topology.members(cluster));
    members.for_each(|key| discovery.request(key.clone()));
}
