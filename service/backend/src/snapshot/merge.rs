//! What installing changes in a table whose rows are all replicated: rows that the file lacks go, rows that the table
//! lacks come, and what is equal is not touched.
//!
//! A node that comes back after a while has nearly all that it is sent. To a server, writing that again is several
//! times the work of reading it.
//!
//! Invariant: afterwards the table has the rows of the file, whatever it had before. Comparing only saves work, and is
//! given up where it would not.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};

use crate::error::BackendError;
use crate::port::Backend;
use crate::value::Value;

use super::tables::{self, Table};
use super::{TableLine, line_of};

/// Rows of one table that are compared: they take about 35 MB while it lasts.
const MAX_COMPARED: usize = 1_000_000;

/// Rows that are removed one by one; where there are more, the table is written anew.
const MAX_STRANGERS: usize = 50_000;

/// Keys in one statement.
const KEYS: usize = 128;

/// Half of the SHA-256 of a row as it is written in the file: no two rows share one.
type Print = [u8; 16];

fn print_of(line: &[u8]) -> Print {
    let digest = Sha256::digest(line);
    *digest.first_chunk().expect("it has 32 bytes")
}

/// The rows that the file has of tables that are worth comparing.
pub(super) struct Prints {
    of: BTreeMap<&'static str, HashSet<Print>>,
    /// The table whose rows follow.
    current: Option<&'static str>,
}

impl Prints {
    /// For nobody who compares.
    pub(super) fn none() -> Self {
        Self { of: BTreeMap::new(), current: None }
    }

    /// For tables that hold something here.
    pub(super) fn of_filled(backend: &mut dyn Backend) -> Result<Self, BackendError> {
        let mut of = BTreeMap::new();
        for table in tables::whole() {
            if backend.query_int(&format!("select 1 from {} limit 1", table.name), &[])? > 0 {
                of.insert(table.name, HashSet::new());
            }
        }
        Ok(Self { of, current: None })
    }

    /// Takes notice of one line of the file.
    pub(super) fn see(&mut self, line: &[u8]) {
        if line.starts_with(b"[") {
            let Some(prints) = self.current.and_then(|name| self.of.get_mut(name)) else { return };
            prints.insert(print_of(line));
            if prints.len() > MAX_COMPARED {
                self.give_up_current();
            }
        } else if let Ok(section) = serde_json::from_slice::<TableLine>(line) {
            let table = tables::whole().find(|table| table.name == section.table);
            self.current = table.map(|table| table.name);
            // Written by another version: what its rows do not say gets its default, also where the rest is equal.
            if table.is_some_and(|table| table.columns != section.columns) {
                self.give_up_current();
            }
        }
    }

    fn give_up_current(&mut self) {
        self.current.take().and_then(|name| self.of.remove(name));
    }

    /// Removes from `table` what the file lacks; which of the file's rows it lacks then.
    pub(super) fn prune(
        &mut self,
        backend: &mut dyn Backend,
        table: &Table,
    ) -> Result<Missing, BackendError> {
        let compared = match self.of.remove(table.name) {
            Some(wanted) if !wanted.is_empty() => remove_strangers(backend, table, wanted)?,
            _ => None,
        };
        if let Some(missing) = compared {
            return Ok(Missing::Only(missing));
        }
        backend.execute(&format!("delete from {}", table.name), &[])?;
        Ok(Missing::All)
    }
}

/// Rows of the file that a table lacks.
pub(super) enum Missing {
    /// It is empty.
    All,
    /// It has the others.
    Only(HashSet<Print>),
}

impl Missing {
    /// Whether the row that is written as `line` is one of them.
    pub(super) fn has(&self, line: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Only(prints) => prints.contains(&print_of(line)),
        }
    }
}

