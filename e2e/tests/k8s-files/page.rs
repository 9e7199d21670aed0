//! `docs/kubernetes.md` against the closed lists of what an operator says.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use orchestrator_crds::{ConditionType, verb};

use crate::tools::text;

const PAGE: &str = "docs/kubernetes.md";

/// Condition, status and reason of each row of the page's table.
fn told(page: &str) -> BTreeSet<[String; 3]> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows = page.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.filter(|row| row.len() == 5).map(|row| [row[0].clone(), row[1].clone(), row[2].clone()]).collect()
}

#[test]
fn every_reason_of_every_condition_has_a_row_and_no_row_tells_of_another() -> Result<()> {
    let told = told(&text(PAGE)?);
    let all = ConditionType::ALL.iter().flat_map(|condition| {
        condition
            .reasons()
            .map(|(reason, status)| [condition.to_string(), status.to_string(), reason.to_string()])
    });
    let all: BTreeSet<[String; 3]> = all.collect();
    let (missing, invented): (Vec<_>, Vec<_>) =
        (all.difference(&told).collect(), told.difference(&all).collect());
    ensure!(
        missing.is_empty() && invented.is_empty(),
        "{PAGE}: no row for {missing:#?}; invented {invented:#?}"
    );
    Ok(())
}

#[test]
fn every_verb_by_annotation_is_told_of() -> Result<()> {
    let page = text(PAGE)?;
    let silent: Vec<&&str> = verb::ALL.iter().filter(|verb| !page.contains(**verb)).collect();
    ensure!(silent.is_empty(), "{PAGE} tells nothing of {silent:?}");
    Ok(())
}
