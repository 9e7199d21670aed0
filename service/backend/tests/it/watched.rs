//! A backend that remembers what was changed in it.

use std::sync::{Arc, Mutex};

use orchestrator_backend::{Backend, BackendError, Insert, Row, Value};

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
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, BackendError> {
        let rows = self.backend.execute(sql, values)?;
        if let Some(table) = sql.strip_prefix("delete from ") {
            self.note(table.split(' ').next().unwrap_or(table), '-', rows);
        }
        Ok(rows)
    }

    fn query_each(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(Row) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        self.backend.query_each(sql, values, each)
    }

    fn insert_all(&mut self, insert: &Insert<'_>, rows: &[Vec<Value>]) -> Result<(), BackendError> {
        self.note(insert.table, '+', rows.len() as u64);
        self.backend.insert_all(insert, rows)
    }

    fn begin(&mut self) -> Result<(), BackendError> {
        self.backend.begin()
    }

    fn commit(&mut self) -> Result<(), BackendError> {
        self.backend.commit()
    }

    fn rollback(&mut self) -> Result<(), BackendError> {
        self.backend.rollback()
    }

    fn is_in_transaction(&self) -> bool {
        self.backend.is_in_transaction()
    }

    fn reader(&self) -> Result<Option<Box<dyn Backend>>, BackendError> {
        self.backend.reader()
    }
}
