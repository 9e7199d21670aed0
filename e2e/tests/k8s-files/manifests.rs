//! `install.yaml` and the folders of kustomize, as far as that needs no program.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::repository;
use serde_json::Value;

use crate::tools::documents;

/// Kind, namespace and name.
pub(crate) type Id = (String, String, String);

pub(crate) fn id(document: &Value) -> Id {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = &document["metadata"];
    (text(&document["kind"]), text(&about["namespace"]), text(&about["name"]))
}

/// Documents by what they are; two of the same are an error.
pub(crate) fn by_id(documents: Vec<Value>) -> Result<BTreeMap<Id, Value>> {
    let mut found = BTreeMap::new();
    for document in documents {
        let id = id(&document);
        ensure!(!id.0.is_empty() && !id.2.is_empty(), "no kind or no name: {document}");
        ensure!(found.insert(id.clone(), document).is_none(), "{id:?} is there twice");
    }
    Ok(found)
}

/// Whether two sets of documents are the same; else the first that differs.
pub(crate) fn same(one: Vec<Value>, other: Vec<Value>, what: &str) -> Result<()> {
    let (one, other) = (by_id(one)?, by_id(other)?);
    let names = |all: &BTreeMap<Id, Value>| all.keys().cloned().collect::<BTreeSet<_>>();
    let differ: Vec<Id> = names(&one).symmetric_difference(&names(&other)).cloned().collect();
    ensure!(differ.is_empty(), "{what}: only on one side {differ:?}");
    for (id, document) in one {
        ensure!(document == other[&id], "{what}: {id:?} differs:\n{document:#}\n{:#}", other[&id]);
    }
    Ok(())
}

/// What `base/kustomization.yaml` lists, in its order.
pub(crate) fn base() -> Result<Vec<Value>> {
    let list = documents("manifests/base/kustomization.yaml")?.remove(0);
    let files = list["resources"].as_array().context("resources")?;
    let mut all = Vec::new();
    for file in files {
        all.extend(documents(format!("manifests/base/{}", file.as_str().context("a name")?))?);
    }
    Ok(all)
}

#[test]
fn one_file_holds_all_of_the_base() -> Result<()> {
    same(documents("manifests/install.yaml")?, base()?, "manifests/install.yaml")
}

#[test]
fn what_others_need_comes_first() -> Result<()> {
    let kinds: Vec<String> =
        documents("manifests/install.yaml")?.iter().map(|document| id(document).0).collect();
    let at = |kind: &str| kinds.iter().position(|k| k == kind).with_context(|| format!("no {kind}"));
    ensure!(at("Namespace")? == 0 && at("CustomResourceDefinition")? == 1, "{kinds:?}");
    ensure!(
        at("ServiceAccount")? < at("Deployment")? && at("ClusterRoleBinding")? < at("Deployment")?,
        "{kinds:?}"
    );
    Ok(())
}

#[test]
fn every_file_of_a_kustomization_is_listed() -> Result<()> {
    let folders = [
        "base",
        "overlays/namespaced",
        "components/prometheus",
        "components/grafana",
        "components/networkpolicy",
    ];
    for folder in folders {
        let list = documents(format!("manifests/{folder}/kustomization.yaml"))?.remove(0);
        let listed: BTreeSet<&str> =
            list["resources"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for entry in std::fs::read_dir(repository().join("manifests").join(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            ensure!(
                name == "kustomization.yaml" || listed.contains(&*name),
                "manifests/{folder}/{name} is listed nowhere"
            );
        }
    }
    Ok(())
}

#[test]
fn no_image_is_of_a_registry_that_is_not_the_reader_s_own() -> Result<()> {
    for document in documents("manifests/install.yaml")? {
        let pod = &document["spec"]["template"]["spec"];
        for container in pod["containers"].as_array().into_iter().flatten() {
            let image = container["image"].as_str().unwrap_or_default();
            ensure!(image == format!("orchestrator-operator:{}", env!("CARGO_PKG_VERSION")), "{image}");
        }
    }
    Ok(())
}
