//! What went wrong in a history, with all that is needed to look at it again.

use std::fmt;

use crate::history::Setting;

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Name of the property; a file of that name explains it.
    pub invariant: &'static str,
    /// The seed of the history.
    pub seed: u64,
    /// What it was played with.
    pub setting: Setting,
    /// Which event, counted from 1.
    pub step: u64,
    /// Simulated milliseconds since the beginning.
    pub at_ms: u64,
    /// What was seen.
    pub evidence: String,
    /// The last lines of the story, then the servers as they are.
    pub story: Vec<String>,
}

impl Violation {
    /// The command that shows this history again, from its beginning.
    pub fn replay(&self) -> String {
        let bug = self.setting.bug.map_or_else(String::new, |bug| format!(" --bug {}", bug.as_str()));
        let gap = self.setting.gap.map_or_else(String::new, |gap| format!(" --gap {}", gap.as_str()));
        format!(
            "cargo run -p orchestrator-sim -- recoveries --seed {} --seeds 1{bug}{gap} --story",
            self.seed
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, seed, step, at_ms, evidence, .. } = self;
        writeln!(f, "{invariant} does not hold: seed {seed}, step {step}, {at_ms} ms")?;
        writeln!(f, "  evidence: {evidence}")?;
        self.story.iter().try_for_each(|line| writeln!(f, "  | {line}"))?;
        write!(f, "  replay: {}", self.replay())
    }
}
