//! The operator is installed, by chart and by manifests, where the strictest pod security holds; and where the
//! Prometheus operator is known.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use orchestrator_e2e::k8s::{Cluster, Orc, READY_WITHIN, Space, Story, image};
use orchestrator_e2e::{repository, until};
use serde_json::{Value, json};

use crate::support::{BACK_WITHIN, NAMESPACE, OPERATOR, Reinstall, helm, installed, operator, smallest};

const RELEASE: &str = "orchestrator-operator";
const CHART: &str = "charts/orchestrator-operator";
const GONE_WITHIN: &str = "--timeout=60s";
/// Of the Prometheus operator.
const MONITORS: &str = "podmonitors.monitoring.coreos.com,servicemonitors.monitoring.coreos.com,prometheusrules.monitoring.coreos.com";

/// Takes the operator away with its namespace; objects and their definition stay.
fn uninstalled(cluster: &Cluster) -> Result<()> {
    helm(cluster, &["uninstall", RELEASE, "--ignore-not-found", "--wait"])?;
    cluster.kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found", GONE_WITHIN], "").map(drop)
}

/// The operator's namespace, where pods that ask for too much are refused, and whoever asks for them is warned.
fn strict_namespace(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["create", "namespace", NAMESPACE], "")?;
    let [enforce, warn] =
        ["enforce", "warn"].map(|mode| format!("pod-security.kubernetes.io/{mode}=restricted"));
    cluster.kubectl(&["label", "namespace", NAMESPACE, &enforce, &warn], "").map(drop)
}

/// What the API server remarks about a StatefulSet of the members' pods, after `change`.
fn remarks_about_pods(space: &Space, change: impl Fn(&mut Value)) -> Result<String> {
    let mut set = json!(space.get::<StatefulSet>("main")?.context("there is one")?);
    set["metadata"] = json!({"name": "judged"});
    set["apiVersion"] = json!("apps/v1");
    set["kind"] = json!("StatefulSet");
    change(&mut set["spec"]["template"]["spec"]);
    let arguments = ["-n", &space.name, "create", "--dry-run=server", "-f", "-"];
    space.cluster.remarks(&arguments, &set.to_string())
}

/// A group comes to be, and its pods are as the strictest pod security wants them.
fn a_group_without_remarks(space: &Space) -> Result<()> {
    let orc = Orc::ready(space, "main", &smallest())?;
    orc.members().settled(3, BACK_WITHIN)?;
    let remarks = remarks_about_pods(space, |_| ())?;
    ensure!(remarks.is_empty(), "{remarks}");
    let careless = remarks_about_pods(space, |pod| pod["securityContext"]["runAsNonRoot"] = json!(false))?;
    ensure!(careless.contains("would violate PodSecurity"), "nobody looks: {careless:?}");
    Ok(())
}

/// The manifests, with the images that the nodes have.
fn manifests() -> Result<String> {
    let text = std::fs::read_to_string(repository().join("manifests/install.yaml"))?;
    let version = env!("CARGO_PKG_VERSION");
    let ours = std::env::var("OPERATOR_IMAGE").unwrap_or_else(|_| format!("{RELEASE}:{version}"));
    let text = text.replace(&format!("image: {RELEASE}:{version}"), &format!("image: {ours}"));
    Ok(text.replace(&format!("value: orchestrator:{version}"), &format!("value: {}", image())))
}

