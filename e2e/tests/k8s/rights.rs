//! What the operator may do, what it asks for, and what it never asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_crds::verb;
use orchestrator_e2e::k8s::{Cluster, Orc, Story};
use serde_json::{Value, json};

use crate::support::{BACK_WITHIN, NAMESPACE, OPERATOR, grown_replaced_and_rolled, smallest};

/// The operator's account.
const ACCOUNT: &str = "--as=system:serviceaccount:orchestrator-system:orchestrator-operator";
const DONE_WITHIN: Duration = Duration::from_secs(240);
/// What everybody may who has a name.
const EVERYBODYS: [&str; 3] = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];
/// What the audit log of a lab is called.
const AUDIT: &str = "/var/log/audit.json";

/// `verb resource`, with what stands below an object: `create pods/eviction`.
type Rights = BTreeSet<String>;

/// What the roles of the chart grant, in these.
fn granted(cluster: &Cluster, roles: &str, arguments: &[&str]) -> Result<Rights> {
    let get = ["get", roles, "-l", OPERATOR, "-o", "json"];
    let list: Value = serde_json::from_str(&cluster.kubectl(&[&get, arguments].concat(), "")?)?;
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let items = list["items"].as_array().into_iter().flatten();
    // The other two are for people.
    let ours = items.filter(|role| !role["metadata"]["labels"].to_string().contains("aggregate-to"));
    let mut rights = Rights::new();
    for rule in ours.flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default()) {
        for resource in words(&rule["resources"]) {
            rights.extend(words(&rule["verbs"]).iter().map(|verb| format!("{verb} {resource}")));
        }
    }
    Ok(rights)
}

/// What the API server says that the account may in a namespace.
fn may(cluster: &Cluster, namespace: &str) -> Result<Rights> {
    let shown =
        cluster.kubectl(&["auth", "can-i", "--list", "--no-headers", "-n", namespace, ACCOUNT], "")?;
    let mut rights = Rights::new();
    for line in shown.lines().filter(|line| !line.starts_with(' ')) {
        let resource = line.split_whitespace().next().context("a resource")?;
        let verbs = line.rsplit_once('[').context("verbs")?.1.trim_end_matches(']');
        // `statefulsets.apps`, `orchestratorclusters.orchestrator.rs/status`
        let (name, below) =
            resource.split_once('/').map_or((resource, None), |(name, below)| (name, Some(below)));
        let plain = name.split('.').next().unwrap_or(name);
        let resource = below.map_or(plain.to_owned(), |below| format!("{plain}/{below}"));
        if !EVERYBODYS.contains(&plain) {
            rights.extend(verbs.split_whitespace().map(|verb| format!("{verb} {resource}")));
        }
    }
    Ok(rights)
}

/// What would be ruin in the hands of somebody who took the operator over.
const FORBIDDEN: &[&[&str]] = &[
    &["get", "secrets", "-A"],
    &["delete", "secret", "x"],
    &["run", "x", "--image=x", "--dry-run=server"],
    &["create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--user=x", "--dry-run=server"],
    &["create", "token", "default"],
    &["label", "nodes", "--all", "a=b", "--dry-run=server"],
    &["delete", "orc", "x"],
    &["delete", "nodes", "--all", "--dry-run=server"],
];

/// Real kubelets; what is asked is asked in the name of the operator's account.
#[test]
fn c08_the_account_of_the_operator_may_what_its_roles_say_and_nothing_else() -> Result<()> {
    let story = Story::begin("C08", "in the operator's name: what is granted, what is refused")?;
    let cluster = story.space.cluster;
    let wide = granted(cluster, "clusterroles", &[])?;
    ensure!(wide.contains("create pods/eviction"), "{wide:#?}");
    let here = may(cluster, &story.space.name)?;
    let difference: Vec<&String> = here.symmetric_difference(&wide).collect();
    ensure!(difference.is_empty(), "the server and the role differ: {difference:#?}");
    let own = granted(cluster, "roles", &["-n", NAMESPACE])?;
    let there = may(cluster, NAMESPACE)?;
    let both: Rights = wide.union(&own).cloned().collect();
    let difference: Vec<&String> = there.symmetric_difference(&both).collect();
    ensure!(difference.is_empty(), "in its own namespace: {difference:#?}");
    let mut done = Vec::new();
    for asked in FORBIDDEN {
        let arguments = [&["-n", &story.space.name, ACCOUNT][..], asked].concat();
        match cluster.kubectl(&arguments, "") {
            Err(error)
                if format!("{error:#}").contains("Forbidden")
                    || format!("{error:#}").contains("forbidden") => {}
            other => done.push(format!("{asked:?}: {other:?}")),
        }
    }
    ensure!(done.is_empty(), "{done:#?}");
    story.note(&format!("{} rights, {} attempts refused", both.len(), FORBIDDEN.len()));
    story.done();
    Ok(())
}

