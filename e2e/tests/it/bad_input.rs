//! What people and networks get wrong: a clear error or a finding, at no cost to anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::group::RAFT_PORT;
use orchestrator_e2e::{Flavor, Group, GroupPlan, holds, until};
use serde_json::json;

use crate::support::{SEEN_WITHIN, Scene, tree};

/// A start that cannot succeed is given up in this time.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(15);

/// So often a server is seen anew beside those that hang: an attempt at one of these takes longer.
const SEEN_TIMES: usize = 6;

/// Starts the only node of a prepared group, which must end with an error that contains all of `words`.
fn refuses_to_start(mut group: Group, words: &[&str]) -> Result<()> {
    group.nodes[0].start()?;
    let status = group.nodes[0].wait_end(GIVEN_UP_WITHIN)?;
    let said = group.nodes[0].said();
    ensure!(!status.success(), "it ended as if all were well: {said}");
    ensure!(!said.contains("panicked"), "{said}");
    for word in words {
        ensure!(said.contains(word), "{word:?} is not in what it said: {said}");
    }
    group.done();
    Ok(())
}

/// Somebody who says the same words to every visitor and hangs up; its port is free again when this is dropped.
struct Talker {
    at: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Talker {
    fn start(at: &str, words: &'static [u8]) -> Result<Self> {
        let listener = TcpListener::bind(at)?;
        let (at, ends) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let told = ends.clone();
        let thread = std::thread::spawn(move || {
            for mut visitor in listener.incoming().flatten() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                // It may hang up first.
                let _ = visitor.write_all(words);
            }
        });
        Ok(Self { at, ends, thread: Some(thread) })
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // A last visitor, so that it looks; then nothing can go wrong in its loop.
        let woken = TcpStream::connect(self.at).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn single(tag: &str) -> Result<Group> {
    Group::prepare(tag, &GroupPlan::new(1))
}

#[test]
fn every_error_of_a_configuration_is_reported_at_once() -> Result<()> {
    let group = single("conf")?;
    group.nodes[0].configure("RecoveryPeriodBlockSeconds", "soon")?;
    group.nodes[0].configure("RaftNodes", 7)?;
    refuses_to_start(group, &["RecoveryPeriodBlockSeconds", "RaftNodes"])
}

#[test]
fn a_file_that_is_not_json_is_named_with_the_line() -> Result<()> {
    let group = single("json")?;
    let file = group.nodes[0].folder().join("orchestrator.conf.json");
    std::fs::write(file, "{\n  \"Debug\": true,\n  oops\n}\n")?;
    refuses_to_start(group, &["orchestrator.conf.json:3:"])
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() -> Result<()> {
    let mut group = single("typo")?;
    group.nodes[0].configure("RecoveryPeriodBlockSecond", 60)?;
    group.start_all()?;
    let said = group.nodes[0].said();
    ensure!(
        said.contains("RecoveryPeriodBlockSecond") && said.contains("RecoveryPeriodBlockSeconds"),
        "{said}"
    );
    group.done();
    Ok(())
}

#[test]
fn a_raft_port_in_use_is_named() -> Result<()> {
    let group = single("port")?;
    let raft = group.nodes[0].raft.clone();
    let _taken = TcpListener::bind(&raft)?;
    refuses_to_start(group, &[&raft])
}

#[test]
fn a_corrupt_database_is_an_error_and_stays_as_it_is() -> Result<()> {
    let group = single("corrupt")?;
    let file = group.nodes[0].folder().join("orchestrator.sqlite3");
    let junk = vec![b'x'; 8192];
    std::fs::write(&file, &junk)?;
    refuses_to_start(group, &["orchestrator.sqlite3"])?;
    ensure!(!file.exists() || std::fs::read(&file)? == junk, "the file was changed");
    Ok(())
}

#[test]
fn a_node_of_another_group_is_refused_and_disturbs_nobody() -> Result<()> {
    let group = Group::start("home", &GroupPlan::new(3))?;
    let mut other = Group::prepare("stray", &GroupPlan::new(1))?;
    other.start_all()?;
    // It has a life and an identity of its own; now it is told that it belongs to the first group.
    other.nodes[0].kill9()?;
    let mut peers: Vec<_> = group.nodes.iter().map(|n| json!(n.raft)).collect();
    peers.push(json!(other.nodes[0].raft));
    other.nodes[0].configure("RaftNodes", peers)?;
    other.nodes[0].start()?;
    let leader = group.leader()?;
    holds("the first group keeps its leader and its members", Duration::from_secs(5), || {
        let status = group.nodes[leader].api.get("raft-status").map_err(|e| format!("{e:#}"))?.body;
        let three = status["Peers"].as_array().is_some_and(|p| p.len() == 3);
        if group.leaders() == [leader] && three { Ok(()) } else { Err(status.to_string()) }
    })?;
    // At most it is what it was: a group of its own.
    let strangers = other.nodes[0].api.get("raft-status")?.body;
    ensure!(strangers["Peers"].as_array().is_none_or(|p| p.len() == 1), "it counts itself in: {strangers}");
    other.done();
    group.done();
    Ok(())
}

#[test]
fn noise_on_the_raft_port_disturbs_nobody() -> Result<()> {
    let group = Group::start("noise", &GroupPlan::new(3))?;
    let leader = group.leader()?;
    holds("the group keeps its leader", Duration::from_secs(3), || {
        for node in &group.nodes {
            let mut stream = TcpStream::connect(&node.raft).map_err(|e| e.to_string())?;
            // It may hang up in the middle: that is an answer.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\n\xff\xfe\x00 nonsense \r\n\r\n");
            let _ = stream.write_all(&[0xff; 4096]);
        }
        if group.leaders() == [leader] { Ok(()) } else { Err(format!("{:?}", group.leaders())) }
    })?;
    group.done();
    Ok(())
}

#[test]
fn a_peer_that_speaks_another_protocol_is_named_by_those_who_wait_for_it() -> Result<()> {
    let mut group = Group::prepare("babel", &GroupPlan::new(3))?;
    let stranger = group.nodes[2].raft.clone();
    let talker = Talker::start(&stranger, b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")?;
    for node in &mut group.nodes[..2] {
        node.start()?;
    }
    until("the node that forms the group names whom it waits for, and why", SEEN_WITHIN, || {
        let body = group.nodes[0].api.get("raft-health").map_err(|e| format!("{e:#}"))?.body.to_string();
        let why = body.contains("protocol") || body.contains("the connection broke");
        if body.contains(&stranger) && why { Ok(()) } else { Err(body) }
    })?;
    ensure!(group.leaders().is_empty(), "they went on without it: {:?}", group.leaders());
    drop(talker);
    group.done();
    Ok(())
}

/// Servers that hang, hang up, or talk nonsense, beside a well topology.
#[test]
fn servers_that_hang_or_talk_nonsense_cost_the_others_nothing() -> Result<()> {
    let scene = Scene::set("nonsense", &tree(Flavor::MariaDb1011), &[])?;
    let api = scene.group.leader_api()?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    // A packet that promises more than follows.
    let rude = Talker::start("127.0.0.1:0", &[0xff, 0xff, 0x00, 0x00, 0x0a, b'5', b'.', 0x80, 0x00])?;
    let (silent_at, rude_at) = (silent.local_addr()?, rude.at);
    let refusing_at = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for (address, word) in [(silent_at, "no greeting"), (rude_at, "bad connection"), (refusing_at, "refused")]
    {
        let said = api.get(&format!("discover/{}/{}", address.ip(), address.port()))?.body;
        let message = said["Message"].as_str().unwrap_or_default();
        ensure!(said["Code"] == "ERROR" && message.contains(word), "not {word:?}: {said}");
        // Asked for by the way, it is tried too, and again.
        api.get(&format!("async-discover/{}/{}", address.ip(), address.port()))?;
    }
    let mut invalid = Vec::new();
    let mut stamps: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    until("every real server is seen again and again", SEEN_WITHIN, || {
        for server in scene.lab.servers() {
            let seen = api.instance(server).map_err(|e| format!("{e:#}"))?;
            if seen["IsLastCheckValid"] == true {
                stamps
                    .entry(server.letter.clone())
                    .or_default()
                    .insert(seen["LastSeenTimestamp"].to_string());
            } else {
                invalid.push(seen);
            }
        }
        // Stamps are whole seconds, and servers are probed each second.
        if stamps.values().all(|stamps| stamps.len() >= SEEN_TIMES) {
            Ok(())
        } else {
            Err(format!("{stamps:?}"))
        }
    })?;
    ensure!(invalid.is_empty(), "others suffered: {invalid:?}");
    drop(silent);
    drop(rude);
    scene.done();
    Ok(())
}

/// Another server answers at the address of a known one: its identity is what the server says, not what we knew.
#[test]
fn a_server_that_changes_its_identity_is_seen_as_what_it_is_now() -> Result<()> {
    let scene = Scene::set("identity", &tree(Flavor::MariaDb1011), &[])?;
    let d = scene.lab.server("d");
    let api = scene.group.leader_api()?;
    orchestrator_e2e::sql::rows::<i64>(d, "set global server_id = 4242", Duration::from_secs(5))?;
    until("the new server id", SEEN_WITHIN, || {
        let seen = api.instance(d).map_err(|e| format!("{e:#}"))?;
        if seen["ServerID"] == 4242 { Ok(()) } else { Err(format!("{}", seen["ServerID"])) }
    })?;
    scene.done();
    Ok(())
}

#[test]
fn the_raft_port_is_the_documented_default() -> Result<()> {
    let mut group = single("default")?;
    let host = group.nodes[0].raft.split(':').next().context("host:port")?.to_owned();
    group.nodes[0].configure("RaftBind", host.clone())?;
    group.nodes[0].configure("RaftNodes", vec![host.clone()])?;
    group.start_all()?;
    let status = group.nodes[0].api.get("raft-status")?.raw()?;
    ensure!(status["RaftBind"] == format!("{host}:{RAFT_PORT}"), "{status}");
    group.done();
    Ok(())
}
