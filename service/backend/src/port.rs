//! The door to a database: the few things that SQLite and MySQL do differently.
//!
//! Everything else is written once, as methods of `dyn Backend` in the other modules of this crate, in SQL
//! that both understand: `?` for values, no clock, no functions beyond the common ones. Values are always
//! bound; the only texts that are put together are names from constants.

use crate::error::BackendError;
use crate::value::{Row, Value};

/// One connection to a database with the schema of this crate.
///
/// Synchronous and single: production gives it a thread of its own ([`crate::BackendHandle`]), a simulator
/// calls it inline. It asks no clock; every time is an argument.
pub trait Backend: Send {
    /// Runs one statement; how many rows it met (not: changed).
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, BackendError>;

    /// Runs one query and hands over each row as it comes.
    fn query_each(
        &mut self,
        sql: &str,
        values: &[Value],
        each: &mut dyn FnMut(Row) -> Result<(), BackendError>,
    ) -> Result<(), BackendError>;

    /// Inserts `rows`, in as few statements as the database takes.
    fn insert_all(&mut self, insert: &Insert<'_>, rows: &[Vec<Value>]) -> Result<(), BackendError>;

    /// Begins a transaction. They do not nest; see [`in_transaction`](#method.in_transaction).
    fn begin(&mut self) -> Result<(), BackendError>;

    /// Makes the transaction last.
    fn commit(&mut self) -> Result<(), BackendError>;

    /// Takes the transaction back; does nothing when there is none.
    fn rollback(&mut self) -> Result<(), BackendError>;

    /// A transaction is open.
    fn is_in_transaction(&self) -> bool;

    /// Asks whether the files that hold the database are still where they were opened; a database that is not in
    /// files of this process has nothing to ask.
    fn check_files(&self) -> Result<(), BackendError> {
        Ok(())
    }

    /// Another connection that can only read, so that reading does not wait for writing, nor writing for reading. All
    /// that is read in one transaction of it is of one moment. `None` where there can be no more of them.
    fn reader(&self) -> Result<Option<Box<dyn Backend>>, BackendError>;
}

/// Where rows go.
#[derive(Debug, Clone, Copy)]
pub struct Insert<'i> {
    /// The table.
    pub table: &'i str,
    /// Its columns, in the order of the values.
    pub columns: &'i [&'i str],
    /// What happens to a row that is already there.
    pub on_conflict: OnConflict<'i>,
}

/// What happens to a row that is already there.
#[derive(Debug, Clone, Copy)]
pub enum OnConflict<'i> {
    /// [`BackendError::Constraint`].
    Fail,
    /// The old row stays.
    Ignore,
    /// The old row gets the new values; columns that are not listed keep theirs. Holds the columns of the key.
    Update(&'i [&'i str]),
}

impl dyn Backend + '_ {
    /// Runs `work` in one transaction, or as a part of the one that is open.
    ///
    /// # Errors
    /// Those of `work`, after everything it did was taken back, and those of the commit.
    pub fn in_transaction<T, E: From<BackendError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.is_in_transaction() {
            return work(self);
        }
        self.begin()?;
        match work(self) {
            Ok(result) => match self.commit() {
                Ok(()) => Ok(result),
                Err(error) => Err(self.give_up(error.into())),
            },
            Err(error) => Err(self.give_up(error)),
        }
    }

    fn give_up<E>(&mut self, error: E) -> E {
        if let Err(rollback) = self.rollback() {
            tracing::warn!(error = %rollback, "rollback failed");
        }
        error
    }

    /// All rows of an answer.
    pub fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, BackendError> {
        let mut rows = Vec::new();
        self.query_each(sql, values, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    /// The first row of an answer.
    pub fn query_first(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, BackendError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// The first value of the first row, as a number; 0 when there is none.
    pub fn query_int(&mut self, sql: &str, values: &[Value]) -> Result<i64, BackendError> {
        Ok(self.query_first(sql, values)?.map_or(0, |mut row| row.int()))
    }

    /// Inserts one row.
    pub fn insert(
        &mut self,
        table: &str,
        on_conflict: OnConflict<'_>,
        row: Vec<(&str, Value)>,
    ) -> Result<(), BackendError> {
        let (columns, values): (Vec<&str>, Vec<Value>) = row.into_iter().unzip();
        self.insert_all(&Insert { table, columns: &columns, on_conflict }, &[values])
    }
}
