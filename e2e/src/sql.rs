//! Connections of the stories' own: the application's account over TCP, and root over the server's socket.
//!
//! A connection whose statement timed out is dropped and never used again: the driver would hand the late answer
//! to the next caller.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, OptsBuilder};

use crate::lab::Server;

/// Account of the application in every lab.
const APP_USER: &str = "app";
/// Its password; a lab is local and short-lived.
const APP_PASSWORD: &str = "app_password";
/// Both set, the driver asks the server nothing after the login.
const MAX_PACKET: usize = 16 * 1024 * 1024;
const WAIT_TIMEOUT_S: usize = 28_800;

/// Runs `future` to its end on a small runtime of this thread.
///
/// # Panics
/// When called from inside a runtime, or when the machine is out of file descriptors.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a single-threaded runtime needs only a few file descriptors")
        .block_on(future)
}

fn base() -> OptsBuilder {
    OptsBuilder::default()
        .prefer_socket(false)
        .max_allowed_packet(Some(MAX_PACKET))
        .wait_timeout(Some(WAIT_TIMEOUT_S))
        .stmt_cache_size(0)
        .tcp_nodelay(true)
}

/// Options of the application over TCP, as a real client connects.
#[must_use]
pub fn as_app(server: &Server) -> OptsBuilder {
    base()
        .ip_or_hostname(server.host.clone())
        .tcp_port(server.port)
        .user(Some(APP_USER))
        .pass(Some(APP_PASSWORD))
}

/// Options of root over the unix socket: works whatever has been done to the network.
#[must_use]
pub fn as_root(server: &Server) -> OptsBuilder {
    base().user(Some("root")).socket(Some(server.socket.display().to_string()))
}

/// Connects within `limit`.
///
/// # Errors
/// Refused, timed out, or the login failed.
pub async fn connect(opts: OptsBuilder, limit: Duration) -> Result<Conn> {
    tokio::time::timeout(limit, Conn::new(opts)).await.context("connect timed out")?.context("connect")
}

/// Rows of one statement as root, on a connection of its own.
///
/// # Errors
/// No connection, an error of the server, or no answer within `limit`.
pub fn rows<T>(server: &Server, sql: &str, limit: Duration) -> Result<Vec<T>>
where
    T: FromRow + Send + 'static,
{
    block_on(async {
        let mut conn = connect(as_root(server), limit).await?;
        let rows = tokio::time::timeout(limit, conn.query(sql)).await.context("no answer")?;
        rows.with_context(|| format!("{}: {sql}", server.letter))
    })
}

/// Runs statements as root that leave no trace in the binary log.
///
/// # Errors
/// As [`rows`].
pub fn unlogged(server: &Server, statements: &[&str]) -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(5);
    block_on(async {
        let mut conn = connect(as_root(server), LIMIT).await?;
        for statement in ["SET SESSION sql_log_bin = 0"].iter().chain(statements) {
            let done = tokio::time::timeout(LIMIT, conn.query_drop(*statement)).await.context("no answer")?;
            done.with_context(|| format!("{}: {statement}", server.letter))?;
        }
        Ok(())
    })
}

/// Whether the server takes writes from ordinary accounts (`@@global.read_only = 0`).
///
/// # Errors
/// As [`rows`].
pub fn writable(server: &Server) -> Result<bool> {
    let rows: Vec<i64> = rows(server, "select @@global.read_only", Duration::from_secs(2))?;
    Ok(rows.first() == Some(&0))
}
