//! Alerts and dashboard speak only of metrics that are exported.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::repository;
use serde_json::Value;

use crate::tools::{documents, text};

const ALERTS: &str = "charts/orchestrator-operator/files/alerts.yaml";
const DASHBOARD: &str = "charts/orchestrator-operator/files/dashboard.json";

/// Names of ours in an expression.
fn metrics(expression: &str, found: &mut BTreeSet<String>) {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    found.extend(words.filter(|word| word.starts_with("orchestrator_")).map(str::to_owned));
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(parts) => {
            for (key, part) in parts {
                let text = part.as_str().filter(|_| ["expr", "query", "definition"].contains(&key.as_str()));
                found.extend(text.map(str::to_owned));
                expressions(part, found);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| expressions(part, found)),
        _ => {}
    }
}

fn sources(folder: &Path, all: &mut String) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, all)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Whether `sources` name `metric` in a string, with or without what all names begin with. Histograms have three names.
fn is_exported(metric: &str, sources: &str) -> bool {
    let whole =
        ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(metric);
    [metric, whole].iter().any(|name| {
        let short =
            ["orchestrator_operator_", "orchestrator_"].iter().filter_map(|begin| name.strip_prefix(begin));
        std::iter::once(*name).chain(short).any(|name| sources.contains(&format!("\"{name}\"")))
    })
}

#[test]
fn every_metric_of_alerts_and_dashboard_is_exported() -> Result<()> {
    let mut found = Vec::new();
    expressions(&documents(ALERTS)?.remove(0), &mut found);
    expressions(&serde_json::from_str(&text(DASHBOARD)?)?, &mut found);
    let mut named = BTreeSet::new();
    found.iter().for_each(|expression| metrics(expression, &mut named));
    ensure!(named.len() > 10, "hardly any: {named:?}");
    let (mut operator, service) = (String::new(), text("service/http/src/metrics.rs")?);
    sources(&repository().join("operator/src"), &mut operator)?;
    let unknown: Vec<&String> = named
        .iter()
        .filter(|name| {
            !is_exported(name, if name.starts_with("orchestrator_operator_") { &operator } else { &service })
        })
        .collect();
    ensure!(unknown.is_empty(), "nobody exports {unknown:?}");
    Ok(())
}

#[test]
fn a_metric_that_nobody_exports_is_noticed() {
    let sources = r#"r.counter("recover_pending", …); "orchestrator_http_request_seconds""#;
    assert!(is_exported("orchestrator_recover_pending", sources));
    assert!(is_exported("orchestrator_http_request_seconds_bucket", sources));
    assert!(!is_exported("orchestrator_recover", sources));
}

#[test]
fn every_alert_says_what_is_wrong_and_what_to_do() -> Result<()> {
    let alerts = documents(ALERTS)?.remove(0);
    for group in alerts["groups"].as_array().context("groups")? {
        for rule in group["rules"].as_array().context("rules")? {
            let name = rule["alert"].as_str().context("only alerts")?;
            ensure!(rule["labels"]["severity"].is_string(), "{name} has no severity");
            for key in ["summary", "description"] {
                let text = rule["annotations"][key].as_str().unwrap_or_default();
                ensure!(text.split_whitespace().count() > 4, "{name}: {key}: {text}");
            }
            let page = text("docs/kubernetes.md")?;
            ensure!(page.contains(&format!("`{name}`")), "docs/kubernetes.md tells nothing of {name}");
        }
    }
    Ok(())
}

#[test]
fn panels_have_a_title_a_meaning_and_a_place_of_their_own() -> Result<()> {
    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)?)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let mut taken = BTreeSet::new();
    for panel in panels {
        ensure!(panel["title"].is_string(), "{panel}");
        let at = |key: &str| panel["gridPos"][key].as_u64().context("a place");
        for x in at("x")?..at("x")? + at("w")? {
            for y in at("y")?..at("y")? + at("h")? {
                ensure!(x < 24 && taken.insert((x, y)), "{}: the place is taken", panel["title"]);
            }
        }
    }
    Ok(())
}
