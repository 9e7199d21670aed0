//! `make bench-raft`, the other half: what an idle group says to itself, how many commands it takes, and how fast a
//! node with an empty disk is given a large state.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::commands::{Commands, CommandsPlan, Sent};
use orchestrator_e2e::{Flavor, Group, GroupPlan, Hosts, Lab, LabPlan, holds, intent, sql, until};

use crate::figures::millis;

const NODES: usize = 3;
/// After this time nothing is left of the forming.
const CALM: Duration = Duration::from_secs(4);
/// How long an idle group's bytes are counted.
const IDLE: Duration = Duration::from_secs(10);
/// People who send commands at the same time, each waiting for its answer.
const PEOPLE: usize = 64;
/// How long commands are counted.
const BUSY: Duration = Duration::from_secs(5);
/// Ends a run that hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// More than a log keeps for followers that were away: the next one needs the whole state.
const COMMANDS_BEFORE: usize = 1500;
/// Rows of a thousand bytes each: 100 MB.
const ROWS: usize = 100_000;
/// Defaults of MySQL; the lab's servers have a tenth of them.
const REDO_LOG: u64 = 100 << 20;
const BUFFER_POOL: u64 = 128 << 20;
/// The account of nodes on the servers that hold their state.
const ACCOUNT: (&str, &str) = ("orc_server_user", "orc_server_password");

pub(crate) fn bench() -> Result<()> {
    idle()?;
    for people in [1, PEOPLE] {
        commands(people)?;
    }
    for state in [State::File, State::Server] {
        snapshot(state)?;
    }
    Ok(())
}

pub(crate) fn wait_acked(commands: &Commands, count: usize) -> Result<()> {
    until("acknowledged commands", LIMIT, || {
        let acked = commands.acked();
        if acked >= count { Ok(()) } else { Err(format!("{acked} of {count}")) }
    })
}

fn rests(what: &str, time: Duration, group: &mut Group) -> Result<()> {
    holds(what, time, || {
        let runs = group.nodes.iter_mut().all(orchestrator_e2e::Node::runs);
        if runs { Ok(()) } else { Err("a node ended") }
    })
}

fn idle() -> Result<()> {
    let hosts = Hosts::up(NODES)?;
    let mut group = Group::prepare_on("bench", &hosts, &GroupPlan::new(NODES).set("Debug", false))?;
    group.start_all()?;
    rests("calm", CALM, &mut group)?;
    let all = || (0..NODES).map(|node| hosts.received(node)).sum::<Result<u64>>();
    let (before, began) = (all()?, Instant::now());
    rests("idle", IDLE, &mut group)?;
    let rate = (all()? - before) as f64 / 1000.0 / began.elapsed().as_secs_f64();
    println!(
        "| idle group: kB/s between all three, headers of Ethernet included | 1 | {rate:.1} | | | 10 | 13 |"
    );
    group.done();
    Ok(())
}

fn commands(people: usize) -> Result<()> {
    let hosts = Hosts::up(NODES)?;
    let mut group = Group::prepare_on("bench", &hosts, &GroupPlan::new(NODES).set("Debug", false))?;
    group.start_all()?;
    let follower = (group.leader()? + 1) % NODES;
    let commands = Commands::start(&CommandsPlan {
        writers: people,
        pace: Duration::ZERO,
        addresses: vec![hosts.address(follower)],
        retry: false,
        seed: 1,
    });
    wait_acked(&commands, people * 10)?;
    drop(commands.take());
    let (before, began) = (commands.acked(), Instant::now());
    rests("commands", BUSY, &mut group)?;
    let rate = (commands.acked() - before) as f64 / began.elapsed().as_secs_f64();
    let sent = commands.take();
    let failed = sent.iter().filter(|it| it.failure.is_some()).count();
    ensure!(failed == 0, "{failed} commands failed: {:?}", sent.iter().find_map(|it| it.failure.clone()));
    commands.at_rest(|promises| {
        let states = intent::of_all(&group, LIMIT)?;
        let broken = promises.broken_by(&states[0].downtimes());
        ensure!(broken.is_empty(), "acknowledged and lost: {broken:?}");
        Ok(())
    })?;
    let (reach, original) = if people == PEOPLE { ("1000", "250 to 280") } else { ("", "") };
    println!(
        "| commands a second through a follower, each of {people} waiting for its answer | 1 | {rate:.0} | | | {reach} | {original} |"
    );
    let took: Vec<Duration> = sent.iter().map(|it| it.ended - it.sent).collect();
    crate::raft::row("… and how long each took", &took, "", "");
    group.done();
    Ok(())
}