/// Real kubelets; the operator in its pods. Warnings are those of Pod Security Admission and all others.
#[test]
fn e01_chart_and_manifests_install_without_a_warning_where_restricted_is_enforced() -> Result<()> {
    let story =
        Story::alone("E01", "chart, then manifests, where restricted is enforced: no warning, ready")?;
    let cluster = story.space.cluster;
    let reinstall = Reinstall(cluster);
    uninstalled(cluster)?;
    strict_namespace(cluster)?;
    let remarks = installed()?;
    ensure!(remarks.is_empty(), "the chart: {remarks}");
    a_group_without_remarks(&story.space)?;
    story.note("the chart, and a group of it");

    uninstalled(cluster)?;
    let (text, apply) = (manifests()?, ["apply", "--server-side", "--force-conflicts", "-f", "-"]);
    let first = cluster.remarks(&apply, &text)?;
    cluster.kubectl(&["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/warn=restricted"], "")?;
    // The namespace is in the same file: nobody was warned before it was there.
    let second = cluster.remarks(&apply, &text)?;
    ensure!(first.is_empty() && second.is_empty(), "the manifests: {first}{second}");
    operator(cluster, &["rollout", "status", "deployment", "-l", OPERATOR, "--timeout=90s"])?;
    let other = Space::new("e01-manifests")?;
    a_group_without_remarks(&other)?;
    story.note("the manifests, and a group of them");

    let ours = ["-l", OPERATOR, "--ignore-not-found", GONE_WITHIN];
    cluster.kubectl(&[&["delete", "clusterroles,clusterrolebindings"], &ours[..]].concat(), "")?;
    let policies = "validatingadmissionpolicies,validatingadmissionpolicybindings";
    cluster.kubectl(&["delete", policies, "-l", "app.kubernetes.io/name=orchestrator", GONE_WITHIN], "")?;
    uninstalled(cluster)?;
    // Before others have their turn.
    drop(reinstall);
    story.done();
    Ok(())
}

/// Takes the definitions of the Prometheus operator away, and what is of them.
struct WithoutMonitors<'c>(&'c Cluster);

impl Drop for WithoutMonitors<'_> {
    fn drop(&mut self) {
        for definition in MONITORS.split(',') {
            let gone = self.0.kubectl(&["delete", "crd", definition, "--ignore-not-found", GONE_WITHIN], "");
            if let Err(error) = gone {
                eprintln!("{definition} is still there: {error:#}");
            }
        }
    }
}

/// Real kubelets; the operator in its pods. The definitions are those of the Prometheus operator; it does not run.
#[test]
fn x03_monitors_are_made_where_their_definitions_are_and_do_no_harm_where_they_are_not() -> Result<()> {
    let story =
        Story::alone("X03", "PodMonitor, ServiceMonitor, PrometheusRule: without and with definitions")?;
    let cluster = story.space.cluster;
    let Ok(machines) = cluster.machines() else {
        story.left_out("needs a cluster that may be given definitions of others");
        return Ok(());
    };
    let mut spec = smallest();
    spec["monitoring"] = json!({"podMonitor": {"enabled": true, "labels": {"release": "prometheus"}}});
    let orc = Orc::ready(&story.space, "main", &spec)?;
    story.note("ready where nobody knows a PodMonitor");
    let reinstall = Reinstall(cluster);
    let on = ["metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true"];
    let upgrade = ["upgrade", RELEASE, CHART, "--reuse-values", "--wait", "--set", on[0], "--set", on[1]];
    let refused = helm(cluster, &upgrade).err().context("the chart made what nobody knows")?;
    ensure!(format!("{refused:#}").contains("ServiceMonitor"), "{refused:#}");

    let without = WithoutMonitors(cluster);
    machines.define_monitors()?;
    let remarks = helm(cluster, &upgrade)?;
    ensure!(remarks.is_empty(), "{remarks}");
    for kind in ["servicemonitor", "prometheusrule"] {
        operator(cluster, &["get", kind, RELEASE])?;
    }
    // It looks for new definitions every five minutes, and when it starts.
    operator(cluster, &["rollout", "restart", "deployment", "-l", OPERATOR])?;
    operator(cluster, &["rollout", "status", "deployment", "-l", OPERATOR, "--timeout=90s"])?;
    let monitor = || story.space.kubectl(&["get", "podmonitor", "main", "-o", "json"]);
    let made = until("a PodMonitor", READY_WITHIN, || monitor().map_err(|error| format!("{error:#}")))?;
    let made: Value = serde_json::from_str(&made)?;
    ensure!(made["metadata"]["labels"]["release"] == "prometheus", "{made:#}");
    ensure!(made["spec"]["podMetricsEndpoints"][0]["port"] == "probe", "{made:#}");
    orc.set(&json!({"monitoring": {"podMonitor": {"enabled": false}}}))?;
    until("no PodMonitor", Duration::from_secs(60), || match monitor() {
        Err(error) if format!("{error:#}").contains("NotFound") => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    orc.wait_ready(BACK_WITHIN)?;
    drop(reinstall);
    drop(without);
    story.done();
    Ok(())
}
