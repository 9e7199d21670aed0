//! Nodes that leave for good, come new, lose their disk, begin as a clone or return from an old copy: each comes back as
//! people were told, or is refused with the reason.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::group::HEALTHY_WITHIN;
use orchestrator_e2e::{Api, Group, GroupPlan, Node, holds, until};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::members::{names, wait_voters};
use crate::operator::status;

/// A planned end is quick.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Longer than any path from a wish to its fulfilment.
const NOTHING_HAPPENS_FOR: Duration = Duration::from_secs(3);
/// The first three members; the fourth comes later.
const FIRST: [usize; 3] = [0, 1, 2];

/// Four nodes, of which the first three are a group; answers their names, and those with the fourth for the third.
fn three_of_four(tag: &str) -> Result<(Group, Vec<String>, Vec<String>)> {
    let mut group = Group::prepare(tag, &GroupPlan::new(4))?;
    let (before, after) = (names(&group, &FIRST), names(&group, &[0, 1, 3]));
    for i in FIRST {
        group.nodes[i].configure("RaftNodes", json!(before))?;
        group.nodes[i].start()?;
    }
    group.nodes[3].configure("RaftNodes", json!(after))?;
    group.wait_healthy()?;
    declare(&group, "before")?;
    Ok((group, before, after))
}

/// Has the group agree on a downtime of this host.
fn declare(group: &Group, host: &str) -> Result<()> {
    group.leader_api()?.get(&format!("begin-downtime/{host}/3306/me/test/1h"))?.details().map(drop)
}

fn database(node: &Node) -> PathBuf {
    node.folder().join("orchestrator.sqlite3")
}

/// What a node has in its own file.
fn own(node: &Node) -> Result<String> {
    let sql =
        "select hostname, owner, reason, end_timestamp from database_instance_downtime order by hostname";
    let out = Command::new("sqlite3").arg(database(node)).arg(sql).output().context("sqlite3")?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8(out.stdout)?)
}

/// Waits until all of these have the same in their own files, all of `hosts` among it.
pub(crate) fn wait_same(group: &Group, nodes: &[usize], hosts: &[&str]) -> Result<()> {
    until("the same on every node", HEALTHY_WITHIN, || {
        let all: Vec<String> = nodes
            .iter()
            .map(|&i| own(&group.nodes[i]))
            .collect::<Result<_>>()
            .map_err(|e| format!("{e:#}"))?;
        let complete = hosts.iter().all(|host| all[0].contains(host));
        if complete && all.iter().all(|one| *one == all[0]) { Ok(()) } else { Err(format!("{all:#?}")) }
    })
}

/// Waits until `raft-status` of an unhealthy node says `words` under `field`.
fn wait_refused(api: &Api, field: &str, words: &str) -> Result<Value> {
    until(&format!("{field} that says {words:?}"), HEALTHY_WITHIN, || {
        let status = status(api).map_err(|e| format!("{e:#}"))?;
        let said = status["Healthy"] == false && status[field].to_string().contains(words);
        if said { Ok(status) } else { Err(status.to_string()) }
    })
}

fn restart_with(node: &mut Node, list: &[String]) -> Result<()> {
    node.configure("RaftNodes", json!(list))?;
    node.terminate(ENDS_WITHIN)?;
    node.start()
}

fn reload_with(node: &mut Node, list: &[String]) -> Result<()> {
    node.configure("RaftNodes", json!(list))?;
    node.signal(Signal::HUP).map(drop)
}

fn remove_database(node: &Node) -> Result<()> {
    for end in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{end}", database(node).display()));
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let out = Command::new("cp").arg("-a").arg(from).arg(to).output()?;
    if out.status.success() { Ok(()) } else { bail!("{}", String::from_utf8_lossy(&out.stderr)) }
}

/// Waits for a healthy node and answers its number.
fn number_of(group: &mut Group, node: usize) -> Result<u64> {
    group.wait_healthy()?;
    let status = status(&group.nodes[node].api)?;
    status["NodeID"].as_u64().with_context(|| status.to_string())
}

