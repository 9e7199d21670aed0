//! What a fresh connection is told before anything else, and how the database is made ours.
//!
//! The named lock lives on the writing connection itself. So whatever is written is written under it; it ends
//! with the connection, also that of a process that was killed; and a connection that we gave up while its last
//! statement still ran keeps the next one out until that statement has ended.

use std::thread;
use std::time::{Duration, Instant};

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use sha2::{Digest, Sha256};

use crate::error::BackendError;
use crate::value::Value;

use super::errors::{NO_SUCH_THREAD, runtime_error};
use super::link::{Link, LinkError};
use super::{MySqlOptions, MySqlTls};

/// Values that do not fit are errors. Zero dates of old tables are none.
pub(super) const STRICT: &str = "set sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";
/// Values that do not fit are cut.
pub(super) const LENIENT: &str = "set sql_mode = 'NO_ENGINE_SUBSTITUTION'";
/// All reads of a transaction are of one moment.
pub(super) const BEGIN: &str = "start transaction with consistent snapshot";

/// Prepared statements kept per connection: more than this crate has, batches in all their sizes included.
const STATEMENT_CACHE: usize = 128;

/// Largest packet that we read. Snapshots are read row by row; a row is a record of a recovery at most.
const MAX_PACKET: usize = 64 << 20;

/// Idle time after which the driver would distrust a connection; what is idle is tried before it is used.
const DRIVER_WAIT_SECONDS: usize = 28_800;

/// Idle time after which the server drops the connection that holds the lock, and the lock with it: what a
/// machine that vanished leaves behind. The service writes each second.
const OWNER_IDLE_SECONDS: u32 = 20;

/// How long a statement waits for rows or tables that somebody else has locked.
const LOCK_WAIT_SECONDS: u32 = 5;

/// Pause between two attempts at the lock.
const OWNERSHIP_RETRY: Duration = Duration::from_millis(20);

/// How long a connection that was ended may take to let go: its last transaction is taken back first.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Longest name of a lock.
const MAX_LOCK_NAME: usize = 64;

/// What a connection is for.
#[derive(Debug)]
pub(super) enum Role {
    /// It makes the database ours; should it break, opening has failed.
    Opens,
    /// It writes, and holds the lock.
    Writes {
        /// The server's number of the connection of this process that held the lock last.
        former: Option<u32>,
    },
    /// It only reads.
    Reads,
}

impl Role {
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::Reads)
    }
}

/// What is learned of a server with each connection.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) version: String,
    /// Bytes.
    pub(super) max_packet: usize,
}

/// Options of the driver; without a database for the connection that is to create it.
pub(super) fn connect_options(options: &MySqlOptions, database: Option<&str>) -> Opts {
    let builder = OptsBuilder::default()
        .ip_or_hostname(options.host.clone())
        .tcp_port(options.port)
        .db_name(database)
        .user(Some(options.user.clone()))
        .pass(Some(options.password.expose()))
        .prefer_socket(false)
        .max_allowed_packet(Some(MAX_PACKET))
        .wait_timeout(Some(DRIVER_WAIT_SECONDS))
        .stmt_cache_size(STATEMENT_CACHE)
        .tcp_nodelay(true)
        // A row that already had the new value counts too, as in SQLite.
        .client_found_rows(true)
        .connect_attribute("program_name", "orchestrator")
        .ssl_opts(options.tls.as_ref().map(ssl_options));
    builder.into()
}

fn ssl_options(tls: &MySqlTls) -> SslOpts {
    let mut ssl = SslOpts::default().with_danger_accept_invalid_certs(tls.skip_verify);
    if let Some(file) = &tls.ca_file {
        ssl = ssl.with_root_certs(vec![file.clone().into()]).with_disable_built_in_roots(true);
    }
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        ssl = ssl.with_client_identity(Some(ClientIdentity::new(cert.clone().into(), key.clone().into())));
    }
    ssl
}

