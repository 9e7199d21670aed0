//! What an existing database has, as its server says.

use std::collections::BTreeSet;

use crate::value::Row;

use super::link::{Link, LinkError};

/// Names in lower case: servers differ in how they keep those of tables.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    tables: BTreeSet<String>,
    columns: BTreeSet<(String, String)>,
    keys: BTreeSet<(String, String)>,
}

impl Catalogue {
    pub(super) fn read(link: &mut Link) -> Result<Self, LinkError> {
        let tables = "select table_name from information_schema.tables where table_schema = database()";
        let columns =
            "select table_name, column_name from information_schema.columns where table_schema = database()";
        let keys = "select distinct table_name, index_name from information_schema.statistics where table_schema = database()";
        Ok(Self {
            tables: link.query(tables, &[])?.into_iter().map(|mut row| lower(&mut row)).collect(),
            columns: link.query(columns, &[])?.into_iter().map(pair).collect(),
            keys: link.query(keys, &[])?.into_iter().map(pair).collect(),
        })
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.tables.contains(table)
    }

    pub(super) fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns.contains(&(table.to_owned(), column.to_owned()))
    }

    pub(super) fn has_key(&self, table: &str, key: &str) -> bool {
        self.keys.contains(&(table.to_owned(), key.to_owned()))
    }
}

fn pair(mut row: Row) -> (String, String) {
    (lower(&mut row), lower(&mut row))
}

fn lower(row: &mut Row) -> String {
    row.text().to_lowercase()
}
