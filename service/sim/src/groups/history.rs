//! One history of a group from its seed to its end.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::bug::Bug;
use super::journal::Journal;
use super::truth::{Broken, Truth};
use super::world::{TICK, World};

/// Things break for so long, milliseconds.
const WAR_MS: (u64, u64) = (6_000, 20_000);
/// After this much peace everything must have settled.
const PEACE_MAX: Duration = Duration::from_secs(40);
/// After so much peace no attempt to connect from before is under way any more.
const CONNECTED: Duration = Duration::from_secs(2);
/// A settled group must stay so.
const SETTLED_FOR: Duration = Duration::from_secs(1);

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupHistory {
    /// The seed.
    pub seed: u64,
    /// The first property that did not hold: its name, the evidence, and when, in simulated milliseconds.
    pub violation: Option<(&'static str, String, u64)>,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Things that broke.
    pub faults: u64,
    /// Changes of the members that were tried.
    pub changes: u64,
    /// Groups that lost a majority of their disks.
    pub rescues: u64,
    /// Terms that had a leader.
    pub terms: u64,
    /// Commands that clients were told are committed.
    pub confirmed: u64,
    /// How often a node's health was compared with the truth.
    pub compared: u64,
    /// Hash of the whole story: the same seed gives the same.
    pub digest: u64,
    /// What happened, line by line.
    pub story: Vec<String>,
}

/// Plays the history of `seed`, with the nodes' files in `scratch`, which is to be empty and is left as it is.
///
/// The same seed gives the same only in a process of its own whose randomness was planted: see `chance` in the program.
///
/// # Errors
/// Where there is no event loop, or no directory for the files.
pub fn play_group(seed: u64, bug: Option<Bug>, scratch: &Path) -> std::io::Result<GroupHistory> {
    std::fs::create_dir_all(scratch)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(async {
        let mut world = World::new(scratch, seed, bug);
        let journal = Journal::of(world.around.truth.clone());
        let told = tracing::subscriber::set_default(journal);
        run(&mut world).await;
        drop(told);
        describe(seed, &world)
    }))
}

async fn run(world: &mut World) {
    let end = Instant::now() + world.around.chance.ms(WAR_MS.0, WAR_MS.1);
    while Instant::now() < end && world.around.truth.broken().is_none() {
        world.tick();
        tokio::time::sleep(TICK).await;
    }
    world.make_peace();
    let began = Instant::now();
    let end = began + PEACE_MAX;
    let mut settled: Option<Instant> = None;
    while world.around.truth.broken().is_none() {
        world.tick();
        match world.unsettled() {
            None if settled.is_some_and(|since| since.elapsed() > SETTLED_FOR) => {
                if world.handed_over {
                    break;
                }
                if began.elapsed() > CONNECTED {
                    world.hand_over_in_peace();
                    settled = None;
                }
            }
            None => settled = settled.or_else(|| Some(Instant::now())),
            Some(reason) => {
                settled = None;
                if Instant::now() > end {
                    world.around.truth.broke("settles", reason);
                }
            }
        }
        tokio::time::sleep(TICK).await;
    }
    world.compare_states();
}

fn describe(seed: u64, world: &World) -> GroupHistory {
    let truth: &Truth = &world.around.truth;
    let violation = truth.broken().map(|Broken { invariant, evidence, at_ms }| (invariant, evidence, at_ms));
    GroupHistory {
        seed,
        violation,
        simulated_ms: truth.now_ms(),
        messages: world.around.net.sent(),
        faults: world.faults,
        changes: world.changes,
        rescues: world.rescues,
        terms: truth.terms() as u64,
        confirmed: truth.confirmations() as u64,
        compared: world.oracle.compared,
        digest: truth.digest(),
        story: truth.story(),
    }
}
