//! An operator of a story's own: a process of this machine, which reaches the API server through a [`Between`].

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use super::between::Between;
use super::plain::image;
use super::space::Space;
use crate::process::Process;
use crate::repository;

/// Lines of its log that a failed story shows.
const LOG_TAIL: usize = 60;

/// It looks after one namespace, and ends when this is dropped.
pub struct Operator {
    // Before the door, which it would miss.
    _process: Process,
    /// What it asks, and what becomes of it.
    pub between: Between,
    folder: TempDir,
}

/// The operator under test: that of the debug build, or what `ORCHESTRATOR_OPERATOR_BIN` names.
fn binary() -> Result<PathBuf> {
    let named = std::env::var_os("ORCHESTRATOR_OPERATOR_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| repository().join("target/debug/orchestrator-operator"));
    if !path.is_file() {
        bail!("{} is not there; build it: cargo build -p orchestrator-operator", path.display());
    }
    Ok(path)
}

impl Operator {
    /// Starts one that looks after `space` alone. Pods have to be routed from this machine, and no other operator may
    /// look after this namespace.
    ///
    /// # Errors
    /// When the binary is missing.
    pub fn start(space: &Space, between: Between) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = format!("http://127.0.0.1:{}", between.port);
        let named = |what: &str, value| json!([{"name": "story", what: value}]);
        let way = json!({"apiVersion": "v1", "kind": "Config", "current-context": "story",
            "clusters": named("cluster", json!({"server": server})),
            "users": named("user", json!({})),
            "contexts": named("context", json!({"cluster": "story", "user": "story"}))});
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, way.to_string())?;
        let (binary, image) = (binary()?.display().to_string(), image());
        let command = [
            binary.as_str(),
            "--watch-namespaces",
            &space.name,
            "--leader-election",
            "false",
            "--listen",
            "127.0.0.1:0",
            "--default-image",
            &image,
        ];
        let env = [("KUBECONFIG".to_owned(), kubeconfig.display().to_string())];
        let process = Process::spawn(&command, &env, &folder.path().join("log")).context("the operator")?;
        Ok(Self { _process: process, between, folder })
    }

    /// The end of its log.
    #[must_use]
    pub fn told(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}
