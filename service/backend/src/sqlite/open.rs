//! Opening a file: checks first, then one transaction that completes it.

use std::path::Path;

use orchestrator_core::Timestamp;
use rusqlite::Connection;

use crate::adopt;
use crate::error::{BackendError, OpenError};
use crate::port::Backend;
use crate::schema;
use crate::value::Value;

use super::errors::{open_error, opening_failed};
use super::{Durability, STATEMENT_CACHE, SqliteBackend, SqliteOptions, files, upgrade};

const MEMORY: &str = ":memory:";

pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<SqliteBackend, OpenError> {
    let mut backend = if path == Path::new(MEMORY) {
        let connection = Connection::open_in_memory().map_err(|error| open_error(path, error))?;
        let busy_timeout = options.busy_timeout;
        SqliteBackend { connection, path: None, busy_timeout, held: Vec::new(), _lock: None }
    } else {
        let lock = files::claim(path, options.busy_timeout)?;
        let connection = Connection::open(path).map_err(|error| open_error(path, error))?;
        let (path, busy_timeout) = (Some(path.to_owned()), options.busy_timeout);
        SqliteBackend { connection, path, busy_timeout, held: Vec::new(), _lock: Some(lock) }
    };
    configure(&backend, options.durability).map_err(|error| open_error(path, error))?;
    prepare(&mut backend, path, options)?;
    backend.held = backend.path.as_deref().map_or_else(Vec::new, files::held);
    Ok(backend)
}

fn configure(backend: &SqliteBackend, durability: Durability) -> rusqlite::Result<()> {
    let connection = &backend.connection;
    connection.busy_timeout(backend.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // Reads the first page: the first moment at which a file that is something else shows.
    connection.query_row("select count(*) from sqlite_master", [], |_| Ok(()))?;
    // Answers the mode that is in force, which a database in memory does not change.
    connection.query_row("pragma journal_mode = wal", [], |_| Ok(()))?;
    let synchronous = match durability {
        Durability::LogBehind => "normal",
        Durability::Alone => "full",
    };
    connection.pragma_update(None, "synchronous", synchronous)
}

/// Checks what is in the file and completes it.
pub(super) fn prepare(
    backend: &mut SqliteBackend,
    path: &Path,
    options: &SqliteOptions,
) -> Result<(), OpenError> {
    let failed = |error| opening_failed(path, error);
    check_intact(backend, path)?;
    let backend: &mut dyn Backend = backend;
    refuse_newer(backend, path)?;
    refuse_living_original(backend, path, options)?;
    refuse_other_deploys(backend, path, options)?;
    let change = upgrade::plan(backend).map_err(failed)?;
    let missing = change.iter().find_map(upgrade::Change::what).filter(|_| !options.schema.complete);
    if let Some(what) = missing {
        return Err(OpenError::Incomplete { path: path.into(), what: what.to_owned() });
    }
    backend.in_transaction(|backend| complete(backend, &change, options)).map_err(failed)
}

fn check_intact(backend: &mut SqliteBackend, path: &Path) -> Result<(), OpenError> {
    let verdict: String = backend
        .connection
        .query_row("pragma quick_check(1)", [], |row| row.get(0))
        .map_err(|error| open_error(path, error))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(OpenError::Corrupt { path: path.into(), source: verdict.into() })
    }
}

fn has_table(backend: &mut dyn Backend, table: &str) -> Result<bool, BackendError> {
    let sql = "select count(*) from sqlite_master where type = 'table' and name = ?";
    Ok(backend.query_int(sql, &[table.into()])? > 0)
}

fn refuse_newer(backend: &mut dyn Backend, path: &Path) -> Result<(), OpenError> {
    let found = if_ours(backend, adopt::newer_layout).map_err(|error| opening_failed(path, error))?;
    match found.flatten() {
        Some(found) => Err(OpenError::Newer { found, known: schema::LAYOUT }),
        None => Ok(()),
    }
}

