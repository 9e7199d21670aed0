//! What is written twice in a chart: values, their schema, their table for readers, the version.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use orchestrator_crds::VALUES_SCHEMA;
use serde_json::Value;

use crate::{
    tools::{documents, text},
    tree,
};

/// Both charts.
pub(crate) const CHARTS: [&str; 2] = ["orchestrator-cluster", "orchestrator-operator"];

/// A key of `values.yaml` with what stands above it.
struct Row {
    path: String,
    default: String,
    meaning: String,
}

/// Keys that are explained, and those that hold a value and are not.
fn rows(values: &str) -> Result<(Vec<Row>, Vec<String>)> {
    let (mut rows, mut silent) = (Vec::new(), Vec::new());
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    // Below an explained object its parts need no words.
    let mut explained: Option<usize> = None;
    for line in values.lines() {
        let indent = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        if let Some(text) = trimmed.strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        let Some((key, value)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with('-')) else {
            comment.clear();
            continue;
        };
        parents.retain(|(at, _)| *at < indent);
        parents.push((indent, key.to_owned()));
        let path = parents.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(".");
        if explained.is_some_and(|at| indent <= at) {
            explained = None;
        }
        if !comment.is_empty() {
            let default =
                if value.trim().is_empty() { whole(values, &path)? } else { value.trim().to_owned() };
            let is_object = value.trim().is_empty();
            rows.push(Row { path, default, meaning: std::mem::take(&mut comment).join(" ") });
            if is_object {
                explained = Some(indent);
            }
        } else if !value.trim().is_empty() && explained.is_none() {
            silent.push(path);
        }
    }
    Ok((rows, silent))
}

/// An object of the values, on one line.
fn whole(values: &str, path: &str) -> Result<String> {
    let read: Vec<Value> = orchestrator_crds::yaml::from_str(values)?;
    let value = path.split('.').fold(&read[0], |value, key| &value[key]);
    Ok(serde_json::to_string(value)?)
}

fn table(rows: &[Row]) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let line =
        |row: &Row| format!("| `{}` | `{}` | {} |\n", row.path, cell(&row.default), cell(&row.meaning));
    let lines: String = rows.iter().map(line).collect();
    format!("| Value | Default | Meaning |\n|---|---|---|\n{lines}")
}

#[test]
fn every_value_is_explained_in_the_table_for_readers() -> Result<()> {
    for chart in CHARTS {
        let (rows, silent) = rows(&text(format!("charts/{chart}/values.yaml"))?)?;
        ensure!(silent.is_empty(), "{chart}: no comment above {silent:?}");
        tree::holds_between(&format!("charts/{chart}/README.md"), "values", &table(&rows))?;
    }
    Ok(())
}

/// Leaves of values, as far as the schema names them.
fn leaves(path: &str, value: &Value, schema: &Value, found: &mut BTreeSet<String>) {
    match (value.as_object(), schema["properties"].as_object()) {
        (Some(parts), Some(known)) if !parts.is_empty() => {
            for (key, part) in parts {
                leaves(&format!("{path}.{key}"), part, known.get(key).unwrap_or(&Value::Null), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// Leaves of a schema.
fn known(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(parts) => parts.iter().for_each(|(key, part)| known(&format!("{path}.{key}"), part, found)),
        None => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn values_and_their_schema_have_the_same_keys() -> Result<()> {
    for chart in CHARTS {
        let schema: Value = serde_json::from_str(&text(format!("charts/{chart}/values.schema.json"))?)?;
        let values = documents(format!("charts/{chart}/values.yaml"))?.remove(0);
        let (mut written, mut allowed) = (BTreeSet::new(), BTreeSet::new());
        leaves("", &values, &schema, &mut written);
        known("", &schema, &mut allowed);
        // What a parent chart passes on; and the object's own spec has its defaults elsewhere.
        allowed.retain(|path| path != ".global" && !path.starts_with(".cluster."));
        written.retain(|path| !path.starts_with(".cluster."));
        // Values may hold all of what the schema tells part by part, and the other way round.
        let differ = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
            let near = |path: &str| {
                b.iter().any(|other| {
                    other.starts_with(&format!("{path}.")) || path.starts_with(&format!("{other}."))
                })
            };
            a.iter().filter(|path| !b.contains(*path) && !near(path)).cloned().collect()
        };
        let (more, fewer) = (differ(&written, &allowed), differ(&allowed, &written));
        ensure!(
            more.is_empty() && fewer.is_empty(),
            "{chart}: not in the schema {more:?}, not in the values {fewer:?}"
        );
    }
    Ok(())
}

/// Objects that name their parts and let others pass.
fn lax(path: &str, schema: &Value, found: &mut Vec<String>) {
    if schema["properties"].is_object() && schema["additionalProperties"] != false {
        found.push(path.to_owned());
    }
    for (key, part) in schema["properties"].as_object().into_iter().flatten() {
        lax(&format!("{path}.{key}"), part, found);
    }
    if schema["items"].is_object() {
        lax(&format!("{path}[]"), &schema["items"], found);
    }
}

#[test]
fn schemas_let_no_unknown_key_pass_where_they_name_some() -> Result<()> {
    for chart in CHARTS {
        let schema: Value = serde_json::from_str(&text(format!("charts/{chart}/values.schema.json"))?)?;
        let mut found = Vec::new();
        lax("", &schema, &mut found);
        ensure!(found.is_empty(), "{chart}: {found:?}");
    }
    Ok(())
}

#[test]
fn the_schema_of_a_group_s_values_is_that_of_its_spec() -> Result<()> {
    let current = text(VALUES_SCHEMA)?;
    tree::holds(VALUES_SCHEMA, &orchestrator_crds::values_schema(&current)?)
}

#[test]
fn charts_have_the_version_of_the_workspace_and_ask_for_the_kubernetes_that_the_definition_was_made_for()
-> Result<()> {
    let workspace = text("Cargo.toml")?;
    let line = workspace.lines().find(|line| line.starts_with("k8s-openapi")).context("k8s-openapi")?;
    let minor = line
        .split("\"v1_")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .context("a version of Kubernetes")?;
    for chart in CHARTS {
        let about = documents(format!("charts/{chart}/Chart.yaml"))?.remove(0);
        for key in ["version", "appVersion"] {
            ensure!(
                about[key] == env!("CARGO_PKG_VERSION"),
                "charts/{chart}/Chart.yaml: {key} {}",
                about[key]
            );
        }
        ensure!(about["kubeVersion"] == format!(">=1.{minor}.0-0"), "{chart}: {}", about["kubeVersion"]);
    }
    Ok(())
}

#[test]
fn copies_of_generated_files_are_fresh() -> Result<()> {
    for (path, wanted) in orchestrator_crds::copies()? {
        tree::holds(path, &wanted)?;
    }
    Ok(())
}

#[test]
fn a_value_without_words_is_noticed() -> Result<()> {
    let (rows, silent) = rows("# An a.\na:\n  # A b.\n  b: 1\n  c: 2\nd: 3\n")?;
    let paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    ensure!(
        paths == ["a", "a.b"] && rows[0].default == r#"{"b":1,"c":2}"# && silent == ["d"],
        "{paths:?} {silent:?}"
    );
    Ok(())
}
