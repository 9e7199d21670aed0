//! The types a key can have, and one key's value with the place that set it.

use std::ops::Deref;

use serde_json::value::RawValue;

use crate::json;
use crate::problem::Place;
use crate::secret::Secret;

/// A value of the wrong type: where it stands and what to write instead.
pub(crate) struct TypeError<'t> {
    pub(crate) at: &'t RawValue,
    pub(crate) text: String,
}

/// A type of the table of keys.
pub(crate) trait Value: Clone {
    /// The form of a default in the table.
    type Literal;
    /// The type's name in the documentation.
    const KIND: &'static str;

    fn from_literal(literal: Self::Literal) -> Self;
    /// Takes `raw` over; maps keep the entries that `raw` does not name.
    fn read<'t>(&mut self, raw: &'t RawValue) -> Result<(), Vec<TypeError<'t>>>;
    /// Lists and maps are emptied by `null`; scalars keep their value (`false`).
    fn clear(&mut self) -> bool {
        false
    }
    /// The value with secrets in it: for comparing, never for showing.
    fn json(&self) -> serde_json::Value;
    /// The value without secrets.
    fn shown(&self) -> serde_json::Value {
        self.json()
    }
}

/// A key's value: its default until a file sets it.
#[derive(Debug, Clone)]
pub(crate) struct Field<T> {
    pub(crate) name: &'static str,
    pub(crate) value: T,
    /// Where the value comes from; `None` for the default.
    pub(crate) place: Option<Place>,
}

impl<T> Deref for Field<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Field<T> {
    /// Whether a file names the key, be it with its default.
    pub(crate) fn is_set(&self) -> bool {
        self.place.is_some()
    }
}

/// What can be done with a field without knowing its type.
pub(crate) trait AnyField {
    fn read<'t>(&mut self, raw: &'t RawValue, place: Place) -> Result<(), Vec<TypeError<'t>>>;
    fn place(&self) -> Option<&Place>;
    fn json(&self) -> serde_json::Value;
    fn shown(&self) -> serde_json::Value;
}

impl<T: Value> AnyField for Field<T> {
    fn read<'t>(&mut self, raw: &'t RawValue, place: Place) -> Result<(), Vec<TypeError<'t>>> {
        if raw.get() == "null" {
            if self.value.clear() {
                self.place = Some(place);
            }
            return Ok(());
        }
        self.value.read(raw)?;
        self.place = Some(place);
        Ok(())
    }

    fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    fn json(&self) -> serde_json::Value {
        self.value.json()
    }

    fn shown(&self) -> serde_json::Value {
        self.value.shown()
    }
}

/// What kind of JSON value a text begins, in words.
fn describe(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes()[0] {
        b'"' => "a text",
        b'[' => "a list",
        b'{' => "an object",
        b't' | b'f' => "true or false",
        b'n' => "null",
        _ => "a number",
    }
}

fn wrong<'t>(at: &'t RawValue, text: impl Into<String>) -> Vec<TypeError<'t>> {
    vec![TypeError { at, text: text.into() }]
}

/// A number whose text must fit `T` as it is: no quotes, no fraction, no exponent.
fn whole<T: std::str::FromStr>(raw: &RawValue, range: &str) -> Result<T, String> {
    let is_whole = raw.get().bytes().all(|byte| byte.is_ascii_digit());
    raw.get().parse().map_err(|_| match describe(raw) {
        "a number" if is_whole => format!("{} is too large; write a smaller one", raw.get()),
        "a number" => format!("{} is not possible; write a whole number{range}", raw.get()),
        kind => format!("{kind} is not possible; write a whole number{range}, without quotes"),
    })
}

fn text(raw: &RawValue) -> Result<String, String> {
    serde_json::from_str(raw.get()).map_err(|_| match describe(raw) {
        "a number" | "true or false" => format!("write it in double quotes: \"{}\"", raw.get()),
        "a text" => "the text holds an invalid \\u escape; write the character itself".to_owned(),
        kind => format!("{kind} is not possible; write a text in double quotes"),
    })
}

impl Value for bool {
    type Literal = bool;
    const KIND: &'static str = "bool";

    fn from_literal(literal: bool) -> Self {
        literal
    }

    fn read<'t>(&mut self, raw: &'t RawValue) -> Result<(), Vec<TypeError<'t>>> {
        let advice = || match raw.get() {
            "\"true\"" | "\"false\"" => format!("write {} without quotes", raw.get().trim_matches('"')),
            _ => format!("{} is not possible; write true or false, without quotes", describe(raw)),
        };
        *self = raw.get().parse().map_err(|_| wrong(raw, advice()))?;
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        (*self).into()
    }
}

macro_rules! whole_numbers {
    ($($type:ty, $kind:literal, $range:literal;)*) => {$(
        impl Value for $type {
            type Literal = $type;
            const KIND: &'static str = $kind;

            fn from_literal(literal: $type) -> Self {
                literal
            }

            fn read<'t>(&mut self, raw: &'t RawValue) -> Result<(), Vec<TypeError<'t>>> {
                *self = whole(raw, $range).map_err(|text| wrong(raw, text))?;
                Ok(())
            }

            fn json(&self) -> serde_json::Value {
                (*self).into()
            }
        }
    )*};
}

