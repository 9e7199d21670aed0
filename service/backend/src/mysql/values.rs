//! Values on the wire, and how many of them go into one statement.

use mysql_async::consts::ColumnType;
use mysql_async::{Params, Value as Wire};

use crate::port::{Insert, OnConflict};
use crate::value::{Row, Value};

/// The collation number of bytes without a character set.
const BINARY: u16 = 63;

/// What a `timestamp` column holds, UTC. Outside of it the server refuses the whole statement; the original's
/// word for "never" and the last moment are the nearest that can be stored.
const FIRST_TIME: &str = "1970-01-01 00:00:01";
const NEVER: &str = "1971-01-01 00:00:00";
const LAST_TIME: &str = "2038-01-19 03:14:07";

/// Rows of one statement: 10,000 values, as many as are sent in one go without a pause that others notice.
const MAX_ROWS: usize = 128;

/// Values of one prepared statement: what its protocol can count.
const MAX_VALUES: usize = u16::MAX as usize;

/// Bytes that a value takes beside its own: its type and its length.
const VALUE_OVERHEAD: usize = 11;

pub(super) fn to_params<'v>(values: impl IntoIterator<Item = &'v Value>) -> Params {
    let wire: Vec<Wire> = values.into_iter().map(to_wire).collect();
    if wire.is_empty() { Params::Empty } else { Params::Positional(wire) }
}

fn to_wire(value: &Value) -> Wire {
    match value {
        Value::Null => Wire::NULL,
        Value::Int(number) => Wire::Int(*number),
        Value::Text(text) => Wire::Bytes(storable_time(text).unwrap_or(text).into()),
        Value::Blob(bytes) => Wire::Bytes(bytes.clone()),
    }
}

/// The same with `?` for each letter that `ascii` has not, as the servers write it.
pub(super) fn in_ascii(value: &Value) -> Value {
    match value {
        Value::Text(text) => {
            text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect::<String>().into()
        }
        other => other.clone(),
    }
}

/// The nearest time that a column holds, for text in the form of a time that none does.
fn storable_time(text: &str) -> Option<&'static str> {
    let form = text.len() == FIRST_TIME.len()
        && text.bytes().zip(FIRST_TIME.bytes()).all(|(byte, form)| match form {
            b'0'..=b'9' => byte.is_ascii_digit(),
            punctuation => byte == punctuation,
        });
    match text {
        _ if !form => None,
        early if early < FIRST_TIME => Some(NEVER),
        late if late > LAST_TIME => Some(LAST_TIME),
        _ => None,
    }
}

pub(super) fn read_row(row: mysql_async::Row) -> Row {
    let columns = row.columns();
    let binary = columns.iter().map(|column| {
        let bytes = matches!(
            column.column_type(),
            ColumnType::MYSQL_TYPE_TINY_BLOB
                | ColumnType::MYSQL_TYPE_BLOB
                | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
                | ColumnType::MYSQL_TYPE_LONG_BLOB
                | ColumnType::MYSQL_TYPE_STRING
                | ColumnType::MYSQL_TYPE_VAR_STRING
        );
        bytes && column.character_set() == BINARY
    });
    Row::new(row.unwrap().into_iter().zip(binary).map(|(value, binary)| from_wire(value, binary)).collect())
}

fn from_wire(value: Wire, binary: bool) -> Value {
    match value {
        Wire::NULL => Value::Null,
        Wire::Int(number) => Value::Int(number),
        Wire::UInt(number) => number.into(),
        Wire::Bytes(bytes) if binary => Value::Blob(bytes),
        Wire::Bytes(bytes) => Value::Text(
            String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into()),
        ),
        Wire::Date(year, month, day, hour, minute, second, _) => {
            Value::Text(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"))
        }
        // Numbers with a fraction and durations are none of ours; as text they read as zero.
        Wire::Float(number) => Value::Text(number.to_string()),
        Wire::Double(number) => Value::Text(number.to_string()),
        duration @ Wire::Time(..) => Value::Text(duration.as_sql(true)),
    }
}

