#![doc = include_str!("../DESIGN.md")]

pub mod api;
pub mod commands;
pub mod dice;
pub mod disk;
pub mod group;
pub mod hosts;
pub mod intent;
pub mod k8s;
pub mod lab;
mod line;
pub mod looks;
pub mod names;
pub mod narrate;
pub mod oracle;
mod post;
pub mod process;
pub mod soak;
pub mod sql;
pub mod until;
pub mod watch;
pub mod writer;

pub use api::{Api, Reply};
pub use disk::SmallDisk;
pub use group::{Group, GroupPlan, Node};
pub use hosts::Hosts;
pub use lab::{Flavor, Lab, LabPlan, Server};
pub use names::Names;
pub use until::{holds, until};
pub use watch::{Overlap, WritableWatch};
pub use writer::{Ledger, Outcome, Write, Writer, WriterPlan};

use std::path::PathBuf;

/// The repository's root folder.
#[must_use]
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}

/// The server under test: `ORCHESTRATOR_BIN`, else the development build in the target folder.
///
/// # Errors
/// When there is no such file; the message says how to build it.
pub fn server_binary() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("ORCHESTRATOR_BIN")
        .map_or_else(|| repository().join("target/debug/orchestrator"), PathBuf::from);
    if path.is_file() {
        return Ok(path);
    }
    anyhow::bail!("{} is not there; build it: cargo build -p orchestrator-server", path.display())
}

/// The client under test: that of the debug build, or what `ORCHESTRATOR_CLIENT_BIN` names.
///
/// # Errors
/// When it was not built.
pub fn client_binary() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("ORCHESTRATOR_CLIENT_BIN")
        .map_or_else(|| repository().join("target/debug/orchestrator-client"), PathBuf::from);
    if path.is_file() {
        return Ok(path);
    }
    anyhow::bail!("{} is not there; build it: cargo build -p orchestrator-client", path.display())
}
