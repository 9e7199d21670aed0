//! Programs that are there or not.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use orchestrator_crds::yaml;
use orchestrator_e2e::repository;
use serde_json::Value;

/// For which Kubernetes charts are rendered here: helm itself knows no better than a very old one.
pub(crate) const KUBERNETES: &str = "1.36.0";

/// Helm: what `HELM` names, on the path, or what the lab for Kubernetes built for itself.
pub(crate) fn helm() -> Result<PathBuf> {
    find("HELM", "helm")
}

/// kubectl, in the same way by `KUBECTL`.
pub(crate) fn kubectl() -> Result<PathBuf> {
    find("KUBECTL", "kubectl")
}

/// promtool; fetched on the first use.
pub(crate) fn promtool() -> Result<PathBuf> {
    let printed = said(Command::new(repository().join("e2e/labs/promtool")))?;
    Ok(PathBuf::from(printed.trim()))
}

fn find(variable: &str, name: &str) -> Result<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join(name));
    let found = named.into_iter().chain(of_the_lab(name)).chain(on_path).find(|program| program.is_file());
    found.with_context(|| {
        format!("{name} is not there: put it on the path, name it by {variable}, or build the lab: kube-lab install")
    })
}

/// Newest first.
fn of_the_lab(name: &str) -> Vec<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let Some(cache) = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home) else {
        return Vec::new();
    };
    let versions = std::fs::read_dir(cache.join("kube-lab")).into_iter().flatten().flatten();
    let mut programs: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    programs.sort();
    programs.reverse();
    programs
}

/// What a program printed; it must have ended well.
pub(crate) fn said(mut command: Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| shown.clone())?;
    ensure!(output.status.success(), "{shown}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// A folder of `charts`.
pub(crate) fn chart(name: &str) -> PathBuf {
    repository().join("charts").join(name)
}

/// What helm makes of a chart: release, chart, and more arguments.
pub(crate) fn template(release: &str, name: &str, more: &[&str]) -> Result<Output> {
    let mut command = Command::new(helm()?);
    command.args(["template", release]).arg(chart(name)).args(["--kube-version", KUBERNETES]);
    command.args(more).output().context("helm template")
}

/// The same as documents, hooks included.
pub(crate) fn rendered(release: &str, name: &str, more: &[&str]) -> Result<Vec<Value>> {
    let output = template(release, name, more)?;
    ensure!(output.status.success(), "{name} {more:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(yaml::from_str(&String::from_utf8(output.stdout)?)?)
}

/// A file of the tree.
pub(crate) fn text(path: impl AsRef<Path>) -> Result<String> {
    let path = repository().join(path);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The documents of a file of the tree.
pub(crate) fn documents(path: impl AsRef<Path>) -> Result<Vec<Value>> {
    let shown = path.as_ref().display().to_string();
    yaml::from_str(&text(path)?).context(shown)
}
