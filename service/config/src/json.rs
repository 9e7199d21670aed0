//! JSON that remembers where it stood.
//!
//! `serde_json` reads; its raw values borrow from the text, so their address tells their place.
//! One object is read entry by entry: what was read before a syntax error is kept, duplicates too.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::{Place, Problem};

/// A text and its name: turns addresses inside the text into places.
pub(crate) struct Document<'t> {
    file: Arc<Path>,
    text: &'t str,
}

/// One entry of an object, in the order of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'t> {
    pub(crate) key: &'t RawValue,
    pub(crate) value: &'t RawValue,
}

impl<'t> Document<'t> {
    pub(crate) fn new(file: &Path, text: &'t str) -> Self {
        // Editors on Windows leave the mark; it is not worth an error.
        Self { file: Arc::from(file), text: text.strip_prefix('\u{feff}').unwrap_or(text) }
    }

    /// Reads the first JSON value of the text, which must be an object; what follows it is ignored.
    pub(crate) fn entries(&self) -> (Vec<Entry<'t>>, Option<Problem>) {
        let mut entries = Vec::new();
        let outcome = serde_json::Deserializer::from_str(self.text).deserialize_map(Entries(&mut entries));
        (entries, outcome.err().map(|error| self.syntax_problem(&error)))
    }

    /// The place of `raw`, which must be a slice of this document.
    pub(crate) fn place(&self, raw: &RawValue) -> Place {
        let offset = raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn syntax_problem(&self, error: &serde_json::Error) -> Problem {
        let line_text = self.text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        let found = line_text.as_bytes().get(error.column().saturating_sub(1)).copied();
        let column = line_text.char_indices().take_while(|(at, _)| at + 1 < error.column()).count() + 1;
        let place = Place { file: self.file.clone(), line: error.line().max(1), column };
        let text = match self.text.trim() {
            "" => "the file is empty; write at least {}".to_owned(),
            _ => advice(error, found),
        };
        Problem { place: Some(place), key: None, text }
    }
}

/// Says what to do about a syntax error; `found` is the byte where reading stopped.
fn advice(error: &serde_json::Error, found: Option<u8>) -> String {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let text = match (message, found) {
        _ if error.is_data() => "the file must hold one JSON object; write { \"Key\": value, ... }",
        _ if error.is_eof() => "the file ends too early; close every { [ and \" that is open",
        (_, Some(b'/' | b'#')) => "JSON has no comments; remove this, or write it as an entry named \"#\"",
        ("trailing comma", _) => "nothing may follow the last comma but an entry; remove that comma",
        ("expected value", Some(b']')) => "remove the comma before the closing bracket",
        ("key must be a string", _) => "write the key in double quotes",
        ("expected `,` or `}`" | "expected `,` or `]`", _) => "write a comma between two entries",
        ("expected `:`", _) => "write a colon between the key and its value",
        ("expected value" | "expected ident", _) => {
            "this is no JSON value; write a text in double quotes, a number, true, false, a [list] or an {object}"
        }
        (other, _) if other.starts_with("control character") => {
            "a text ends on the line where it begins; close it with a double quote"
        }
        (other, _) => return format!("invalid JSON: {other}"),
    };
    text.to_owned()
}

/// The entries of an object value, duplicates included; `None` if it is not an object.
pub(crate) fn object(raw: &RawValue) -> Option<Vec<Entry<'_>>> {
    let mut entries = Vec::new();
    serde_json::Deserializer::from_str(raw.get()).deserialize_map(Entries(&mut entries)).ok()?;
    Some(entries)
}

struct Entries<'a, 't>(&'a mut Vec<Entry<'t>>);

impl<'t> Visitor<'t> for Entries<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry()? {
            self.0.push(Entry { key, value });
        }
        Ok(())
    }
}
