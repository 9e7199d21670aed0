//! The operator itself: killed, upgraded, uninstalled, without some right.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_crds::{CRD_NAME, ConditionStatus, ConditionType, OrchestratorCluster};
use orchestrator_e2e::k8s::{Clients, Cluster, Machines, Orc, Story};
use orchestrator_e2e::{holds, until};
use serde_json::json;

use crate::support::{
    BACK_WITHIN, OPERATOR, Reinstall, everybody_knows, grown_replaced_and_rolled, helm, operator, smallest,
};

/// With an operator that is killed every few seconds.
const SCALED_WITHIN: Duration = Duration::from_secs(400);
const STEADY_FOR: Duration = Duration::from_secs(30);
const PATHS: &[&str] = &["/api/clusters", "/api/check-global-recoveries"];

#[test]
fn e20_an_operator_killed_again_and_again_finishes_scaling_replacing_and_updating() -> Result<()> {
    let story = Story::alone("E20", "operator killed every few seconds during scale, replacement, roll")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let cluster = story.space.cluster;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let killer = scope.spawn(|| {
            let mut kills = 0;
            while !ended.load(Ordering::Relaxed) {
                let kill = ["delete", "pods", "-l", OPERATOR, "--grace-period=0", "--force"];
                kills += usize::from(operator(cluster, &kill).is_ok());
                // Long enough for one to take the Lease over and do something.
                let _ = until::<(), _>("the next kill", Duration::from_secs(7), || {
                    if ended.load(Ordering::Relaxed) { Ok(()) } else { Err("not yet") }
                });
            }
            kills
        });
        let worked = grown_replaced_and_rolled(&story, &orc, SCALED_WITHIN);
        ended.store(true, Ordering::Relaxed);
        let kills = killer.join().unwrap_or_default();
        story.note(&format!("the operator was killed {kills} times"));
        worked
    })?;
    orc.members().settled(3, BACK_WITHIN)?;
    story.done();
    Ok(())
}

#[test]
fn e26_another_operator_restarts_no_member() -> Result<()> {
    let story = Story::alone("E26", "operator upgraded with another default image: no pod restarted")?;
    let reinstall = Reinstall(story.space.cluster);
    let orcs = (0..4).map(|i| Orc::apply(&story.space, &format!("o{i}"), &json!({"replicas": 1})));
    let orcs = orcs.collect::<Result<Vec<_>>>()?;
    for orc in &orcs {
        orc.wait_ready(Duration::from_secs(180))?;
    }
    let uids = || orcs.iter().map(|orc| orc.members().uids()).collect::<Result<Vec<_>>>();
    let before = uids()?;
    let set =
        ["upgrade", "orchestrator-operator", "charts/orchestrator-operator", "--reuse-values", "--wait"];
    let other = ["--set", "defaultClusterImage.tag=newer", "--set", "podLabels.generation=two"];
    helm(story.space.cluster, &[&set[..], &other].concat())?;
    holds("no member is restarted", STEADY_FOR, || {
        let now = uids().map_err(|error| format!("{error:#}"))?;
        if now == before { Ok(()) } else { Err(format!("{now:?}")) }
    })?;
    for orc in &orcs {
        orc.wait_ready(BACK_WITHIN)?;
    }
    // Before others have their turn.
    drop(reinstall);
    story.done();
    Ok(())
}

