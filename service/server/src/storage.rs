//! The node's own database: opening the one that the configuration names.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use orchestrator_backend::{
    Backend, BackendHandle, BackendThread, Durability, MySqlBackend, MySqlOptions, MySqlTls, NodeIdentity,
    Password, SchemaPolicy, SqliteBackend, SqliteOptions,
};
use orchestrator_config::{BackendSettings, MysqlBackend, Settings};
use orchestrator_core::{InstanceKey, TopologyView};

use crate::clock;

/// How long reading what was known before may take.
const LOAD_DEADLINE: Duration = Duration::from_secs(60);

/// Opens the backend and starts its threads. The text names it for people: a path, or `host:port`.
///
/// Blocks: for as long as a server takes to answer.
///
/// # Errors
/// It cannot be opened; the text says why and what to do.
pub(crate) fn open(
    settings: &Settings,
    node: &NodeIdentity,
) -> anyhow::Result<(BackendHandle, BackendThread, String)> {
    let (backend, name): (Box<dyn Backend>, String) = match &settings.backend {
        BackendSettings::Sqlite { file } => {
            let durability = if settings.raft.is_some() { Durability::LogBehind } else { Durability::Alone };
            let options = SqliteOptions::new(node.clone(), env!("CARGO_PKG_VERSION"), clock::now());
            let options = SqliteOptions { durability, schema: schema(settings), ..options };
            let backend = SqliteBackend::open(file, &options).context("cannot open the backend")?;
            (Box::new(backend), file.display().to_string())
        }
        BackendSettings::Mysql(server) => {
            ensure!(
                !server.host.is_empty() && !server.database.is_empty(),
                "BackendDB is \"mysql\", the default: write MySQLOrchestratorHost and MySQLOrchestratorDatabase, \
                 or \"BackendDB\": \"sqlite\" and \"SQLite3DataFile\""
            );
            let options = MySqlOptions { schema: schema(settings), ..options(server, node) };
            let backend = MySqlBackend::open(&options).context("cannot open the backend")?;
            (Box::new(backend), format!("{}:{}", server.host, server.port))
        }
    };
    let (handle, thread) = BackendHandle::start(backend).context("cannot start the backend's threads")?;
    Ok((handle, thread, name))
}

fn schema(settings: &Settings) -> SchemaPolicy {
    SchemaPolicy { complete: settings.schema.complete, only_own: settings.schema.only_own }
}

fn options(server: &MysqlBackend, node: &NodeIdentity) -> MySqlOptions {
    let (secret, process) = (
        Password::new(server.password.reveal().as_str()),
        (node.clone(), env!("CARGO_PKG_VERSION"), clock::now()),
    );
    let tls = &server.tls;
    MySqlOptions {
        tls: server.use_tls.then(|| MySqlTls {
            skip_verify: tls.skip_verify,
            ca_file: tls.authority.clone(),
            cert_file: tls.certificate.clone(),
            key_file: tls.private_key.clone(),
        }),
        connect_timeout: server.connect_timeout,
        read_timeout: server.read_timeout,
        max_connections: server.connections_max,
        connection_lifetime: server.connection_lifetime,
        // 0 and less: what the server says.
        max_allowed_packet: usize::try_from(server.max_allowed_packet).ok().filter(|bytes| *bytes > 0),
        reject_read_only: server.reject_read_only,
        ..MySqlOptions::new(
            (server.host.as_str(), server.port),
            server.database.as_str(),
            (server.user.as_str(), secret),
            process,
        )
    }
}

/// What was known before the process started: instances, and who declared what about them.
///
/// # Errors
/// It cannot be read.
pub(crate) async fn load(backend: &BackendHandle) -> anyhow::Result<(TopologyView, Vec<InstanceKey>)> {
    let (rows, discovered, declared) = backend
        .read(LOAD_DEADLINE, |backend| Ok((backend.instances()?, backend.discovered()?, backend.declared()?)))
        .await
        .context("cannot read what was known before")?;
    let mut view = TopologyView::default();
    view.declared = Arc::new(declared);
    let mut known: Vec<InstanceKey> = discovered;
    for row in rows {
        known.push(row.record.instance.key.clone());
        view.insert((*row.record).clone());
    }
    known.sort();
    known.dedup();
    Ok((view, known))
}
