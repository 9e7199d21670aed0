//! What a person reads of an election: in each node's log, and side by side from `raft-watch`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, LabPlan, client_binary, until};
use serde_json::Value;

/// From something that happened to its line in the log.
const TOLD_WITHIN: Duration = Duration::from_secs(15);
const HOSTS: [&str; 3] = ["o1", "o2", "o3"];

/// Every line of a node's log, which was asked for as JSON.
fn objects(group: &Group, node: usize) -> Result<Vec<Value>> {
    let said = group.nodes[node].said();
    // The last line may be half written at this moment.
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let parse = |line: &str| {
        let object: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        for field in ["timestamp", "level", "message"] {
            ensure!(object[field].is_string(), "no {field}: {line}");
        }
        Ok(object)
    };
    whole.lines().map(parse).collect()
}

/// The lines with this message of this term, and about that peer if one is given.
fn lines(group: &Group, node: usize, term: u64, message: &str, peer: Option<usize>) -> Result<Vec<Value>> {
    let wanted = |line: &Value| {
        line["message"].as_str().is_some_and(|text| text.starts_with(message))
            && line["term"] == term
            && peer.is_none_or(|peer| line["peer"] == group.nodes[peer].raft.as_str())
    };
    Ok(objects(group, node)?.into_iter().filter(wanted).collect())
}

/// Waits until a node says it, and answers the line.
fn says(group: &Group, node: usize, term: u64, message: &str, peer: Option<usize>) -> Result<Value> {
    until(&format!("node {} saying {message:?} of term {term} about {peer:?}", node + 1), TOLD_WITHIN, || {
        let found = lines(group, node, term, message, peer).map_err(|error| format!("{error:#}"))?;
        found.into_iter().next().ok_or_else(|| "it does not".to_owned())
    })
}

/// The term in which a node says that it leads, the newest first.
fn leads_in(group: &Group, node: usize) -> Result<u64> {
    let lines = objects(group, node)?;
    let leads = lines.iter().rev().find(|line| line["message"] == "became leader");
    leads.and_then(|line| line["term"].as_u64()).context("it never says that it leads")
}

/// All lines of an election that `leader` won with the votes of `voters`, on both sides.
fn elected(group: &Group, term: u64, leader: usize, voters: &[usize]) -> Result<()> {
    let candidate = says(group, leader, term, "became candidate", None)?;
    ensure!(candidate["message"] == "became candidate: 2 of 3 votes needed", "{candidate}");
    ensure!(
        candidate["level"] == "INFO" && candidate["node"] == group.nodes[leader].raft.as_str(),
        "{candidate}"
    );
    says(group, leader, term, "vote granted", None)?;
    let won = says(group, leader, term, "election won", None)?;
    let votes = ["election won: 2 of 3 votes", "election won: 3 of 3 votes"];
    ensure!(votes.iter().any(|votes| won["message"] == *votes), "{won}");
    says(group, leader, term, "became leader", None)?;
    for &voter in voters {
        says(group, leader, term, "replication to a peer started", Some(voter))?;
        says(group, voter, term, "leader elected", Some(leader))?;
    }
    let granted = voters.iter().filter(|voter| {
        lines(group, **voter, term, "voted for a peer", Some(leader)).is_ok_and(|lines| !lines.is_empty())
    });
    ensure!(granted.count() > 0, "nobody says that it voted");
    Ok(())
}

#[test]
fn the_logs_tell_the_first_election_a_killed_leader_and_its_return() -> Result<()> {
    let mut group = Group::prepare("election", &GroupPlan::new(3))?;
    for node in &mut group.nodes {
        node.env.push(("ORC_LOG_FORMAT".into(), "json".into()));
    }
    group.start_all()?;
    let first = group.leader()?;
    let others: Vec<usize> = (0..3).filter(|node| *node != first).collect();
    let term = leads_in(&group, first)?;
    elected(&group, term, first, &others)?;

    group.nodes[first].kill9()?;
    let second = until("another leader", TOLD_WITHIN, || {
        others.iter().copied().find(|node| group.nodes[*node].api.leads()).ok_or("nobody leads")
    })?;
    let third = 3 - first - second;
    let next = leads_in(&group, second)?;
    elected(&group, next, second, &[third])?;
    let timeout =
        objects(&group, second)?.into_iter().find(|line| line["message"] == "heartbeat timeout reached");
    let timeout = timeout.context("nobody missed the leader")?;
    ensure!(timeout["peer"] == group.nodes[first].raft.as_str(), "{timeout}");
    ensure!(timeout["elapsed_ms"].as_u64().is_some_and(|ms| (500..5000).contains(&ms)), "{timeout}");
    let away = says(&group, second, next, "no answer about a vote", Some(first))?;
    ensure!(away["error"].as_str().is_some_and(|error| error.contains("refused")), "{away}");
    let unreachable = objects(&group, second)?.into_iter().find(|line| line["message"] == "peer unreachable");
    ensure!(
        unreachable.is_some_and(|line| line["level"] == "WARN"),
        "a peer that is away is worth a warning"
    );

    group.nodes[first].start()?;
    group.wait_healthy()?;
    says(&group, first, next, "leader elected", Some(second))?;
    says(&group, second, next, "peer is back", Some(first))?;
    side_by_side(&group, second, next)?;
    members_by_client(&group, first)?;
    group.done();
    Ok(())
}

