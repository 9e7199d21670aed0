//! The one place where YAML is read and written.
//!
//! What is written is read by programs in Go, and these know YAML 1.1: there `yes`, `on` and `12:30:45` without quotes
//! are no strings. The writer does not quote them, so a document with such a string is refused; write it as JSON.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A document that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The value has no form in JSON, of which YAML documents of Kubernetes are a spelling.
    #[error("value is no JSON")]
    Json(#[source] serde_json::Error),
    /// A string that YAML 1.1 takes for something else.
    #[error("{0:?} without quotes is no string for YAML 1.1")]
    Ambiguous(String),
    /// No YAML, or not of the wished shape.
    #[error("document cannot be read as YAML")]
    Read(#[source] serde_yaml::Error),
    /// It cannot be written.
    #[error("value cannot be written as YAML")]
    Write(#[source] serde_yaml::Error),
}

/// Writes one document, keys in their order, whole numbers without a fraction as Kubernetes gives them back.
///
/// # Errors
/// The value is no JSON, or holds a string that other readers take for something else.
pub fn to_string(value: &impl Serialize) -> Result<String, YamlError> {
    let mut value = serde_json::to_value(value).map_err(YamlError::Json)?;
    whole(&mut value);
    if let Some(text) = ambiguous(&value) {
        return Err(YamlError::Ambiguous(text.to_owned()));
    }
    serde_yaml::to_string(&value).map_err(YamlError::Write)
}

/// Reads all documents of a text; empty ones are left out.
///
/// # Errors
/// One of them is no YAML or not of the wished shape.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, YamlError> {
    use serde::Deserialize as _;
    let mut read = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document).map_err(YamlError::Read)?;
        if !value.is_null() {
            read.push(serde_json::from_value(value).map_err(YamlError::Json)?);
        }
    }
    Ok(read)
}

/// Turns 65535.0 into 65535, up to where every whole number has a form of its own.
fn whole(value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "it is whole and within the bounds of i64"
                )]
                let integer = float as i64;
                *number = integer.into();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(whole),
        Value::Object(map) => map.values_mut().for_each(whole),
        _ => {}
    }
}

/// The first string or key that YAML 1.1 takes for something else when it is not quoted.
fn ambiguous(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => is_ambiguous(text).then_some(text),
        Value::Array(list) => list.iter().find_map(ambiguous),
        Value::Object(map) => map
            .iter()
            .find_map(|(key, value)| is_ambiguous(key).then_some(key.as_str()).or_else(|| ambiguous(value))),
        _ => None,
    }
}

/// Booleans in words, numbers in sixties, and numbers with underscores.
fn is_ambiguous(text: &str) -> bool {
    const WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_') && !part.is_empty();
    let number = text.trim_start_matches(['+', '-']);
    let whole = number.split_once('.').map_or(number, |(whole, _)| whole);
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || (whole.contains([':', '_']) && whole.split(':').all(digits))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_other_readers_take_for_something_else_is_refused() {
        for text in ["yes", "No", "ON", "off", "y", "12:30:45", "1_000", "-1:30"] {
            assert!(matches!(to_string(&json!([text])), Err(YamlError::Ambiguous(_))), "{text}");
            assert!(matches!(to_string(&json!({ text: 1 })), Err(YamlError::Ambiguous(_))), "{text}");
        }
        for text in ["yesterday", "true", "null", "012", "1.5", "a:1", "10.0.0.1:3000", ":3000", "~", ""] {
            let written = to_string(&json!([text])).expect("it can be written");
            assert_eq!(from_str::<Vec<String>>(&written).expect("it can be read"), [[text]]);
        }
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        let written = to_string(&json!([65535.0, -1.0, 1.5, u64::MAX])).expect("it can be written");
        assert_eq!(written, "- 65535\n- -1\n- 1.5\n- 18446744073709551615\n");
    }

    #[test]
    fn documents_are_read_one_by_one_and_empty_ones_left_out() {
        let read: Vec<Value> = from_str("---\na: 1\n---\n---\nb: 2\n").expect("YAML");
        assert_eq!(read, [json!({"a": 1}), json!({"b": 2})]);
    }
}
