//! Reading one result row by column name, whatever the server's version calls its columns.
//!
//! Servers differ in the case and in the words of column names, and newer ones add columns: nothing here fails
//! because of that. A missing column reads as absent.

use std::{borrow::Cow, cell::Cell};

use mysql_async::{Row, Value};

/// One row. Reading columns in the order in which the server sends them costs one comparison each.
pub(crate) struct Cells<'a> {
    row: &'a Row,
    /// Where the next column is looked for first.
    next: Cell<usize>,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(row: &'a Row) -> Self {
        Self { row, next: Cell::new(0) }
    }

    /// The value under the first of `names` that is a column, any case; `None` when there is no such column
    /// or it is NULL.
    fn value(&self, names: &[&str]) -> Option<&'a Value> {
        let columns = self.row.columns_ref();
        let start = self.next.get();
        let order = (start..columns.len()).chain(0..start.min(columns.len()));
        for index in order {
            let name = columns[index].name_ref();
            if names.iter().any(|wanted| wanted.as_bytes().eq_ignore_ascii_case(name)) {
                self.next.set(index + 1);
                return self.row.as_ref(index).filter(|value| **value != Value::NULL);
            }
        }
        None
    }

    /// As text; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self, names: &[&str]) -> Option<Cow<'a, str>> {
        self.value(names).map(text_of)
    }

    /// As text; empty when absent.
    pub(crate) fn string(&self, names: &[&str]) -> String {
        self.text(names).map(Cow::into_owned).unwrap_or_default()
    }

    /// As a whole number; a fraction is cut off, a negative number reads as 0.
    pub(crate) fn number(&self, names: &[&str]) -> Option<u64> {
        number_of(self.value(names)?)
    }

    /// As a whole number that fits; 0 when absent.
    pub(crate) fn small(&self, names: &[&str]) -> u32 {
        self.number(names).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
    }

    /// As a truth value: `1`, `ON`, `Yes`, `TRUE` in any case; `None` when absent.
    pub(crate) fn truth(&self, names: &[&str]) -> Option<bool> {
        self.text(names).map(|text| is_true(&text))
    }

    /// Seconds with a fraction, as milliseconds.
    pub(crate) fn millis_of_seconds(&self, names: &[&str]) -> Option<u32> {
        let seconds: f64 = self.text(names)?.trim().parse().ok()?;
        // Casts from float saturate, which is what an absurd number deserves.
        Some((seconds * 1000.0) as u32)
    }
}

/// A cell of the text protocol as text.
pub(crate) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes),
        Value::NULL => Cow::Borrowed(""),
        Value::Int(number) => Cow::Owned(number.to_string()),
        Value::UInt(number) => Cow::Owned(number.to_string()),
        Value::Float(number) => Cow::Owned(number.to_string()),
        Value::Double(number) => Cow::Owned(number.to_string()),
        other => Cow::Owned(other.as_sql(true)),
    }
}

/// A cell of the text protocol as a whole number.
pub(crate) fn number_of(value: &Value) -> Option<u64> {
    let text = text_of(value);
    let text = text.trim();
    if text.starts_with('-') {
        return Some(0);
    }
    text.split('.').next()?.parse().ok()
}

/// How servers spell truth.
pub(crate) fn is_true(text: &str) -> bool {
    text == "1" || ["ON", "YES", "TRUE"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
pub(crate) mod tests {
    use mysql_async::{Column, consts::ColumnType};

    use super::*;

    /// A row of the text protocol from names and values.
    pub(crate) fn row(cells: &[(&str, Option<&str>)]) -> Row {
        let columns = cells
            .iter()
            .map(|(name, _)| Column::new(ColumnType::MYSQL_TYPE_VAR_STRING).with_name(name.as_bytes()))
            .collect::<Vec<_>>();
        let values =
            cells.iter().map(|(_, value)| value.map_or(Value::NULL, |text| Value::Bytes(text.into())));
        mysql_common_row(values.collect(), columns)
    }

    fn mysql_common_row(values: Vec<Value>, columns: Vec<Column>) -> Row {
        mysql_common::row::new_row(values, columns.into())
    }

    #[test]
    fn columns_are_found_in_any_order_and_case() {
        let row = row(&[("A", Some("1")), ("bee", Some("two")), ("C", None)]);
        let cells = Cells::new(&row);
        assert_eq!(cells.string(&["Bee"]), "two");
        assert_eq!(cells.number(&["a"]), Some(1));
        assert_eq!(cells.number(&["c"]), None);
        assert_eq!(cells.number(&["unheard of"]), None);
        assert_eq!(cells.string(&["old bee", "BEE"]), "two");
    }

    #[test]
    fn numbers_survive_what_servers_send() {
        let row = row(&[("a", Some("-3")), ("b", Some("2.9")), ("c", Some("x")), ("d", Some("4294967296"))]);
        let cells = Cells::new(&row);
        assert_eq!(cells.number(&["a"]), Some(0));
        assert_eq!(cells.number(&["b"]), Some(2));
        assert_eq!(cells.number(&["c"]), None);
        assert_eq!(cells.small(&["d"]), 0);
        assert_eq!(cells.millis_of_seconds(&["b"]), Some(2900));
    }
}
