//! A machine in memory, for tests: remembers the commands' texts.

use std::fs;
use std::path::Path;

use crate::command::{Command, Reply};
use crate::port::{Machine, MachineError};

#[derive(Default)]
pub(crate) struct MemoryMachine {
    mark: Option<Vec<u8>>,
    lines: Vec<String>,
}

impl Machine for MemoryMachine {
    fn applied(&mut self) -> Result<Option<Vec<u8>>, MachineError> {
        Ok(self.mark.clone())
    }

    fn apply(&mut self, mark: &[u8], commands: &[(u64, &Command)]) -> Result<Vec<Reply>, MachineError> {
        self.mark = Some(mark.to_vec());
        self.lines.extend(commands.iter().map(|(index, command)| format!("{index} {command}")));
        Ok(commands.iter().map(|_| Reply::default()).collect())
    }

    fn write_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
        fs::write(file, self.lines.join("\n")).map_err(|error| MachineError::caused_by("cannot write", error))
    }

    fn write_empty(&mut self, file: &Path) -> Result<(), MachineError> {
        fs::write(file, "").map_err(|error| MachineError::caused_by("cannot write", error))
    }

    fn install_snapshot(&mut self, file: &Path, mark: &[u8]) -> Result<(), MachineError> {
        let text = fs::read_to_string(file).map_err(|error| MachineError::caused_by("cannot read", error))?;
        self.lines = text.lines().map(str::to_owned).collect();
        self.mark = Some(mark.to_vec());
        Ok(())
    }
}
