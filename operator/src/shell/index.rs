//! What the operator knows of the cluster's objects: not the objects, but the facts of them that decide something.
//!
//! A pod takes some 300 bytes here and 3 kB as an object, and there are three thousand of them.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use kube::{Resource, ResourceExt, runtime::watcher::Event};

/// Namespace and name; no namespace = an object of the whole cluster.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl Key {
    /// A key of both.
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &impl ResourceExt) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }

    /// Another object in the same namespace.
    #[must_use]
    pub fn beside(&self, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: self.namespace.clone(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is kept of one kind of object.
pub trait Facts: Send + Sync + Sized + 'static {
    /// The object.
    type Object: Resource;

    /// Keeps what matters of it.
    fn of(object: Self::Object) -> Self;

    /// Its `resourceVersion`.
    fn version(&self) -> &str;

    /// The `OrchestratorCluster` that is looked at when this object changes.
    fn wakes(&self, key: &Key) -> Option<Key>;

    /// Whether the change from `before` to this one matters.
    fn differs(&self, before: &Self) -> bool {
        self.version() != before.version()
    }
}

/// Objects of one kind.
#[derive(Debug)]
pub struct Index<F> {
    entries: RwLock<BTreeMap<Key, Arc<F>>>,
    complete: AtomicBool,
}

impl<F> Default for Index<F> {
    fn default() -> Self {
        Self { entries: RwLock::default(), complete: AtomicBool::new(false) }
    }
}

/// Objects of one watch that are listed at the moment: they replace the known ones when the list is complete.
#[derive(Debug)]
pub struct Listing<F> {
    /// The namespace that is watched; `None` = all.
    scope: Option<Arc<str>>,
    seen: BTreeMap<Key, Arc<F>>,
}

impl<F> Listing<F> {
    /// Of one namespace, or of all.
    #[must_use]
    pub fn new(scope: Option<Arc<str>>) -> Self {
        Self { scope, seen: BTreeMap::new() }
    }

    fn covers(&self, key: &Key) -> bool {
        self.scope.as_ref().is_none_or(|scope| *scope == key.namespace)
    }
}

impl<F: Facts> Index<F> {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Key, Arc<F>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Key, Arc<F>>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of one object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<F>> {
        self.read().get(key).cloned()
    }

    /// Objects in the namespace of `key` whose names begin with its name.
    #[must_use]
    pub fn beginning(&self, key: &Key) -> Vec<(Key, Arc<F>)> {
        let from = (Bound::Included(key.clone()), Bound::Unbounded);
        let entries = self.read();
        let named = entries
            .range(from)
            .take_while(|(other, _)| other.namespace == key.namespace && other.name.starts_with(&*key.name));
        named.map(|(key, facts)| (key.clone(), facts.clone())).collect()
    }

    /// Every key.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.read().keys().cloned().collect()
    }

    /// Looks at each, without a copy.
    pub fn any(&self, mut is: impl FnMut(&Key, &F) -> bool) -> bool {
        self.read().iter().any(|(key, facts)| is(key, facts))
    }

    /// The first list of each watch has come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Says that it has.
    pub fn set_complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Takes in what a watch says, and answers who is to be looked at. `true` with the first complete list.
    pub fn take(&self, event: Event<F::Object>, listing: &mut Listing<F>) -> (Vec<Key>, bool)
    where
        F::Object: ResourceExt,
    {
        match event {
            Event::Init => {
                listing.seen.clear();
                (Vec::new(), false)
            }
            Event::InitApply(object) => {
                let key = Key::of(&object);
                listing.seen.insert(key, Arc::new(F::of(object)));
                (Vec::new(), false)
            }
            Event::InitDone => (self.replace(listing), true),
            Event::Apply(object) => {
                let key = Key::of(&object);
                (self.put(key, F::of(object)).into_iter().collect(), false)
            }
            Event::Delete(object) => {
                let key = Key::of(&object);
                let gone = self.write().remove(&key);
                (gone.and_then(|facts| facts.wakes(&key)).into_iter().collect(), false)
            }
        }
    }

    /// The whole of what one watch covers is as listed.
    fn replace(&self, listing: &mut Listing<F>) -> Vec<Key> {
        let mut wake = Vec::new();
        let mut entries = self.write();
        entries.retain(|key, facts| {
            let stays = !listing.covers(key) || listing.seen.contains_key(key);
            if !stays {
                wake.extend(facts.wakes(key));
            }
            stays
        });
        for (key, facts) in std::mem::take(&mut listing.seen) {
            if entries.get(&key).is_none_or(|before| facts.differs(before)) {
                wake.extend(facts.wakes(&key));
            }
            entries.insert(key, facts);
        }
        wake
    }

    /// A later state of one object; whom it wakes.
    fn put(&self, key: Key, facts: F) -> Option<Key> {
        let mut entries = self.write();
        let before = entries.get(&key);
        if before.is_some_and(|before| is_older(facts.version(), before.version())) {
            return None;
        }
        let woken = before.is_none_or(|before| facts.differs(before)).then(|| facts.wakes(&key)).flatten();
        entries.insert(key, Arc::new(facts));
        woken
    }

    /// Learns what the API server answered to our own write, before the watch says it: otherwise the next pass would
    /// decide on what was before. Only of objects that are known: a watch that said that it is gone is not overruled.
    pub fn learn(&self, object: F::Object)
    where
        F::Object: ResourceExt,
    {
        let key = Key::of(&object);
        if self.read().contains_key(&key) {
            let _ = self.put(key, F::of(object));
        }
    }
}

