//! Completes an existing database in place: adds what is missing, removes and renames nothing.

use rusqlite::Connection;

use crate::error::BackendError;
use crate::port::Backend;
use crate::schema;

use super::errors::runtime_error;

/// One statement that brings the database nearer to the wanted schema.
#[derive(Debug)]
pub(super) struct Change {
    sql: String,
    /// The table or column that is missing; `None` for an index, which only speed or order depend on.
    what: Option<String>,
    /// Old rows may break a unique index that they were never checked against; the index is then left out.
    may_clash: bool,
}

impl Change {
    /// The table or column that is missing.
    pub(super) fn what(&self) -> Option<&str> {
        self.what.as_deref()
    }
}

/// A table or an index of the wanted schema.
struct Item {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

struct Column {
    name: String,
    declared_type: String,
    not_null: bool,
    default: Option<String>,
}

/// What the database lacks, tables first.
pub(super) fn plan(backend: &mut dyn Backend) -> Result<Vec<Change>, BackendError> {
    let wanted = Connection::open_in_memory().map_err(runtime_error)?;
    for sql in schema::SQLITE {
        wanted.execute_batch(sql).map_err(runtime_error)?;
    }
    let mut changes = Vec::new();
    for item in items(&wanted).map_err(runtime_error)? {
        if !exists(backend, &item)? {
            let is_index = item.kind == "index";
            let what = (!is_index).then(|| format!("table {}", item.name));
            changes.push(Change { may_clash: is_index, sql: item.sql, what });
        } else if item.kind == "table" {
            changes.extend(missing_columns(backend, &wanted, &item.name)?);
        }
    }
    Ok(changes)
}

fn items(wanted: &Connection) -> rusqlite::Result<Vec<Item>> {
    let sql =
        "select type, name, tbl_name, sql from sqlite_master where sql is not null order by type = 'index'";
    wanted
        .prepare(sql)?
        .query_map([], |row| {
            Ok(Item { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
        })?
        .collect()
}

fn exists(backend: &mut dyn Backend, item: &Item) -> Result<bool, BackendError> {
    let sql = "select count(*) from sqlite_master where type = ? and name = ? and tbl_name = ?";
    let Item { kind, name, table, .. } = item;
    Ok(backend.query_int(sql, &[kind.into(), name.into(), table.into()])? > 0)
}

fn missing_columns(
    backend: &mut dyn Backend,
    wanted: &Connection,
    table: &str,
) -> Result<Vec<Change>, BackendError> {
    let present: Vec<String> = backend
        .query("select name from pragma_table_info(?)", &[table.into()])?
        .into_iter()
        .map(|mut row| row.text().to_ascii_lowercase())
        .collect();
    let columns = columns(wanted, table).map_err(runtime_error)?;
    let missing = columns.into_iter().filter(|column| !present.contains(&column.name));
    Ok(missing.map(|column| add_column(table, &column)).collect())
}

fn columns(wanted: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    wanted
        .prepare("select name, type, \"notnull\", dflt_value from pragma_table_info(?)")?
        .query_map([table], |row| {
            Ok(Column {
                name: row.get(0)?,
                declared_type: row.get(1)?,
                not_null: row.get(2)?,
                default: row.get(3)?,
            })
        })?
        .collect()
}

fn add_column(table: &str, column: &Column) -> Change {
    let Column { name, declared_type, not_null, default } = column;
    let mut sql = format!("alter table {table} add column {name} {declared_type}");
    if *not_null {
        // Rows that exist need a value even where new ones must bring theirs.
        let zero = if declared_type.contains("int") { "0" } else { "''" };
        sql.push_str(&format!(" not null default {}", default.as_deref().unwrap_or(zero)));
    }
    Change { sql, may_clash: false, what: Some(format!("column {name} of table {table}")) }
}

/// Carries the plan out.
pub(super) fn apply(backend: &mut dyn Backend, changes: &[Change]) -> Result<(), BackendError> {
    for change in changes {
        match backend.execute(&change.sql, &[]) {
            Err(BackendError::Constraint(error)) if change.may_clash => {
                tracing::warn!(%error, sql = change.sql, "index left out: existing rows break it");
            }
            result => {
                result?;
            }
        }
    }
    Ok(())
}

/// Brings times and NULLs that the original's snapshots rewrote back into the form of the tables.
///
/// Done at each opening, since the original may have been started again in between.
pub(super) fn normalise(backend: &mut dyn Backend) -> Result<(), BackendError> {
    for (table, column, rows) in schema::EMPTIED_BY_SNAPSHOTS {
        let empty = format!("({column} = '' or {column} like '0001-01-01%' or {column} = 0)");
        backend.execute(&format!("update {table} set {column} = null where {rows} and {empty}"), &[])?;
    }
    for table in schema::REWRITTEN_BY_SNAPSHOTS {
        let sql = "select name from pragma_table_info(?) where lower(type) = 'timestamp'";
        for mut row in backend.query(sql, &[table.into()])? {
            let column = quoted(&row.text());
            let sql = format!(
                "update {table} set {column} = replace(substr({column}, 1, 19), 'T', ' ') \
                 where substr({column}, 11, 1) = 'T'"
            );
            backend.execute(&sql, &[])?;
        }
    }
    Ok(())
}

/// A name out of the database's own catalogue, which a foreign tool may have chosen.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
