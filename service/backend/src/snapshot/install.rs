//! Installing: the whole file is checked first, then everything changes in one transaction.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{BackendError, SnapshotError};
use crate::port::{Backend, Insert, OnConflict};
use crate::value::{Row, Value};

use super::merge::{Missing, Prints};
use super::tables::{self, History, Table};
use super::{Header, SNAPSHOT_VERSION, TableLine, Trailer, from_json, hex};

/// Longest line that is read: a record of a recovery, or an error text, with room to spare.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Rows that are written together: a server is asked once for all of them.
const BATCH_ROWS: usize = 512;

/// Bytes of such rows, so that large ones do not pile up in memory.
const BATCH_BYTES: usize = 1024 * 1024;

impl dyn Backend + '_ {
    /// Replaces the replicated state by that of the file at `path` and stores `mark`.
    ///
    /// This node's observations and history stay. A recovery that still counts here and not in the file has
    /// ended while this node was away: it becomes history.
    ///
    /// # Errors
    /// The file is damaged, of a newer version or unreadable, or the database failed; then nothing changed.
    pub fn install_snapshot(&mut self, path: &Path, mark: &[u8]) -> Result<(), SnapshotError> {
        let mut prints = Prints::of_filled(self)?;
        verify(path, &mut prints)?;
        self.in_transaction(|backend| {
            let missing = clear(backend, &mut prints)?;
            read(path, backend, &missing)?;
            backend.set_applied_mark(mark)?;
            Ok(())
        })
    }
}

/// Whether the file at `path` could be installed, as far as that can be told from the file alone.
///
/// # Errors
/// It is damaged, of a newer version or unreadable.
pub fn check_snapshot(path: &Path) -> Result<(), SnapshotError> {
    verify(path, &mut Prints::none())?;
    let (mut lines, missing) = (Lines::open(path)?, MissingRows::new());
    let _header = lines.next()?;
    let mut section: Option<Section<'_>> = None;
    while let Some(line) = lines.next()? {
        if line.starts_with(b"[") {
            let section = section.as_ref().ok_or_else(|| damaged("a row before its table"))?;
            section.check_width(&values_of(&line)?)?;
        } else if let Ok(next) = serde_json::from_slice::<TableLine>(&line) {
            section = Some(Section::begin(&next, &missing)?);
        }
    }
    Ok(())
}

fn damaged(reason: impl Into<String>) -> SnapshotError {
    SnapshotError::Damaged { reason: reason.into() }
}

/// The lines of the file, one at a time.
struct Lines {
    file: BufReader<File>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, SnapshotError> {
        let file = File::open(path).map_err(|source| SnapshotError::File { action: "read", source })?;
        Ok(Self { file: BufReader::new(file) })
    }

    /// The next line with its line break; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, SnapshotError> {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut self.file, MAX_LINE_BYTES as u64);
        let read = limited.read_until(b'\n', &mut line);
        read.map_err(|source| SnapshotError::File { action: "read", source })?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(damaged("a line is cut short or too long")),
        }
    }
}

/// Reads the whole file once: version, number of rows, checksum; and what `prints` asks for.
fn verify(path: &Path, prints: &mut Prints) -> Result<(), SnapshotError> {
    let mut lines = Lines::open(path)?;
    let mut line = lines.next()?.ok_or_else(|| damaged("it is empty"))?;
    let header: Header = serde_json::from_slice(&line).map_err(|_| damaged("it is no snapshot of ours"))?;
    if header.orchestrator_intent > SNAPSHOT_VERSION {
        return Err(SnapshotError::Newer { found: header.orchestrator_intent, known: SNAPSHOT_VERSION });
    }
    let (mut digest, mut rows) = (Sha256::new(), 0);
    while let Some(next) = lines.next()? {
        digest.update(&line);
        prints.see(&line);
        rows += u64::from(line.starts_with(b"["));
        line = next;
    }
    let trailer: Trailer = serde_json::from_slice(&line).map_err(|_| damaged("its end is missing"))?;
    if trailer.rows != rows {
        return Err(damaged(format!("it has {rows} rows and should have {}", trailer.rows)));
    }
    if trailer.sha256 != hex(&digest.finalize()) {
        return Err(damaged("its checksum differs"));
    }
    Ok(())
}

/// What each table lacks of the file's rows; of one that is not named, all of them.
type MissingRows = BTreeMap<&'static str, Missing>;

/// Removes what the file replaces. What still counts here becomes history first, and is taken out of it
/// again when the file brings it back.
fn clear(backend: &mut dyn Backend, prints: &mut Prints) -> Result<MissingRows, BackendError> {
    let mut missing = MissingRows::new();
    for table in tables::whole() {
        missing.insert(table.name, prints.prune(backend, table)?);
    }
    let sql = "select recovery_id, start_active_period from topology_recovery where in_active_period = 1";
    for mut row in backend.query(sql, &[])? {
        let id = row.int();
        let began_at = row.time().unwrap_or_default();
        // Its end was not seen here; the time of its beginning is the best that is known.
        let sql = "update topology_recovery set end_recovery = start_active_period, \
                   all_errors = 'ended while this node was away' \
                   where recovery_id = ? and end_recovery is null";
        backend.execute(sql, &[id.into()])?;
        backend.end_active_period(id, began_at)?;
    }
    let sql =
        "select detection_id, start_active_period from topology_failure_detection where in_active_period = 1";
    for mut row in backend.query(sql, &[])? {
        let id = row.int();
        backend.end_detection(id, row.time().unwrap_or_default())?;
    }
    Ok(missing)
}

