//! Charts and manifests on a real API server: `KUBECONFIG` names it.
//!
//! Not a part of `make test`, since it needs a cluster; nodes it does not need, and no image either: what is installed
//! here is looked at, not run. `cargo test -p orchestrator-e2e --test k8s-apply -- --test-threads=1`. It takes away what
//! it installs, but for the definition and the policies. What is installed holds for the whole cluster, so the tests
//! take turns.

#[path = "../k8s-files/tools.rs"]
#[allow(dead_code, reason = "the other binary uses more of it")]
mod tools;

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use orchestrator_crds::{CRD_NAME, yaml};
use orchestrator_e2e::{repository, until};
use serde_json::Value;

use tools::{chart, helm, kubectl, rendered, said};

/// Of the operator, as in the manifests.
const NAMESPACE: &str = "orchestrator-system";
const RELEASE: &str = "orchestrator-operator";
/// A server takes policies into account some seconds after they were applied.
const POLICIES_HOLD_WITHIN: Duration = Duration::from_secs(30);
/// Deletion of a namespace with what is in it.
const GONE_WITHIN: &str = "--timeout=60s";

/// The cluster, for one test at a time.
struct Cluster {
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    fn take() -> Result<Self> {
        static ONE: Mutex<()> = Mutex::new(());
        let _turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        // The cluster of somebody's daily work is no place for this.
        ensure!(std::env::var_os("KUBECONFIG").is_some(), "set KUBECONFIG to that of a cluster for tests");
        let cluster = Self { _turn };
        cluster.clear()?;
        Ok(cluster)
    }

    /// Takes away what a test may have left.
    fn clear(&self) -> Result<()> {
        let _ = helm_says(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait"])?;
        must(&["delete", "namespace", NAMESPACE, "probe-a", "--ignore-not-found", GONE_WITHIN]).map(drop)
    }

    fn install(&self, more: &[&str]) -> Result<String> {
        self.deploy(&chart(RELEASE).display().to_string(), more)
    }

    fn deploy(&self, chart: &str, more: &[&str]) -> Result<String> {
        let base = [
            "upgrade",
            "--install",
            RELEASE,
            chart,
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--take-ownership",
        ];
        let output = helm_says(&[&base, more].concat())?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

fn helm_says(arguments: &[&str]) -> Result<Output> {
    Command::new(helm()?).args(arguments).output().context("helm")
}

/// Runs a program with a text to read.
fn fed(mut command: Command, input: &str) -> Result<Output> {
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| shown.clone())?;
    let mut stdin = child.stdin.take().context("it is piped")?;
    // Who does not read says why on the other channel.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().context(shown)
}

fn ask(arguments: &[&str], input: &str) -> Result<Output> {
    let mut command = Command::new(kubectl()?);
    command.arg("--request-timeout=20s").args(arguments);
    fed(command, input)
}

/// What kubectl printed; it must have ended well.
fn must(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(kubectl()?);
    command.args(arguments);
    said(command)
}

/// What the server remarks when it takes `input`; `to` are more arguments.
fn remarks(input: &str, what: &str, to: &[&str]) -> Result<String> {
    let apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];
    let output = ask(&[&apply, to].concat(), input)?;
    let remarks = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{what}: {remarks}");
    Ok(remarks)
}

fn version_of_the_definition() -> Result<String> {
    must(&[
        "get",
        "crd",
        CRD_NAME,
        "--output",
        r"jsonpath={.metadata.annotations.orchestrator\.rs/crd-version}",
    ])
}

fn established() -> Result<()> {
    must(&["wait", "--for=condition=Established", &format!("crd/{CRD_NAME}"), "--timeout=30s"]).map(drop)
}

#[test]
fn every_example_is_taken_by_the_server() -> Result<()> {
    let cluster = Cluster::take()?;
    cluster.install(&[])?;
    established()?;
    must(&["create", "namespace", "probe-a"])?;
    for entry in fs::read_dir(repository().join("manifests/examples"))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let remarks = remarks(&text, &path.display().to_string(), &["--namespace", "probe-a"])?;
        // The example of one member says so too.
        let meant =
            path.ends_with("single.yaml") && remarks.contains("one member alone tolerates no failure");
        ensure!(remarks.is_empty() || meant, "{}: {remarks}", path.display());
    }
    Ok(())
}

