//! What the operator may do: exactly this, in the role for all namespaces and in that for one.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{manifests::id, tools::documents};

/// API group, resource, verbs: in each namespace that is looked after.
const RIGHTS: &[(&str, &str, &str)] = &[
    ("orchestrator.rs", "orchestratorclusters", "list watch patch"),
    ("orchestrator.rs", "orchestratorclusters/status", "patch update"),
    ("orchestrator.rs", "orchestratorclusters/finalizers", "update"),
    ("apps", "statefulsets", "get list watch create patch delete"),
    ("", "pods", "list watch delete patch"),
    ("", "pods/eviction", "create"),
    ("", "persistentvolumeclaims", "list watch patch delete"),
    ("", "services", "get list watch create patch"),
    ("", "configmaps", "get list watch create patch delete"),
    ("", "serviceaccounts", "get list watch create patch"),
    ("", "secrets", "get create"),
    ("policy", "poddisruptionbudgets", "get list watch create patch delete"),
    ("networking.k8s.io", "networkpolicies", "get list watch create patch delete"),
    ("monitoring.coreos.com", "podmonitors", "get create patch delete"),
    ("events.k8s.io", "events", "create patch"),
];

/// What has no namespace.
const WIDE: &[(&str, &str, &str)] = &[
    ("apiextensions.k8s.io", "customresourcedefinitions", "get"),
    ("", "nodes", "list watch"),
    ("", "persistentvolumes", "list watch"),
    ("storage.k8s.io", "storageclasses", "get"),
];

/// In the operator's own namespace.
const OWN: &[(&str, &str, &str)] = &[("coordination.k8s.io", "leases", "get create update")];

type Right = (String, String, String);

fn wanted(tables: &[&[(&str, &str, &str)]]) -> BTreeSet<Right> {
    let rows = tables.iter().flat_map(|table| table.iter());
    rows.flat_map(|(group, resource, verbs)| {
        verbs.split(' ').map(|verb| ((*group).to_owned(), (*resource).to_owned(), verb.to_owned()))
    })
    .collect()
}

fn granted(role: &Value) -> BTreeSet<Right> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let verbs = texts(&rule["verbs"]).into_iter();
                rights.extend(verbs.map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    rights
}

fn role(documents: &[Value], kind: &str, name: &str) -> Result<Value> {
    let found = documents.iter().find(|document| id(document).0 == kind && id(document).2 == name);
    found.cloned().with_context(|| format!("no {kind} {name}"))
}

fn exactly(role: &Value, tables: &[&[(&str, &str, &str)]]) -> Result<()> {
    let (granted, wanted) = (granted(role), wanted(tables));
    let more: Vec<&Right> = granted.difference(&wanted).collect();
    let fewer: Vec<&Right> = wanted.difference(&granted).collect();
    ensure!(more.is_empty() && fewer.is_empty(), "{:?}: too much {more:?}, too little {fewer:?}", id(role));
    Ok(())
}

#[test]
fn the_operator_has_exactly_the_rights_that_it_uses() -> Result<()> {
    let all = documents("manifests/base/rbac.yaml")?;
    exactly(&role(&all, "ClusterRole", "orchestrator-operator")?, &[RIGHTS, WIDE])?;
    exactly(&role(&all, "Role", "orchestrator-operator-lease")?, &[OWN])
}

#[test]
fn in_one_namespace_it_has_no_right_elsewhere() -> Result<()> {
    let all = documents("manifests/overlays/namespaced/role.yaml")?;
    exactly(&role(&all, "Role", "orchestrator-operator")?, &[RIGHTS])?;
    ensure!(all.iter().all(|document| !id(document).0.starts_with("Cluster")), "a right for all namespaces");
    Ok(())
}

#[test]
fn of_all_definitions_it_reads_one() -> Result<()> {
    let role = role(&documents("manifests/base/rbac.yaml")?, "ClusterRole", "orchestrator-operator")?;
    let rules = role["rules"].as_array().context("rules")?;
    let rule = rules.iter().find(|rule| rule["apiGroups"][0] == "apiextensions.k8s.io").context("a rule")?;
    ensure!(rule["resourceNames"] == serde_json::json!([orchestrator_crds::CRD_NAME]), "{rule}");
    Ok(())
}

#[test]
fn people_who_edit_cannot_write_the_status() -> Result<()> {
    let all = documents("manifests/base/rbac.yaml")?;
    exactly(
        &role(&all, "ClusterRole", "orchestrator-operator-view")?,
        &[&[("orchestrator.rs", "orchestratorclusters", "get list watch")]],
    )?;
    let edit: &[(&str, &str, &str)] = &[
        ("orchestrator.rs", "orchestratorclusters", "create update patch delete"),
        ("orchestrator.rs", "orchestratorclusters/scale", "get update patch"),
    ];
    exactly(&role(&all, "ClusterRole", "orchestrator-operator-edit")?, &[edit])
}
