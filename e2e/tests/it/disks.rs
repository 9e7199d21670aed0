//! Disks that are full, read-only or in somebody else's hands: the node says so, and the group goes on.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::group::{HEALTHY_WITHIN, LEADER_WITHIN};
use orchestrator_e2e::{Group, GroupPlan, until};

/// The node whose disk it is.
const SICK: usize = 0;
/// Another one.
const WELL: usize = 1;
/// Room for a new database with its journal, and little more.
const SMALL_KIB: u32 = 4096;
/// The documented patience with a backend that takes no writes is thirty seconds; the rest is for a busy machine.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(60);

/// Three nodes; the first has `folder` on a small disk, and `key` of its configuration names a file or folder there.
fn on_small_disk(tag: &str, folder: &str, key: &str, at: &str) -> Result<Group> {
    let mut group = Group::prepare(tag, &GroupPlan::new(3))?;
    let node = &mut group.nodes[SICK];
    node.put_on_disk(folder, SMALL_KIB)?;
    node.configure(key, node.folder().join(at).display().to_string())?;
    group.start_all()?;
    Ok(group)
}

/// The backend's file on a small disk.
fn small_backend(tag: &str) -> Result<Group> {
    on_small_disk(tag, "backend", "SQLite3DataFile", "backend/orchestrator.sqlite3")
}

/// Raft's folder on a small disk.
fn small_raft(tag: &str) -> Result<Group> {
    on_small_disk(tag, "raft", "RaftDataDir", "raft")
}

/// Waits until the sick node says that it is unhealthy, with `word` in the reason.
fn says(group: &Group, word: &str) -> Result<()> {
    until(&format!("an unhealthy node that says {word:?}"), HEALTHY_WITHIN, || {
        let reply = group.nodes[SICK].api.get("raft-health").map_err(|e| e.to_string())?;
        let said = reply.body.to_string();
        if reply.status == 500 && said.contains(word) { Ok(()) } else { Err(said) }
    })
}

/// Waits until the sick node has applied all that the leader has: with a full disk it could not, and would end.
fn has_all(group: &Group) -> Result<()> {
    until("a node with nothing left to apply", HEALTHY_WITHIN, || {
        let index = |node: usize, of: &str| {
            let status = group.nodes[node].api.get("raft-status").map_err(|e| e.to_string())?;
            status.body[of].as_u64().ok_or_else(|| format!("no {of}: {}", status.body))
        };
        let (applied, last) = (index(SICK, "AppliedIndex")?, index(WELL, "LastLogIndex")?);
        if applied == last { Ok(()) } else { Err(format!("{applied} of {last}")) }
    })
}

/// Somebody else leads, and carries out what people want.
fn others_go_on(group: &Group) -> Result<()> {
    let leader = until("another leader", LEADER_WITHIN, || match group.leaders()[..] {
        [leader] if leader != SICK => Ok(leader),
        ref other => Err(format!("leaders: {other:?}")),
    })?;
    group.nodes[leader].api.get("disable-global-recoveries")?.details().map(drop)
}

/// The sick node ended by itself; `words` are in the last line of its log.
fn gave_up(group: &mut Group, words: &[&str]) -> Result<()> {
    let node = &mut group.nodes[SICK];
    let status = node.wait_end(GIVES_UP_WITHIN)?;
    let said = node.said();
    ensure!(!status.success(), "it ended as if all were well");
    ensure!(!said.contains("panicked"), "{said}");
    let last = said.lines().last().context("it said nothing")?;
    ensure!(words.iter().all(|word| last.contains(word)), "{words:?} are not in the last line: {last}");
    Ok(())
}

/// The sick node runs again, is healthy, and knows what was decided while it was away.
fn is_back(group: &mut Group) -> Result<()> {
    group.wait_healthy()?;
    until("what was decided meanwhile", HEALTHY_WITHIN, || {
        let told = group.nodes[SICK].api.get("check-global-recoveries").map_err(|e| e.to_string())?;
        if told.body["Details"] == "disabled" { Ok(()) } else { Err(told.body.to_string()) }
    })
}

