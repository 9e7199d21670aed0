//! What people call clusters.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

use super::{Place, edges::Edges};
use crate::view::{LOST_IN_RECOVERY, TopologyView};

/// Number of a cluster's head to its alias, where it has one; each alias once.
///
/// Declared aliases win over suggested ones; of two clusters that suggest the same alias, the one with the
/// better instance gets it.
pub(super) fn choose(
    view: &TopologyView,
    edges: &Edges<'_>,
    places: &[Place],
    heads: &[usize],
) -> BTreeMap<usize, Arc<str>> {
    let mut given = Given::default();
    let declared = &view.declared.cluster_aliases;
    if !declared.is_empty() {
        for (at, place) in places.iter().enumerate().filter(|(at, _)| heads[*at] == *at) {
            if let Some(alias) = declared.get(&*place.cluster) {
                given.give(&alias.as_str().into(), at);
            }
        }
    }
    for at in by_merit(view, edges, places) {
        given.give(&places[at].suggested_alias, heads[at]);
    }
    given.aliases
}

#[derive(Default)]
struct Given {
    aliases: BTreeMap<usize, Arc<str>>,
    taken: BTreeSet<Arc<str>>,
}

impl Given {
    fn give(&mut self, alias: &Arc<str>, head: usize) {
        if !alias.is_empty() && !self.aliases.contains_key(&head) && self.taken.insert(alias.clone()) {
            self.aliases.insert(head, alias.clone());
        }
    }
}

/// Instances with a suggestion, the best first: seen well, writable, many replicas.
/// What a recovery left behind has no say: it would take the alias away from its successor.
fn by_merit(view: &TopologyView, edges: &Edges<'_>, places: &[Place]) -> Vec<usize> {
    let downtimes = &view.declared.downtimes;
    let is_lost =
        |at| downtimes.get(edges.key(at)).is_some_and(|downtime| downtime.reason == LOST_IN_RECOVERY);
    let merit = |at: usize| {
        let writable = !edges.instance(at).settings.read_only;
        (!edges.is_valid(at), !writable, usize::MAX - places[at].replicas.len(), at)
    };
    let mut suggesting: Vec<_> = (0..places.len())
        .filter(|at| !places[*at].suggested_alias.is_empty() && !is_lost(*at))
        .map(merit)
        .collect();
    suggesting.sort_unstable();
    suggesting.into_iter().map(|(.., at)| at).collect()
}
