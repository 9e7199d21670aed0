//! A backend that remembers what was changed in it.

use std::sync::{Arc, Mutex};

use orchestrator_backend::{Backend, BackendError, Insert, Row, Value};

use crate::support::pass_on;

/// Tables, and how many of their rows came (`+`) or went (`-`), in the order of the statements that met any.
pub(crate) type Changes = Arc<Mutex<Vec<String>>>;

/// Passes everything on.
pub(crate) struct Watched {
    backend: Box<dyn Backend>,
    changes: Changes,
}

impl Watched {
    pub(crate) fn over(backend: Box<dyn Backend>) -> (Box<dyn Backend>, Changes) {
        let changes = Changes::default();
        (Box::new(Self { backend, changes: changes.clone() }), changes)
    }

    fn note(&self, table: &str, sign: char, rows: u64) {
        if rows > 0 {
            self.changes.lock().unwrap().push(format!("{table} {sign}{rows}"));
        }
    }
}

impl Backend for Watched {
    pass_on!(backend: query_each begin commit rollback is_in_transaction reader);

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, BackendError> {
        let rows = self.backend.execute(sql, values)?;
        if let Some(table) = sql.strip_prefix("delete from ") {
            self.note(table.split(' ').next().unwrap_or(table), '-', rows);
        }
        Ok(rows)
    }

    fn insert_all(&mut self, insert: &Insert<'_>, rows: &[Vec<Value>]) -> Result<(), BackendError> {
        self.note(insert.table, '+', rows.len() as u64);
        self.backend.insert_all(insert, rows)
    }
}
