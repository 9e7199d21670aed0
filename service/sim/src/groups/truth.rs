//! What is true of the whole group, whoever sees it: commands and their places in the log, leaders and their terms,
//! numbers and their disks. The first contradiction is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::ledger::Row;

/// Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    began: Instant,
    /// Where the files are: another place in each run, so nothing that is told names it.
    root: Arc<str>,
    state: Arc<Mutex<State>>,
}

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) invariant: &'static str,
    pub(crate) evidence: String,
    pub(crate) at_ms: u64,
}

#[derive(Debug, Default)]
struct State {
    /// The command at each index, by whoever applied it first.
    commands: BTreeMap<u64, u64>,
    /// Where each client's command was applied.
    indexes: BTreeMap<u64, u64>,
    /// Terms of the entries whose term is known.
    terms: BTreeMap<u64, u64>,
    /// What clients were told is committed, and its index.
    confirmed: BTreeMap<u64, u64>,
    /// What clients were told will never be.
    refused: BTreeSet<u64>,
    /// By epoch and term.
    leaders: BTreeMap<(u64, u64), u64>,
    /// The disk that a number belongs to, by epoch and number: place, and how often that was emptied.
    disks: BTreeMap<(u64, u64), (usize, u64)>,
    /// What whoever went on alone had.
    kept: Vec<Row>,
    /// Places whose disks are of an epoch that is over: what they hold counts no more.
    given_up: BTreeSet<usize>,
    group: Option<String>,
    broken: Option<Broken>,
    digest: u64,
    story: Vec<String>,
}

impl Truth {
    pub(crate) fn new(root: &str) -> Self {
        Self { began: Instant::now(), root: root.into(), state: Arc::default() }
    }

