//! What goes on failing, said when it begins and seldom after.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use orchestrator_core::{InstanceKey, Timestamp};

/// What still fails is said again after this time: whoever reads only the end of a log must meet it.
const REPEAT_AFTER: Duration = Duration::from_secs(600);

/// What fails, on which instance, and when that was last said.
#[derive(Debug, Default)]
pub(crate) struct Failing(BTreeMap<(InstanceKey, &'static str), Timestamp>);

impl Failing {
    /// It failed again; whether to say so.
    pub(crate) fn is_news(&mut self, key: &InstanceKey, what: &'static str, now: Timestamp) -> bool {
        let said = self.0.entry((key.clone(), what));
        match said {
            // A clock that was set back must not silence it for as long.
            Entry::Occupied(said) if now >= *said.get() && now.since(*said.get()) < REPEAT_AFTER => false,
            said => {
                said.insert_entry(now);
                true
            }
        }
    }

    /// Nothing is to be done about this instance any more.
    pub(crate) fn is_over(&mut self, key: &InstanceKey) {
        self.0.retain(|(failing, _), _| failing != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_failing_is_said_once_and_again_when_it_began_anew() {
        let (mut failing, key) = (Failing::default(), InstanceKey::new("db1", 3306));
        let at = |seconds: u64| Timestamp::from_millis(0) + Duration::from_secs(seconds);
        assert!(failing.is_news(&key, "detach", at(0)));
        assert!(!failing.is_news(&key, "detach", at(1)));
        assert!(failing.is_news(&key, "close", at(1)));
        assert!(failing.is_news(&key, "detach", at(600)));
        failing.is_over(&key);
        assert!(failing.is_news(&key, "detach", at(601)));
        assert!(failing.is_news(&key, "detach", at(1)), "the clock was set back");
    }
}
