//! The tables as they should be, read from the statements that create them.
//!
//! The files keep one column or key on each line, which is all that is needed to tell what a database lacks.

use crate::schema;

/// A table of the wanted schema.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// The whole statement that creates it.
    pub(super) sql: String,
    pub(super) columns: Vec<Part>,
    pub(super) keys: Vec<Part>,
}

/// A column or a key.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// As it stands in the statement.
    pub(super) definition: String,
}

/// Every table of the wanted schema.
pub(super) fn tables() -> Vec<Table> {
    schema::MYSQL.iter().flat_map(|file| file.split(";\n")).filter_map(table).collect()
}

fn table(statement: &str) -> Option<Table> {
    let sql = statement[statement.find("create table ")?..].trim();
    let name = sql.split_whitespace().nth(2)?.to_owned();
    let mut table = Table { name, sql: sql.to_owned(), columns: Vec::new(), keys: Vec::new() };
    for line in sql.lines().filter_map(|line| line.strip_prefix("    ")) {
        let definition = line.strip_suffix(',').unwrap_or(line);
        let mut words = definition.split_whitespace();
        let (parts, name) = match words.next()? {
            "primary" => continue,
            "key" => (&mut table.keys, words.next()?),
            "unique" => (&mut table.keys, words.nth(1)?),
            column => (&mut table.columns, column),
        };
        parts.push(Part { name: name.to_owned(), definition: definition.to_owned() });
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::Connection;

    use super::*;

    #[test]
    fn both_schemas_have_the_same_tables_and_columns() {
        let sqlite = Connection::open_in_memory().unwrap();
        for sql in schema::SQLITE {
            sqlite.execute_batch(sql).unwrap();
        }
        let sql = "select t.name || '.' || c.name from sqlite_master t, pragma_table_info(t.name) c \
                   where t.type = 'table'";
        let expected: BTreeSet<String> = sqlite
            .prepare(sql)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let name = |table: &Table, column: &Part| format!("{}.{}", table.name, column.name);
        let tables = tables();
        let found: BTreeSet<String> = tables
            .iter()
            .flat_map(|table| table.columns.iter().map(move |column| name(table, column)))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn both_schemas_have_as_many_keys() {
        let wanted: usize = tables().iter().map(|table| table.keys.len()).sum();
        let sqlite: usize = schema::SQLITE
            .iter()
            .flat_map(|file| file.lines())
            .filter(|line| line.starts_with("create index") || line.starts_with("create unique index"))
            .count();
        assert_eq!(wanted, sqlite);
        assert!(tables().iter().all(|table| table.keys.iter().all(|key| key.name.len() <= 64)));
    }
}
