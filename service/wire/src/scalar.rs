//! Small values whose JSON is not that of their Rust type.

use orchestrator_core::instance::{BinlogCoordinates, ThreadState};
use serde::{Deserialize, Serialize};

/// A number that may be unknown. *Shape*: `{"Int64":0,"Valid":false}`, never `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NullInt {
    /// The number; 0 when unknown.
    #[serde(rename = "Int64")]
    pub value: i64,
    /// It is known.
    #[serde(rename = "Valid")]
    pub valid: bool,
}

impl From<Option<u64>> for NullInt {
    fn from(value: Option<u64>) -> Self {
        Self {
            value: value.map_or(0, |value| i64::try_from(value).unwrap_or(i64::MAX)),
            valid: value.is_some(),
        }
    }
}

/// A switch that may be unknown. *Shape*: `{"Bool":false,"Valid":false}`, never `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NullBool {
    /// The switch; `false` when unknown.
    #[serde(rename = "Bool")]
    pub value: bool,
    /// It is known.
    #[serde(rename = "Valid")]
    pub valid: bool,
}

impl From<Option<bool>> for NullBool {
    fn from(value: Option<bool>) -> Self {
        Self { value: value.unwrap_or(false), valid: value.is_some() }
    }
}

/// A place in a log. *Shape*: `{"LogFile":"bin.000012","LogPos":4,"Type":0}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogPosition {
    /// File name; empty = unknown.
    #[serde(rename = "LogFile")]
    pub file: String,
    /// Byte position.
    #[serde(rename = "LogPos")]
    pub position: u64,
    /// 0 = binary log, 1 = relay log.
    #[serde(rename = "Type")]
    pub kind: u8,
}

impl LogPosition {
    /// A place in a binary log.
    pub fn binary(coordinates: &BinlogCoordinates) -> Self {
        let BinlogCoordinates { file, position } = coordinates;
        Self { file: file.clone(), position: *position, kind: 0 }
    }

    /// A place in a relay log.
    pub fn relay(coordinates: &BinlogCoordinates) -> Self {
        Self { kind: 1, ..Self::binary(coordinates) }
    }
}

/// The number of a replication thread's state: -1 no thread, 0 stopped, 1 running, 2 other.
pub fn thread_state(state: Option<ThreadState>) -> i64 {
    match state {
        None => -1,
        Some(ThreadState::Stopped) => 0,
        Some(ThreadState::Running) => 1,
        Some(ThreadState::Other) => 2,
    }
}
