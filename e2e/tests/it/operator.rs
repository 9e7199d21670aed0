//! What an operator does to a group: it forms it, grows it, shrinks it, reloads it, and gets it going again when most
//! of it is lost. All of it is posted with a token, and decided on what `raft-status` says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::group::{HEALTHY_WITHIN, LEADER_WITHIN};
use orchestrator_e2e::{Api, Group, GroupPlan, Reply, until};
use serde_json::{Value, json};

use crate::members::{names, wait_voters};

const TOKEN: &str = "let-me-in";
/// The group's id, as the operator chose it.
const CLUSTER: &str = "0123456789abcdef0123456789abcdef";

/// Nodes that wait to be told, with the operator's token; none is started.
fn told_from_outside(tag: &str, size: usize) -> Result<Group> {
    let plan = GroupPlan::new(size).set("RaftBootstrap", "external").set("RaftMembershipSource", "api");
    let group = Group::prepare(tag, &plan)?;
    for node in &group.nodes {
        let file = node.folder().join("token");
        std::fs::write(&file, format!("{TOKEN}\n"))?;
        node.configure("OperatorTokenFile", file.display().to_string())?;
    }
    Ok(group)
}

pub(crate) fn status(api: &Api) -> Result<Value> {
    api.get("raft-status")?.raw()
}

/// Posts a change of the members to `api`, decided on the members of log entry `index`.
fn membership(api: &Api, index: &Value, change: &Value) -> Result<Reply> {
    let mut body = json!({"ClusterID": CLUSTER, "ExpectMembershipLogIndex": index});
    for (key, value) in change.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    api.post("raft-membership", Some(TOKEN), &body)
}

/// As [`membership`], on the newest index; wants it carried out, and answers the answer.
fn changed(api: &Api, change: &Value) -> Result<Value> {
    let index = status(api)?["MembershipLogIndex"].clone();
    membership(api, &index, change)?.raw()
}

/// Numbers of those who vote.
fn numbers(status: &Value) -> Vec<u64> {
    let voters = status["Membership"]["Voters"].as_array().into_iter().flatten();
    voters.filter_map(|voter| voter["NodeID"].as_u64()).collect()
}

fn learner_of(answer: &Value) -> Result<u64> {
    answer["NodeID"].as_u64().with_context(|| format!("no number: {answer}"))
}

/// Waits until the leader knows `learner` to be as far as itself.
fn wait_caught_up(leader: &Api, learner: u64) -> Result<()> {
    until("a learner that has caught up", HEALTHY_WITHIN, || {
        let status = status(leader).map_err(|e| format!("{e:#}"))?;
        let of = &status["Replication"][learner.to_string()];
        let there = of["MatchedIndex"] == status["LastLogIndex"] && of["LastAckMs"].is_u64();
        if there { Ok(()) } else { Err(status["Replication"].to_string()) }
    })
}

/// Takes these nodes in as learners, lets them catch up, and has all of `voters` vote from one change on.
fn grow(group: &mut Group, joining: &[usize]) -> Result<()> {
    let leader = group.leader_api()?;
    let mut voters = numbers(&status(&leader)?);
    for &i in joining {
        group.nodes[i].start()?;
        let (api, name) = (group.nodes[i].api.clone(), group.nodes[i].raft.clone());
        until("an empty node that waits to be told", HEALTHY_WITHIN, || {
            let status = status(&api).map_err(|e| format!("{e:#}"))?;
            let empty = status["DataState"] == "Empty" && status["Initialized"] == false;
            if empty && status["NodeID"] == 0 { Ok(()) } else { Err(status.to_string()) }
        })?;
        let learner = learner_of(&changed(&leader, &json!({"Op": "AddLearner", "Addr": name}))?)?;
        wait_caught_up(&leader, learner)?;
        let refused = api.get("raft-health")?;
        ensure!(refused.status == 500, "a learner is called healthy: {refused:?}");
        voters.push(learner);
    }
    changed(&leader, &json!({"Op": "Change", "Voters": voters}))?;
    group.wait_healthy()
}

