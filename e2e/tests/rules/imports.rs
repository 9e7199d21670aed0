//! Who may import whom. A new arrow is a decision: change the table here in the same commit, with the reason.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::repository;
use serde_json::Value;

/// What each package may import of ours (`orchestrator-` left out), besides itself in tests.
const OURS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("config", &["core"]),
    ("wire", &["core"]),
    ("backend", &["core"]),
    ("mysql", &["core"]),
    ("tls", &[]),
    ("raft", &["core", "backend", "tls"]),
    ("http", &["core", "config", "wire", "tls"]),
    ("server", &["core", "config", "wire", "backend", "mysql", "raft", "http", "tls", "client"]),
    // It plays recoveries on the core and groups on the real raft.
    ("sim", &["core", "raft"]),
    ("client", &["wire", "tls"]),
    ("crds", &[]),
    ("operator", &["config", "wire", "crds"]),
    ("e2e", &["wire", "crds"]),
    // Stands in for a crate of the raft library's: see its DESIGN.md.
    ("base2histogram", &[]),
];

/// Which packages alone may import these crates.
const THEIRS: &[(&str, &[&str])] = &[
    ("openraft", &["raft"]),
    ("rusqlite", &["backend", "raft"]),
    ("mysql_async", &["backend", "mysql", "e2e"]),
    ("warp", &["http", "operator"]),
    ("kube", &["operator", "e2e", "crds"]),
    ("k8s-openapi", &["operator", "e2e", "crds"]),
    ("schemars", &["crds"]),
    // It may have to be exchanged: all YAML passes through crds/src/yaml.rs.
    ("serde_yaml", &["crds"]),
    ("tokio", &["tls", "backend", "mysql", "raft", "http", "server", "client", "operator", "sim", "e2e"]),
    ("prometheus", &["http", "server", "operator"]),
    ("clap", &["server", "client", "operator", "e2e"]),
];

/// The pure core: `alloc` and these.
const CORE_MAY_IMPORT: &[&str] = &["thiserror", "regex"];

fn packages() -> Result<Vec<Value>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .context("cargo metadata")?;
    ensure!(out.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout)?;
    metadata["packages"].as_array().cloned().context("metadata has packages")
}

fn short(name: &str) -> &str {
    name.strip_prefix("orchestrator-").unwrap_or(name)
}

/// Names of what a package imports outside its tests.
fn imports(package: &Value) -> Vec<String> {
    let all = package["dependencies"].as_array().cloned().unwrap_or_default();
    let shipped = all.iter().filter(|d| d["kind"] != "dev");
    shipped.filter_map(|d| d["name"].as_str().map(str::to_owned)).collect()
}

fn named(package: &Value) -> &str {
    short(package["name"].as_str().unwrap_or_default())
}

#[test]
fn our_crates_import_only_whom_the_table_allows() -> Result<()> {
    let mut wrong = Vec::new();
    for package in packages()? {
        let me = named(&package);
        let Some((_, allowed)) = OURS.iter().find(|(name, _)| *name == me) else {
            wrong.push(format!("{me} is not in the table"));
            continue;
        };
        let ours = imports(&package).into_iter().filter(|d| d.starts_with("orchestrator-"));
        wrong.extend(ours.filter(|d| !allowed.contains(&short(d))).map(|d| format!("{me} -> {d}")));
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn heavy_crates_stay_behind_the_crate_that_owns_them() -> Result<()> {
    let mut wrong = Vec::new();
    for package in packages()? {
        let me = named(&package);
        for import in imports(&package) {
            let owners = THEIRS.iter().find(|(name, _)| *name == import).map(|(_, owners)| *owners);
            if owners.is_some_and(|owners| !owners.contains(&me)) {
                wrong.push(format!("{me} -> {import}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn the_core_is_no_std_and_imports_next_to_nothing() -> Result<()> {
    let core = packages()?.into_iter().find(|p| named(p) == "core").context("there is a core")?;
    let more: Vec<String> =
        imports(&core).into_iter().filter(|d| !CORE_MAY_IMPORT.contains(&d.as_str())).collect();
    ensure!(more.is_empty(), "core imports {more:?}");
    let root = std::fs::read_to_string(repository().join("service/core/src/lib.rs"))?;
    ensure!(root.lines().any(|l| l.starts_with("#![") && l.contains("no_std")), "core is not no_std");
    Ok(())
}
