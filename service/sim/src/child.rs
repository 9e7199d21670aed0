//! One history of a group in a process of its own: started by [`crate::many`], or by whoever wants to look at one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use orchestrator_sim::{GroupBug, GroupHistory, play_group};

use crate::chance;

/// The word that orders a single history.
pub(crate) const WORD: &str = "group";

/// A history takes a tenth of a second; one that takes so long of real time turns round without end.
const REAL_LIMIT: Duration = Duration::from_secs(60);

/// What the process was started for.
pub(crate) struct Order {
    seed: u64,
    bug: Option<GroupBug>,
    story: bool,
}

/// Reads `group SEED [--bug NAME] [--story]`; `None` for anything else.
pub(crate) fn order(mut words: impl Iterator<Item = String>) -> Option<Order> {
    words.next().filter(|word| word == WORD)?;
    let mut order = Order { seed: words.next()?.parse().ok()?, bug: None, story: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bug" => order.bug = Some(GroupBug::parse(&words.next()?)?),
            "--story" => order.story = true,
            _ => return None,
        }
    }
    Some(order)
}

/// Files in memory, where the system has such a place: a sync must cost nothing.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let under = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    under.join(format!("orchestrator-sim-{}", std::process::id()))
}

/// Plays it, and prints what the parent reads.
pub(crate) fn play(order: &Order) -> io::Result<ExitCode> {
    chance::plant(order.seed);
    let dir = scratch();
    // Whoever had this process's number before and was killed left its nodes' files there.
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    watch(dir.clone());
    let history = play_group(order.seed, order.bug, &dir);
    // Whoever cannot remove a directory of its own has other worries.
    drop(std::fs::remove_dir_all(&dir));
    let history = history?;
    let mut out = io::stdout().lock();
    if order.story || history.violation.is_some() {
        history.story.iter().try_for_each(|line| writeln!(out, "| {line}"))?;
    }
    writeln!(out, "{}", summary(&history))?;
    if let Some((invariant, evidence, at_ms)) = &history.violation {
        writeln!(out, "{invariant} does not hold: seed {}, {at_ms} ms: {evidence}", order.seed)?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The figures of a history, in the order of [`crate::many::Figures`].
fn summary(history: &GroupHistory) -> String {
    let GroupHistory { simulated_ms, messages, faults, changes, rescues, terms, confirmed, .. } = history;
    let GroupHistory { compared, digest, .. } = history;
    format!(
        "figures {simulated_ms} {messages} {faults} {changes} {rescues} {terms} {confirmed} {compared} {digest}"
    )
}

/// Ends a process whose time does not pass.
fn watch(dir: PathBuf) {
    std::thread::spawn(move || {
        std::thread::sleep(REAL_LIMIT);
        drop(std::fs::remove_dir_all(&dir));
        std::process::exit(3);
    });
}