/// `raft-watch` of one node shows all three, and what they remember.
fn side_by_side(group: &Group, leader: usize, term: u64) -> Result<()> {
    let out = Command::new(client_binary()?)
        .args(["-c", "raft-watch", "-u", "0s", "-U", &group.nodes[0].api.base])
        .env("COLUMNS", "160")
        .output()?;
    let text = String::from_utf8(out.stdout)?;
    ensure!(out.status.success(), "{}\n{text}", String::from_utf8_lossy(&out.stderr));
    // Addresses that begin alike are told apart by their ends.
    let host = group.nodes[leader].raft.rsplit_once(':').context("host:port")?.0;
    let name = host.rsplit_once('.').map(|(_, end)| format!(".{end}")).context("an address")?;
    let column =
        |line: &str, node: usize| line.split('│').nth(node + 1).unwrap_or_default().trim().to_owned();
    let has = |node: usize, words: &str| text.lines().any(|line| column(line, node).starts_with(words));
    ensure!(has(leader, &format!("candidate, term {term}: 2 of 3 votes")), "{text}");
    ensure!(has(leader, &format!("LEADS in term {term}")), "{text}");
    for node in (0..3).filter(|node| *node != leader) {
        ensure!(has(node, &format!("follows {name} in term {term}")), "node {node}:\n{text}");
    }
    let last = text.lines().rev().find(|line| !line.starts_with(' ')).unwrap_or_default();
    ensure!(column(last, leader).starts_with(&format!("leads, term {term}, log")), "{last}");
    Ok(())
}

/// A person removes a member with the client, and is told when there is nothing to remove.
fn members_by_client(group: &Group, gone: usize) -> Result<()> {
    let apis: Vec<&str> = group.nodes.iter().map(|node| node.api.base.as_str()).collect();
    let run = |arguments: &[&str]| {
        let out = Command::new(client_binary()?)
            .args(arguments)
            .env("ORCHESTRATOR_API", apis.join(" "))
            .output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Ok::<_, anyhow::Error>((out.status.code(), text(&out.stdout), text(&out.stderr)))
    };
    let peers = || run(&["-c", "raft-peers"]).map(|(_, out, _)| out.lines().count());
    ensure!(peers()? == 3, "three members");
    let name = group.nodes[gone].raft.as_str();
    let removed = run(&["-c", "raft-remove-peer", "-H", name])?;
    ensure!(removed == (Some(0), name.to_owned(), String::new()), "{removed:?}");
    until("two members", TOLD_WITHIN, || match peers() {
        Ok(2) => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    let again = run(&["-c", "raft-remove-peer", "-H", name])?;
    ensure!(again.0 == Some(1) && again.2 == "Cannot remove raft peer: peer is unknown", "{again:?}");
    Ok(())
}

/// Waits until a node's log has a line with all of these.
fn writes(group: &Group, node: usize, parts: &[&str]) -> Result<()> {
    until(&format!("node {} writing {parts:?}", node + 1), TOLD_WITHIN, || {
        let said = group.nodes[node].said();
        if said.lines().any(|line| parts.iter().all(|part| line.contains(part))) {
            Ok(())
        } else {
            Err("it does not")
        }
    })
}

fn about(group: &Group, peer: usize) -> String {
    format!("peer=\"{}\"", group.nodes[peer].raft)
}

#[test]
fn the_logs_tell_a_voter_that_is_cut_off_a_refused_vote_and_its_return() -> Result<()> {
    let plan = LabPlan::new(Flavor::MariaDb1011, "a").with(&["--netns", "--hosts", "o1,o2,o3"]);
    let lab = Lab::up("votes", &plan)?;
    let mut group = Group::prepare_in(&lab, &HOSTS, &GroupPlan::for_lab(&lab)?)?;
    group.start_all()?;
    let leader = group.leader()?;
    let (cut, other) = match leader {
        0 => (1, 2),
        1 => (0, 2),
        _ => (0, 1),
    };
    let (leads, cut_off, neighbour) = (about(&group, leader), about(&group, cut), about(&group, other));

    // It does not hear the leader, and asks the one that does.
    lab.isolate(HOSTS[cut], &[HOSTS[leader]])?;
    writes(&group, cut, &["heartbeat timeout reached", &leads, "elapsed_ms="])?;
    let hears = format!("hears the leader {}", group.nodes[leader].raft);
    writes(&group, cut, &["a peer would not vote for this node", &neighbour, &hears])?;
    writes(&group, other, &["would not vote for a peer", &cut_off, &hears])?;
    writes(&group, cut, &["WARN", "lost the leader", &leads])?;
    lab.heal()?;
    writes(&group, cut, &["the leader is back", &leads])?;

    // It hears nobody.
    lab.isolate(HOSTS[cut], &[HOSTS[leader], HOSTS[other]])?;
    writes(&group, leader, &["WARN", "peer unreachable", &cut_off])?;
    writes(&group, cut, &["no answer about a vote", &neighbour])?;
    lab.heal()?;
    group.wait_healthy()?;
    writes(&group, leader, &["peer is back", &cut_off])?;
    ensure!(group.leader()? == leader, "its return deposed the leader");
    for node in [cut, leader, other] {
        let said = group.nodes[node].said();
        if let Some(line) =
            said.lines().find(|line| line.contains("became candidate") && line.contains("term=2"))
        {
            bail!("somebody raised the term: {line}");
        }
    }
    group.done();
    Ok(())
}