    /// Simulated milliseconds since the beginning.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes an event: the same seed has the same.
    pub(crate) fn tell(&self, line: &str) {
        let line = format!("{:>7} ms  {}", self.now_ms(), line.replace(&*self.root, ""));
        self.with(|state| {
            for byte in line.bytes() {
                state.digest = (state.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            state.story.push(line);
        });
    }

    /// A property does not hold.
    pub(crate) fn broke(&self, invariant: &'static str, evidence: String) {
        let at_ms = self.now_ms();
        let first = self.with(|state| {
            let first = state.broken.is_none();
            if first {
                state.broken = Some(Broken { invariant, evidence: evidence.clone(), at_ms });
            }
            first
        });
        if first {
            self.tell(&format!("BROKEN {invariant}: {evidence}"));
        }
    }

    pub(crate) fn broken(&self) -> Option<Broken> {
        self.with(|state| state.broken.clone())
    }

    pub(crate) fn digest(&self) -> u64 {
        self.with(|state| state.digest)
    }

    pub(crate) fn story(&self) -> Vec<String> {
        self.with(|state| state.story.clone())
    }

    /// A node applied a command behind the entry `before`.
    pub(crate) fn applied(&self, place: usize, before: u64, row: Row) {
        let Row { index, serial } = row;
        if self.is_given_up(place) {
            return;
        }
        if index <= before {
            self.broke("applied-once", format!("n{} applies entry {index} behind {before}", place + 1));
        }
        self.agrees(place, row);
        let (elsewhere, refused) = self.with(|state| {
            let elsewhere = (serial > 0).then(|| *state.indexes.entry(serial).or_insert(index));
            (elsewhere.filter(|known| *known != index), state.refused.contains(&serial))
        });
        if let Some(other) = elsewhere {
            self.broke("applied-once", format!("command {serial} is at {other} and at {index}"));
        }
        if refused {
            self.broke(
                "refused-stays-out",
                format!("command {serial} was refused and is applied at {index}"),
            );
        }
    }

    fn agrees(&self, place: usize, row: Row) {
        let known = self.with(|state| *state.commands.entry(row.index).or_insert(row.serial));
        if known != row.serial {
            let evidence =
                format!("entry {} is command {known}, and {} at n{}", row.index, row.serial, place + 1);
            self.broke("same-state", evidence);
        }
    }

    /// A node took over a whole state.
    pub(crate) fn installed(&self, place: usize, rows: &[Row]) {
        if self.is_given_up(place) {
            return;
        }
        rows.iter().for_each(|row| self.agrees(place, *row));
        let last = rows.last().map_or(0, |row| row.index);
        let known: Vec<u64> =
            self.with(|state| state.commands.range(..=last).map(|(index, _)| *index).collect());
        if !known.iter().eq(rows.iter().map(|row| &row.index)) {
            self.broke("same-state", format!("n{} took over a state with other entries", place + 1));
        }
    }

    /// The mark of a state says which term its last entry is of.
    pub(crate) fn marked(&self, place: usize, mark: &[u8]) {
        let Some((term, index)) = last_of(mark).filter(|_| !self.is_given_up(place)) else { return };
        let known = self.with(|state| *state.terms.entry(index).or_insert(term));
        if known != term {
            self.broke("same-state", format!("entry {index} is of term {known} and of term {term}"));
        }
    }

    /// A client was told that its command is committed at `index`, and in `term` if it asked for one.
    pub(crate) fn confirmed(&self, serial: u64, index: u64, term: Option<u64>) {
        self.tell(&format!("command {serial} is confirmed at {index}"));
        let (found, of) = self.with(|state| {
            state.confirmed.insert(serial, index);
            (state.commands.get(&index).copied(), state.terms.get(&index).copied())
        });
        if found != Some(serial) {
            let evidence = format!("command {serial} was confirmed at {index}, where {found:?} is applied");
            self.broke("confirmed-is-applied", evidence);
        }
        if term.is_some() && of.is_some() && term != of {
            self.broke("fenced-by-term", format!("command {serial} for term {term:?} is of term {of:?}"));
        }
    }

    /// A client was told that its command was not taken.
    pub(crate) fn refused(&self, serial: u64) {
        let applied = self.with(|state| {
            state.refused.insert(serial);
            state.indexes.get(&serial).copied()
        });
        if let Some(index) = applied {
            self.broke(
                "refused-stays-out",
                format!("command {serial} was applied at {index} and is refused"),
            );
        }
    }

    /// The newest entry that a client was told is committed.
    pub(crate) fn newest_confirmed(&self) -> u64 {
        self.with(|state| state.confirmed.values().copied().max().unwrap_or(0))
    }

    pub(crate) fn confirmations(&self) -> usize {
        self.with(|state| state.confirmed.len())
    }

    fn is_given_up(&self, place: usize) -> bool {
        self.with(|state| state.given_up.contains(&place))
    }

    /// Whoever applied `rows`, in order, goes on alone: they stay, and what only the others had is lost with them.
    pub(crate) fn goes_on_with(&self, rows: Vec<Row>, others: &[usize]) {
        let end = rows.last().map_or(0, |row| row.index) + 1;
        self.with(|state| {
            // What its log holds beyond is applied anew, or was never committed.
            state.commands.retain(|index, _| *index < end);
            state.terms.retain(|index, _| *index < end);
            state.indexes.retain(|_, index| *index < end);
            state.confirmed.retain(|_, index| *index < end);
            state.kept = rows;
            state.given_up.extend(others);
        });
    }

    /// The disk of a place was emptied.
    pub(crate) fn begins_anew(&self, place: usize) {
        self.with(|state| state.given_up.remove(&place));
    }

    /// All that was confirmed is in `rows`, and all that whoever went on alone had.
    pub(crate) fn holds_all(&self, place: usize, rows: &[Row]) {
        if !self.with(|state| rows.starts_with(&state.kept)) {
            let evidence = format!("n{} lacks something that whoever went on alone had", place + 1);
            self.broke("survivor-keeps", evidence);
        }
        let held: BTreeMap<u64, u64> = rows.iter().map(|row| (row.serial, row.index)).collect();
        let lost = self.with(|state| {
            state
                .confirmed
                .iter()
                .find(|(serial, index)| held.get(serial) != Some(index))
                .map(|(s, i)| (*s, *i))
        });
        if let Some((serial, index)) = lost {
            let around: Vec<u64> =
                rows.iter().map(|row| row.index).filter(|at| at.abs_diff(index) < 10).collect();
            let evidence = format!(
                "command {serial} was confirmed at {index}, and n{} has entries {around:?} of up to {}",
                place + 1,
                rows.last().map_or(0, |row| row.index)
            );
            self.broke("confirmed-is-kept", evidence);
        }
    }

    /// A node says that it leads.
    pub(crate) fn leads(&self, epoch: u64, term: u64, node_id: u64) {
        let (known, news, newest) = self.with(|state| {
            let before = state.leaders.len();
            let known = *state.leaders.entry((epoch, term)).or_insert(node_id);
            let newest = state.leaders.last_key_value().map_or(epoch, |((newest, _), _)| *newest);
            (known, state.leaders.len() > before, newest)
        });
        if epoch < newest {
            let evidence = format!("node {node_id} leads in epoch {epoch}, and epoch {newest} has begun");
            self.broke("one-epoch", evidence);
        }
        if news {
            self.tell(&format!("node {node_id} leads in term {term}"));
        }
        if known != node_id {
            self.broke("one-leader-per-term", format!("nodes {known} and {node_id} lead in term {term}"));
        }
    }

    pub(crate) fn terms(&self) -> usize {
        self.with(|state| state.leaders.len())
    }

    /// A disk may vote under a number, in a group.
    pub(crate) fn bound(&self, epoch: u64, node_id: u64, disk: (usize, u64), group: &str) {
        let (owner, known) = self.with(|state| {
            let owner = *state.disks.entry((epoch, node_id)).or_insert(disk);
            (owner, state.group.get_or_insert_with(|| group.to_owned()).clone())
        });
        if owner != disk {
            let evidence =
                format!("node {node_id} is on disk {owner:?} and on disk {disk:?} (place, times emptied)");
            self.broke("numbers-are-not-reused", evidence);
        }
        if known != group {
            self.broke("one-group", format!("groups {known} and {group}"));
        }
    }
}

/// Term and index of the entry that a mark names. Marks are JSON of the raft crate; here only their ends count.
fn last_of(mark: &[u8]) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(mark).ok()?;
    let applied = text.split_once("\"applied\":")?.1.split_once("\"membership\"")?.0;
    let number = |key: &str| {
        let rest = applied.split_once(key)?.1.trim_start_matches([':', ' ']);
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let term = number("\"term\"").or_else(|| number("\"leader_id\""))?;
    Some((term, number("\"index\"")?))
}