/// The statement that inserts so many rows at once.
pub(super) fn insert_sql(insert: &Insert<'_>, rows: usize) -> String {
    let Insert { table, columns, on_conflict } = insert;
    let marks = format!("({})", vec!["?"; columns.len()].join(", "));
    let marks = vec![marks; rows].join(", ");
    let mut sql = format!("insert into {table} ({}) values {marks}", columns.join(", "));
    let updated: Vec<&str> = match on_conflict {
        OnConflict::Fail => return sql,
        OnConflict::Ignore => vec![],
        OnConflict::Update(keys) => columns.iter().copied().filter(|name| !keys.contains(name)).collect(),
    };
    let updates = if updated.is_empty() {
        // Not `insert ignore`: that would also let through what does not fit.
        let untouched = columns[0];
        format!("{untouched} = {table}.{untouched}")
    } else {
        updated.iter().map(|name| format!("{name} = values({name})")).collect::<Vec<_>>().join(", ")
    };
    sql.push_str(&format!(" on duplicate key update {updates}"));
    sql
}

/// Cuts rows into statements: powers of two, so that few statements are ever prepared, and none larger than
/// `max_bytes` unless one row alone is.
pub(super) fn portions(rows: &[Vec<Value>], columns: usize, max_bytes: usize) -> Vec<&[Vec<Value>]> {
    let most = MAX_ROWS.min(MAX_VALUES / columns.max(1)).max(1);
    let mut rest = rows;
    let mut portions = Vec::new();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(most).take_while(|row| {
            bytes += self::bytes(*row);
            bytes <= max_bytes
        });
        let fitting = fitting.count().max(1);
        let (portion, others) = rest.split_at(1 << fitting.ilog2());
        portions.push(portion);
        rest = others;
    }
    portions
}

/// What values take on their way, about.
pub(super) fn bytes<'v>(values: impl IntoIterator<Item = &'v Value>) -> usize {
    values.into_iter().map(|value| value.len() + VALUE_OVERHEAD).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_no_column_holds_become_the_nearest_ones() {
        assert_eq!(storable_time("1970-01-01 00:00:00"), Some(NEVER));
        assert_eq!(storable_time("2046-05-01 00:00:00"), Some(LAST_TIME));
        for kept in ["2026-01-02 03:04:05", "1971-01-01 00:00:00", "9999", "9999-99-99 and more", ""] {
            assert_eq!(storable_time(kept), None, "{kept}");
        }
    }

    #[test]
    fn rows_are_cut_into_powers_of_two_that_fit() {
        let rows = vec![vec![Value::Int(1)]; 300];
        let sizes =
            |max_bytes| -> Vec<usize> { portions(&rows, 1, max_bytes).into_iter().map(<[_]>::len).collect() };
        assert_eq!(sizes(usize::MAX), [128, 128, 32, 8, 4]);
        assert_eq!(sizes(19 * 65)[..2], [64, 64]);
        assert_eq!(sizes(1), [1; 300], "a row that is too large goes alone");
        assert_eq!(portions(&rows, 1000, usize::MAX)[0].len(), 64, "the protocol counts 65,535 values");
    }

    #[test]
    fn a_conflict_changes_only_what_was_asked() {
        let insert = |on_conflict| insert_sql(&Insert { table: "t", columns: &["k", "v"], on_conflict }, 2);
        assert_eq!(insert(OnConflict::Fail), "insert into t (k, v) values (?, ?), (?, ?)");
        assert!(insert(OnConflict::Ignore).ends_with("on duplicate key update k = t.k"));
        assert!(insert(OnConflict::Update(&["k"])).ends_with("on duplicate key update v = values(v)"));
        assert!(insert(OnConflict::Update(&["k", "v"])).ends_with("on duplicate key update k = t.k"));
    }
}
