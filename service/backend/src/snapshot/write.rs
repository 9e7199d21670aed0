//! Writing: row by row, without holding the state in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{BackendError, SnapshotError};
use crate::port::Backend;
use crate::value::Value;

use super::tables::{self, Table};
use super::{Header, SNAPSHOT_VERSION, TableLine, Trailer, hex, line_of};

impl dyn Backend + '_ {
    /// Writes the replicated state to a new file at `path`, and answers the mark of that state. Syncing the file is
    /// the caller's business.
    ///
    /// On a connection that only reads ([`Backend::reader`]) it holds nobody up: what is written meanwhile is not in it.
    ///
    /// # Errors
    /// The file exists or cannot be written; the database failed. What was written then stays.
    pub fn write_snapshot(&mut self, path: &Path) -> Result<Option<Vec<u8>>, SnapshotError> {
        let file = File::create_new(path).map_err(unwritable)?;
        let mut sink = Sink { out: BufWriter::new(file), digest: Sha256::new(), rows: 0 };
        sink.line(&Header { orchestrator_intent: SNAPSHOT_VERSION }).map_err(unwritable)?;
        // One transaction, so that the mark and all tables are of one moment.
        let mark = self.in_transaction(|backend| {
            let mark = backend.applied_mark()?;
            tables::all().try_for_each(|table| write_table(backend, table, &mut sink))?;
            Ok::<_, SnapshotError>(mark)
        })?;
        sink.finish().map_err(unwritable)?;
        Ok(mark)
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
        self.write(&text)
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        self.rows += 1;
        self.write(&line_of(values))
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.digest.update(line);
        self.out.write_all(line)
    }

    fn finish(mut self) -> io::Result<()> {
        let sha256 = hex(&self.digest.clone().finalize());
        self.line(&Trailer { rows: self.rows, sha256 })?;
        self.out.flush()
    }
}

fn write_table(backend: &mut dyn Backend, table: &Table, sink: &mut Sink) -> Result<(), SnapshotError> {
    let Table { name, columns, replicated, .. } = table;
    let order = table.order.join(", ");
    let line =
        TableLine { table: (*name).into(), columns: columns.iter().map(ToString::to_string).collect() };
    sink.line(&line).map_err(unwritable)?;
    let sql = format!("select {} from {name} where {replicated} order by {order}", columns.join(", "));
    backend.query_each(&sql, &[], &mut |row| {
        sink.row(&row.into_values()).map_err(|error| BackendError::Io(Box::new(error)))
    })?;
    Ok(())
}