#[test]
fn a_follower_whose_backend_has_no_space_says_so_and_is_well_again_when_there_is_some() -> Result<()> {
    let mut group = small_backend("fullback")?;
    group.lead_with(WELL)?;
    has_all(&group)?;
    group.nodes[SICK].disk()?.fill()?;
    says(&group, "no space left for the database")?;
    ensure!(group.leaders() == [WELL], "leaders: {:?}", group.leaders());
    group.nodes[SICK].disk()?.free()?;
    group.wait_healthy()?;
    ensure!(group.nodes[SICK].runs(), "it ended");
    group.done();
    Ok(())
}

/// What the group agrees on must be written: a node that cannot must not pretend.
#[test]
fn a_leader_whose_backend_has_no_space_ends_with_the_reason_and_rejoins_when_there_is_some() -> Result<()> {
    let mut group = small_backend("fulllead")?;
    group.lead_with(SICK)?;
    group.nodes[SICK].disk()?.fill()?;
    others_go_on(&group)?;
    gave_up(&mut group, &["no space left for the database"])?;
    // A supervisor that starts it too early is told the same.
    group.nodes[SICK].start()?;
    gave_up(&mut group, &["no space left", "orchestrator.sqlite3"])?;
    group.nodes[SICK].disk()?.free()?;
    group.nodes[SICK].start()?;
    is_back(&mut group)?;
    group.done();
    Ok(())
}

#[test]
fn a_leader_whose_raft_log_has_no_space_ends_with_the_reason_and_rejoins_when_there_is_some() -> Result<()> {
    let mut group = small_raft("fullraft")?;
    group.lead_with(SICK)?;
    group.nodes[SICK].disk()?.fill()?;
    // Until there is something to write, it does not know.
    let _ = group.nodes[SICK].api.get("enable-global-recoveries");
    others_go_on(&group)?;
    gave_up(&mut group, &["raft log", "full"])?;
    group.nodes[SICK].disk()?.free()?;
    group.nodes[SICK].start()?;
    is_back(&mut group)?;
    group.done();
    Ok(())
}

#[test]
fn a_follower_whose_raft_log_has_no_space_ends_with_the_reason_and_rejoins_when_there_is_some() -> Result<()>
{
    let mut group = small_raft("fullraft")?;
    group.lead_with(WELL)?;
    group.nodes[SICK].disk()?.fill()?;
    others_go_on(&group)?;
    gave_up(&mut group, &["raft log", "full"])?;
    group.nodes[SICK].disk()?.free()?;
    group.nodes[SICK].start()?;
    is_back(&mut group)?;
    group.done();
    Ok(())
}

#[test]
fn a_node_does_not_start_on_a_read_only_disk_and_says_which_file() -> Result<()> {
    for (folder, word) in [("backend", "is not writable"), ("raft", "raft.db")] {
        let mut group = Group::prepare("readonly", &GroupPlan::new(1))?;
        let node = &mut group.nodes[0];
        node.put_on_disk(folder, SMALL_KIB)?;
        let file = node.folder().join("backend/orchestrator.sqlite3");
        std::fs::create_dir_all(node.folder().join("backend"))?;
        node.configure("SQLite3DataFile", file.display().to_string())?;
        group.start_all()?;
        group.nodes[0].kill9()?;
        group.nodes[0].disk()?.make_read_only()?;
        group.nodes[0].start()?;
        gave_up(&mut group, &[folder, word])?;
        group.done();
    }
    Ok(())
}

#[test]
fn a_missing_directory_is_named_with_what_to_do() -> Result<()> {
    let mut group = Group::prepare("nodir", &GroupPlan::new(1))?;
    let file = group.nodes[0].folder().join("nowhere/orchestrator.sqlite3");
    group.nodes[0].configure("SQLite3DataFile", file.display().to_string())?;
    group.nodes[0].start()?;
    gave_up(&mut group, &["nowhere", "create it"])?;
    group.done();
    Ok(())
}

#[test]
fn a_database_of_another_node_is_refused_and_the_other_one_goes_on() -> Result<()> {
    let mut owner = Group::start("owner", &GroupPlan::new(1))?;
    let mut thief = Group::prepare("thief", &GroupPlan::new(1))?;
    let file = owner.nodes[0].folder().join("orchestrator.sqlite3");
    thief.nodes[0].configure("SQLite3DataFile", file.display().to_string())?;
    thief.nodes[0].start()?;
    gave_up(&mut thief, &["orchestrator.sqlite3", "in use by another process"])?;
    ensure!(owner.nodes[0].api.healthy() && owner.nodes[0].runs(), "the owner suffered");
    thief.done();
    owner.done();
    Ok(())
}

