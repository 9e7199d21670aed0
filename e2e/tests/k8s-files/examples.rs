//! The examples: read as what they are, without a word that nobody would understand.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use orchestrator_crds::{API_VERSION, KIND, OrchestratorCluster};
use orchestrator_e2e::repository;
use serde_json::Value;

use crate::tools::{documents, text};

/// Names of the files, sorted.
pub(crate) fn names() -> Result<Vec<String>> {
    let folder = repository().join("manifests/examples");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The OrchestratorCluster of an example.
pub(crate) fn cluster(name: &str) -> Result<Value> {
    let all = documents(format!("manifests/examples/{name}"))?;
    let mut clusters = all.into_iter().filter(|document| document["kind"] == KIND);
    let cluster = clusters.next().with_context(|| format!("{name} has no {KIND}"))?;
    ensure!(clusters.next().is_none(), "{name} has two");
    Ok(cluster)
}

/// Paths of `wished` that are not in `read`.
fn lost(path: &str, wished: &Value, read: &Value, found: &mut Vec<String>) {
    match (wished, read) {
        (Value::Object(wished), Value::Object(read)) => {
            for (key, part) in wished {
                lost(&format!("{path}.{key}"), part, read.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(wished), Value::Array(read)) if wished.len() == read.len() => {
            wished
                .iter()
                .zip(read)
                .for_each(|(wished, read)| lost(&format!("{path}[]"), wished, read, found));
        }
        _ if wished == read => {}
        _ => found.push(format!("{path}: {wished} is read as {read}")),
    }
}

#[test]
fn every_word_of_an_example_is_understood() -> Result<()> {
    for name in names()? {
        let wished = cluster(&name)?;
        ensure!(wished["apiVersion"] == API_VERSION, "{name}: {}", wished["apiVersion"]);
        let read: OrchestratorCluster =
            serde_json::from_value(wished.clone()).with_context(|| name.clone())?;
        let mut found = Vec::new();
        lost("spec", &wished["spec"], &serde_json::to_value(&read)?["spec"], &mut found);
        ensure!(found.is_empty(), "{name}: {found:#?}");
    }
    Ok(())
}

#[test]
fn examples_have_names_of_their_own_and_are_told_of() -> Result<()> {
    let (mut seen, list) = (BTreeSet::new(), text("manifests/README.md")?);
    for name in names()? {
        ensure!(list.contains(&format!("| `{name}` |")), "manifests/README.md tells nothing of {name}");
        ensure!(
            text(format!("manifests/examples/{name}"))?.starts_with("# "),
            "{name} does not say what it is for"
        );
        let metadata = cluster(&name)?["metadata"].clone();
        ensure!(metadata["namespace"].is_null(), "{name}: the reader chooses the namespace");
        ensure!(
            seen.insert(metadata["name"].to_string()),
            "{name}: two examples have the name {}",
            metadata["name"]
        );
    }
    Ok(())
}

#[test]
fn what_an_example_needs_beside_it_brings_or_says() -> Result<()> {
    for name in names()? {
        let all = documents(format!("manifests/examples/{name}"))?;
        let brought: BTreeSet<&str> =
            all.iter().filter_map(|document| document["metadata"]["name"].as_str()).collect();
        let comment: String =
            text(format!("manifests/examples/{name}"))?.lines().take_while(|l| l.starts_with('#')).collect();
        let mut wanted = Vec::new();
        referenced(&cluster(&name)?["spec"], &mut wanted);
        let missing: Vec<&String> = wanted
            .iter()
            .filter(|n| !brought.contains(n.as_str()) && !comment.contains(n.as_str()))
            .collect();
        ensure!(missing.is_empty(), "{name} neither brings nor mentions {missing:?}");
    }
    Ok(())
}

/// Names below keys that end in `Ref` or `Refs`.
fn referenced(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(parts) => {
            for (key, part) in parts {
                let named = if key.ends_with("Ref") { part["name"].as_str() } else { None };
                found.extend(named.map(str::to_owned));
                referenced(part, found);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| referenced(part, found)),
        _ => {}
    }
}
