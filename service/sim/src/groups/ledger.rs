//! The state of a node: which commands were applied at which index; and what all nodes' states say together.
//!
//! Its store is not synced at each commit, as in production: a power failure takes back what is newest, and the log
//! has to bring it again.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_raft::command::{Command, Reply};
use orchestrator_raft::{Machine, MachineError};

use super::life::Life;
use super::truth::Truth;

/// So many commits may be lost by a power failure.
const UNSYNCED_MAX: usize = 20;

/// One applied command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) index: u64,
    /// Which command of a client; 0 for those of the nodes themselves.
    pub(crate) serial: u64,
}

#[derive(Debug, Clone, Default)]
struct Version {
    mark: Option<Vec<u8>>,
    rows: Vec<Row>,
}

/// What one place has on its disk. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store(Arc<Mutex<VecDeque<Version>>>);

impl Store {
    fn with<T>(&self, look: impl FnOnce(&mut VecDeque<Version>) -> T) -> T {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.is_empty() {
            versions.push_back(Version::default());
        }
        look(&mut versions)
    }

    fn newest(&self) -> Version {
        self.with(|versions| versions.back().cloned().unwrap_or_default())
    }

    fn commit(&self, version: Version) {
        self.with(|versions| {
            versions.push_back(version);
            while versions.len() > UNSYNCED_MAX {
                versions.pop_front();
            }
        });
    }

    /// A power failure takes back up to `count` commits.
    pub(crate) fn lose(&self, count: usize) -> usize {
        self.with(|versions| {
            let lost = count.min(versions.len() - 1);
            versions.truncate(versions.len() - lost);
            lost
        })
    }

    /// An empty disk.
    pub(crate) fn wipe(&self) {
        self.with(|versions| *versions = VecDeque::from([Version::default()]));
    }

    /// What was applied, by index.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.newest().rows
    }

    /// The index of the last applied command, 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.with(|versions| {
            versions.back().and_then(|version| version.rows.last()).map_or(0, |row| row.index)
        })
    }
}

/// The machine of one life of a node.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) place: usize,
    pub(crate) store: Store,
    pub(crate) truth: Truth,
    pub(crate) life: Life,
}

impl Ledger {
    fn alive(&self) -> Result<(), MachineError> {
        if self.life.is_over() { Err(MachineError::new("the process is dead")) } else { Ok(()) }
    }
}

impl Machine for Ledger {
    fn applied(&mut self) -> Result<Option<Vec<u8>>, MachineError> {
        Ok(self.store.newest().mark)
    }

    fn apply(&mut self, mark: &[u8], commands: &[(u64, &Command)]) -> Result<Vec<Reply>, MachineError> {
        self.alive()?;
        let mut version = self.store.newest();
        for (index, command) in commands {
            let row = Row { index: *index, serial: serial_of(command) };
            let before = version.rows.last().map_or(0, |row| row.index);
            self.truth.applied(self.place, before, row);
            version.rows.push(row);
        }
        self.truth.marked(self.place, mark);
        version.mark = Some(mark.to_vec());
        self.store.commit(version);
        Ok(commands.iter().map(|_| Reply::Done).collect())
    }

    fn write_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
        self.alive()?;
        let rows = self.store.newest().rows;
        let lines: Vec<String> = rows.iter().map(|row| format!("{} {}", row.index, row.serial)).collect();
        fs::write(file, lines.join("\n")).map_err(|error| MachineError::caused_by("cannot write", error))
    }

    fn write_empty(&mut self, file: &Path) -> Result<(), MachineError> {
        self.alive()?;
        fs::write(file, "").map_err(|error| MachineError::caused_by("cannot write", error))
    }

    fn install_snapshot(&mut self, file: &Path, mark: &[u8]) -> Result<(), MachineError> {
        self.alive()?;
        let text = fs::read_to_string(file).map_err(|error| MachineError::caused_by("cannot read", error))?;
        let rows: Option<Vec<Row>> = text.lines().map(read_row).collect();
        let rows = rows.ok_or_else(|| MachineError::new("the raft snapshot is damaged"))?;
        self.truth.installed(self.place, &rows);
        self.store.commit(Version { mark: Some(mark.to_vec()), rows });
        Ok(())
    }
}

fn read_row(line: &str) -> Option<Row> {
    let (index, serial) = line.split_once(' ')?;
    Some(Row { index: index.parse().ok()?, serial: serial.parse().ok()? })
}

/// A client's command; any kind would do.
pub(crate) fn command_of(serial: u64) -> Command {
    Command::SetClusterAlias { cluster: serial.to_string(), alias: None }
}

fn serial_of(command: &Command) -> u64 {
    match command {
        Command::SetClusterAlias { cluster, .. } => cluster.parse().unwrap_or(0),
        _ => 0,
    }
}
