//! What several stories share.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::k8s::{Cluster, Member, Members};
use orchestrator_e2e::until;
use serde_json::{Value, json};

/// From a deleted pod to a healthy member in its place: a minute is ten times what it takes.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(60);

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
