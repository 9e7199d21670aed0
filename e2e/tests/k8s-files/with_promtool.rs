//! Alerts as Prometheus reads them, and when they wake somebody.

use std::process::Command;

use anyhow::Result;
use orchestrator_e2e::repository;

use crate::tools::{promtool, said};

fn prove(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(promtool()?);
    command.args(arguments).current_dir(repository());
    said(command)
}

#[test]
fn alerts_are_rules() -> Result<()> {
    prove(&["check", "rules", "--lint=all", "--lint-fatal", "charts/orchestrator-operator/files/alerts.yaml"])
        .map(drop)
}

#[test]
fn alerts_wake_somebody_when_they_should_and_nobody_else() -> Result<()> {
    prove(&["test", "rules", "e2e/tests/k8s-files/alerts_test.yaml"]).map(drop)
}
