use std::fs;

use orchestrator_backend::{Backend, KeyValueRow};

use super::Make;
use super::snapshot::{populate, snapshot};
use crate::support::{after, intent, key};
use crate::watched::Watched;

/// More than go into one statement.
const PAIRS: u32 = 300;

fn put(backend: &mut dyn Backend, key: &str, value: &str) {
    let pair = KeyValueRow { key: key.into(), value: value.into() };
    backend.put_key_value(&pair, after(0)).unwrap();
}

fn pairs(backend: &mut dyn Backend) {
    backend
        .in_transaction(|backend| {
            (0..PAIRS).for_each(|number| put(backend, &format!("k{number}"), "v"));
            Ok::<_, orchestrator_backend::BackendError>(())
        })
        .unwrap();
}

pub(crate) fn installing_changes_only_what_differs(make: Make) {
    let mut source = make();
    pairs(&mut *source);
    for host in ["a", "b"] {
        source.add_discovered(&key(host), after(0)).unwrap();
    }
    let (_dir, file) = snapshot(&mut *source);
    let (mut target, changes) = Watched::over(make());
    let mut installs = || {
        target.install_snapshot(&file, b"m").unwrap();
        (std::mem::take(&mut *changes.lock().unwrap()), intent(&mut *target))
    };
    let whole = [format!("kv_store +{PAIRS}"), "orchestrator_discovered +2".into(), mark()];
    assert_eq!(installs().0, whole, "into nothing");
    assert_eq!(installs(), (vec![mark()], intent(&mut *source)), "again");

    put(&mut *target, "k7", "another");
    put(&mut *target, "k8", "another");
    put(&mut *target, "stranger", "v");
    target.execute("delete from kv_store where store_key = 'k299'", &[]).unwrap();
    target.add_discovered(&key("c"), after(0)).unwrap();
    changes.lock().unwrap().clear();
    target.install_snapshot(&file, b"m").unwrap();
    let few = changes.lock().unwrap().join(", ");
    assert_eq!(
        few, "kv_store -2, kv_store -1, orchestrator_discovered -1, kv_store +3, orchestrator_applied +1",
        "k7, k8 and the strangers go; k7, k8 and k299 come"
    );
    assert_eq!(intent(&mut *target), intent(&mut *source));
}

fn mark() -> String {
    "orchestrator_applied +1".into()
}

pub(crate) fn whatever_was_there_what_was_sent_is_there(make: Make) {
    type Fill = fn(&mut dyn Backend);
    let fills: [Fill; 6] = [
        |_| (),
        populate,
        pairs,
        // Two rows that have what the other one had.
        |backend| ["k1 k2", "k2 k1"].iter().for_each(|pair| put(backend, &pair[..2], &pair[3..])),
        |backend| ["k1 k1", "k2 k2"].iter().for_each(|pair| put(backend, &pair[..2], &pair[3..])),
        // Keys that look alike to some.
        |backend| ["a", "A", "\u{e4}", "a\u{308}"].iter().for_each(|key| put(backend, key, "\u{1f4a5}\n\"")),
    ];
    for (place, sent) in fills.iter().enumerate() {
        let mut source = make();
        sent(&mut *source);
        let (_dir, file) = snapshot(&mut *source);
        let expected = fs::read_to_string(&file).unwrap();
        for had in [fills[(place + 1) % fills.len()], fills[(place + 4) % fills.len()]] {
            let mut target = make();
            had(&mut *target);
            target.install_snapshot(&file, b"m").unwrap();
            assert_eq!(intent(&mut *target), expected);
            target.install_snapshot(&file, b"n").unwrap();
            assert_eq!(intent(&mut *target), expected, "again");
        }
    }
}
