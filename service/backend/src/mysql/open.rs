//! Opening a database: connect, check, complete, make it ours.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::Error;

use crate::adopt;
use crate::error::BackendError;
use crate::port::Backend;
use crate::schema;
use crate::value::Value;

use super::catalogue::Catalogue;
use super::errors::{
    DATABASE_DENIED, MySqlOpenError, UNKNOWN_DATABASE, denies_access, lacks_privilege, only_reads,
    runtime_error, said,
};
use super::link::LinkError;
use super::session::{self, Role, Server};
use super::{MySqlBackend, MySqlOptions, upgrade};

/// The oldest versions that we support: columns, types and statements of older ones were never tried.
const OLDEST_MYSQL: (u32, u32) = (5, 7);
const OLDEST_MARIADB: (u32, u32) = (10, 5);

pub(super) fn open(options: &MySqlOptions) -> Result<MySqlBackend, MySqlOpenError> {
    let failed = |error| opening_failed(options, error);
    let mut backend = MySqlBackend::disconnected(Arc::new(options.clone()), Role::Opens)
        .map_err(|error| failed(BackendError::Io(Box::new(error))))?;
    let server = connect(&mut backend, options)?;
    if is_too_old(&server.version) {
        return Err(MySqlOpenError::TooOld { place: options.place(), found: server.version });
    }
    backend.max_packet = server.max_packet;
    session::own(&mut backend.link, None, options).map_err(failed)?;
    let present = Catalogue::read(&mut backend.link).map_err(|error| failed(runtime_error(error)))?;
    refuse_newer(&mut backend, &present, options)?;
    refuse_living_original(&mut backend, &present, options)?;
    refuse_other_schemas(&mut backend, &present, options)?;
    complete(&mut backend, &present, options).map_err(failed)?;
    backend.role = Role::Writes { former: backend.link.id() };
    Ok(backend)
}

/// Connects, creating the database when there is none.
fn connect(backend: &mut MySqlBackend, options: &MySqlOptions) -> Result<Server, MySqlOpenError> {
    let refused = |error| no_connection(options, error);
    match dial(backend, options, Some(&options.database)) {
        Err(LinkError::Refused(error)) if error.code == UNKNOWN_DATABASE && options.schema.complete => {}
        result => return result.map_err(refused),
    }
    dial(backend, options, None).map_err(refused)?;
    let name = options.database.replace('`', "``");
    backend.link.run(&format!("create database if not exists `{name}`")).map_err(refused)?;
    dial(backend, options, Some(&options.database)).map_err(refused)
}

fn dial(
    backend: &mut MySqlBackend,
    options: &MySqlOptions,
    database: Option<&str>,
) -> Result<Server, LinkError> {
    backend.link.dial(session::connect_options(options, database), options.connect_timeout)?;
    session::configure(&mut backend.link, &backend.role)
}

/// What keeps us out of the server or of the database.
fn no_connection(options: &MySqlOptions, error: LinkError) -> MySqlOpenError {
    let (place, user) = (options.place(), options.user.clone());
    match error {
        LinkError::Lost(source) => MySqlOpenError::Unreachable { place, source },
        LinkError::Refused(error) if denies_access(error.code) => {
            MySqlOpenError::AccessDenied { place, user, source: said(error) }
        }
        LinkError::Refused(error) if matches!(error.code, DATABASE_DENIED | UNKNOWN_DATABASE) => {
            MySqlOpenError::NoDatabase { place, user, source: said(error) }
        }
        error => opening_failed(options, runtime_error(error)),
    }
}

/// The meaning of an error after the login.
fn opening_failed(options: &MySqlOptions, error: BackendError) -> MySqlOpenError {
    let (place, user) = (options.place(), options.user.clone());
    let code = server_code(&error);
    match error {
        BackendError::Away(source) => MySqlOpenError::Unreachable { place, source },
        BackendError::Locked(source) if code.is_none() => MySqlOpenError::InUse { place, source },
        BackendError::ReadOnly(source) if code.is_some_and(lacks_privilege) => {
            MySqlOpenError::MissingPrivilege { place, user, source }
        }
        BackendError::ReadOnly(source) if code.is_some_and(only_reads) => {
            MySqlOpenError::ReadOnly { place, source }
        }
        other => MySqlOpenError::Failed { place, source: Box::new(other) },
    }
}

/// The server's number of an error, if it is the server's.
fn server_code(error: &BackendError) -> Option<u16> {
    let source = std::error::Error::source(error)?;
    match source.downcast_ref::<Error>()? {
        Error::Server(error) => Some(error.code),
        _ => None,
    }
}

