//! A model of Kubernetes and of a raft group that enforces their rules, and random schedules of faults and wishes over
//! both, driven by the real planner.
//!
//! The operator in the model crashes between any two calls and reads objects that are some steps old; members answer
//! as they are. Each plan is judged against the truth at the moment of the answers, each effect against the rules of
//! raft, and when the faults stop, what is wished must be reached.

mod chance;
mod check;
mod faults;
mod kube;
mod operator;
mod raft;
mod run;
mod world;

use run::{Outcome, Telling, run};

/// So many schedules are played unless `ORC_SCHEDULES` says otherwise.
const SCHEDULES: u64 = 400;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// `ORC_SEED=n` plays one schedule and prints what happens in it.
#[test]
fn any_schedule_keeps_the_invariants_and_ends_as_wished() {
    if let Some(seed) = number("ORC_SEED") {
        let outcome = run(seed, Telling::Aloud);
        assert!(outcome.violation.is_none(), "{:?}", outcome.violation);
        return;
    }
    let first = number("ORC_FIRST_SEED").unwrap_or(0);
    let count = number("ORC_SCHEDULES").unwrap_or(SCHEDULES);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let failed: Vec<Outcome> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let seeds = (first..first + count).filter(move |seed| seed % threads == worker);
                scope.spawn(move || {
                    seeds
                        .map(|seed| run(seed, Telling::Nothing))
                        .filter(Outcome::failed)
                        .take(5)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a schedule panicked; its seed is above"))
            .collect()
    });
    let told: Vec<String> = failed.iter().map(|outcome| {
        let Outcome { seed, violation, .. } = outcome;
        format!("seed {seed}: {}\n  again: ORC_SEED={seed} cargo test -p orchestrator-operator --test it model -- --nocapture", violation.as_deref().unwrap_or_default())
    }).collect();
    assert!(failed.is_empty(), "{} of {count} schedules broke a rule:\n{}", failed.len(), told.join("\n"));
}

#[test]
fn a_seed_is_one_schedule() {
    for seed in [3, 77] {
        assert_eq!(run(seed, Telling::Trace).trace, run(seed, Telling::Trace).trace, "seed {seed}");
    }
}
