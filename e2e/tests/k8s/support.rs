//! What several stories share.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::k8s::{Cluster, Member, Members, Orc, Story};
use orchestrator_e2e::until::until_every;
use orchestrator_e2e::{repository, until};
use serde_json::{Value, json};

/// Where the operator is installed.
pub(crate) const NAMESPACE: &str = "orchestrator-system";
/// Its pods and its Deployment.
pub(crate) const OPERATOR: &str = "app.kubernetes.io/name=orchestrator-operator";

/// From a deleted pod to a healthy member in its place: a minute is ten times what it takes.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks at members that are watched all the time: a pod that goes is away for seconds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The smallest spec: three members, everything else as it is by default but for what keeps stories waiting.
pub(crate) fn smallest() -> Value {
    json!({"replicas": 3, "update": {"minReadySeconds": 1}})
}

/// As [`smallest`], with so many members.
pub(crate) fn of(replicas: usize) -> Value {
    json!({"replicas": replicas, "update": {"minReadySeconds": 1}})
}

/// What every node of the group should know: `disabled` after somebody disabled recoveries.
pub(crate) const KNOWN: &str = "/api/check-global-recoveries";

/// Every member knows that recoveries are `wanted`: `enabled` or `disabled`.
pub(crate) fn everybody_knows(members: &Members<'_>, wanted: &str) -> Result<()> {
    until(&format!("everybody knows {wanted}"), BACK_WITHIN, || {
        let all = members.all().map_err(|error| format!("{error:#}"))?;
        let ignorant =
            all.iter().find(|m| !members.ask(m, KNOWN).is_ok_and(|reply| reply.body["Details"] == wanted));
        match ignorant {
            None => Ok(()),
            Some(member) => Err(format!("{} does not: {}", member.pod, members.told())),
        }
    })
}

/// Has a member lead whose node answers no questions for names, and answers that member.
///
/// When the leader and a name server are lost together, every second question of the others for an address is lost
/// too: that is another story than a partition.
pub(crate) fn lead_away_from_names(members: &Members<'_>) -> Result<Member> {
    let cluster = Cluster::get()?;
    let shown = ["get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o"];
    let nodes = cluster.kubectl(&[&shown[..], &["jsonpath={.items[*].spec.nodeName}"]].concat(), "")?;
    let names: Vec<&str> = nodes.split_whitespace().collect();
    let away = |m: &Member| m.node.as_deref().is_some_and(|node| !names.contains(&node));
    let wanted = members.all()?.into_iter().find(away).context("every member's node answers for names")?;
    until(&format!("{} leads", wanted.pod), BACK_WITHIN, || {
        let leader = members.leader().map_err(|error| format!("{error:#}"))?;
        if leader.pod == wanted.pod {
            return Ok(());
        }
        let to = members.status(&wanted).map_err(|error| format!("{error:#}"))?.status.raft_advertise;
        let answer = members.ask(&leader, &format!("/api/raft-yield/{to}"));
        Err(format!("{} leads; yield answered {answer:?}", leader.pod))
    })?;
    Ok(wanted)
}

/// No container was started again on its pod.
pub(crate) fn no_restarts(all: &[Member]) -> Result<()> {
    let restarted: Vec<&Member> = all.iter().filter(|member| member.restarts > 0).collect();
    ensure!(restarted.is_empty(), "restarted: {restarted:?}");
    Ok(())
}

/// Runs `kubectl` where the operator is.
pub(crate) fn operator(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    cluster.kubectl(&[&["-n", NAMESPACE], arguments].concat(), "")
}

/// Runs helm where the operator is, in the folder of the sources; what it remarked, warnings of the API server too.
pub(crate) fn helm(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(&cluster.helm);
    let out = command.args(["-n", NAMESPACE]).args(arguments).current_dir(repository()).output();
    let out = out.context("helm cannot be run")?;
    let remarks = String::from_utf8_lossy(&out.stderr).into_owned();
    if !out.status.success() {
        bail!("helm {}: {}", arguments.join(" "), remarks.trim());
    }
    Ok(remarks)
}

/// Puts the operator back as the run found it.
pub(crate) struct Reinstall<'c>(pub(crate) &'c Cluster);

impl Drop for Reinstall<'_> {
    fn drop(&mut self) {
        if let Err(error) = installed() {
            eprintln!("the operator is not installed any more: {error:#}");
        }
        // What is left of an old one would only confuse who looks.
        let _ = operator(self.0, &["rollout", "status", "deployment", "-l", OPERATOR, "--timeout=60s"]);
    }
}

/// Installs the operator as the run did; what was remarked.
pub(crate) fn installed() -> Result<String> {
    let out = Command::new(repository().join("e2e/labs/kube-operator")).output()?;
    let remarks = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(out.status.success(), "kube-operator: {remarks}");
    Ok(remarks)
}

/// Ends the cluster's own operator, for a story that has one of its own, until the value is dropped.
pub(crate) fn without_operator(cluster: &Cluster) -> Result<Reinstall<'_>> {
    let reinstall = Reinstall(cluster);
    operator(cluster, &["scale", "deployment", "-l", OPERATOR, "--replicas=0"])?;
    operator(cluster, &["wait", "pods", "-l", OPERATOR, "--for=delete", "--timeout=60s"])?;
    Ok(reinstall)
}

/// What an operator has to do in its life: three members become five, one is replaced, all are restarted, and two go.
pub(crate) fn grown_replaced_and_rolled(story: &Story, orc: &Orc<'_>, limit: Duration) -> Result<()> {
    story.space.kubectl(&["scale", &format!("orc/{}", orc.name), "--replicas=5"])?;
    orc.wait_ready(limit)?;
    story.note("grown to five");
    let voters = orc.members().voters()?;
    let pod = format!("{}-1", orc.name);
    story.space.kubectl(&["annotate", "pod", &pod, "orchestrator.rs/replace=true"])?;
    until(&format!("another number for {pod}"), limit, || {
        let now = orc.members().voters().map_err(|error| format!("{error:#}"))?;
        let changed = now.len() == 5 && now != voters;
        if changed { Ok(()) } else { Err(format!("{now:?}")) }
    })?;
    story.note("replaced");
    orc.set(&json!({"replicas": 3, "config": {"InstancePollSeconds": 6}}))?;
    orc.wait_ready(limit)
}

/// Does `work` and looks at the members all the while: never may fewer than `least` be ready and stay.
pub(crate) fn never_fewer(
    members: &Members<'_>,
    least: usize,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut breaches = Vec::new();
            let _ = until_every(LOOK_EVERY, "the end of the work", Duration::MAX, || {
                // An API server that does not answer says nothing about members.
                let all = members.all().unwrap_or_default();
                let up = all.iter().filter(|member| member.ready && !member.ending).count();
                if !all.is_empty() && up < least {
                    breaches.push(format!("{all:?}"));
                }
                if ended.load(Ordering::Relaxed) { Ok(()) } else { Err("not yet") }
            });
            breaches
        });
        let worked = work();
        ended.store(true, Ordering::Relaxed);
        let breaches = watch.join().unwrap_or_else(|_| vec!["the watch panicked".to_owned()]);
        let first = breaches.first().cloned().unwrap_or_default();
        worked?;
        ensure!(
            breaches.is_empty(),
            "fewer than {least} members at {} looks, first: {first}",
            breaches.len()
        );
        Ok(())
    })
}