#[test]
fn a_dead_node_is_replaced_by_restarting_the_others_one_by_one_with_the_new_list() -> Result<()> {
    let (mut group, before, after) = three_of_four("replace")?;
    group.nodes[2].kill9()?;
    group.nodes[3].start()?;
    let comes = group.nodes[3].api.clone();
    let status = wait_refused(&comes, "WaitingFor", "do not name")?;
    ensure!(status["DataState"] == "Empty" && status["NodeID"] == 0, "{status}");

    restart_with(&mut group.nodes[0], &after)?;
    // One of three holds the new list: each says who differs, and nothing else happens.
    for i in [0, 1] {
        let api = group.nodes[i].api.clone();
        until("who differs is named", HEALTHY_WITHIN, || {
            let status = crate::operator::status(&api).map_err(|e| format!("{e:#}"))?;
            let names = status["Differing"].to_string().contains("its RaftNodes differ");
            if names && status["Healthy"] == true { Ok(()) } else { Err(status.to_string()) }
        })?;
    }
    wait_voters(&group.nodes[1].api, &before)?;
    holds(
        "it is not taken in",
        NOTHING_HAPPENS_FOR,
        || if comes.healthy() { Err("healthy") } else { Ok(()) },
    )?;
    ensure!(group.nodes[3].runs() && group.nodes[3].said().contains("do not name"), "it gave up");

    restart_with(&mut group.nodes[1], &after)?;
    for i in [0, 1, 3] {
        wait_voters(&group.nodes[i].api, &after)?;
    }
    ensure!(number_of(&mut group, 3)? > 65536, "a number that was used before");
    declare(&group, "later")?;
    wait_same(&group, &[0, 1, 3], &["before", "later"])?;
    for i in [0, 1, 3] {
        let api = group.nodes[i].api.clone();
        until("nobody waits and nobody differs", HEALTHY_WITHIN, || {
            let status = crate::operator::status(&api).map_err(|e| format!("{e:#}"))?;
            let calm = status["WaitingFor"] == json!([]) && status["Differing"] == json!([]);
            if calm { Ok(()) } else { Err(status.to_string()) }
        })?;
    }
    group.done();
    Ok(())
}

#[test]
fn a_node_whose_disk_is_empty_comes_back_under_its_name_with_a_new_number() -> Result<()> {
    let mut group = Group::start("emptied", &GroupPlan::new(3))?;
    declare(&group, "before")?;
    for emptied in [group.leader()?, 1] {
        let all = names(&group, &FIRST);
        let old = number_of(&mut group, emptied)?;
        group.nodes[emptied].kill9()?;
        std::fs::remove_dir_all(group.nodes[emptied].folder().join("raft"))?;
        remove_database(&group.nodes[emptied])?;
        group.nodes[emptied].start()?;
        let new = number_of(&mut group, emptied)?;
        ensure!(new != old && new > 65536, "{old} became {new}");
        wait_voters(&group.nodes[emptied].api, &all)?;
        wait_same(&group, &FIRST, &["before"])?;
    }
    group.done();
    Ok(())
}

