//! Since when a binary log stands still.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::{instance::BinlogCoordinates, key::InstanceKey, time::Timestamp, view::TopologyView};

/// Since when the binary log of each semi-synchronous source has stood where it stands.
///
/// An idle primary stands still too, so this is evidence beside other evidence, never alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StaleCoordinates(BTreeMap<InstanceKey, (BinlogCoordinates, Timestamp)>);

impl StaleCoordinates {
    /// Folds in what a view shows. Call it when the view changed; what left the view is dropped.
    ///
    /// The original notes a position only while it suspects a lock, and forgets it after a minute, so that
    /// its finding flips to and fro. Noting every position costs nothing and needs no expiry.
    pub fn observe(&mut self, view: &TopologyView) {
        self.0.retain(|key, _| view.get(key).is_some());
        for (key, record) in view.records() {
            let Some(seen) = record.checks.last_seen.filter(|_| record.instance.semi_sync.source_enabled)
            else {
                self.0.remove(key);
                continue;
            };
            if let Some(coordinates) = &record.instance.binary_log {
                self.note(key.clone(), coordinates.clone(), seen);
            }
        }
    }

    /// Notes that the log of `key` stood at `coordinates` at that time.
    pub fn note(&mut self, key: InstanceKey, coordinates: BinlogCoordinates, at: Timestamp) {
        let (known, _) = self.0.entry(key.clone()).or_insert_with(|| (coordinates.clone(), at));
        if *known != coordinates {
            self.0.insert(key, (coordinates, at));
        }
    }

    /// How long the log of `key` had stood at `coordinates` by `now`; `None` when it is not known to have.
    pub fn standing_for(
        &self,
        key: &InstanceKey,
        coordinates: &BinlogCoordinates,
        now: Timestamp,
    ) -> Option<Duration> {
        self.0.get(key).filter(|(known, _)| known == coordinates).map(|(_, since)| now.since(*since))
    }
}
