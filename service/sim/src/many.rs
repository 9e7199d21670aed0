//! Many histories of groups, each in a process of its own, as many at once as there are processors.

use std::io::{self, Write};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use orchestrator_sim::GroupBug;

use crate::child;

/// Violations printed in full; the others are only counted.
const SHOWN_MAX: usize = 3;
/// Lines of a story that are printed of a violation.
const LINES_MAX: usize = 40;

/// What to play.
pub(crate) struct Many {
    pub(crate) first: u64,
    pub(crate) seeds: u64,
    pub(crate) bug: Option<GroupBug>,
    pub(crate) story: bool,
}

/// What one history said.
struct Played {
    seed: u64,
    figures: Option<Figures>,
    /// What did not hold, and the end of the story.
    violation: Option<(String, Vec<String>)>,
    story: Vec<String>,
}

/// In the order in which a child prints them: simulated milliseconds, messages, faults, changes of members, lost majorities,
/// terms, confirmed commands, comparisons of health, digest.
pub(crate) type Figures = [u64; 9];

impl Many {
    /// Plays all, prints what came of them; whether everything held. A planted mistake is looked for until it is caught.
    pub(crate) fn play(&self, out: &mut impl Write) -> io::Result<bool> {
        let began = Instant::now();
        let next = AtomicU64::new(self.first);
        let end = self.first.saturating_add(self.seeds);
        let played = Mutex::new(Vec::new());
        let caught = AtomicBool::new(false);
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end || caught.load(Ordering::Relaxed) {
                            return;
                        }
                        let one = self.one(seed);
                        caught.fetch_or(self.bug.is_some() && one.violation.is_some(), Ordering::Relaxed);
                        played.lock().expect("no worker panics while it holds the list").push(one);
                    }
                });
            }
        });
        let mut played = played.into_inner().expect("no worker panics while it holds the list");
        played.sort_by_key(|one| one.seed);
        self.print(out, &played, began)?;
        Ok(played.iter().all(|one| one.violation.is_none()))
    }

    fn one(&self, seed: u64) -> Played {
        let said = self.start(seed);
        let text = said.as_ref().map_or_else(|error| error.to_string(), |(_, text)| text.clone());
        let story: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("| ")).map(str::to_owned).collect();
        let figures = text.lines().find_map(|line| {
            let numbers: Vec<u64> =
                line.strip_prefix("figures ")?.split(' ').filter_map(|n| n.parse().ok()).collect();
            numbers.try_into().ok()
        });
        let held = matches!(said, Ok((true, _))) && figures.is_some();
        let violation = (!held).then(|| {
            let told = text.lines().find(|line| line.contains(" does not hold: "));
            let told = told.map_or_else(
                || format!("ends does not hold: seed {seed}: it neither ended nor said why"),
                str::to_owned,
            );
            let from = story.len().saturating_sub(LINES_MAX);
            (told, story[from..].to_vec())
        });
        Played { seed, figures, violation, story }
    }

    /// Whether the process was content, and what it printed.
    fn start(&self, seed: u64) -> io::Result<(bool, String)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([child::WORD, &seed.to_string()]);
        if let Some(bug) = self.bug {
            command.args(["--bug", bug.as_str()]);
        }
        if self.story {
            command.arg("--story");
        }
        let output = command.output()?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), text))
    }

    fn print(&self, out: &mut impl Write, played: &[Played], began: Instant) -> io::Result<()> {
        let broken: Vec<&Played> = played.iter().filter(|one| one.violation.is_some()).collect();
        if self.story {
            played.iter().flat_map(|one| &one.story).try_for_each(|line| writeln!(out, "{line}"))?;
        }
        for one in broken.iter().take(SHOWN_MAX) {
            let Some((told, story)) = &one.violation else { continue };
            writeln!(out, "{told}")?;
            if !self.story {
                story.iter().try_for_each(|line| writeln!(out, "  | {line}"))?;
            }
            let bug = self.bug.map_or_else(String::new, |bug| format!(" --bug {}", bug.as_str()));
            writeln!(
                out,
                "  replay: cargo run -p orchestrator-sim -- groups --seed {} --seeds 1{bug} --story\n",
                one.seed
            )?;
        }
        let sum =
            |at: usize| played.iter().filter_map(|one| one.figures).map(|figures| figures[at]).sum::<u64>();
        writeln!(
            out,
            "{} histories of groups, {} messages, {} simulated minutes in {:.1} s",
            played.len(),
            sum(1),
            sum(0) / 60_000,
            began.elapsed().as_secs_f64()
        )?;
        writeln!(
            out,
            "{} faults, {} changes of members, {} lost majorities, {} terms, {} confirmed commands, {} comparisons of \
             health",
            sum(2),
            sum(3),
            sum(4),
            sum(5),
            sum(6),
            sum(7)
        )?;
        let digest = played
            .iter()
            .filter_map(|one| one.figures)
            .fold(0, |all, figures| all ^ figures[8].rotate_left(1));
        let seeds: Vec<String> = broken.iter().map(|one| one.label()).collect();
        writeln!(out, "digest {digest:016x}, {} violations {}", seeds.len(), seeds.join(", "))
    }
}

impl Played {
    fn label(&self) -> String {
        let name = self.violation.as_ref().and_then(|(told, _)| told.split(' ').next()).unwrap_or_default();
        format!("{} ({name})", self.seed)
    }
}