/// What a node holds open goes on working when it is removed, and nobody would find it after a restart.
fn files_are_missed(tag: &str, file: &str, remove: impl Fn(&Path) -> Result<()>) -> Result<()> {
    let mut group = Group::start(tag, &GroupPlan::new(3))?;
    group.lead_with(SICK)?;
    remove(group.nodes[SICK].folder())?;
    says(&group, &format!("{file} was removed"))?;
    others_go_on(&group)?;
    gave_up(&mut group, &[file, "was removed", "30 s"])?;
    group.nodes[SICK].start()?;
    is_back(&mut group)?;
    group.done();
    Ok(())
}

#[test]
fn a_leader_whose_database_is_removed_hands_over_and_comes_back_with_what_the_group_knows() -> Result<()> {
    files_are_missed("rmback", "orchestrator.sqlite3", |folder| {
        ["", "-wal", "-shm"].iter().try_for_each(|part| {
            std::fs::remove_file(folder.join(format!("orchestrator.sqlite3{part}"))).context("remove")
        })
    })
}

#[test]
fn a_leader_whose_raft_folder_is_removed_hands_over_and_joins_as_a_new_node() -> Result<()> {
    files_are_missed("rmraft", "raft.db", |folder| {
        std::fs::remove_dir_all(folder.join("raft")).context("remove")
    })
}

#[test]
fn a_follower_whose_raft_log_is_put_back_in_time_goes_on() -> Result<()> {
    let mut group = Group::start("mvraft", &GroupPlan::new(3))?;
    group.lead_with(WELL)?;
    let (folder, aside) = (group.nodes[SICK].folder().join("raft"), group.nodes[SICK].folder().join("aside"));
    std::fs::rename(&folder, &aside)?;
    says(&group, "raft.db was removed")?;
    std::fs::rename(&aside, &folder)?;
    group.wait_healthy()?;
    ensure!(group.nodes[SICK].runs(), "it ended");
    group.done();
    Ok(())
}

/// As when the databases of several old nodes are adopted: they differ, and the new log does not tell.
#[test]
fn nodes_with_different_databases_begin_a_new_group_with_that_of_the_first_by_name() -> Result<()> {
    let mut group = Group::start("founding", &GroupPlan::new(3))?;
    group.leader_api()?.get("disable-global-recoveries")?.details()?;
    let first = group.nodes.iter().map(|node| node.raft.clone()).min().context("three nodes")?;
    for node in &mut group.nodes {
        node.terminate(GIVES_UP_WITHIN)?;
        std::fs::remove_dir_all(node.folder().join("raft"))?;
        if node.raft != first {
            std::fs::remove_file(node.folder().join("orchestrator.sqlite3"))?;
        }
    }
    group.start_all()?;
    for leader in 0..group.nodes.len() {
        group.lead_with(leader)?;
        let told = group.nodes[leader].api.get("check-global-recoveries")?.body;
        ensure!(told["Details"] == "disabled", "node {leader}: {told}");
    }
    group.done();
    Ok(())
}

/// A program that keeps the database locked until it is ended; it has the lock when this returns.
fn lock(database: &Path) -> Result<Child> {
    let program = "import sqlite3, sys\n\
                   c = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)\n\
                   c.execute('begin immediate')\n\
                   print('locked', flush=True)\n\
                   sys.stdin.read()";
    let mut child = Command::new("python3")
        .args(["-c", program])
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("python3")?;
    let mut word = [0; 7];
    child.stdout.as_mut().context("its output is ours")?.read_exact(&mut word).context("no lock")?;
    Ok(child)
}

#[test]
fn a_follower_whose_database_another_program_locks_says_so_and_is_well_again_afterwards() -> Result<()> {
    let mut group = Group::start("locked", &GroupPlan::new(3))?;
    group.lead_with(WELL)?;
    let mut holder = lock(&group.nodes[SICK].folder().join("orchestrator.sqlite3"))?;
    let told = says(&group, "locked by another process");
    // Its input ends, and with it the program.
    drop(holder.stdin.take());
    holder.wait()?;
    told?;
    group.wait_healthy()?;
    ensure!(group.nodes[SICK].runs(), "it ended");
    group.done();
    Ok(())
}
