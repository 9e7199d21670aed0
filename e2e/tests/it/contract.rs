//! The HTTP contract, as an existing client meets it: leader, follower, nobody.

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{Flavor, Group, GroupPlan};
use serde_json::{Value, json};

use crate::support::{Scene, tree};

fn raft_routes_of(group: &Group) -> Result<()> {
    let leader = group.leader()?;
    for (i, node) in group.nodes.iter().enumerate() {
        let leads = i == leader;
        let get = |route: &str| node.api.get(route);
        let (status, text) = if leads { (200, "OK") } else { (404, "Not leader") };
        let check = get("leader-check")?;
        ensure!(check.status == status && check.body == text, "{check:?}");
        let check = get("leader-check/503")?;
        ensure!(check.status == if leads { 200 } else { 503 } && check.body == text, "{check:?}");
        ensure!(get("routed-leader-check")?.raw()? == "OK");
        ensure!(get("raft-health")?.raw()? == "healthy");
        ensure!(get("raft-state")?.raw()? == if leads { "Leader" } else { "Follower" });
        ensure!(get("raft-leader")?.raw()? == group.nodes[leader].raft.as_str());
        ensure!(get("lb-check")?.raw()? == "OK");
        let health = get("health")?;
        ensure!(health.body["Message"] == "Application node is healthy", "{health:?}");
        let details = health.details()?;
        ensure!(details["Healthy"] == true && details["IsRaftLeader"] == leads, "{details}");
        let status = get("raft-status")?.raw()?;
        ensure!(status["LeaderURI"] == group.nodes[leader].api.base.as_str(), "{status}");
        let metrics = node.api.get_within("/metrics", std::time::Duration::from_secs(5))?;
        ensure!(metrics.status == 200 && metrics.body.as_str().is_some_and(|t| t.contains("# TYPE")));
    }
    Ok(())
}

#[test]
fn raft_routes_answer_alike_on_every_node() -> Result<()> {
    let group = Group::start("contract", &GroupPlan::new(3))?;
    raft_routes_of(&group)?;
    group.done();
    Ok(())
}

#[test]
fn errors_are_envelopes_with_status_500_and_unknown_paths_plain_404() -> Result<()> {
    let group = Group::start("errors", &GroupPlan::new(1))?;
    let api = &group.nodes[0].api;
    for route in
        ["instance/nowhere.invalid/3306", "discover/127.0.0.1/notaport", "cluster/nosuch", "master/nosuch"]
    {
        let reply = api.get(route)?;
        ensure!(reply.status == 500 && reply.body["Code"] == "ERROR", "{route}: {reply:?}");
        ensure!(reply.body.get("Details").is_some_and(Value::is_null), "{route}: {reply:?}");
    }
    let comment = api.get("ack-all-recoveries")?;
    ensure!(
        comment.status == 500 && comment.body["Message"] == "No acknowledge comment given",
        "{comment:?}"
    );
    ensure!(api.get("no-such-route")?.status == 404);
    for path in ["/api/%zz", "/api//", "/api/instance/a/b/c/d/e/f", "/api/instance/%00/3306"] {
        let reply = api.get_within(path, std::time::Duration::from_secs(5))?;
        ensure!((400..=500).contains(&reply.status), "{path}: {reply:?}");
    }
    group.done();
    Ok(())
}

#[test]
fn a_follower_answers_for_the_leader() -> Result<()> {
    let scene = Scene::set("proxy", &tree(Flavor::MariaDb1011), &[])?;
    let leader = scene.group.leader()?;
    let follower = scene.group.nodes.iter().enumerate().find(|(i, _)| *i != leader).context("three nodes")?.1;
    let (a, b) = (scene.lab.server("a"), scene.lab.server("b"));

    // Commands are carried out, and what they did is seen through everybody.
    let route = format!("begin-downtime/{}/story/reason/10m", b.path());
    follower.api.get(&route)?.details()?;
    let seen = scene.group.nodes[leader].api.instance(b)?;
    ensure!(seen["IsDowntimed"] == true && seen["DowntimeReason"] == "reason", "{seen}");
    follower.api.get(&format!("end-downtime/{}", b.path()))?.details()?;

    let read_only = follower.api.get(&format!("set-read-only/{}", a.path()))?.details()?;
    ensure!(read_only["ReadOnly"] == true, "{read_only}");
    let writable = follower.api.get(&format!("set-writeable/{}", a.path()))?.details()?;
    ensure!(writable["ReadOnly"] == false, "{writable}");
    let stopped = follower.api.get(&format!("stop-replica/{}", b.path()))?.details()?;
    ensure!(
        stopped["Slave_SQL_Running"] == false && stopped["ReplicationSQLThreadRuning"] == false,
        "{stopped}"
    );
    let started = follower.api.get(&format!("start-slave/{}", b.path()))?.details()?;
    ensure!(started["Key"] == json!({"Hostname": b.host, "Port": b.port}), "{started}");

    // Reads have their shapes.
    let clusters = follower.api.get("clusters")?.raw()?;
    ensure!(clusters.as_array().map(Vec::len) == Some(1), "{clusters}");
    let masters = follower.api.get("masters")?.raw()?;
    ensure!(masters[0]["Key"]["Hostname"] == a.host.as_str(), "{masters}");
    let found = follower.api.get(&format!("search?s={}", b.host))?.raw()?;
    ensure!(found.as_array().is_some_and(|l| !l.is_empty()), "{found}");
    let table = follower.api.get(&format!("topology-tabulated/{}", scene.lab.name()))?.details()?;
    ensure!(table.as_str().is_some_and(|t| t.lines().all(|l| l.matches('|').count() == 6)), "{table}");
    scene.done();
    Ok(())
}
