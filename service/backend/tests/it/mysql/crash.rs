use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use orchestrator_backend::{Backend, BackendError, KeyValueRow};

use super::{impatient, open};
use crate::servers::Flavor;
use crate::support::after;

/// Rows of each transaction: enough that a kill has something to fall into.
const ROWS: u64 = 20;

/// How long a killed server may take to come back.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// One step of a replicated state: rows and the mark, together.
fn step(backend: &mut dyn Backend, number: u64) -> Result<(), BackendError> {
    backend.in_transaction(|backend| {
        for row in 0..ROWS {
            let pair = KeyValueRow { key: format!("row/{row}"), value: number.to_string() };
            backend.put_key_value(&pair, after(0))?;
        }
        backend.set_applied_mark(&number.to_be_bytes())
    })
}

fn mark(backend: &mut dyn Backend) -> Result<u64, BackendError> {
    let mark = backend.applied_mark()?;
    Ok(mark.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap())))
}

fn assert_whole(backend: &mut dyn Backend, at_least: u64, flavor: Flavor) {
    let mark = mark(backend).unwrap();
    assert!(mark >= at_least, "{flavor:?}: {at_least} was acknowledged, {mark} is there");
    let values: Vec<String> = backend.key_values().unwrap().into_iter().map(|pair| pair.value).collect();
    assert_eq!(values, vec![mark.to_string(); usize::try_from(ROWS).unwrap()], "{flavor:?}: half a step");
}

fn wait_until_back(backend: &mut dyn Backend) {
    let begun = Instant::now();
    loop {
        match mark(backend) {
            Ok(_) => return,
            Err(BackendError::Away(_)) if begun.elapsed() < BACK_WITHIN => thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_server_that_is_killed_leaves_whole_steps_and_the_node_goes_on_with_it() {
    for flavor in Flavor::ALL {
        let victim = flavor.victim();
        let mut backend = open(&impatient(victim.server.options("t")));
        let mut acknowledged = 0;
        for _ in 0..3 {
            let (steps, progress) = mpsc::sync_channel(10_000);
            let server = victim.server.clone();
            let killer = thread::spawn(move || {
                // In the middle of whatever comes after some steps.
                assert!(progress.iter().take(5).count() == 5, "the writer goes on");
                server.kill();
            });
            loop {
                match step(&mut *backend, acknowledged + 1) {
                    Ok(()) => {
                        acknowledged += 1;
                        // Nobody listens once the server is being killed.
                        let _ = steps.send(());
                    }
                    Err(BackendError::Away(_)) => break,
                    Err(error) => panic!("{flavor:?}: {error:?}"),
                }
            }
            killer.join().unwrap();
            let gone = mark(&mut *backend);
            assert!(matches!(gone, Err(BackendError::Away(_))), "{flavor:?}: {gone:?}");
            victim.server.start();
            wait_until_back(&mut *backend);
            assert_whole(&mut *backend, acknowledged, flavor);
            acknowledged = mark(&mut *backend).unwrap();
        }
    }
}
