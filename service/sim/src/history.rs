//! One history from its seed to its end.

use crate::{
    bug::Bug,
    gap::Gap,
    invariants::{ALWAYS, IN_THE_END, is_settled},
    violation::Violation,
    world::World,
};

/// After this much peace, milliseconds, everything must have settled: longer than the longest chain of waits,
/// which is a recovery given up after a minute of asking, and the one after it.
const SETTLE_MAX_MS: u64 = 120_000;

/// A settled state counts when it lasted this long, milliseconds: longer than any statement is on its way.
const SETTLED_FOR_MS: u64 = 3_000;

/// Where no recovery is under way and none began for this long, milliseconds, none will: longer than a block
/// period, a silence that must be noticed, and some rounds of the nodes.
const QUIET_FOR_MS: u64 = 12_000;

/// Events of one history at most: far more than two minutes have.
const STEPS_MAX: u64 = 200_000;

/// How a history is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setting {
    /// A mistake to plant.
    pub bug: Option<Bug>,
    /// A known hole to let in.
    pub gap: Option<Gap>,
    /// Keep the whole story, which costs memory and some time.
    pub story: bool,
}

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The seed.
    pub seed: u64,
    /// The first property that did not hold.
    pub violation: Option<Violation>,
    /// Events that happened.
    pub steps: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Things that broke.
    pub faults: u64,
    /// Terms that the group had.
    pub terms: u64,
    /// Recoveries that began.
    pub recoveries: usize,
    /// Recoveries that promoted somebody.
    pub promotions: usize,
    /// Rows that clients were told are safe.
    pub acknowledged: u64,
    /// Nobody was writable in the end, for a reason that holds.
    pub refused: bool,
    /// Hash of the whole story: the same seed gives the same.
    pub digest: u64,
    /// The story, if it was asked for.
    pub story: Vec<String>,
}

/// Plays the history of `seed`: the same seed and setting give the same, on any machine.
pub fn play(seed: u64, setting: Setting) -> History {
    let mut world = World::new(seed, setting);
    let (mut settled_since, mut quiet_since) = (None, None);
    let violation = loop {
        world.advance();
        if let Some(violation) = violated(&world, seed, &ALWAYS) {
            break Some(violation);
        }
        let Some(peace) = world.peace_since else { continue };
        settled_since = if is_settled(&world) { settled_since.or(Some(world.now)) } else { None };
        let quiet = world.group.unfinished().next().is_none() && world.group.leader.is_some();
        quiet_since = if quiet { quiet_since.or(Some(world.now)) } else { None };
        let lasted = |since: Option<u64>, limit| since.is_some_and(|since| world.now >= since + limit);
        let settled = lasted(settled_since, SETTLED_FOR_MS) || lasted(quiet_since, QUIET_FOR_MS);
        if settled || world.now > peace + SETTLE_MAX_MS || world.step > STEPS_MAX {
            break violated(&world, seed, &IN_THE_END);
        }
    };
    tell(world, seed, violation)
}

type Named = (&'static str, fn(&World) -> Option<String>);

fn violated(world: &World, seed: u64, properties: &[Named]) -> Option<Violation> {
    let (invariant, evidence) =
        properties.iter().find_map(|(name, check)| check(world).map(|evidence| (*name, evidence)))?;
    let servers = world.describe_servers();
    let story = world.story.iter().cloned().chain(servers.lines().map(str::to_owned)).collect();
    Some(Violation {
        invariant,
        seed,
        setting: world.setting,
        step: world.step,
        at_ms: world.now,
        evidence,
        story,
    })
}

fn tell(world: World, seed: u64, violation: Option<Violation>) -> History {
    let promoted = world.group.log.iter().filter(|entry| entry.promoted().is_some());
    History {
        seed,
        violation,
        steps: world.step,
        simulated_ms: world.now,
        faults: world.faults,
        terms: world.group.term,
        recoveries: world.group.log.len(),
        promotions: promoted.count(),
        acknowledged: world.acknowledged.0.iter().sum(),
        refused: !world.servers.iter().any(|server| server.is_writable()),
        digest: world.digest,
        story: world.full_story.unwrap_or_default(),
    }
}
