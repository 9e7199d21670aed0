//! `make soak MINUTES=n`: kills, freezes and cuts a group at random for so long, and says what was kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use orchestrator_e2e::soak::{SoakPlan, run};

/// Minutes, when nobody says.
pub(crate) const MINUTES: u64 = 5;
/// One group after the other, so that both sizes have their turns.
const TURN: Duration = Duration::from_secs(300);
const SIZES: [usize; 2] = [3, 5];

/// Plays groups of three and of five in turns. A `seed` of somebody's plays one turn as it was then.
pub(crate) fn soak(minutes: u64, seed: Option<u64>) -> Result<()> {
    let whole = Duration::from_secs(minutes * 60);
    let turns = whole.as_secs().div_ceil(TURN.as_secs()).max(SIZES.len() as u64);
    let first =
        seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |it| it.as_secs()));
    let lasts = whole / u32::try_from(turns).unwrap_or(u32::MAX);
    for turn in 0..turns {
        let seed = first + turn;
        // By the seed, so that it alone tells which group it was.
        let size = SIZES[usize::try_from(seed).unwrap_or_default() % SIZES.len()];
        println!("seed {seed}: a group of {size} for {} s", lasts.as_secs());
        let summary = run(&SoakPlan { size, seed, lasts }, |line| println!("{line}"))?;
        summary.lines().iter().for_each(|line| println!("  {line}"));
    }
    Ok(())
}