/// As people do it: the text of one node's database becomes that of another.
fn dump(from: &Node, to: &Node) -> Result<()> {
    let mut reader = Command::new("sqlite3")
        .arg(database(from))
        .arg(".dump")
        .stdout(Stdio::piped())
        .spawn()
        .context("sqlite3")?;
    let text = reader.stdout.take().context("it writes")?;
    let written = Command::new("sqlite3").arg(database(to)).stdin(text).output()?;
    ensure!(
        reader.wait()?.success() && written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    Ok(())
}

#[test]
fn a_node_may_begin_with_the_dump_of_anothers_database() -> Result<()> {
    let (mut group, _, after) = three_of_four("cloned")?;
    dump(&group.nodes[0], &group.nodes[3])?;
    // What was agreed on since must reach the clone, what it has already must not be applied again.
    declare(&group, "since")?;
    group.leader_api()?.get("end-downtime/before/3306")?.details()?;
    group.nodes[2].kill9()?;
    group.nodes[3].start()?;
    for i in [0, 1] {
        reload_with(&mut group.nodes[i], &after)?;
    }
    wait_voters(&group.nodes[3].api, &after)?;
    group.wait_healthy()?;
    declare(&group, "later")?;
    wait_same(&group, &[0, 1, 3], &["since", "later"])?;
    ensure!(!own(&group.nodes[3])?.contains("before"), "what was ended is back");
    group.done();
    Ok(())
}

#[test]
fn a_node_on_the_copy_of_anothers_whole_folder_is_refused_until_its_raft_folder_is_moved_away() -> Result<()>
{
    let (mut group, _, after) = three_of_four("copied")?;
    group.nodes[0].terminate(ENDS_WITHIN)?;
    copy(&group.nodes[0].folder().join("raft"), &group.nodes[3].folder().join("raft"))?;
    copy(&database(&group.nodes[0]), &database(&group.nodes[3]))?;
    group.nodes[0].start()?;
    group.wait_healthy()?;
    let number = number_of(&mut group, 0)?;

    group.nodes[3].start()?;
    let api = group.nodes[3].api.clone();
    let refused = wait_refused(&api, "PeerProblems", "is a copy of that node's")?;
    ensure!(refused["NodeID"] == number, "{refused}");
    holds("the group goes on", NOTHING_HAPPENS_FOR, || {
        let well = FIRST.iter().all(|&i| group.nodes[i].api.healthy());
        if well { Ok(()) } else { Err("a member is not healthy") }
    })?;
    ensure!(!api.leads(), "a copy leads");

    group.nodes[3].kill9()?;
    std::fs::rename(group.nodes[3].folder().join("raft"), group.nodes[3].folder().join("raft.away"))?;
    group.nodes[2].kill9()?;
    for i in [0, 1] {
        reload_with(&mut group.nodes[i], &after)?;
    }
    group.nodes[3].start()?;
    wait_voters(&group.nodes[3].api, &after)?;
    declare(&group, "later")?;
    wait_same(&group, &[0, 1, 3], &["before", "later"])?;
    group.done();
    Ok(())
}

/// What of a node's folder is put back from an old copy.
struct Restored {
    raft: bool,
    database: bool,
}

/// A node that does not lead is stopped, copied, started, left behind, killed, and put back to its copy.
fn restored(tag: &str, what: &Restored) -> Result<Group> {
    let mut group = Group::start(tag, &GroupPlan::new(3))?;
    declare(&group, "before")?;
    group.lead_with(0)?;
    group.nodes[2].terminate(ENDS_WITHIN)?;
    let old = group.nodes[2].folder().join("old");
    std::fs::create_dir(&old)?;
    copy(&group.nodes[2].folder().join("raft"), &old)?;
    copy(&database(&group.nodes[2]), &old)?;
    group.nodes[2].start()?;
    group.wait_healthy()?;
    for host in ["since-1", "since-2"] {
        declare(&group, host)?;
    }
    wait_same(&group, &FIRST, &["since-2"])?;
    group.nodes[2].kill9()?;
    if what.raft {
        std::fs::remove_dir_all(group.nodes[2].folder().join("raft"))?;
        copy(&old.join("raft"), group.nodes[2].folder())?;
    }
    if what.database {
        remove_database(&group.nodes[2])?;
        copy(&old.join("orchestrator.sqlite3"), group.nodes[2].folder())?;
    }
    group.nodes[2].start()?;
    Ok(group)
}

#[test]
fn a_node_that_returns_from_an_old_copy_of_its_folder_is_refused_until_its_raft_folder_is_gone() -> Result<()>
{
    let mut group = restored("oldcopy", &Restored { raft: true, database: true })?;
    let api = group.nodes[2].api.clone();
    wait_refused(&api, "PeerProblems", "went backwards")?;
    declare(&group, "meanwhile")?;
    group.nodes[2].kill9()?;
    std::fs::remove_dir_all(group.nodes[2].folder().join("raft"))?;
    group.nodes[2].start()?;
    ensure!(number_of(&mut group, 2)? > 65536, "it votes with a number that it had before");
    wait_same(&group, &FIRST, &["before", "since-2", "meanwhile"])?;
    group.done();
    Ok(())
}

fn comes_back_with_all(mut group: Group) -> Result<()> {
    ensure!(number_of(&mut group, 2)? < 65536, "it has another number");
    declare(&group, "later")?;
    wait_same(&group, &FIRST, &["before", "since-1", "since-2", "later"])?;
    group.done();
    Ok(())
}

#[test]
fn a_node_that_returns_with_an_old_copy_of_its_database_catches_up() -> Result<()> {
    comes_back_with_all(restored("olddata", &Restored { raft: false, database: true })?)
}

/// Its database has applied what the log lacks, so nothing that it acknowledged is lost.
#[test]
fn a_node_that_returns_with_an_old_copy_of_its_raft_folder_goes_on_from_its_database() -> Result<()> {
    comes_back_with_all(restored("oldraft", &Restored { raft: true, database: false })?)
}
