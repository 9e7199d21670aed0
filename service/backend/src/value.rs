//! Values on their way to and from a database.

use orchestrator_core::{InstanceKey, Timestamp};

use crate::time::{timestamp_from_text, timestamp_to_text};

/// One value of one column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// NULL.
    Null,
    /// Numbers and booleans.
    Int(i64),
    /// Text; also points in time, in the backend's form.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// Bytes of its content.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Int(_) => size_of::<i64>(),
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Int(truth.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Text(timestamp_to_text(at))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Host name and port of `key` as two values.
pub(crate) fn key_values(key: &InstanceKey) -> [Value; 2] {
    [Value::from(&*key.hostname), Value::from(key.port)]
}

/// One row of an answer, read from left to right.
///
/// Reading is tolerant: the original stored empty text for NULL and text in number columns, and no such
/// value may keep a database from being opened. What cannot be read is zero, empty or `None`.
#[derive(Debug, Clone)]
pub struct Row {
    values: std::vec::IntoIter<Value>,
}

impl Row {
    /// A row of these values.
    pub fn new(values: Vec<Value>) -> Self {
        Self { values: values.into_iter() }
    }

    /// The values not read yet, as they are.
    pub fn into_values(self) -> Vec<Value> {
        self.values.collect()
    }

    /// The next value as it is.
    pub fn value(&mut self) -> Value {
        self.values.next().expect("a row is read by the list of columns that asked for it")
    }

    /// The next value as text; NULL is empty.
    pub fn text(&mut self) -> String {
        match self.value() {
            Value::Null => String::new(),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => text,
            Value::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The next value as a number; `None` for NULL and for what is no number.
    pub fn maybe_int(&mut self) -> Option<i64> {
        match self.value() {
            Value::Int(number) => Some(number),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Null | Value::Blob(_) => None,
        }
    }

    /// The next value as a number, else 0.
    pub fn int(&mut self) -> i64 {
        self.maybe_int().unwrap_or(0)
    }

    /// The next value as an unsigned number, else 0.
    pub fn unsigned<T: TryFrom<i64> + Default>(&mut self) -> T {
        T::try_from(self.int()).unwrap_or_default()
    }

    /// The next value as a truth.
    pub fn truth(&mut self) -> bool {
        self.int() != 0
    }

    /// The next value as a point in time; `None` for NULL, empty and year 1.
    pub fn time(&mut self) -> Option<Timestamp> {
        timestamp_from_text(&self.text())
    }

    /// The next two values as the name of an instance.
    pub fn key(&mut self) -> InstanceKey {
        let hostname = self.text();
        InstanceKey::new(hostname, self.unsigned::<u16>())
    }

    /// The next two values as the name of an instance; `None` when they name nobody.
    pub fn maybe_key(&mut self) -> Option<InstanceKey> {
        let key = self.key();
        (!key.hostname.is_empty() && key.port > 0).then_some(key)
    }

    /// The next value as bytes.
    pub fn bytes(&mut self) -> Vec<u8> {
        match self.value() {
            Value::Blob(bytes) => bytes,
            Value::Text(text) => text.into_bytes(),
            Value::Null | Value::Int(_) => Vec::new(),
        }
    }
}
