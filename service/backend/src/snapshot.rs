//! The replicated state as one file: written whole, installed whole.
//!
//! *Shape*: lines of JSON. First `{"orchestrator_intent": version}`; then for each table one line
//! `{"table": name, "columns": [...]}` and one array for each row; last `{"rows": n, "sha256": "..."}` over
//! all lines before it. Text is a string, a number a number, NULL null, bytes `{"hex": "..."}`.
//!
//! It holds intent: what was declared, and recoveries and detections that still count. What a node observed,
//! and the history of what has ended, stay where they are on both sides.

mod install;
mod merge;
mod tables;
mod write;

pub use install::check_snapshot;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::value::Value;

/// The newest version of the file that this program knows.
pub const SNAPSHOT_VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Header {
    orchestrator_intent: u32,
}

#[derive(Serialize, Deserialize)]
struct TableLine {
    table: String,
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    rows: u64,
    sha256: String,
}

impl dyn Backend + '_ {
    /// The mark of the last applied command or installed snapshot; `None` for a state that none reached.
    pub fn applied_mark(&mut self) -> Result<Option<Vec<u8>>, BackendError> {
        let row = self.query_first("select mark from orchestrator_applied where anchor = 1", &[])?;
        Ok(row.map(|mut row| row.bytes()))
    }

    /// Stores the mark; belongs into the transaction that changes the state.
    pub fn set_applied_mark(&mut self, mark: &[u8]) -> Result<(), BackendError> {
        let row = vec![("anchor", 1_i64.into()), ("mark", Value::Blob(mark.to_vec()))];
        self.insert("orchestrator_applied", OnConflict::Update(&["anchor"]), row)
    }
}

/// A value as it is written.
struct Written<'v>(&'v Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Blob(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &hex(bytes))?;
                map.end()
            }
        }
    }
}

/// A row as it is written, with its line break.
fn line_of(values: &[Value]) -> Vec<u8> {
    let values: Vec<Written<'_>> = values.iter().map(Written).collect();
    let mut line = serde_json::to_vec(&values).expect("numbers, text and keys of text can be written");
    line.push(b'\n');
    line
}

/// `None` for what [`Written`] never is.
fn from_json(value: serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Number(number) => Value::Int(number.as_i64()?),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Object(fields) => Value::Blob(unhex(fields.get("hex")?.as_str()?)?),
        serde_json::Value::Bool(_) | serde_json::Value::Array(_) => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}