/// Removes the rows that are not `wanted`; what is wanted and not there. `None`: it was not worth while.
fn remove_strangers(
    backend: &mut dyn Backend,
    table: &Table,
    mut wanted: HashSet<Print>,
) -> Result<Option<HashSet<Print>>, BackendError> {
    let position = |name: &&str| table.columns.iter().position(|column| column == name);
    let key: Vec<usize> = table.order.iter().filter_map(position).collect();
    let mut strangers: Vec<Vec<Value>> = Vec::new();
    let sql = format!("select {} from {}", table.columns.join(", "), table.name);
    backend.query_each(&sql, &[], &mut |row| {
        let values = row.into_values();
        if strangers.len() <= MAX_STRANGERS && !wanted.remove(&print_of(&line_of(&values))) {
            strangers.push(key.iter().map(|&column| values[column].clone()).collect());
        }
        Ok(())
    })?;
    if strangers.len() > MAX_STRANGERS {
        return Ok(None);
    }
    let removed = remove(backend, table, &strangers)?;
    // An adopted table may take two keys for one that we tell apart: then nobody knows what is left.
    Ok((removed == strangers.len() as u64).then_some(wanted))
}

/// Removes the rows with these keys; how many there were.
fn remove(backend: &mut dyn Backend, table: &Table, keys: &[Vec<Value>]) -> Result<u64, BackendError> {
    let columns: Vec<String> = table.order.iter().map(|column| format!("{column} = ?")).collect();
    let one = format!("({})", columns.join(" and "));
    let (mut rest, mut removed) = (keys, 0);
    while !rest.is_empty() {
        // Powers of two, so that few statements are ever prepared.
        let (some, others) = rest.split_at(1 << rest.len().min(KEYS).ilog2());
        let any = vec![one.as_str(); some.len()].join(" or ");
        removed += backend.execute(&format!("delete from {} where {any}", table.name), &some.concat())?;
        rest = others;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use orchestrator_core::Timestamp;

    use super::*;
    use crate::rows::NodeIdentity;
    use crate::sqlite::{SqliteBackend, SqliteOptions};

    /// A backend with so many pairs, and the lines of a file that has the first of them.
    fn pairs(count: usize) -> (SqliteBackend, [Vec<u8>; 2]) {
        let node = NodeIdentity { hostname: "h".into(), token: "t".into() };
        let options = SqliteOptions::new(node, "1", Timestamp::from_millis(0));
        let mut backend = SqliteBackend::open(Path::new(":memory:"), &options).unwrap();
        let sql = "insert into kv_store with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) \
                   select i, 'v', '2026-01-02 03:04:05' from n";
        backend.execute(sql, &[(count as u64).into()]).unwrap();
        let table = TableLine { table: pair_table().name.into(), columns: columns() };
        let first = ["1".into(), "v".into(), "2026-01-02 03:04:05".into()];
        (backend, [serde_json::to_vec(&table).unwrap(), line_of(&first)])
    }

    fn pair_table() -> &'static Table {
        tables::named("kv_store").unwrap()
    }

    fn columns() -> Vec<String> {
        pair_table().columns.iter().map(ToString::to_string).collect()
    }

    /// What is to be written after pruning, and how many pairs are left then.
    fn pruned(backend: &mut dyn Backend, lines: &[Vec<u8>]) -> (Missing, i64) {
        let mut prints = Prints::of_filled(backend).unwrap();
        lines.iter().for_each(|line| prints.see(line));
        let missing = prints.prune(backend, pair_table()).unwrap();
        (missing, backend.query_int("select count(*) from kv_store", &[]).unwrap())
    }

    #[test]
    fn what_is_there_stays_and_strangers_go() {
        let (mut backend, lines) = pairs(MAX_STRANGERS + 1);
        let (missing, left) = pruned(&mut backend, &lines);
        assert!(matches!(&missing, Missing::Only(rows) if rows.is_empty()));
        assert_eq!((missing.has(&lines[1]), left), (false, 1));
    }

    #[test]
    fn with_few_rows_in_common_the_table_is_written_anew() {
        let (mut backend, lines) = pairs(MAX_STRANGERS + 2);
        let (missing, left) = pruned(&mut backend, &lines);
        assert!(matches!(missing, Missing::All));
        assert_eq!((missing.has(&lines[1]), left), (true, 0));
    }

    #[test]
    fn rows_of_another_version_are_not_compared() {
        let (mut backend, [_, row]) = pairs(2);
        let known = columns()[..2].to_vec();
        let older = serde_json::to_vec(&TableLine { table: "kv_store".into(), columns: known }).unwrap();
        let (missing, left) = pruned(&mut backend, &[older, row]);
        assert!(matches!(missing, Missing::All));
        assert_eq!(left, 0);
    }
}
