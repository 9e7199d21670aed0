//! Whether volumes may grow: asked of Kubernetes only when one is smaller than wished.

use std::collections::{BTreeMap, btree_map::Entry};

use super::Pass;
use crate::{observation::Seat, plan::storage_bytes};

impl Pass<'_> {
    /// Fills in what the classes of volumes that are too small say. Anew in each pass, since a person who reads that a
    /// class forbids it may change the class.
    pub(super) async fn ask_classes(&self, seats: &mut BTreeMap<u32, Seat>) {
        let Some(wished) = storage_bytes(&self.spec.storage.size.0) else { return };
        // Who may not read nodes may not read classes either.
        if !self.operator.stores.sees_nodes {
            return;
        }
        let mut known = BTreeMap::new();
        for seat in seats.values_mut() {
            let Some(volume) = seat.volume.as_mut().filter(|volume| volume.requested < wished) else {
                continue;
            };
            let Some(class) = volume.class.clone() else { continue };
            volume.expands = match known.entry(class) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => {
                    let expands = self.owner().expands(unknown.key()).await;
                    *unknown.insert(expands)
                }
            };
        }
    }
}
