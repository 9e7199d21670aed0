//! Where a node keeps its state: alone or in a group, in a file or in a MySQL of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, LabPlan, Server, sql, until};
use serde_json::json;

use crate::support::{RECOVERED_WITHIN, SEEN_WITHIN, sees_all};

/// The account of nodes on the servers that hold their state.
const BACKEND: (&str, &str) = ("orc_server_user", "orc_server_password");

/// How long one statement may take.
const STATEMENT: Duration = Duration::from_secs(10);

fn run(server: &Server, sql: &str) -> Result<()> {
    sql::rows::<u64>(server, sql, STATEMENT).map(drop)
}

fn number(server: &Server, sql: &str) -> Result<u64> {
    sql::rows(server, sql, STATEMENT)?.first().copied().context("no row")
}

/// Servers for the state of nodes, one each, with the account that the original's texts make.
fn backends(letters: &str) -> Result<Lab> {
    let lab = Lab::up("state", &LabPlan::new(Flavor::Mysql97, letters))?;
    for server in lab.servers() {
        run(server, &format!("CREATE USER '{}'@'%' IDENTIFIED BY '{}'", BACKEND.0, BACKEND.1))?;
        run(server, &format!("GRANT ALL ON orchestrator.* TO '{}'@'%'", BACKEND.0))?;
    }
    Ok(lab)
}

/// Has the node keep its state in `server`.
fn keep_state_in(group: &Group, node: usize, server: &Server) -> Result<()> {
    let node = &group.nodes[node];
    node.configure("BackendDB", "mysql")?;
    node.configure("MySQLOrchestratorHost", server.host.as_str())?;
    node.configure("MySQLOrchestratorPort", server.port)?;
    node.configure("MySQLOrchestratorDatabase", "orchestrator")?;
    node.configure("MySQLOrchestratorUser", BACKEND.0)?;
    node.configure("MySQLOrchestratorPassword", BACKEND.1)
}

/// A node without a group sees a primary die and replaces it; what people declared outlives its restart.
fn alone(state: Option<&Lab>) -> Result<()> {
    let lab = Lab::up("alone", &LabPlan::new(Flavor::MariaDb1011, "a>b,a>c"))?;
    let mut plan = GroupPlan::for_lab(&lab)?.set("RaftEnabled", false).set("RaftNodes", json!([]));
    plan.size = 1;
    let mut group = Group::prepare("alone", &plan)?;
    if let Some(state) = state {
        keep_state_in(&group, 0, state.server("a"))?;
    }
    group.nodes[0].start()?;
    let api = group.nodes[0].api.clone();
    let leads = || if api.leads() { Ok(()) } else { Err(format!("{:?}", api.get("leader-check"))) };
    until("it leads", SEEN_WITHIN, leads)?;
    let refused = api.get("raft-health")?;
    ensure!(
        refused.status == 500 && refused.body.to_string().contains("not running with raft setup"),
        "{refused:?}"
    );
    api.discover(lab.server("a"))?;
    sees_all(&api, &lab)?;
    api.get("begin-downtime/elsewhere/3306/me/test/1h")?.details()?;

    lab.server("a").kill9()?;
    let recovery = until("an ended recovery", RECOVERED_WITHIN, || {
        let recoveries = api.recoveries_of(lab.server("a")).map_err(|e| format!("{e:#}"))?;
        recoveries.into_iter().find(|r| r["IsSuccessful"] == true).context("none").map_err(|e| e.to_string())
    })?;
    ensure!(
        recovery["AnalysisEntry"]["ClusterDetails"]["ClusterAlias"] == lab.name(),
        "another life's: {recovery}"
    );
    let writable = lab.servers().filter(|s| sql::writable(s).unwrap_or(false)).count();
    ensure!(writable == 1, "{writable} servers are writable after {recovery}");

    group.nodes[0].kill9()?;
    group.nodes[0].start()?;
    until("it leads again", SEEN_WITHIN, leads)?;
    let kept = api.get(&format!("audit-recovery/uid/{}", recovery["UID"].as_str().unwrap_or_default()))?;
    ensure!(kept.body.to_string().contains("SuccessorKey"), "the recovery is forgotten: {kept:?}");
    group.done();
    Ok(())
}

#[test]
fn a_node_without_a_group_replaces_a_dead_primary() -> Result<()> {
    alone(None)
}

#[test]
fn a_node_without_a_group_keeps_its_state_in_mysql() -> Result<()> {
    alone(Some(&backends("a")?))
}

#[test]
fn a_leader_whose_backend_died_is_followed_by_another_and_comes_back_with_it() -> Result<()> {
    let state = backends("a,b,c")?;
    let mut group = Group::prepare("state", &GroupPlan::new(3))?;
    for (node, letter) in ["a", "b", "c"].into_iter().enumerate() {
        keep_state_in(&group, node, state.server(letter))?;
    }
    group.start_all()?;
    let old = group.leader()?;
    let server = ["a", "b", "c"][old];
    group.nodes[old].api.get("begin-downtime/elsewhere/3306/me/before/1h")?.details()?;

    state.server(server).kill9()?;
    let new = until("another leads", Duration::from_secs(20), || {
        group.leaders().into_iter().find(|node| *node != old).ok_or_else(|| format!("{:?}", group.leaders()))
    })?;
    group.nodes[new].api.get("begin-downtime/further/3306/me/after/1h")?.details()?;
    let sick = group.nodes[old].api.get("raft-health")?;
    ensure!(sick.status == 500, "a node without its backend is called well: {sick:?}");

    state.start(server)?;
    until("well again", Duration::from_secs(40), || {
        if group.nodes[old].api.healthy() { Ok(()) } else { Err(group.nodes[old].said()) }
    })?;
    until("what was agreed on meanwhile is in it", SEEN_WITHIN, || {
        let sql = "SELECT COUNT(*) FROM orchestrator.database_instance_downtime";
        let rows = number(state.server(server), sql).map_err(|e| format!("{e:#}"))?;
        if rows == 2 { Ok(()) } else { Err(format!("{rows} downtimes")) }
    })?;
    group.done();
    Ok(())
}