#[test]
fn e27_without_the_operator_everything_serves_and_namespaces_can_be_deleted() -> Result<()> {
    let story =
        Story::alone("E27", "helm uninstall: objects stay, members serve and heal, a namespace goes")?;
    let cluster = story.space.cluster;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let reinstall = Reinstall(cluster);
    helm(cluster, &["uninstall", "orchestrator-operator", "--wait"])?;
    ensure!(story.space.get::<OrchestratorCluster>("main")?.is_some(), "the object went with the chart");
    cluster.kubectl(&["get", "crd", CRD_NAME], "")?;
    let clients = Clients::of(&story.space, "main", PATHS, 500)?;
    let leader = members.leader()?;
    members.ask(&leader, "/api/disable-global-recoveries")?.details()?;
    story.space.kubectl(&["delete", "pod", &leader.pod])?;
    members.settled(3, BACK_WITHIN)?;
    clients.ended()?.all_good()?;
    everybody_knows(&members, "disabled")?;
    let second = orchestrator_e2e::k8s::Space::new("e27-gone")?;
    Orc::apply(&second, "main", &smallest())?;
    cluster.kubectl(&["delete", "namespace", &second.name, "--timeout=60s"], "")?;
    // Before others have their turn.
    drop(reinstall);
    story.done();
    Ok(())
}

/// Keeps the operator's pods away from the members' API, and lets them through again when it is dropped.
struct Wall<'m>(&'m Machines);

impl<'m> Wall<'m> {
    fn around(cluster: &'m Cluster) -> Result<Self> {
        let wall = Self(cluster.machines()?);
        let pods = ["get", "pods", "-l", OPERATOR, "-o", "jsonpath={.items[*].status.podIP}"];
        let from = operator(cluster, &pods)?.split_whitespace().collect::<Vec<_>>().join(", ");
        let chain = "type filter hook forward priority 5";
        let rule = format!("ip saddr {{ {from} }} tcp dport 3000 drop");
        let table = format!("table inet wall {{\n chain operator {{\n {chain};\n {rule};\n }}\n}}\n");
        for node in &wall.0.nodes {
            wall.0.run(node, &["nft", &table])?;
        }
        Ok(wall)
    }
}

impl Drop for Wall<'_> {
    fn drop(&mut self) {
        for node in &self.0.nodes {
            // A node where it could not be built has none.
            let _ = self.0.run(node, &["nft", "delete table inet wall"]);
        }
    }
}

#[test]
fn e22_an_operator_that_reaches_no_member_says_so_and_disturbs_nobody() -> Result<()> {
    let story = Story::alone("E22", "the operator is kept away from the members while a restart is wished")?;
    let cluster = story.space.cluster;
    if cluster.machines().is_err() {
        story.left_out("needs nodes whose packets may be filtered");
        return Ok(());
    }
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let before = members.uids()?;
    let wall = Wall::around(cluster)?;
    orc.set(&json!({"config": {"InstancePollSeconds": 8}}))?;
    let told = orc.wait(ConditionType::MembersReachable, ConditionStatus::False, BACK_WITHIN)?;
    story.note(&format!("{}: {}", told.reason, told.message));
    holds("nobody is disturbed", STEADY_FOR, || {
        let now = members.uids().map_err(|error| format!("{error:#}"))?;
        if now == before { Ok(()) } else { Err(format!("{now:?}")) }
    })?;
    drop(wall);
    orc.wait_ready(SCALED_WITHIN)?;
    ensure!(members.uids()? != before, "the wished restart never happened");
    story.done();
    Ok(())
}

#[test]
fn e21_two_operators_at_once_change_the_members_as_one_would() -> Result<()> {
    let story = Story::alone("E21", "two operators without a Lease: scale 3 to 5 to 3")?;
    let cluster = story.space.cluster;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let reinstall = Reinstall(cluster);
    let both = ["set", "env", "deployment", "-l", OPERATOR, "ORC_OPERATOR_LEADER_ELECTION=false"];
    operator(cluster, &both)?;
    operator(cluster, &["rollout", "status", "deployment", "-l", OPERATOR, "--timeout=90s"])?;
    for replicas in [5, 3] {
        orc.set(&json!({"replicas": replicas}))?;
        orc.wait_ready(SCALED_WITHIN)?;
        let all = orc.members().settled(replicas, BACK_WITHIN)?;
        let voters = orc.members().voters()?;
        ensure!(voters.len() == replicas && all.len() == replicas, "{voters:?}");
    }
    // Before others have their turn.
    drop(reinstall);
    story.done();
    Ok(())
}