/// Where nodes keep their state.
#[derive(Clone, Copy, PartialEq)]
enum State {
    File,
    Server,
}

fn snapshot(state: State) -> Result<()> {
    let name = if state == State::File { "SQLite" } else { "MySQL 9.7" };
    let mut group = Group::prepare("bench", &GroupPlan::new(NODES).set("Debug", false))?;
    let lab = match state {
        State::File => None,
        State::Server => Some(servers(&group)?),
    };
    group.start_all()?;
    give_log(&group)?;
    for node in &mut group.nodes {
        node.terminate(LIMIT)?;
    }
    for node in 0..NODES - 1 {
        fill(&group, node, lab.as_ref())?;
        group.nodes[node].start()?;
    }
    group.wait_healthy()?;
    building(&group, name)?;
    let last = NODES - 1;
    empty(&group, last, lab.as_ref())?;

    let commands = Commands::start(&plan(&group, 2));
    wait_acked(&commands, 20)?;
    drop(commands.take());
    let api = group.nodes[last].api.clone();
    group.nodes[last].start()?;
    // On a server it makes its tables first, which is another matter.
    until("the node answers", LIMIT, || if api.get("lb-check").is_ok() { Ok(()) } else { Err("silent") })?;
    let began = Instant::now();
    until("the node with an empty disk is a member", LIMIT, || {
        if api.healthy() { Ok(()) } else { Err("not yet") }
    })?;
    let took = began.elapsed();
    let gap = longest_gap(&commands.take());
    let failed = commands.finish()?.1.iter().filter(|it| it.failure.is_some()).count();
    let rows = count(&group, last, lab.as_ref())?;
    ensure!(rows >= ROWS, "{rows} rows arrived");
    println!(
        "| 100 MB of state given to an empty node, {name}: from its first answer to a healthy voter | 1 | {} | | | 5000 | |",
        millis(took)
    );
    println!(
        "| … longest time without an answer to a command meanwhile; failed: {failed} | 1 | {} | | | | |",
        millis(gap)
    );
    group.done();
    Ok(())
}

/// What commands wait for while the leader writes a raft snapshot of its state.
fn building(group: &Group, name: &str) -> Result<()> {
    let leader = group.leader_api()?;
    let commands = Commands::start(&plan(group, 2));
    wait_acked(&commands, 20)?;
    drop(commands.take());
    let began = Instant::now();
    leader.get("raft-snapshot")?.raw()?;
    let took = began.elapsed();
    let gap = longest_gap(&commands.take());
    let failed = commands.finish()?.1.iter().filter(|it| it.failure.is_some()).count();
    println!("| 100 MB of state made into a raft snapshot, {name} | 1 | {} | | | | |", millis(took));
    println!(
        "| … longest time without an answer to a command meanwhile; failed: {failed} | 1 | {} | | | | |",
        millis(gap)
    );
    Ok(())
}

fn plan(group: &Group, writers: usize) -> CommandsPlan {
    let address = |base: &str| base.trim_start_matches("http://").split(':').next().map(str::to_owned);
    let addresses = group.nodes[..NODES - 1].iter().filter_map(|node| address(&node.api.base)).collect();
    CommandsPlan { writers, pace: Duration::from_millis(1), addresses, retry: false, seed: 1 }
}

/// A log so long that its beginning is gone once there is a raft snapshot.
fn give_log(group: &Group) -> Result<()> {
    let commands = Commands::start(&plan(group, PEOPLE));
    wait_acked(&commands, COMMANDS_BEFORE)?;
    commands.finish().map(drop)
}

