//! What keeps a node out of its group, and how it says so: nobody there, two nodes of one name, a schema that it may not
//! touch.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::group::HEALTHY_WITHIN;
use orchestrator_e2e::{Group, GroupPlan, Node, holds, until};
use serde_json::json;

use crate::operator::status;

/// How long a node may look for its group in these stories; the default is for ever.
const JOIN_TIMEOUT_S: u64 = 3;

/// The node ended by itself with code 1, and all of `words` are in its last line.
fn gave_up(node: &mut Node, words: &[&str]) -> Result<()> {
    let ended = node.wait_end(HEALTHY_WITHIN)?;
    let said = node.said();
    let last = said.lines().last().context("it said nothing")?;
    ensure!(ended.code() == Some(1), "{ended}: {last}");
    ensure!(words.iter().all(|word| last.contains(word)), "{words:?} are not all in the last line: {last}");
    Ok(())
}

#[test]
fn a_node_that_finds_no_group_in_time_ends_and_says_why() -> Result<()> {
    let mut group =
        Group::prepare("nogroup", &GroupPlan::new(3).set("RaftJoinTimeoutSeconds", JOIN_TIMEOUT_S))?;
    group.nodes[0].start()?;
    let missing = group.nodes[1].raft.clone();
    gave_up(&mut group.nodes[0], &["RaftJoinTimeoutSeconds", &missing, "refused"])?;
    group.start_all()?;
    // A quorum that is lost later is no reason to end: it comes back, or does not, without this node's doing.
    for i in [1, 2] {
        group.nodes[i].kill9()?;
    }
    let waits = Duration::from_secs(2 * JOIN_TIMEOUT_S);
    holds("a member that lost its group waits for it", waits, || {
        if group.nodes[0].runs() { Ok(()) } else { Err("it ended") }
    })?;
    // Started without it, it is outside again; the log that it has does not change that.
    group.nodes[0].kill9()?;
    group.nodes[0].start()?;
    gave_up(&mut group.nodes[0], &["RaftJoinTimeoutSeconds"])?;
    group.done();
    Ok(())
}

#[test]
fn two_nodes_with_one_name_are_told_apart_and_disturb_nobody() -> Result<()> {
    let mut group = Group::prepare("namesake", &GroupPlan::new(4))?;
    let list: Vec<String> = group.nodes[..3].iter().map(|node| node.raft.clone()).collect();
    for node in &group.nodes {
        node.configure("RaftNodes", json!(list))?;
    }
    // It listens elsewhere, and says that it is the second.
    group.nodes[3].configure("RaftAdvertise", list[1].as_str())?;
    for i in 0..3 {
        group.nodes[i].start()?;
    }
    group.wait_healthy()?;
    group.nodes[3].start()?;
    let second = group.nodes[3].api.clone();
    until("it says that its name is another's", HEALTHY_WITHIN, || {
        let status = status(&second).map_err(|e| format!("{e:#}"))?;
        let told = status["WaitingFor"].to_string().contains("another node answers under this name");
        if told && status["Healthy"] == false { Ok(()) } else { Err(status.to_string()) }
    })?;
    ensure!(
        group.nodes[3].said().contains("another node answers under this name"),
        "the log does not say so"
    );
    for i in 0..3 {
        let status = status(&group.nodes[i].api)?;
        ensure!(
            status["Healthy"] == true && status["Membership"]["Voters"].as_array().map(Vec::len) == Some(3),
            "{status}"
        );
    }
    group.done();
    Ok(())
}

#[test]
fn a_schema_that_is_another_versions_is_left_alone_where_people_said_so() -> Result<()> {
    let plan = GroupPlan::new(1).set("PanicIfDifferentDatabaseDeploy", true);
    let mut group = Group::start("deployed", &plan)?;
    group.nodes[0].terminate(HEALTHY_WITHIN)?;
    let file = group.nodes[0].folder().join("orchestrator.sqlite3");
    let sql = "update orchestrator_db_deployments set deployed_version = '3.2.6'";
    let changed = std::process::Command::new("sqlite3").arg(&file).arg(sql).status()?;
    ensure!(changed.success(), "sqlite3: {changed}");
    group.nodes[0].start()?;
    gave_up(&mut group.nodes[0], &["was deployed by version 3.2.6", "PanicIfDifferentDatabaseDeploy"])?;

    // Nothing is lacking, so nothing need be added.
    group.nodes[0].configure("SkipOrchestratorDatabaseUpdate", true)?;
    group.nodes[0].start()?;
    group.wait_healthy()?;
    group.nodes[0].terminate(HEALTHY_WITHIN)?;
    let sql = "alter table audit drop column cluster_name";
    let changed = std::process::Command::new("sqlite3").arg(&file).arg(sql).status()?;
    ensure!(changed.success(), "sqlite3: {changed}");
    group.nodes[0].start()?;
    gave_up(
        &mut group.nodes[0],
        &["lacks column cluster_name of table audit", "SkipOrchestratorDatabaseUpdate"],
    )?;
    group.done();
    Ok(())
}
