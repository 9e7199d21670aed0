//! Completes an existing database in place: adds what is missing, removes and renames nothing.
//!
//! The server commits each of these statements by itself. They only add, so an interrupted completion is gone
//! on with at the next opening.

use crate::error::BackendError;
use crate::port::Backend;

use super::catalogue::Catalogue;
use super::link::{Link, LinkError};
use super::wanted::{self, Table};

/// `ER_DUP_ENTRY`: old rows break a unique key that they were never checked against.
const DUPLICATE: u16 = 1062;

/// Adds what the database lacks.
pub(super) fn complete(link: &mut Link, present: &Catalogue) -> Result<(), LinkError> {
    for table in wanted::tables() {
        if present.has_table(&table.name) {
            add_columns(link, present, &table)?;
            add_keys(link, present, &table)?;
        } else {
            link.run(&table.sql)?;
        }
    }
    Ok(())
}

/// The first table or column that the database lacks.
pub(super) fn missing(present: &Catalogue) -> Option<String> {
    wanted::tables().into_iter().find_map(|Table { name, columns, .. }| {
        if !present.has_table(&name) {
            return Some(format!("table {name}"));
        }
        let column = columns.into_iter().find(|column| !present.has_column(&name, &column.name))?;
        Some(format!("column {} of table {name}", column.name))
    })
}

fn add_columns(link: &mut Link, present: &Catalogue, table: &Table) -> Result<(), LinkError> {
    let missing = table.columns.iter().filter(|column| !present.has_column(&table.name, &column.name));
    let additions: Vec<String> = missing.map(|column| format!("add column {}", column.definition)).collect();
    if additions.is_empty() {
        return Ok(());
    }
    // One statement: the table is rewritten once at most.
    link.run(&format!("alter table {} {}", table.name, additions.join(", ")))
}

fn add_keys(link: &mut Link, present: &Catalogue, table: &Table) -> Result<(), LinkError> {
    for key in table.keys.iter().filter(|key| !present.has_key(&table.name, &key.name)) {
        match link.run(&format!("alter table {} add {}", table.name, key.definition)) {
            Err(LinkError::Refused(error)) if error.code == DUPLICATE => {
                let (table, key) = (&table.name, &key.name);
                tracing::warn!(%error, table, key, "key left out: existing rows break it");
            }
            result => result?,
        }
    }
    Ok(())
}

/// Asks for each right that the service needs on each table, without touching a row: a missing one shows now,
/// not when a recovery is to be written down.
pub(super) fn rehearse(link: &mut Link) -> Result<(), LinkError> {
    for Table { name, columns, .. } in wanted::tables() {
        let column = &columns[0].name;
        link.run(&format!("insert into {name} select * from {name} where 1 = 0"))?;
        link.run(&format!("update {name} set {column} = {column} where 1 = 0"))?;
        link.run(&format!("delete from {name} where 1 = 0"))?;
    }
    Ok(())
}

/// Brings back the NULLs that a server that is not strict made of the original's snapshots.
///
/// Done at each opening, since the original may have been started again in between. In this order: the later
/// ones look at `end_recovery`.
const NORMALISED: [&str; 7] = [
    "update topology_recovery set end_recovery = null where end_recovery = '0000-00-00 00:00:00'",
    "update topology_recovery set acknowledged_at = null where acknowledged_at = '0000-00-00 00:00:00'",
    "update topology_recovery set successor_hostname = null where end_recovery is null and successor_hostname = ''",
    "update topology_recovery set successor_port = null where end_recovery is null and successor_port = 0",
    "update topology_recovery set successor_alias = null where end_recovery is null and successor_alias = ''",
    "update database_instance_downtime set end_timestamp = null where end_timestamp = '0000-00-00 00:00:00'",
    "update host_attributes set expire_timestamp = null where expire_timestamp = '0000-00-00 00:00:00'",
];

pub(super) fn normalise(backend: &mut dyn Backend) -> Result<(), BackendError> {
    NORMALISED.iter().try_for_each(|sql| backend.execute(sql, &[]).map(drop))
}