fn longest_gap(sent: &[Sent]) -> Duration {
    let mut answered: Vec<Instant> =
        sent.iter().filter(|it| it.failure.is_none()).map(|it| it.ended).collect();
    answered.sort();
    answered.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// A server of each node's own.
fn servers(group: &Group) -> Result<Lab> {
    let lab = Lab::up("state", &LabPlan::new(Flavor::Mysql97, "a,b,c"))?;
    for (node, server) in group.nodes.iter().zip(lab.servers()) {
        run(&lab, &server.letter, &format!("CREATE USER '{}'@'%' IDENTIFIED BY '{}'", ACCOUNT.0, ACCOUNT.1))?;
        run(&lab, &server.letter, &format!("GRANT ALL ON orchestrator.* TO '{}'@'%'", ACCOUNT.0))?;
        // What a server has that nobody made small for a test.
        run(&lab, &server.letter, &format!("set global innodb_redo_log_capacity = {REDO_LOG}"))?;
        run(&lab, &server.letter, &format!("set global innodb_buffer_pool_size = {BUFFER_POOL}"))?;
        node.configure("BackendDB", "mysql")?;
        node.configure("MySQLOrchestratorHost", server.host.as_str())?;
        node.configure("MySQLOrchestratorPort", server.port)?;
        node.configure("MySQLOrchestratorDatabase", "orchestrator")?;
        node.configure("MySQLOrchestratorUser", ACCOUNT.0)?;
        node.configure("MySQLOrchestratorPassword", ACCOUNT.1)?;
    }
    Ok(lab)
}

fn letter(node: usize) -> &'static str {
    ["a", "b", "c"][node]
}

fn run(lab: &Lab, letter: &str, statement: &str) -> Result<()> {
    sql::rows::<u64>(lab.server(letter), statement, LIMIT).map(drop)
}

/// Runs Python's sqlite3 on a node's file; answers what it printed.
fn on_file(folder: &Path, statement: &str) -> Result<String> {
    let script = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
                  for row in db.execute(sys.argv[2]): print(row[0])\ndb.commit()";
    let file = folder.join("orchestrator.sqlite3");
    let out = Command::new("python3").args(["-c", script]).arg(file).arg(statement).output()?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Replicated pairs, the same at every node that is filled.
fn fill(group: &Group, node: usize, lab: Option<&Lab>) -> Result<()> {
    let rows = |key: &str, value: &str| {
        format!(
            "insert into kv_store (store_key, store_value, last_updated) with recursive n(i) as \
             (select 1 union all select i + 1 from n where i < {ROWS}) \
             select {key}, {value}, '2026-01-01 00:00:00' from n"
        )
    };
    match lab {
        None => on_file(
            group.nodes[node].folder(),
            &rows("'key/' || i", "replace(hex(zeroblob(475)), '00', 'vv')"),
        )
        .map(drop),
        Some(lab) => {
            let server = letter(node);
            run(lab, server, &format!("set global cte_max_recursion_depth = {}", ROWS + 1))?;
            let rows = rows("concat('key/', i)", "repeat('v', 950)");
            run(lab, server, &rows.replace("into kv_store", "into orchestrator.kv_store"))
        }
    }
}

/// The node loses its disk.
fn empty(group: &Group, node: usize, lab: Option<&Lab>) -> Result<()> {
    let folder = group.nodes[node].folder();
    std::fs::remove_dir_all(folder.join("raft")).context("its raft folder")?;
    for entry in std::fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("orchestrator.sqlite3") {
            std::fs::remove_file(entry.path())?;
        }
    }
    lab.map_or(Ok(()), |lab| run(lab, letter(node), "drop database orchestrator"))
}

fn count(group: &Group, node: usize, lab: Option<&Lab>) -> Result<usize> {
    match lab {
        None => Ok(on_file(group.nodes[node].folder(), "select count(*) from kv_store")?.trim().parse()?),
        Some(lab) => {
            let statement = "select count(*) from orchestrator.kv_store";
            let rows: Vec<u64> = sql::rows(lab.server(letter(node)), statement, LIMIT)?;
            Ok(usize::try_from(rows.first().copied().unwrap_or_default())?)
        }
    }
}
