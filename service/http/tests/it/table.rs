//! The table of routes against the list of all routes of the reference.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect_file;
use orchestrator_http::{Access, SYNONYMS, rows};

/// All 225 templates with their flags.
const TEMPLATES: &str = include_str!("../golden/templates.txt");

/// Routes that the reference does not have.
const OURS: &[&str] = &["raft-events"];

fn reference() -> BTreeMap<&'static str, &'static str> {
    TEMPLATES
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(flags, template)| (template, flags))
        .collect()
}

#[test]
fn every_row_is_in_the_reference_with_these_flags() {
    let reference = reference();
    assert_eq!(reference.len(), 225);
    // What an operator posts is ours, and so are these.
    let ours = |row: &&orchestrator_http::Row| row.access == Access::Operator || OURS.contains(&row.template);
    for row in rows().filter(|row| !ours(row)) {
        assert_eq!(reference.get(row.template), Some(&row.flags()), "{}", row.template);
    }
}

#[test]
fn no_row_is_there_twice() {
    let mut seen = BTreeSet::new();
    for row in rows() {
        for name in [Some(row.template.to_owned()), row.synonym()].into_iter().flatten() {
            assert!(seen.insert(name.clone()), "{name}");
        }
    }
}

#[test]
fn synonyms_belong_to_routes_of_the_reference() {
    let reference = reference();
    for (name, synonym) in SYNONYMS {
        let is_of = |name: &str| reference.keys().any(|template| template.split('/').next() == Some(name));
        assert!(is_of(name), "{name}");
        assert!(!is_of(synonym), "{synonym}");
    }
}

/// What is served; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn served_routes_are_the_listed_ones() {
    let mut lines: Vec<String> = rows()
        .flat_map(|row| {
            let synonym = row.synonym().map(|synonym| format!("{} {synonym}", row.flags()));
            [Some(format!("{} {}", row.flags(), row.template)), synonym]
        })
        .flatten()
        .collect();
    lines.sort();
    expect_file!["../golden/served.txt"].assert_eq(&(lines.join("\n") + "\n"));
}