fn form(group: &mut Group) -> Result<Value> {
    group.nodes[0].start()?;
    let (api, name) = (group.nodes[0].api.clone(), group.nodes[0].raft.clone());
    until("a node that waits to be told", HEALTHY_WITHIN, || {
        let status = status(&api).map_err(|e| format!("{e:#}"))?;
        let waits = status["WaitingFor"].to_string().contains("waits to be told");
        if waits { Ok(()) } else { Err(status.to_string()) }
    })?;
    let wish = json!({"Token": "t", "ClusterID": CLUSTER, "Members": [{"NodeID": 1, "Addr": name}]});
    for token in [None, Some("let-me-out")] {
        let reply = api.post("raft-bootstrap", token, &wish)?;
        ensure!(reply.status == 403 && status(&api)?["Initialized"] == false, "{token:?}: {reply:?}");
    }
    for _ in 0..2 {
        let answer = api.post("raft-bootstrap", Some(TOKEN), &wish)?.raw()?;
        ensure!(answer["ClusterID"] == CLUSTER, "{answer}");
    }
    group.wait_healthy()?;
    group.nodes[0].terminate(HEALTHY_WITHIN)?;
    group.nodes[0].start()?;
    group.wait_healthy()?;
    // The restarted node knows the order that it was given, and refuses any other.
    let answer = api.post("raft-bootstrap", Some(TOKEN), &wish)?.raw()?;
    ensure!(answer["ClusterID"] == CLUSTER, "{answer}");
    let with = |key: &str, value: Value| {
        let mut other = wish.clone();
        other[key] = value;
        other
    };
    let others = [
        with("ClusterID", json!("another")),
        with("Token", json!("u")),
        with("Token", json!("")),
        with("Members", json!([{"NodeID": 1, "Addr": name}, {"NodeID": 2, "Addr": "orc-1:10008"}])),
    ];
    for other in others {
        let reply = api.post("raft-bootstrap", Some(TOKEN), &other)?;
        ensure!(reply.status == 409, "{other}: {reply:?}");
    }
    status(&api)
}