#[test]
fn all_that_charts_render_is_taken_where_restricted_is_enforced() -> Result<()> {
    let cluster = Cluster::take()?;
    cluster.install(&[])?;
    established()?;
    must(&[
        "label",
        "namespace",
        NAMESPACE,
        "pod-security.kubernetes.io/enforce=restricted",
        "pod-security.kubernetes.io/warn=restricted",
    ])?;
    must(&["create", "namespace", "a"]).and_then(|_| must(&["create", "namespace", "b"])).map(drop).or_else(
        |error| {
            if format!("{error:#}").contains("AlreadyExists") { Ok(()) } else { Err(error) }
        },
    )?;
    let all_on = repository().join("e2e/tests/k8s-files/all-on.yaml").display().to_string();
    let all = rendered("x", RELEASE, &["--namespace", NAMESPACE, "--values", &all_on])?;
    let one = rendered(
        "main",
        "orchestrator-cluster",
        &["--set", "ingress.enabled=true,ingress.host=a.example.net"],
    )?;
    // Of the Prometheus operator, which is not a part of Kubernetes.
    let known =
        all.iter().chain(&one).filter(|document| document["apiVersion"] != "monitoring.coreos.com/v1");
    for document in known {
        let remarks = remarks(&document.to_string(), &document["kind"].to_string(), &[])?;
        ensure!(remarks.is_empty(), "{} {}: {remarks}", document["kind"], document["metadata"]["name"]);
    }
    must(&["delete", "namespace", "a", "b", "--wait=false"]).map(drop)
}

#[test]
fn the_manifests_are_taken_as_they_are() -> Result<()> {
    let _cluster = Cluster::take()?;
    let install = repository().join("manifests/install.yaml").display().to_string();
    let applied = ask(&["apply", "--server-side", "--force-conflicts", "-f", &install], "")?;
    let remarks = String::from_utf8_lossy(&applied.stderr).into_owned();
    ensure!(applied.status.success() && remarks.is_empty(), "{remarks}");
    established()?;
    let removed = must(&[
        "delete",
        "-f",
        &install,
        "--selector",
        "app.kubernetes.io/name=orchestrator-operator",
        GONE_WITHIN,
    ])?;
    ensure!(removed.contains("deployment.apps"), "{removed}");
    Ok(())
}

#[test]
fn an_upgrade_of_the_chart_upgrades_the_definition() -> Result<()> {
    let cluster = Cluster::take()?;
    let older = tempfile::tempdir()?;
    let copy = older.path().join(RELEASE);
    must_copy(&chart(RELEASE).display().to_string(), &copy.display().to_string())?;
    let file = copy.join("templates/crds/orchestratorclusters.yaml");
    let text = fs::read_to_string(&file)?;
    let version = concat!("orchestrator.rs/crd-version: ", env!("CARGO_PKG_VERSION"));
    ensure!(text.contains(version) && text.contains("    - orcs\n"));
    fs::write(
        &file,
        text.replace(version, "orchestrator.rs/crd-version: 0.0.1").replace("    - orcs\n", ""),
    )?;
    cluster.deploy(&copy.display().to_string(), &[])?;
    ensure!(version_of_the_definition()? == "0.0.1");
    cluster.install(&[])?;
    ensure!(version_of_the_definition()? == env!("CARGO_PKG_VERSION"), "{}", version_of_the_definition()?);
    let names = must(&["get", "crd", CRD_NAME, "--output", "jsonpath={.spec.names.shortNames}"])?;
    ensure!(names.contains("orcs"), "{names}");
    Ok(())
}

fn must_copy(from: &str, to: &str) -> Result<()> {
    let mut command = Command::new("cp");
    command.args(["--recursive", from, to]);
    said(command).map(drop)
}

const MAIN: &str = r#"{"apiVersion": "orchestrator.rs/v1alpha1", "kind": "OrchestratorCluster",
    "metadata": {"name": "main", "namespace": "probe-a"}, "spec": {"deletionProtection": true}}"#;