fn refuse_other_deploys(
    backend: &mut dyn Backend,
    path: &Path,
    options: &SqliteOptions,
) -> Result<(), OpenError> {
    let found = match options.schema.only_own && options.schema.complete {
        true => deployed_by_others(backend, &options.version).map_err(|error| opening_failed(path, error))?,
        false => None,
    };
    let refuse = |found| OpenError::OtherDeploy { path: path.into(), found, own: options.version.clone() };
    found.map_or(Ok(()), |found| Err(refuse(found)))
}

fn deployed_by_others(backend: &mut dyn Backend, version: &str) -> Result<Option<String>, BackendError> {
    match has_table(backend, "orchestrator_db_deployments")? {
        true => adopt::deployed_by_others(backend, version),
        false => Ok(None),
    }
}

/// What `read` finds in the table that only we create; `None` in a database that we never opened.
fn if_ours<T>(
    backend: &mut dyn Backend,
    read: fn(&mut dyn Backend) -> Result<T, BackendError>,
) -> Result<Option<T>, BackendError> {
    if has_table(backend, "orchestrator_backend_meta")? { read(backend).map(Some) } else { Ok(None) }
}

/// A service of the original leaves a fresh row in `node_health`. Our own predecessor leaves one too, but its
/// token is noted, and the lock file proves that it is gone.
fn refuse_living_original(
    backend: &mut dyn Backend,
    path: &Path,
    options: &SqliteOptions,
) -> Result<(), OpenError> {
    let living = living_original(backend, options).map_err(|error| opening_failed(path, error))?;
    match living {
        None => Ok(()),
        Some((hostname, seen)) => Err(OpenError::OldProcess { hostname, age: options.now.since(seen) }),
    }
}

fn living_original(
    backend: &mut dyn Backend,
    options: &SqliteOptions,
) -> Result<Option<(String, Timestamp)>, BackendError> {
    if !has_table(backend, "node_health")? {
        return Ok(None);
    }
    let predecessor = if_ours(backend, adopt::last_opener)?.unwrap_or_default();
    // Early versions did not tell services from tools.
    let sql = "select count(*) from pragma_table_info('node_health') where name = 'extra_info'";
    let service = if backend.query_int(sql, &[])? > 0 { "extra_info = 'HttpMode'" } else { "1 = 1" };
    let sql = format!(
        "select hostname, last_seen_active from node_health \
         where {service} and last_seen_active > ? and token not in (?, ?)"
    );
    let oldest = options.now - adopt::OLD_PROCESS_LIFE;
    let values: [Value; 3] = [oldest.into(), (&options.node.token).into(), predecessor.into()];
    Ok(backend.query_first(&sql, &values)?.map(|mut row| (row.text(), row.time().unwrap_or_default())))
}

fn complete(
    backend: &mut dyn Backend,
    change: &[upgrade::Change],
    options: &SqliteOptions,
) -> Result<(), BackendError> {
    if options.schema.complete {
        upgrade::apply(backend, change)?;
    }
    upgrade::normalise(backend)?;
    adopt::close_orphans(backend, options.now)?;
    let deployed = options.schema.complete.then_some(options.version.as_str());
    adopt::note_opening(backend, &options.node, deployed, options.now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rows::NodeIdentity;

    #[test]
    fn a_disk_that_is_full_while_opening_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("o.db");
        let connection = Connection::open(&path).unwrap();
        connection.query_row("pragma max_page_count = 8", [], |_| Ok(())).unwrap();
        let busy_timeout = Duration::from_millis(10);
        let mut backend = SqliteBackend {
            connection,
            path: Some(path.clone()),
            busy_timeout,
            held: Vec::new(),
            _lock: None,
        };
        let node = NodeIdentity { hostname: "h".into(), token: "t".into() };
        let options = SqliteOptions::new(node, "1", Timestamp::from_millis(1_767_323_045_000));
        let error = prepare(&mut backend, &path, &options).unwrap_err();
        assert!(matches!(error, OpenError::Full { .. }), "{error:?}");
        assert!(!backend.is_in_transaction());
        assert!(!has_table(&mut backend, "node_health").unwrap(), "nothing half done remains");
    }
}
