//! A machine in memory whose content outlives its node, as a disk would.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use orchestrator_raft::command::{Command, Reply};
use orchestrator_raft::{Machine, MachineError};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Content {
    #[serde(skip)]
    pub(crate) mark: Option<Vec<u8>>,
    /// Text of each applied command by its log index.
    pub(crate) applied: BTreeMap<u64, String>,
    /// How often a raft snapshot was installed.
    #[serde(skip)]
    pub(crate) installed: usize,
    /// The next `apply` fails.
    #[serde(skip)]
    pub(crate) broken: bool,
    /// The next `apply` panics.
    #[serde(skip)]
    pub(crate) panics: bool,
}

/// The disk: clones share it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Disk {
    content: Arc<Mutex<Content>>,
    /// The next raft snapshot is not installed before its other end is dropped.
    held: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
}

impl Disk {
    pub(crate) fn with<T>(&self, read: impl FnOnce(&mut Content) -> T) -> T {
        read(&mut self.content.lock().unwrap())
    }

    /// It hangs until the answer is dropped.
    pub(crate) fn hang(&self) -> mpsc::SyncSender<()> {
        let (hangs, hanging) = mpsc::sync_channel(0);
        let (release, released) = mpsc::sync_channel(0);
        let disk = self.clone();
        std::thread::spawn(move || {
            disk.with(|_| {
                hangs.send(()).unwrap();
                released.recv().unwrap_err();
            });
        });
        hanging.recv().unwrap();
        release
    }

    /// The next raft snapshot takes until the answer is dropped.
    pub(crate) fn hold_installation(&self) -> mpsc::SyncSender<()> {
        let (release, released) = mpsc::sync_channel(0);
        *self.held.lock().unwrap() = Some(released);
        release
    }

    /// Another disk with the same content.
    pub(crate) fn copy(&self) -> Self {
        let content = Arc::new(Mutex::new(self.with(|content| content.clone())));
        Self { content, ..Self::default() }
    }

    pub(crate) fn applied(&self) -> BTreeMap<u64, String> {
        self.with(|content| content.applied.clone())
    }
}

pub(crate) struct DiskMachine(pub(crate) Disk);

impl Machine for DiskMachine {
    fn applied(&mut self) -> Result<Option<Vec<u8>>, MachineError> {
        Ok(self.0.with(|content| content.mark.clone()))
    }

    fn apply(&mut self, mark: &[u8], commands: &[(u64, &Command)]) -> Result<Vec<Reply>, MachineError> {
        assert!(!self.0.with(|content| content.panics), "the machine fell over");
        self.0.with(|content| {
            if content.broken {
                return Err(MachineError::caused_by("cannot write", "disk full"));
            }
            content.mark = Some(mark.to_vec());
            for (index, command) in commands {
                let twice = content.applied.insert(*index, command.to_string());
                assert_eq!(twice, None, "each index is applied once");
            }
            Ok(commands.iter().map(|_| Reply::default()).collect())
        })
    }

    fn write_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
        let text = self.0.with(|content| serde_json::to_vec(content).unwrap());
        std::fs::write(file, text).map_err(|error| MachineError::caused_by("cannot write", error))
    }

    fn write_empty(&mut self, file: &Path) -> Result<(), MachineError> {
        let text = serde_json::to_vec(&Content::default()).unwrap();
        std::fs::write(file, text).map_err(|error| MachineError::caused_by("cannot write", error))
    }

    fn check_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
        let text = std::fs::read(file).map_err(|error| MachineError::caused_by("cannot read", error))?;
        let read: Result<Content, _> = serde_json::from_slice(&text);
        read.map(drop).map_err(|error| MachineError::caused_by("this is no state", error))
    }

    fn install_snapshot(&mut self, file: &Path, mark: &[u8]) -> Result<(), MachineError> {
        let text = std::fs::read(file).map_err(|error| MachineError::caused_by("cannot read", error))?;
        let read: Content = serde_json::from_slice(&text).unwrap();
        let held = self.0.held.lock().unwrap().take();
        if let Some(held) = held {
            held.recv().unwrap_err();
        }
        self.0.with(|content| {
            content.applied = read.applied;
            content.mark = Some(mark.to_vec());
            content.installed += 1;
        });
        Ok(())
    }
}