#[test]
fn uninstalling_keeps_the_definition_and_every_object() -> Result<()> {
    let cluster = Cluster::take()?;
    cluster.install(&[])?;
    established()?;
    must(&["create", "namespace", "probe-a"])?;
    let created = ask(&["apply", "-f", "-"], &MAIN.replace("true", "false"))?;
    ensure!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let output = helm_says(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let left = must(&["get", "orc", "--namespace", "probe-a", "--output", "name"])?;
    ensure!(left.contains("/main"), "{left}");
    // And the namespace goes although nobody is there to finalize anything.
    must(&["delete", "namespace", "probe-a", GONE_WITHIN]).map(drop)
}

#[test]
fn policies_hold_that_the_chart_installs() -> Result<()> {
    let cluster = Cluster::take()?;
    cluster.install(&[])?;
    established()?;
    must(&["create", "namespace", "probe-a"])?;
    let key = MAIN.replace(r#"{"deletionProtection": true}"#, r#"{"config": {"raftnodes": ["a"]}}"#);
    until("the policy on keys", POLICIES_HOLD_WITHIN, || {
        let output =
            ask(&["create", "--dry-run=server", "-f", "-"], &key).map_err(|error| format!("{error:#}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("set spec.replicas") { Ok(()) } else { Err(said) }
    })?;
    ensure!(ask(&["create", "-f", "-"], MAIN)?.status.success());
    let refused = ask(&["delete", "orc", "main", "--namespace", "probe-a"], "")?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && said.contains("this OrchestratorCluster is protected"), "{said}");
    let open = r#"{"spec":{"deletionProtection":false}}"#;
    must(&["patch", "orc", "main", "--namespace", "probe-a", "--type=merge", "--patch", open])?;
    must(&["delete", "orc", "main", "--namespace", "probe-a"]).map(drop)
}

/// Verb and resource, and whether the operator may.
const MAY: &[(&str, &str, bool)] = &[
    ("list", "orchestratorclusters.orchestrator.rs", true),
    ("patch", "orchestratorclusters.orchestrator.rs/status", true),
    ("create", "statefulsets.apps", true),
    ("create", "pods/eviction", true),
    ("get", "secrets", true),
    ("list", "nodes", true),
    ("create", "orchestratorclusters.orchestrator.rs", false),
    ("delete", "orchestratorclusters.orchestrator.rs", false),
    ("create", "pods", false),
    ("create", "pods/exec", false),
    ("list", "secrets", false),
    ("delete", "secrets", false),
    ("create", "persistentvolumeclaims", false),
    ("patch", "nodes", false),
    ("escalate", "roles.rbac.authorization.k8s.io", false),
];

fn wrong_rights(namespace: &str, expected: impl Fn(bool) -> bool) -> Result<Vec<String>> {
    let who = format!("--as=system:serviceaccount:{NAMESPACE}:{RELEASE}");
    let mut wrong = Vec::new();
    for (verb, resource, may) in MAY {
        let (kind, part) = resource.split_once('/').unwrap_or((resource, ""));
        let part = format!("--subresource={part}");
        let output = ask(&["auth", "can-i", verb, kind, &part, &who, "--namespace", namespace], "")?;
        let can = String::from_utf8_lossy(&output.stdout).trim() == "yes";
        if can != expected(*may) {
            wrong.push(format!("{verb} {resource} in {namespace}: {can}"));
        }
    }
    Ok(wrong)
}

#[test]
fn the_server_grants_what_the_table_says() -> Result<()> {
    let cluster = Cluster::take()?;
    cluster.install(&[])?;
    let wrong = wrong_rights("default", |may| may)?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    cluster.install(&["--set", "watch.namespaces={default}"])?;
    let mut wrong = wrong_rights("default", |may| may)?;
    wrong.retain(|line| !line.contains("nodes"));
    wrong.extend(wrong_rights("kube-system", |_| false)?);
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn a_group_by_chart_is_the_object_that_was_wished() -> Result<()> {
    let cluster = Cluster::take()?;
    cluster.install(&[])?;
    established()?;
    let chart = chart("orchestrator-cluster").display().to_string();
    let wish = "cluster.replicas=5,cluster.storage.size=2Gi";
    let output = helm_says(&[
        "upgrade",
        "--install",
        "main",
        &chart,
        "--namespace",
        "probe-a",
        "--create-namespace",
        "--set",
        wish,
    ])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let notes = String::from_utf8(output.stdout)?;
    ensure!(notes.contains("no account of the MySQL and MariaDB servers is named"), "{notes}");
    let made: Value =
        serde_json::from_str(&must(&["get", "orc", "main", "--namespace", "probe-a", "--output", "json"])?)?;
    ensure!(made["spec"]["replicas"] == 5 && made["spec"]["storage"]["size"] == "2Gi", "{made:#}");
    let output = helm_says(&["uninstall", "main", "--namespace", "probe-a", "--wait"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let left: Vec<Value> =
        yaml::from_str(&must(&["get", "orc", "--namespace", "probe-a", "--output", "yaml"])?)?;
    ensure!(left[0]["items"].as_array().is_some_and(Vec::is_empty), "{left:?}");
    Ok(())
}
