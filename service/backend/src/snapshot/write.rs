//! Writing: row by row, without holding the state in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{BackendError, SnapshotError};
use crate::port::Backend;

use super::tables::{self, Table};
use super::{Header, SNAPSHOT_VERSION, TableLine, Trailer, hex, to_json};

impl dyn Backend + '_ {
    /// Writes the replicated state to a new file at `path`. Syncing it is the caller's business.
    ///
    /// # Errors
    /// The file exists or cannot be written; the database failed. What was written then stays.
    pub fn write_snapshot(&mut self, path: &Path) -> Result<(), SnapshotError> {
        let file = File::create_new(path).map_err(unwritable)?;
        let mut sink = Sink { out: BufWriter::new(file), digest: Sha256::new(), rows: 0 };
        sink.line(&Header { orchestrator_intent: SNAPSHOT_VERSION }).map_err(unwritable)?;
        // One transaction, so that all tables are of one moment.
        self.in_transaction(|backend| {
            tables::all().try_for_each(|table| write_table(backend, table, &mut sink))
        })?;
        sink.finish().map_err(unwritable)
    }
}

fn unwritable(source: io::Error) -> SnapshotError {
    SnapshotError::File { action: "write", source }
}

struct Sink {
    out: BufWriter<File>,
    digest: Sha256,
    rows: u64,
}

impl Sink {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.digest.update(&text);
        self.out.write_all(&text)
    }

    fn finish(mut self) -> io::Result<()> {
        let sha256 = hex(&self.digest.clone().finalize());
        self.line(&Trailer { rows: self.rows, sha256 })?;
        self.out.flush()
    }
}

fn write_table(backend: &mut dyn Backend, table: &Table, sink: &mut Sink) -> Result<(), SnapshotError> {
    let Table { name, columns, replicated, order, .. } = table;
    let line =
        TableLine { table: (*name).into(), columns: columns.iter().map(ToString::to_string).collect() };
    sink.line(&line).map_err(unwritable)?;
    let sql = format!("select {} from {name} where {replicated} order by {order}", columns.join(", "));
    backend.query_each(&sql, &[], &mut |row| {
        let values: Vec<serde_json::Value> = row.into_values().into_iter().map(to_json).collect();
        sink.rows += 1;
        sink.line(&values).map_err(|error| BackendError::Io(Box::new(error)))
    })?;
    Ok(())
}
