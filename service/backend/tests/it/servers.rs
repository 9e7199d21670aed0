//! Real servers of MySQL and MariaDB, as `tests/with-servers` brings them up.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use orchestrator_backend::{Backend, BackendError, Insert, MySqlBackend, MySqlOptions, Password, Row, Value};

use crate::support::{after, node, pass_on};

const HOW: &str =
    "no servers to test with: run service/backend/tests/with-servers cargo test -p orchestrator-backend";

/// The account that may do everything.
const USER: &str = "backend";
const PASSWORD: &str = "backend-secret";

/// One server of one of the labs.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// `LAB/LETTER`.
    name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The flavors that the suite runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flavor {
    MySql,
    MariaDb,
}

impl Flavor {
    pub(crate) const ALL: [Self; 2] = [Self::MySql, Self::MariaDb];

    fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql-9.7",
            Self::MariaDb => "mariadb-10.11",
        }
    }

    /// The server that lives as long as the tests.
    pub(crate) fn server(self) -> &'static Server {
        static SERVERS: [OnceLock<Server>; 2] = [OnceLock::new(), OnceLock::new()];
        SERVERS[self as usize].get_or_init(|| Server::find(self, "a"))
    }

    /// The server that tests kill and reconfigure, one after the other.
    pub(crate) fn victim(self) -> Victim {
        static TURNS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
        // A test that failed has let go of the server all the same.
        let turn = TURNS[self as usize].lock().unwrap_or_else(PoisonError::into_inner);
        Victim { server: Server::find(self, "b"), _turn: turn }
    }
}

/// A server of which one test disposes at a time.
pub(crate) struct Victim {
    pub(crate) server: Server,
    _turn: MutexGuard<'static, ()>,
}

fn lab(args: &[&str]) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/labs/mysql-lab");
    let out = Command::new(program).args(args).output().unwrap();
    assert!(out.status.success(), "mysql-lab {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

impl Server {
    fn find(flavor: Flavor, letter: &str) -> Self {
        let labs = std::env::var("ORCHESTRATOR_BACKEND_LABS").expect(HOW);
        let prefix = format!("{}=", flavor.name());
        let name = labs.split_whitespace().find_map(|entry| entry.strip_prefix(&prefix)).expect(HOW);
        let info: serde_json::Value = serde_json::from_str(&lab(&["info", name])).unwrap();
        let server = info.get("servers").unwrap_or(&info)[letter].clone();
        Self {
            name: format!("{name}/{letter}"),
            host: server["host"].as_str().unwrap().into(),
            port: server["port"].as_u64().unwrap().try_into().unwrap(),
        }
    }

    /// Options for a database that does not exist yet.
    pub(crate) fn options(&self, token: &str) -> MySqlOptions {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let database = format!("b{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let account = (USER, Password::new(PASSWORD));
        MySqlOptions::new((&*self.host, self.port), database, account, (node(token), "1.0", after(0)))
    }

    /// Runs statements as the account that may do everything; the rows of the last one as text.
    pub(crate) fn admin(&self, statements: &[&str]) -> Vec<Vec<String>> {
        let opts = OptsBuilder::default()
            .ip_or_hostname(self.host.clone())
            .tcp_port(self.port)
            .user(Some(USER))
            .pass(Some(PASSWORD))
            .prefer_socket(false);
        let work = async {
            let mut conn = Conn::new(opts).await.unwrap();
            let mut rows = Vec::new();
            for sql in statements {
                rows = conn.query::<mysql_async::Row, _>(*sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
            conn.disconnect().await.unwrap();
            let text = |value: mysql_async::Value| value.as_sql(true).trim_matches('\'').to_owned();
            rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect()
        };
        // A thread of its own: some tests are asynchronous.
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work)
        };
        thread::scope(|scope| scope.spawn(run).join()).unwrap()
    }

    fn empty(&self, database: &str) {
        let sql =
            format!("select table_name from information_schema.tables where table_schema = '{database}'");
        let tables = self.admin(&[&sql]).into_iter();
        let statements: Vec<String> =
            tables.map(|row| format!("delete from {database}.{}", row[0])).collect();
        self.admin(&statements.iter().map(String::as_str).collect::<Vec<_>>());
    }

    pub(crate) fn kill(&self) {
        lab(&["kill", &self.name, "-9"]);
    }

    pub(crate) fn start(&self) {
        lab(&["start", &self.name]);
    }
}

/// An empty database with the schema of this crate, out of a pool: creating one takes seconds, emptying one
/// does not. Outlives whoever uses it.
pub(crate) struct Lease {
    flavor: Flavor,
    options: MySqlOptions,
}

static POOLS: [Mutex<Vec<MySqlOptions>>; 2] = [Mutex::new(Vec::new()), Mutex::new(Vec::new())];

impl Lease {
    pub(crate) fn of(flavor: Flavor) -> Self {
        let (server, used) = (flavor.server(), POOLS[flavor as usize].lock().unwrap().pop());
        let options = match used {
            Some(options) => options,
            None => {
                let options = server.options("t");
                drop(MySqlBackend::open(&options).unwrap());
                options
            }
        };
        server.empty(&options.database);
        Self { flavor, options }
    }

    pub(crate) fn options(&self) -> MySqlOptions {
        self.options.clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        POOLS[self.flavor as usize].lock().unwrap().push(self.options.clone());
    }
}

/// A backend on a leased database.
struct Pooled {
    /// Dropped first: the lock goes with its connection, then others may take the database.
    backend: MySqlBackend,
    _lease: Lease,
}

impl Backend for Pooled {
    pass_on!(backend: execute query_each insert_all begin commit rollback is_in_transaction reader);
}

/// An empty database with the schema of this crate.
pub(crate) fn fresh(flavor: Flavor) -> Box<dyn Backend> {
    let lease = Lease::of(flavor);
    Box::new(Pooled { backend: MySqlBackend::open(&lease.options).unwrap(), _lease: lease })
}

pub(crate) fn mysql() -> Box<dyn Backend> {
    fresh(Flavor::MySql)
}

pub(crate) fn mariadb() -> Box<dyn Backend> {
    fresh(Flavor::MariaDb)
}