/// Versions of one object are numbers that grow: client-go relies on it since 1.35, and etcd makes them so.
fn is_older(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ServiceAccount;

    use super::*;

    struct Plain(String);

    impl Facts for Plain {
        type Object = ServiceAccount;
        fn of(object: ServiceAccount) -> Self {
            Self(object.resource_version().unwrap_or_default())
        }
        fn version(&self) -> &str {
            &self.0
        }
        fn wakes(&self, key: &Key) -> Option<Key> {
            Some(key.clone())
        }
    }

    fn object(namespace: &str, name: &str, version: u64) -> ServiceAccount {
        let mut object = ServiceAccount::default();
        object.metadata.namespace = Some(namespace.to_owned());
        object.metadata.name = Some(name.to_owned());
        object.metadata.resource_version = Some(version.to_string());
        object
    }

    fn listed(index: &Index<Plain>, listing: &mut Listing<Plain>, objects: &[ServiceAccount]) -> Vec<Key> {
        index.take(Event::Init, listing);
        for object in objects {
            index.take(Event::InitApply(object.clone()), listing);
        }
        index.take(Event::InitDone, listing).0
    }

    #[test]
    fn a_list_replaces_what_its_watch_covers_and_nothing_else() {
        let index = Index::default();
        let (mut a, mut b) = (Listing::new(Some("a".into())), Listing::new(Some("b".into())));
        assert_eq!(listed(&index, &mut a, &[object("a", "x", 1), object("a", "y", 1)]).len(), 2);
        listed(&index, &mut b, &[object("b", "x", 1)]);
        let woken = listed(&index, &mut a, &[object("a", "y", 1)]);
        assert_eq!(woken, [Key::new("a", "x")], "only the one that is gone");
        assert_eq!(index.keys(), [Key::new("a", "y"), Key::new("b", "x")]);
    }

    #[test]
    fn what_was_written_by_us_is_not_overruled_by_an_older_event() {
        let index: Index<Plain> = Index::default();
        let mut listing = Listing::new(None);
        listed(&index, &mut listing, &[object("a", "x", 5)]);
        index.learn(object("a", "x", 9));
        let (woken, _) = index.take(Event::Apply(object("a", "x", 7)), &mut listing);
        assert!(woken.is_empty());
        assert_eq!(index.get(&Key::new("a", "x")).expect("it is known").0, "9");
        index.learn(object("a", "gone", 9));
        assert!(index.get(&Key::new("a", "gone")).is_none());
    }

    #[test]
    fn objects_are_found_by_the_beginning_of_their_names() {
        let index: Index<Plain> = Index::default();
        let mut listing = Listing::new(None);
        let all = ["m-config-1", "m-config-2", "m-live", "m"].map(|name| object("a", name, 1));
        listed(&index, &mut listing, &all);
        let found = index.beginning(&Key::new("a", "m-config-"));
        let names: Vec<String> = found.iter().map(|(key, _)| key.name.to_string()).collect();
        assert_eq!(names, ["m-config-1", "m-config-2"]);
    }
}
