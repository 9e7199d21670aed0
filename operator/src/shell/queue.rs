//! Whom to look at next, and when: each object at most once at a time, and at most once in the queue.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Duration, Instant, sleep_until},
};

use super::index::Key;

/// Objects that wait for a pass. As many entries as objects, at most.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    order: BTreeSet<(Instant, Key)>,
    waiting: HashMap<Key, Instant>,
    /// Being looked at; what came for them meanwhile waits here.
    running: HashMap<Key, Option<Instant>>,
}

impl State {
    /// Keeps the earlier of two times.
    fn insert(&mut self, key: Key, at: Instant) {
        if let Some(before) = self.waiting.get(&key).copied() {
            if before <= at {
                return;
            }
            self.order.remove(&(before, key.clone()));
        }
        self.waiting.insert(key.clone(), at);
        self.order.insert((at, key));
    }

    fn remove(&mut self, key: &Key) {
        if let Some(at) = self.waiting.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look at `key` after `delay`, or earlier if that was asked for before.
    pub fn add(&self, key: Key, delay: Duration) {
        let at = Instant::now() + delay;
        let mut state = self.state();
        match state.running.get_mut(&key) {
            Some(again) => *again = Some(again.map_or(at, |before| before.min(at))),
            None => state.insert(key, at),
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for the next one that is due. It counts as being looked at until [`Queue::done`].
    pub async fn next(&self) -> Key {
        loop {
            let changed = self.changed.notified();
            let next = match self.take() {
                Ok(key) => return key,
                Err(next) => next,
            };
            match next {
                None => changed.await,
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = sleep_until(at) => {}
                    }
                }
            }
        }
    }

    /// One that is due, or when the next one will be.
    fn take(&self) -> Result<Key, Option<Instant>> {
        let mut state = self.state();
        let Some((at, key)) = state.order.first().cloned() else { return Err(None) };
        if at > Instant::now() {
            return Err(Some(at));
        }
        state.remove(&key);
        state.running.insert(key.clone(), None);
        Ok(key)
    }

    /// The look at `key` is over; the next one is after `again` (`None`: when something happens), or earlier if something
    /// happened meanwhile.
    pub fn done(&self, key: Key, again: Option<Duration>) {
        let mut state = self.state();
        let meanwhile = state.running.remove(&key).flatten();
        let wished = again.map(|delay| Instant::now() + delay);
        if let Some(at) = [meanwhile, wished].into_iter().flatten().min() {
            state.insert(key, at);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Objects that are due and not looked at yet.
    #[must_use]
    pub fn depth(&self) -> usize {
        let now = Instant::now();
        self.state().order.iter().take_while(|(at, _)| *at <= now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("ns", name)
    }

    async fn is_empty_for(queue: &Queue, seconds: u64) -> bool {
        tokio::time::timeout(Duration::from_secs(seconds), queue.next()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_of_two_wishes_counts_and_the_later_is_forgotten() {
        let queue = Queue::default();
        queue.add(key("a"), Duration::from_secs(30));
        queue.add(key("a"), Duration::from_secs(1));
        queue.add(key("a"), Duration::from_secs(60));
        let began = Instant::now();
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(began.elapsed().as_secs(), 1);
        queue.done(key("a"), None);
        assert!(is_empty_for(&queue, 3600).await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_looked_at_twice_at_a_time_and_nothing_is_missed() {
        let queue = Queue::default();
        queue.add(key("a"), Duration::ZERO);
        assert_eq!(queue.next().await, key("a"));
        queue.add(key("a"), Duration::ZERO);
        assert!(is_empty_for(&queue, 10).await, "it is still being looked at");
        queue.done(key("a"), Some(Duration::from_secs(30)));
        let began = Instant::now();
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(began.elapsed().as_secs(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_due_first_comes_first_and_depth_counts_the_due() {
        let queue = Queue::default();
        queue.add(key("late"), Duration::from_secs(2));
        queue.add(key("early"), Duration::from_secs(1));
        assert_eq!(queue.depth(), 0);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(queue.depth(), 2);
        assert_eq!((queue.next().await, queue.next().await), (key("early"), key("late")));
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_hears_of_what_comes() {
        let queue = Queue::default();
        let add = async {
            tokio::task::yield_now().await;
            queue.add(key("a"), Duration::ZERO);
        };
        let (next, ()) = tokio::join!(queue.next(), add);
        assert_eq!(next, key("a"));
    }
}