/// Rights that no call of a life without accidents shows, each with its reason.
const SPARE: &[(&str, &str)] = &[
    (
        "update orchestratorclusters/finalizers",
        "where OwnerReferencesPermissionEnforcement is on, for children",
    ),
    ("create podmonitors", "where the Prometheus operator is known: X03"),
    ("patch podmonitors", "the same"),
    ("delete podmonitors", "the same"),
];

/// What somebody did, by the log: verbs as roles call them; and what was not granted since then. Whatever an apply makes
/// is created too.
///
/// Before, somebody may have taken the roles away on purpose. What a namespace refuses that is being deleted is no
/// question of rights.
fn used(log: &str, since: &str) -> Result<(Rights, Vec<String>)> {
    let (mut used, mut forbidden) = (Rights::new(), Vec::new());
    for line in log.lines() {
        let event: Value = serde_json::from_str(line)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let resource = [text(&object["resource"]), text(&object["subresource"])].join("/");
        let resource = resource.trim_end_matches('/');
        let (verb, code) = (text(&event["verb"]), &event["responseStatus"]["code"]);
        if verb == "patch" && *code == 201 {
            used.insert(format!("create {resource}"));
        }
        used.insert(format!("{verb} {resource}"));
        let decision = &event["annotations"]["authorization.k8s.io/decision"];
        if decision == "forbid" && text(&event["requestReceivedTimestamp"]).as_str() >= since {
            forbidden.push(format!("{verb} {resource}: {}", event["responseStatus"]["message"]));
        }
    }
    Ok((used, forbidden))
}

/// A life of an object that uses what an operator may: everything that it can make is made and taken away again.
fn whole_life(story: &Story) -> Result<()> {
    let mut spec = smallest();
    spec["networkPolicy"] = json!({"enabled": true});
    spec["monitoring"] = json!({"podMonitor": {"enabled": true}});
    let orc = Orc::ready(&story.space, "main", &spec)?;
    grown_replaced_and_rolled(story, &orc, DONE_WITHIN)?;
    orc.set(&json!({"networkPolicy": {"enabled": false}, "monitoring": {"podMonitor": {"enabled": false}},
        "podDisruptionBudget": {"enabled": false}}))?;
    orc.wait_ready(DONE_WITHIN)?;
    orc.set(&json!({"storage": {"size": "2Gi"}}))?;
    orc.wait_ready(DONE_WITHIN)?;
    let leader = orc.members().leader()?.pod;
    let next = if leader == "main-0" { "main-1" } else { "main-0" };
    orc.annotate(verb::TRANSFER_LEADER_TO, next)?;
    orc.wait_for("the wish for another leader taken away", DONE_WITHIN, |orc| {
        let notes = orc.metadata.annotations.clone().unwrap_or_default();
        (!notes.contains_key(verb::TRANSFER_LEADER_TO)).then_some(())
    })?;
    orc.members().settled(3, BACK_WITHIN).map(drop)
}

/// Real kubelets; the operator in its pods. Only a lab has the log.
#[test]
fn e30_the_operator_asks_for_nothing_that_it_may_not_and_for_all_that_it_may() -> Result<()> {
    let story = Story::begin("E30", "audit log of the operator: nothing forbidden, no right unused")?;
    let cluster = story.space.cluster;
    let log = || cluster.machines().and_then(|lab| lab.run("control", &["cat", AUDIT]));
    if log().is_err() {
        story.left_out("needs a lab with an audit log");
        return Ok(());
    }
    let born = ["get", "namespace", &story.space.name, "-o", "jsonpath={.metadata.creationTimestamp}"];
    let since = cluster.kubectl(&born, "")?;
    whole_life(&story)?;
    let (used, forbidden) = used(&log()?, &since)?;
    ensure!(!used.is_empty(), "the audit log is empty");
    ensure!(forbidden.is_empty(), "{forbidden:#?}");
    let wide = granted(cluster, "clusterroles", &[])?;
    let own = granted(cluster, "roles", &["-n", NAMESPACE])?;
    let unused: Vec<&String> = wide.union(&own).filter(|right| !used.contains(*right)).collect();
    story.note(&format!("{} rights used; not used: {unused:#?}", used.len()));
    let without: Vec<&&String> =
        unused.iter().filter(|right| !SPARE.iter().any(|(spare, _)| spare == *right)).collect();
    ensure!(without.is_empty(), "granted, and never asked for: {without:#?}");
    story.done();
    Ok(())
}