fn read(path: &Path, backend: &mut dyn Backend, missing: &MissingRows) -> Result<(), SnapshotError> {
    let mut lines = Lines::open(path)?;
    let _header = lines.next()?;
    let mut section: Option<Section<'_>> = None;
    while let Some(line) = lines.next()? {
        if line.starts_with(b"[") {
            let section = section.as_mut().ok_or_else(|| damaged("a row before its table"))?;
            if section.lacks(&line) {
                section.put(backend, values_of(&line)?)?;
            }
        } else if let Ok(next) = serde_json::from_slice::<TableLine>(&line) {
            let done = section.replace(Section::begin(&next, missing)?);
            done.map_or(Ok(()), |mut done| done.flush(backend))?;
        }
    }
    section.map_or(Ok(()), |mut last| last.flush(backend))
}

fn values_of(line: &[u8]) -> Result<Vec<Value>, SnapshotError> {
    let values: Vec<serde_json::Value> =
        serde_json::from_slice(line).map_err(|_| damaged("a row is no JSON"))?;
    let values = values.into_iter().map(from_json).collect::<Option<Vec<_>>>();
    values.ok_or_else(|| damaged("a row has a value of no known kind"))
}

/// Rows of one table that wait to be written together.
struct Section<'m> {
    table: &'static Table,
    columns: Vec<&'static str>,
    missing: Option<&'m Missing>,
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

impl<'m> Section<'m> {
    fn begin(line: &TableLine, missing: &'m MissingRows) -> Result<Self, SnapshotError> {
        let name = &line.table;
        let table = tables::named(name).ok_or_else(|| damaged(format!("unknown table {name}")))?;
        // Only names that this program knows ever become part of a statement.
        let known = |name: &String| table.columns.iter().copied().find(|column| column == name);
        let columns: Option<Vec<&str>> = line.columns.iter().map(known).collect();
        let columns = columns.ok_or_else(|| damaged(format!("unknown column of {name}")))?;
        Ok(Self { table, columns, missing: missing.get(table.name), rows: Vec::new(), bytes: 0 })
    }

    /// Whether the row that is written as `line` is still to be put.
    fn lacks(&self, line: &[u8]) -> bool {
        self.missing.is_none_or(|missing| missing.has(line))
    }

    fn check_width(&self, values: &[Value]) -> Result<(), SnapshotError> {
        if self.columns.len() == values.len() {
            return Ok(());
        }
        Err(damaged(format!("a row of {} has the wrong width", self.table.name)))
    }

    fn put(&mut self, backend: &mut dyn Backend, values: Vec<Value>) -> Result<(), SnapshotError> {
        self.check_width(&values)?;
        make_way(backend, self.table, &self.columns, &values)?;
        self.bytes += values.iter().map(Value::len).sum::<usize>();
        self.rows.push(values);
        // Room is made by what is in the table already.
        let alone = matches!(self.table.history, History::Recoveries | History::Detections);
        if alone || self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.flush(backend)?;
        }
        Ok(())
    }

    fn flush(&mut self, backend: &mut dyn Backend) -> Result<(), SnapshotError> {
        let insert = Insert { table: self.table.name, columns: &self.columns, on_conflict: OnConflict::Fail };
        backend.insert_all(&insert, &self.rows)?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// The same recovery here gives way to what the file says of it; another one with its number moves aside.
fn make_way(
    backend: &mut dyn Backend,
    table: &Table,
    columns: &[&str],
    values: &[Value],
) -> Result<(), SnapshotError> {
    let value = |name: &str| {
        let index = columns.iter().position(|column| *column == name);
        index.map(|index| values[index].clone()).ok_or_else(|| damaged(format!("{name} is missing")))
    };
    match table.history {
        History::None | History::Steps => return Ok(()),
        History::Recoveries => {
            let uid = value("uid")?;
            backend.execute(
                "delete from topology_recovery_steps where recovery_uid = ?",
                std::slice::from_ref(&uid),
            )?;
            backend.execute("delete from topology_recovery where uid = ?", &[uid])?;
            backend.make_room(table.name, "recovery_id", Row::new(vec![value("recovery_id")?]).int())?;
        }
        History::Detections => {
            let sql = "delete from topology_failure_detection \
                       where hostname = ? and port = ? and is_actionable = ? and start_active_period = ?";
            let same = ["hostname", "port", "is_actionable", "start_active_period"];
            backend.execute(sql, &same.into_iter().map(value).collect::<Result<Vec<_>, _>>()?)?;
            backend.make_room(table.name, "detection_id", Row::new(vec![value("detection_id")?]).int())?;
        }
    }
    Ok(())
}