/// Brings a fresh connection to an existing database into the state that all others were in.
pub(super) fn prepare(
    link: &mut Link,
    role: &mut Role,
    options: &MySqlOptions,
) -> Result<Server, BackendError> {
    let server = configure(link, role).map_err(runtime_error)?;
    if let Role::Writes { former } = role {
        own(link, *former, options)?;
        still_ours(link, options)?;
        *former = link.id();
    }
    Ok(server)
}

/// Sets what the server's own settings must not decide.
pub(super) fn configure(link: &mut Link, role: &Role) -> Result<Server, LinkError> {
    let mut settings = format!(
        "set names utf8mb4, autocommit = 1, time_zone = '+00:00', \
         innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, lock_wait_timeout = {LOCK_WAIT_SECONDS}"
    );
    if role.writes() {
        settings.push_str(&format!(", wait_timeout = {OWNER_IDLE_SECONDS}"));
    }
    link.run(&settings)?;
    link.run(STRICT)?;
    let access = if role.writes() { "read write" } else { "read only" };
    link.run(&format!("set session transaction isolation level repeatable read, {access}"))?;
    let mut rows = link.query("select @@version, @@max_allowed_packet", &[])?;
    let (version, max_packet) = rows.pop().map(|mut row| (row.text(), row.unsigned())).unwrap_or_default();
    Ok(Server { version, max_packet })
}

/// Takes the lock. A connection of this process that was given up is ended first, should it still hold it.
pub(super) fn own(link: &mut Link, former: Option<u32>, options: &MySqlOptions) -> Result<(), BackendError> {
    let name = Value::from(lock_name(&options.database));
    let mut patience = options.takeover_patience;
    let begun = Instant::now();
    loop {
        let held = ask(link, "select get_lock(?, 0)", &name)? != 1;
        if !held {
            return Ok(());
        }
        let holder = ask(link, "select is_used_lock(?)", &name)?;
        if former.is_some_and(|former| i64::from(former) == holder) {
            end(link, holder)?;
            patience = patience.max(KILL_PATIENCE);
        }
        if begun.elapsed() >= patience {
            return Err(BackendError::Locked(format!("connection {holder} of the server holds it").into()));
        }
        thread::sleep(OWNERSHIP_RETRY);
    }
}

fn ask(link: &mut Link, sql: &str, name: &Value) -> Result<i64, BackendError> {
    link.query_int(sql, std::slice::from_ref(name)).map_err(runtime_error)
}

/// Ends a connection of this account.
fn end(link: &mut Link, id: i64) -> Result<(), BackendError> {
    match link.run(&format!("kill {id}")) {
        Err(LinkError::Refused(error)) if error.code == NO_SUCH_THREAD => Ok(()),
        result => result.map_err(runtime_error),
    }
}

/// Between two connections of this process another one may have held the lock. Then what we remember and what
/// the database holds are no longer of one piece.
fn still_ours(link: &mut Link, options: &MySqlOptions) -> Result<(), BackendError> {
    let sql = "select count(*) from orchestrator_backend_meta \
               where meta_key = 'process_token' and meta_value = ?";
    if link.query_int(sql, &[(&options.node.token).into()]).map_err(runtime_error)? == 1 {
        return Ok(());
    }
    Err(BackendError::Locked("another process took it over while this one was disconnected".into()))
}

/// Locks belong to the whole server, databases do not.
fn lock_name(database: &str) -> String {
    let name = format!("orchestrator/{database}");
    if name.chars().count() <= MAX_LOCK_NAME {
        return name;
    }
    let digest = Sha256::digest(database);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("orchestrator/{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_has_a_lock_of_its_own_whatever_its_length() {
        let long = |last: char| format!("{}{last}", "d".repeat(63));
        assert_eq!(lock_name("orc"), "orchestrator/orc");
        assert!(lock_name(&long('a')).len() <= MAX_LOCK_NAME);
        assert_ne!(lock_name(&long('a')), lock_name(&long('b')));
    }
}