#[test]
fn an_operator_grows_a_group_from_one_to_three_and_five_and_back() -> Result<()> {
    let mut group = told_from_outside("operator", 5)?;
    let alone = form(&mut group)?;
    ensure!(alone["DataState"] == "Present" && alone["Epoch"] == 1, "{alone}");
    ensure!(alone["Version"].is_string() && alone["MinVersion"].is_string(), "{alone}");
    ensure!(alone["Replication"] == json!({}), "nobody to replicate to: {alone}");
    let all = names(&group, &[0, 1, 2, 3, 4]);
    grow(&mut group, &[1, 2])?;
    wait_voters(&group.nodes[2].api, &all[..3])?;
    grow(&mut group, &[3, 4])?;
    wait_voters(&group.nodes[4].api, &all)?;

    // Whoever lost a race is told, and nothing of its wish is carried out.
    let leader = group.leader_api()?;
    let old = status(&leader)?;
    let kept: Vec<u64> = old["Membership"]["Voters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|voter| all[..3].iter().any(|name| voter["Addr"] == **name))
        .filter_map(|voter| voter["NodeID"].as_u64())
        .collect();
    let change = json!({"Op": "Change", "Voters": kept});
    // Posted to a follower: it is for the leader to answer.
    let follower = &group.nodes[(0..3).find(|&i| group.nodes[i].api.base != leader.base).unwrap_or(0)].api;
    let done = membership(follower, &old["MembershipLogIndex"], &change)?.raw()?;
    ensure!(done["MembershipLogIndex"].as_u64() > old["MembershipLogIndex"].as_u64(), "{done}");
    let leader = group.leader_api()?;
    let lost =
        membership(&leader, &old["MembershipLogIndex"], &json!({"Op": "Change", "Voters": [kept[0]]}))?;
    ensure!(lost.status == 409 && lost.body.to_string().contains("the members changed"), "{lost:?}");
    wait_voters(&leader, &all[..3])?;
    let removed = until("whoever was removed says so", HEALTHY_WITHIN, || {
        let status = status(&group.nodes[4].api).map_err(|e| format!("{e:#}"))?;
        if status["Removed"] == true { Ok(status) } else { Err(status.to_string()) }
    })?;
    ensure!(
        removed["Healthy"] == false && removed["Reason"].to_string().contains("was removed"),
        "{removed}"
    );

    group.lead_with(0)?;
    let first = group.nodes[0].api.clone();
    changed(&first, &json!({"Op": "Change", "Voters": [1]}))?;
    let status = wait_voters(&first, &all[..1])?;
    ensure!(status["State"] == "Leader" && status["Healthy"] == true, "{status}");
    group.done();
    Ok(())
}

#[test]
fn the_survivor_of_three_goes_on_in_a_new_epoch_and_grows_again() -> Result<()> {
    let mut group = told_from_outside("survivor", 3)?;
    form(&mut group)?;
    grow(&mut group, &[1, 2])?;
    group.leader_api()?.get("disable-global-recoveries")?.details()?;
    group.lead_with(0)?;
    let first = group.nodes[0].api.clone();
    let force = json!({"ClusterID": CLUSTER, "Epoch": 1});
    let early = first.post("raft-force-new-cluster", Some(TOKEN), &force)?;
    ensure!(early.status == 409 && early.body.to_string().contains("live leader"), "{early:?}");
    for i in [1, 2] {
        group.nodes[i].kill9()?;
    }
    until("no quorum", LEADER_WITHIN, || {
        let status = status(&first).map_err(|e| format!("{e:#}"))?;
        if status["IsPartOfQuorum"] == false { Ok(()) } else { Err(status.to_string()) }
    })?;
    let refused = first.post("raft-force-new-cluster", None, &force)?;
    ensure!(refused.status == 403, "{refused:?}");
    let answer = first.post("raft-force-new-cluster", Some(TOKEN), &force)?.raw()?;
    ensure!(answer["Epoch"] == 2, "{answer}");
    // It ends and says why; a supervisor starts it again.
    group.nodes[0].wait_end(HEALTHY_WITHIN)?;
    let said = group.nodes[0].said();
    ensure!(said.lines().last().is_some_and(|line| line.contains("start it again")), "{said}");
    group.nodes[0].start()?;
    until("the survivor leads", HEALTHY_WITHIN, || if first.leads() { Ok(()) } else { Err("not yet") })?;
    ensure!(first.get("check-global-recoveries")?.details()? == "disabled", "what was agreed on is lost");

    // A node of the old epoch is told what to do, and does not disturb.
    group.nodes[1].start()?;
    let old = group.nodes[1].api.clone();
    until("the old epoch is refused", HEALTHY_WITHIN, || {
        let status = status(&old).map_err(|e| format!("{e:#}"))?;
        let told = status["PeerProblems"].to_string().contains("force-new-cluster");
        if told && status["Healthy"] == false { Ok(()) } else { Err(status.to_string()) }
    })?;
    group.nodes[1].kill9()?;
    std::fs::remove_dir_all(group.nodes[1].folder().join("raft"))?;
    grow(&mut group, &[1])?;
    let status = status(&group.nodes[1].api)?;
    ensure!(status["Epoch"] == 2 && status["NodeID"].as_u64() > Some(65536), "{status}");
    group.done();
    Ok(())
}

/// The hash that an operator expects of what it wrote, by another program.
fn sha256(file: &Path) -> Result<String> {
    let out = Command::new("sha256sum").arg(file).output().context("sha256sum")?;
    let text = String::from_utf8(out.stdout)?;
    text.split_whitespace().next().map(str::to_owned).context("sha256sum answers a hash")
}

#[test]
fn a_follower_reloads_and_tells_what_holds_and_what_waits_for_a_restart() -> Result<()> {
    let mut group = told_from_outside("reload", 3)?;
    form(&mut group)?;
    grow(&mut group, &[1, 2])?;
    group.lead_with(0)?;
    let (node, api) = (&group.nodes[1], group.nodes[1].api.clone());
    let file = node.folder().join("orchestrator.conf.json");
    let before = status(&api)?;
    ensure!(before["ConfigHash"] == sha256(&file)?, "{before}");
    ensure!(before["NeedsRestart"] == json!([]), "{before}");
    ensure!(api.get("reload-configuration")?.status == 500, "people reload the leader only");

    node.configure("ReadOnly", true)?;
    node.configure("InstancePollSeconds", 7)?;
    node.configure("RaftNodes", json!(names(&group, &[0, 1])))?;
    let refused = api.post("operator/reload", Some("let-me-out"), &json!({}))?;
    ensure!(refused.status == 403 && status(&api)?["ConfigHash"] == before["ConfigHash"], "{refused:?}");
    let answer = api.post("operator/reload", Some(TOKEN), &json!({}))?.raw()?;
    ensure!(answer["ConfigHash"] == sha256(&file)?, "{answer}");
    ensure!(answer["RaftNodesHash"] != before["RaftNodesHash"], "{answer}");
    ensure!(answer["TakenOver"].to_string().contains("ReadOnly"), "{answer}");
    ensure!(answer["NeedsRestart"] == json!(["InstancePollSeconds"]), "{answer}");
    let after = status(&api)?;
    for key in ["ConfigHash", "RaftNodesHash", "NeedsRestart"] {
        ensure!(after[key] == answer[key], "{key}: {after} against {answer}");
    }
    // A list alone changes nothing where an operator decides.
    ensure!(after["Membership"] == before["Membership"], "{after}");

    // What makes no sense changes nothing and is told.
    node.configure("RaftNodes", "nonsense")?;
    let refused = api.post("operator/reload", Some(TOKEN), &json!({}))?;
    ensure!(refused.status == 500 && refused.body.to_string().contains("RaftNodes"), "{refused:?}");
    ensure!(status(&api)?["ConfigHash"] == after["ConfigHash"], "it was taken over");
    group.done();
    Ok(())
}

/// Makes a database something else, its journal included: that would bring most of it back.
fn damage(file: &Path) -> Result<()> {
    let journal = |end: &str| std::fs::remove_file(format!("{}{end}", file.display()));
    // Not both of them are there each time.
    let _ = (journal("-wal"), journal("-shm"));
    let text = b"this is no database, whatever its name says, and long enough to be one";
    std::fs::write(file, text.repeat(99)).context("damage a file")
}

/// Waits until the node says that its data cannot be read, with `word` in the reason.
fn wait_corrupt(api: &Api, word: &str) -> Result<()> {
    until("a node that says what is wrong with its data", HEALTHY_WITHIN, || {
        let status = status(api).map_err(|e| format!("{e:#}"))?;
        let told = status["DataState"] == "Corrupt" && status["Reason"].to_string().contains(word);
        if told { Ok(()) } else { Err(status.to_string()) }
    })
}

#[test]
fn a_node_whose_files_cannot_be_read_says_so_and_a_new_disk_takes_its_place() -> Result<()> {
    let mut group = told_from_outside("corrupt", 3)?;
    form(&mut group)?;
    grow(&mut group, &[1, 2])?;
    for (file, word) in [("raft/raft.db", "raft.db"), ("orchestrator.sqlite3", "orchestrator.sqlite3")] {
        group.nodes[2].kill9()?;
        damage(&group.nodes[2].folder().join(file))?;
        group.nodes[2].start()?;
        let api = group.nodes[2].api.clone();
        wait_corrupt(&api, word)?;
        ensure!(
            api.get("raft-health")?.status == 500 && api.get("discover/a/1")?.status == 500,
            "it pretends"
        );
        ensure!(api.get_within("/livez", LEADER_WITHIN)?.status == 200, "a restart would not help");
        ensure!(group.nodes[2].runs(), "it ended");

        let (status, _) = group.nodes[2].terminate(HEALTHY_WITHIN)?;
        ensure!(status.success(), "{status}");
        for gone in ["raft", "orchestrator.sqlite3", "orchestrator.sqlite3-wal", "orchestrator.sqlite3-shm"] {
            let gone = group.nodes[2].folder().join(gone);
            // Not all of them are there each time.
            let _ = if gone.is_dir() { std::fs::remove_dir_all(gone) } else { std::fs::remove_file(gone) };
        }
        replace(&mut group, 2)?;
    }
    group.done();
    Ok(())
}

/// A node of this address whose disk is empty votes in the place of its former number, by one change.
fn replace(group: &mut Group, node: usize) -> Result<()> {
    let leader = group.leader_api()?;
    let (api, name) = (group.nodes[node].api.clone(), group.nodes[node].raft.clone());
    let voters = status(&leader)?["Membership"]["Voters"].as_array().cloned().unwrap_or_default();
    let kept = voters.iter().filter(|voter| voter["Addr"] != name.as_str());
    let mut kept: Vec<u64> = kept.filter_map(|voter| voter["NodeID"].as_u64()).collect();
    group.nodes[node].start()?;
    until("an empty node", HEALTHY_WITHIN, || {
        let status = status(&api).map_err(|e| format!("{e:#}"))?;
        if status["DataState"] == "Empty" { Ok(()) } else { Err(status.to_string()) }
    })?;
    let learner = learner_of(&changed(&leader, &json!({"Op": "AddLearner", "Addr": name}))?)?;
    wait_caught_up(&leader, learner)?;
    kept.push(learner);
    changed(&leader, &json!({"Op": "Change", "Voters": kept}))?;
    group.wait_healthy()
}