whole_numbers! {
    u64, "uint", " from 0";
    i64, "int", "";
    i32, "int32", " from -2147483648 to 2147483647";
}

impl Value for f64 {
    type Literal = f64;
    const KIND: &'static str = "float32";

    fn from_literal(literal: f64) -> Self {
        literal
    }

    fn read<'t>(&mut self, raw: &'t RawValue) -> Result<(), Vec<TypeError<'t>>> {
        let advice = || match describe(raw) {
            "a number" => format!("{} is too large; write a number below 3e38", raw.get()),
            kind => format!("{kind} is not possible; write a number, without quotes"),
        };
        let number: Option<f64> = serde_json::from_str(raw.get()).ok();
        *self = number
            .filter(|number| number.abs() <= f64::from(f32::MAX))
            .ok_or_else(|| wrong(raw, advice()))?;
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl Value for String {
    type Literal = &'static str;
    const KIND: &'static str = "string";

    fn from_literal(literal: &'static str) -> Self {
        literal.to_owned()
    }

    fn read<'t>(&mut self, raw: &'t RawValue) -> Result<(), Vec<TypeError<'t>>> {
        *self = text(raw).map_err(|text| wrong(raw, text))?;
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        self.as_str().into()
    }
}

impl Value for Secret<String> {
    type Literal = &'static str;
    const KIND: &'static str = "string";

    fn from_literal(literal: &'static str) -> Self {
        Secret::new(literal.to_owned())
    }

    fn read<'t>(&mut self, raw: &'t RawValue) -> Result<(), Vec<TypeError<'t>>> {
        // A number is not repeated in the advice: it is the secret.
        *self = Secret::new(
            text(raw)
                .map_err(|_| wrong(raw, format!("{} is not possible; write it in quotes", describe(raw))))?,
        );
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        self.reveal().as_str().into()
    }

    /// An empty secret is shown as such: that it is missing is no secret.
    fn shown(&self) -> serde_json::Value {
        if self.reveal().is_empty() { "".into() } else { "***".into() }
    }
}

impl Value for Vec<String> {
    type Literal = &'static [&'static str];
    const KIND: &'static str = "[]string";

    fn from_literal(literal: Self::Literal) -> Self {
        literal.iter().map(|&entry| entry.to_owned()).collect()
    }

    fn read<'t>(&mut self, raw: &'t RawValue) -> Result<(), Vec<TypeError<'t>>> {
        let Ok(entries) = serde_json::from_str::<Vec<&'t RawValue>>(raw.get()) else {
            let advice = match describe(raw) {
                "a text" => format!("write a list: [{}]", raw.get()),
                kind => format!("{kind} is not possible; write a list of texts: [\"...\", \"...\"]"),
            };
            return Err(wrong(raw, advice));
        };
        let mut errors = Vec::new();
        let mut list = Vec::with_capacity(entries.len());
        for (index, at) in entries.into_iter().enumerate() {
            match text(at) {
                Ok(entry) => list.push(entry),
                Err(text) => errors.push(TypeError { at, text: format!("entry {}: {text}", index + 1) }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        *self = list;
        Ok(())
    }

    fn clear(&mut self) -> bool {
        Vec::clear(self);
        true
    }

    fn json(&self) -> serde_json::Value {
        self.as_slice().into()
    }
}

/// Texts by name, in the order in which the files name them first.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextMap(pub(crate) Vec<(String, String)>);

impl TextMap {
    fn insert(&mut self, name: String, text: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = text,
            None => self.0.push((name, text)),
        }
    }
}

impl Value for TextMap {
    type Literal = &'static [(&'static str, &'static str)];
    const KIND: &'static str = "map[string]string";

    fn from_literal(literal: Self::Literal) -> Self {
        Self(literal.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect())
    }

    fn read<'t>(&mut self, raw: &'t RawValue) -> Result<(), Vec<TypeError<'t>>> {
        let Some(entries) = json::object(raw) else {
            let advice =
                format!("{} is not possible; write an object of texts: {{\"...\": \"...\"}}", describe(raw));
            return Err(wrong(raw, advice));
        };
        let mut errors = Vec::new();
        for entry in entries {
            match (text(entry.key), text(entry.value)) {
                (Ok(name), Ok(text)) => self.insert(name, text),
                (Err(text), _) => errors.push(TypeError { at: entry.key, text }),
                (_, Err(text)) => errors.push(TypeError { at: entry.value, text }),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn clear(&mut self) -> bool {
        self.0.clear();
        true
    }

    fn json(&self) -> serde_json::Value {
        let entries = self.0.iter().map(|(name, text)| (name.clone(), text.as_str().into()));
        serde_json::Value::Object(entries.collect())
    }
}