/// `true` for a version that is known to be older; one that cannot be read is tried.
fn is_too_old(version: &str) -> bool {
    // Behind some proxies MariaDB puts the version of its replication protocol in front.
    let own = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = own.split(['.', '-']).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    let oldest = if version.contains("MariaDB") { OLDEST_MARIADB } else { OLDEST_MYSQL };
    (major, minor) < oldest
}

fn refuse_newer(
    backend: &mut dyn Backend,
    present: &Catalogue,
    options: &MySqlOptions,
) -> Result<(), MySqlOpenError> {
    if !present.has_table("orchestrator_backend_meta") {
        return Ok(());
    }
    match adopt::newer_layout(backend).map_err(|error| opening_failed(options, error))? {
        Some(found) => Err(MySqlOpenError::Newer { found, known: schema::LAYOUT }),
        None => Ok(()),
    }
}

/// A service of the original leaves a fresh row in `node_health`. Our own predecessor leaves one too, but its
/// token is noted, and the lock proves that it is gone.
fn refuse_living_original(
    backend: &mut dyn Backend,
    present: &Catalogue,
    options: &MySqlOptions,
) -> Result<(), MySqlOpenError> {
    match living_original(backend, present, options).map_err(|error| opening_failed(options, error))? {
        None => Ok(()),
        Some((hostname, age)) => Err(MySqlOpenError::OldProcess { hostname, age }),
    }
}

fn living_original(
    backend: &mut dyn Backend,
    present: &Catalogue,
    options: &MySqlOptions,
) -> Result<Option<(String, Duration)>, BackendError> {
    if !present.has_table("node_health") {
        return Ok(None);
    }
    let ours = present.has_table("orchestrator_backend_meta");
    let predecessor = if ours { adopt::last_opener(backend)? } else { String::new() };
    // Early versions did not tell services from tools.
    let told = present.has_column("node_health", "extra_info");
    let service = if told { "extra_info = 'HttpMode'" } else { "1 = 1" };
    // The original writes the server's time, not its own.
    let sql = format!(
        "select hostname, timestampdiff(second, last_seen_active, now()) from node_health \
         where {service} and last_seen_active > now() - interval ? second and token not in (?, ?)"
    );
    let life = adopt::OLD_PROCESS_LIFE.as_secs();
    let values: [Value; 3] = [life.into(), (&options.node.token).into(), predecessor.into()];
    let found = backend.query_first(&sql, &values)?;
    Ok(found.map(|mut row| (row.text(), Duration::from_secs(row.unsigned()))))
}

/// A schema that lacks something and may not be completed, or that only other versions deployed.
fn refuse_other_schemas(
    backend: &mut dyn Backend,
    present: &Catalogue,
    options: &MySqlOptions,
) -> Result<(), MySqlOpenError> {
    let place = options.place();
    if !options.schema.complete {
        let missing = upgrade::missing(present);
        return missing.map_or(Ok(()), |what| Err(MySqlOpenError::Incomplete { place, what }));
    }
    if !options.schema.only_own || !present.has_table("orchestrator_db_deployments") {
        return Ok(());
    }
    let found = adopt::deployed_by_others(backend, &options.version);
    match found.map_err(|error| opening_failed(options, error))? {
        Some(found) => Err(MySqlOpenError::OtherDeploy { place, found, own: options.version.clone() }),
        None => Ok(()),
    }
}

fn complete(
    backend: &mut MySqlBackend,
    present: &Catalogue,
    options: &MySqlOptions,
) -> Result<(), BackendError> {
    if options.schema.complete {
        upgrade::complete(&mut backend.link, present).map_err(runtime_error)?;
    }
    let deployed = options.schema.complete.then_some(options.version.as_str());
    upgrade::rehearse(&mut backend.link).map_err(runtime_error)?;
    let backend: &mut dyn Backend = backend;
    backend.in_transaction(|backend| {
        upgrade::normalise(backend)?;
        adopt::close_orphans(backend, options.now)?;
        adopt::note_opening(backend, &options.node, deployed, options.now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_told_from_strange_ones() {
        for old in ["5.6.51-log", "5.5.5-10.4.32-MariaDB", "10.4.1-MariaDB"] {
            assert!(is_too_old(old), "{old}");
        }
        for good in ["5.7.44", "8.0.36", "9.7.4-2", "5.5.5-10.11.18-MariaDB-log", "12.1.0-MariaDB", "", "odd"]
        {
            assert!(!is_too_old(good), "{good}");
        }
    }
}
